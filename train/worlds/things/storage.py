# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wardrobes, shelves, machines."""

from __future__ import annotations

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.clutter import scatter, shelf_row


def wardrobe(b: SceneBuilder, m: Materials) -> Size:
    """Wardrobe with doors, or a refrigerator-like cupboard."""
    rng = m.rng
    doors = int(rng.integers(1, 5))
    w, d, h = doors * rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.62), rng.uniform(1.7, 2.25)
    body = (
        m.wood() if rng.random() < 0.6 else m.paint(m.pick(((0.7, 0.7, 0.68), (0.5, 0.48, 0.42))))
    )
    front = body if rng.random() < 0.7 else m.wood()
    b.box((0, 0, h / 2), (w, d, h), body)
    each = w / doors
    for i in range(doors):
        x = (i - (doors - 1) / 2) * each
        b.box((x, d / 2 + 0.009, h / 2 + 0.03), (each - 0.008, 0.018, h - 0.1), front)
        if rng.random() < 0.3:
            b.box(
                (x, d / 2 + 0.02, h / 2 + 0.03), (each - 0.14, 0.012, h - 0.3), front, bevel=0.015
            )
        side = 1 if i % 2 == 0 else -1
        b.box((x + side * (each / 2 - 0.05), d / 2 + 0.035, 1.0), (0.015, 0.03, 0.16), m.chrome)
    return w, d + 0.05, h


def drawers(b: SceneBuilder, m: Materials) -> Size:
    """Chest of drawers or sideboard, 0.5-1.1 m high."""
    rng = m.rng
    w, d, h = rng.uniform(0.5, 1.6), rng.uniform(0.38, 0.5), rng.uniform(0.5, 1.1)
    body, knob = m.wood(), m.chrome if rng.random() < 0.6 else m.dark
    rows, columns = max(2, round(h / 0.22)), max(1, round(w / 0.6))
    b.box((0, 0, h / 2), (w, d, h), body)
    b.box((0, 0.005, h - 0.012), (w + 0.03, d + 0.03, 0.024), body)
    for r in range(rows):
        for c in range(columns):
            x, z = (c - (columns - 1) / 2) * w / columns, (r + 0.5) * (h - 0.04) / rows + 0.01
            b.box(
                (x, d / 2 + 0.008, z),
                (w / columns - 0.02, 0.016, (h - 0.04) / rows - 0.02),
                body,
                bevel=0.006,
            )
            b.rod((x, d / 2 + 0.03, z), 0.03, 0.03, knob, rot=(1.57, 0, 0))
    with b.at(0, 0, h):
        scatter(b, m, w * 0.85, d * 0.7, int(rng.integers(1, 6)))
    return w, d, h


def shelf(b: SceneBuilder, m: Materials) -> Size:
    """Open shelf full of things."""
    rng = m.rng
    w, d = rng.uniform(0.6, 1.8), rng.uniform(0.24, 0.42)
    floors = int(rng.integers(3, 7))
    gap = rng.uniform(0.27, 0.4)
    h = floors * gap + 0.1
    body = m.wood() if rng.random() < 0.7 else m.metal()
    for sx in (-1, 1):
        b.box((sx * (w / 2 - 0.01), 0, h / 2), (0.022, d, h), body)
    if rng.random() < 0.7:
        b.box((0, -d / 2 + 0.006, h / 2), (w, 0.01, h), body)
    for i in range(floors + 1):
        b.box((0, 0, 0.06 + i * gap), (w, d, 0.022), body)
        if i < floors:
            with b.at(0, 0, 0.072 + i * gap):
                shelf_row(b, m, w - 0.05, d - 0.04, gap - 0.05)
    return w, d, h


def heap_of_boxes(b: SceneBuilder, m: Materials) -> Size:
    """Storage: cardboard boxes, crates, bins on the floor."""
    rng = m.rng
    for _ in range(int(rng.integers(1, 5))):
        s = rng.uniform(0.2, 0.5, 3)
        mat = m.cardboard() if rng.random() < 0.6 else m.plastic()
        x, y, turn = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3), rng.uniform(-0.4, 0.4)
        b.box((x, y, s[2] / 2), tuple(s), mat, rot=(0, 0, turn))
        if rng.random() < 0.5:
            b.box(
                (x, y, s[2] * 1.4),
                (s[0] * 0.8, s[1] * 0.8, s[2] * 0.8),
                m.cardboard(),
                rot=(0, 0, turn + rng.uniform(-0.4, 0.4)),
            )
    if rng.random() < 0.4:
        b.rod((0.5, 0.1, 0.18), 0.24, 0.36, m.plastic(), top=1.2, hollow=0.93, floor=0.1)
    return 1.3, 0.8, 0.8


def appliance(b: SceneBuilder, m: Materials) -> Size:
    """Washing machine, refrigerator or boiler."""
    rng = m.rng
    white = m.paint(m.pick(((0.7, 0.7, 0.7), (0.72, 0.7, 0.64), (0.3, 0.3, 0.3))), f0=0.04)
    roll = rng.random()
    if roll < 0.4:
        b.box((0, 0, 0.425), (0.6, 0.58, 0.85), white, bevel=0.02)
        b.rod((0, 0.295, 0.42), 0.36, 0.04, m.chrome, rot=(1.57, 0, 0))
        b.rod((0, 0.31, 0.42), 0.28, 0.03, m.glass(), rot=(1.57, 0, 0))
        b.box((0, 0.292, 0.77), (0.56, 0.01, 0.12), m.printed(), exact=True)
        return 0.62, 0.65, 0.85
    if roll < 0.8:
        h = rng.uniform(1.4, 2.0)
        b.box((0, 0, h / 2), (0.6, 0.6, h), white, bevel=0.02)
        b.box((0, 0.31, h * 0.33), (0.59, 0.03, h * 0.6), white, bevel=0.02)
        b.box((0, 0.31, h * 0.82), (0.59, 0.03, h * 0.33), white, bevel=0.02)
        b.box((0.24, 0.34, h * 0.5), (0.02, 0.04, 0.35), m.chrome)
        return 0.62, 0.66, h
    b.rod((0, 0, 0.725), 0.5, 1.45, white)
    for x in (-0.1, 0.1):
        b.strut((x, 0, 1.4), (x, 0, 2.2), 0.04, m.metal())
    return 0.6, 0.6, 1.6
