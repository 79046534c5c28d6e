# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Machines, shelves and stores of cellars and garages.

Pipes and flues extend above any ceiling.
"""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.clutter import scatter
from train.worlds.things.tables import legs
from train.worlds.things.vehicles import bicycle

UP = 2.6
ENAMEL = (0.7, 0.7, 0.68), (0.55, 0.56, 0.56), (0.6, 0.55, 0.44), (0.35, 0.37, 0.38)


def water_heater(b: SceneBuilder, m: Materials) -> Size:
    """Tank of 0.45-0.6 x 1.2-1.6 m with its pipes, label and drain."""
    rng = m.rng
    d, h = rng.uniform(0.45, 0.6), rng.uniform(1.2, 1.6)
    shell, pipe = m.paint(m.pick(ENAMEL, 0.1), f0=0.04), m.paint((0.36, 0.15, 0.07), f0=0.1)
    b.rod((0, 0, 0.06), d * 0.9, 0.12, m.dark if rng.random() < 0.4 else shell)
    b.rod((0, 0, 0.1 + h / 2), d, h, shell)
    b.rod((0, 0, 0.1 + h * rng.uniform(0.7, 0.9)), d * 1.01, 0.02, m.chrome)
    b.ball((0, 0, 0.1 + h), (d, d, 0.12), shell)
    for x in (-0.12, 0.12):
        b.strut((x, 0, h), (x, 0, UP), 0.025, pipe)
    if rng.random() < 0.6:
        b.strut((0, 0, h), (0, 0, UP), rng.uniform(0.1, 0.15), m.metal())
    b.strut((d / 2 + 0.02, 0, h), (d / 2 + 0.02, 0, 0.15), 0.022, pipe)
    b.box((0, d / 2, 0.1 + 0.55 * h), (0.14, 0.02, 0.22), m.printed(), exact=True)
    b.box((0, d / 2, 0.3), (0.16, 0.08, 0.12), m.dark)
    return d, d, h


def furnace(b: SceneBuilder, m: Materials) -> Size:
    """Furnace or floor-standing boiler, 1.1-1.7 m, with its duct and flue."""
    rng = m.rng
    w, d, h = rng.uniform(0.45, 0.7), rng.uniform(0.6, 0.8), rng.uniform(1.1, 1.6)
    shell = m.paint(m.pick(ENAMEL, 0.15), f0=0.04)
    b.box((0, 0, h / 2), (w, d, h), shell, bevel=0.015)
    split = h * rng.uniform(0.4, 0.6)
    slots = m.add(L.STRIPES, (0.45, 0.46, 0.46), (0.05, 0.05, 0.05), sx=0.03, p0=0.3, p1=1.0)
    for z, tall in ((split / 2, split), ((h + split) / 2, h - split)):
        b.box((0, d / 2 + 0.012, z), (w - 0.04, 0.024, tall - 0.04), shell, bevel=0.01)
    b.box((0, d / 2 + 0.02, split * 0.5), (w * 0.6, 0.02, 0.2), slots)
    b.box((w * 0.1, d / 2 + 0.022, h - 0.2), (0.2, 0.02, 0.12), m.printed(), exact=True)
    metal = m.metal()
    b.box((0, -0.05, (h + UP) / 2), (w * 0.85, d * 0.7, UP - h), metal)
    if rng.random() < 0.6:
        b.box((w / 2 + 0.16, -0.1, UP / 2), (0.3, d * 0.6, UP), metal)
    for x in (-0.3 * w, 0.1 * w):
        b.strut((x, d * 0.42, h * 0.95), (x, d * 0.42, UP), rng.uniform(0.05, 0.1), m.white)
    return w, d, h


def stow(b: SceneBuilder, m: Materials, width: float, depth: float, room: float) -> None:
    """Fill a shelf with cardboard boxes, plastic boxes, tins and bundles up to `room` high."""
    rng = m.rng
    x = -width / 2
    while x < width / 2 - 0.1:
        w, h = min(width / 2 - x, rng.uniform(0.14, 0.5)), min(room, rng.uniform(0.1, 0.4))
        deep, at, roll = depth * rng.uniform(0.5, 0.98), x + w / 2, rng.random()
        if roll < 0.4:
            mat = m.cardboard() if rng.random() < 0.7 else m.printed()
            b.box((at, 0, h / 2), (w * 0.95, deep, h), mat, rot=(0, 0, rng.normal(0.0, 0.06)))
        elif roll < 0.62:
            b.wedge((at, 0, h / 2), (w * 0.85, deep * 0.88, h), m.plastic(), top=(1.1, 1.1))
            b.box((at, 0, h + 0.01), (w * 0.97, deep, 0.025), m.plastic(), bevel=0.008)
        elif roll < 0.76:
            d = min(w, depth, 0.19)
            b.rod((at, 0, h / 2), d, h, m.plastic() if rng.random() < 0.5 else m.printed())
            b.rod((at, 0, h), d * 0.92, 0.015, m.chrome)
        elif roll < 0.88:
            b.ball((at, 0, h * 0.4), (w, deep, h * 0.8), m.fabric())
        x += w + rng.uniform(0.0, 0.08)


def store_boards(b: SceneBuilder, m: Materials, x: float) -> None:
    """One or two boards full of boxes on a wall, 1.2-1.8 m high, on brackets."""
    rng = m.rng
    w, d, wood = rng.uniform(0.6, 2.2), rng.uniform(0.2, 0.36), m.wood()
    for z in (1.72, 1.3)[: int(rng.integers(1, 3))]:
        b.box((x, d / 2, z), (w, d, 0.025), wood)
        for at in (x - 0.4 * w, x + 0.4 * w):
            b.strut((at, 0.0, z - 0.2), (at, 0.85 * d, z - 0.01), 0.025, m.dark)
        with b.at(x, d / 2, z + 0.013):
            stow(b, m, w * rng.uniform(0.6, 1.0), d, 0.32)


def steel_shelf(b: SceneBuilder, m: Materials) -> Size:
    """Open shelf of angle iron full of boxes."""
    rng = m.rng
    w, d, h = rng.uniform(0.75, 1.3), rng.uniform(0.32, 0.6), rng.uniform(1.6, 1.95)
    boards = int(rng.integers(4, 6))
    frame = m.paint(m.pick(((0.3, 0.31, 0.32), (0.02, 0.02, 0.02), (0.05, 0.1, 0.25))), f0=0.03)
    floor = m.wood() if rng.random() < 0.4 else frame
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.box((sx * w / 2, sy * d / 2, h / 2), (0.04, 0.04, h), frame)
    gap = (h - 0.1) / (boards - 1)
    for i in range(boards):
        b.box((0, 0, 0.1 + i * gap), (w, d, 0.03), floor)
        with b.at(0, 0, 0.116 + i * gap):
            stow(b, m, w - 0.06, d - 0.02, gap - 0.06 if i < boards - 1 else 0.3)
    return w, d, h


def wall_bench(b: SceneBuilder, m: Materials) -> Size:
    """Work bench of 1.2-3.4 m on legs or brackets, sometimes a board with boxes above it."""
    rng = m.rng
    w, d, h = rng.uniform(1.2, 3.4), rng.uniform(0.4, 0.7), rng.uniform(0.82, 0.98)
    wood = m.wood()
    b.box((0, 0, h - 0.025), (w, d, 0.05), wood)
    if rng.random() < 0.5:
        legs(b, wood, w - 0.1, d - 0.06, h - 0.05, 0.08, False)
        b.box((0, 0, 0.25), (w - 0.1, d - 0.1, 0.03), wood)
        with b.at(0, 0, 0.27):
            stow(b, m, w - 0.3, d - 0.12, h - 0.4)
    else:
        for i in range(max(2, round(w / 0.9))):
            x = (i / max(1, round(w / 0.9) - 1) - 0.5) * (w - 0.2)
            b.strut((x, -d / 2, h - 0.4), (x, d * 0.35, h - 0.05), 0.035, m.dark)
    with b.at(0, 0.03, h):
        scatter(b, m, w * 0.95, d * 0.75, int(rng.integers(3, 6 + int(4 * w))), bench=0.35)
    if rng.random() < 0.45:
        with b.at(0, -d * 0.2, h):
            stow(b, m, w * rng.uniform(0.4, 1.0), d * 0.5, 0.35)
    if rng.random() < 0.5:
        return w, d, h
    for z in (1.4, 1.78)[: int(rng.integers(1, 3))]:
        b.box((0, -d / 2 + 0.14, z), (w, 0.28, 0.025), wood)
        with b.at(0, -d / 2 + 0.14, z + 0.013):
            stow(b, m, w * 0.95, 0.26, 0.3)
    return w, d, 1.8


def crates(b: SceneBuilder, m: Materials) -> Size:
    """One to three piles of lattice crates or boxes with lids."""
    rng = m.rng
    for i in range(int(rng.integers(1, 4))):
        lattice = rng.random() < 0.5
        w, d, h = (0.33, 0.33, 0.28) if lattice else (0.6, 0.4, rng.uniform(0.26, 0.38))
        colour = m.pick(((0.7, 0.7, 0.7), (0.05, 0.12, 0.4), (0.35, 0.36, 0.38), m.hue()))
        mat = m.paint(colour, f0=0.03)
        if lattice:
            inside = scaled(colour, 0.1)
            mat = m.add(L.TILES, inside, colour, sx=0.047, sy=0.055, p1=0.018, contrast=0.1)
        lid = m.paint(m.hue()) if rng.random() < 0.5 else mat
        for k in range(int(rng.integers(1, 5))):
            up = k * (h if lattice else h + 0.025)
            with b.at(0.68 * i + rng.normal(0.0, 0.02), 0, up, rng.normal(0.0, 0.08)):
                if lattice:
                    b.box((0, 0, h / 2), (w, d, h), mat, exact=True)
                else:
                    b.wedge((0, 0, h / 2), (w * 0.86, d * 0.84, h), mat, top=(1.12, 1.12))
                    b.box((0, 0, h + 0.01), (w, d, 0.03), lid, bevel=0.01)
    return 1.9, 0.4, 1.2


def tins(b: SceneBuilder, m: Materials) -> Size:
    """Buckets, paint tins and canisters."""
    rng = m.rng
    for i in range(int(rng.integers(2, 6))):
        x, y = 0.3 * (i // 2), 0.3 * (i % 2) + rng.uniform(-0.03, 0.03)
        roll, d = rng.random(), rng.uniform(0.16, 0.28)
        if roll < 0.4:
            b.rod((x, y, d * 0.5), d * 0.8, d, m.plastic(), top=1.2, hollow=0.94, floor=0.1)
        elif roll < 0.75:
            b.rod((x, y, d * 0.55), d, 1.1 * d, m.metal() if roll < 0.5 else m.printed())
            b.rod((x, y, d * 1.1), 0.9 * d, 0.015, m.chrome)
        else:
            b.box((x, y, 0.17), (0.16, 0.24, 0.34), m.plastic(), bevel=0.03)
            b.rod((x, y + 0.07, 0.36), 0.05, 0.05, m.dark)
    return 0.9, 0.6, 0.3


def planks(b: SceneBuilder, m: Materials) -> Size:
    """Boards, doors, rakes and brooms leaning on the wall."""
    rng = m.rng
    for i in range(int(rng.integers(2, 7))):
        h, x, lean = rng.uniform(0.8, 1.9), rng.uniform(0.0, 0.9), rng.uniform(0.1, 0.3)
        y = 0.045 * i + 0.5 * h * math.sin(lean)
        if rng.random() < 0.55:
            size = (rng.uniform(0.1, 0.7), rng.uniform(0.015, 0.04), h)
            mat = m.wood() if rng.random() < 0.7 else m.paint()
            b.box((x, y, h / 2 * math.cos(lean)), size, mat, rot=(lean, 0.0, 0.0))
        else:
            b.strut((x, 2.0 * y, 0.0), (x + rng.normal(0.0, 0.1), 0.03, h), 0.028, m.wood())
            b.box((x, 2.0 * y, 0.04), (rng.uniform(0.2, 0.4), 0.05, 0.06), m.plastic())
    return 1.0, 0.5, 1.7


def freezer(b: SceneBuilder, m: Materials) -> Size:
    """Chest freezer with things on it."""
    w = m.rng.uniform(0.8, 1.4)
    white = m.paint((0.7, 0.7, 0.7), f0=0.04)
    b.box((0, 0, 0.4), (w, 0.64, 0.8), white, bevel=0.02)
    b.box((0, 0.005, 0.83), (w + 0.01, 0.66, 0.07), white, bevel=0.025)
    with b.at(0, 0, 0.866):
        if m.rng.random() < 0.5:
            scatter(b, m, w * 0.85, 0.5, int(m.rng.integers(1, 8)))
        else:
            stow(b, m, w * m.rng.uniform(0.3, 0.9), 0.45, 0.35)
    return w, 0.66, 0.87


def rack(b: SceneBuilder, m: Materials) -> Size:
    """Drying rack with laundry."""
    rng = m.rng
    bar, h, w = m.white, rng.uniform(0.85, 1.05), rng.uniform(0.9, 1.5)
    for x in (-w / 2, w / 2):
        for y in (-0.25, 0.25):
            b.strut((x, y, 0.0), (x, -y, h), 0.018, bar)
        b.strut((x, -0.25, h), (x, 0.25, h), 0.018, bar)
    for i in range(5):
        b.strut((-w / 2, 0.125 * (i - 2), h), (w / 2, 0.125 * (i - 2), h), 0.012, bar)
    for _ in range(int(rng.integers(0, 6))):
        tall = rng.uniform(0.3, 0.7)
        at = (rng.uniform(-0.35, 0.35) * w, 0.125 * rng.integers(-2, 3), h - tall / 2 + 0.01)
        b.box(at, (rng.uniform(0.2, 0.5), 0.025, tall), m.fabric(), bevel=0.01)
    return w, 0.5, h


def bike(b: SceneBuilder, m: Materials) -> Size:
    """Bicycle along the wall."""
    with b.at(0, 0, 0.0, math.pi / 2):
        bicycle(b, m)
    return 1.75, 0.55, 1.05


def tyres(b: SceneBuilder, m: Materials) -> Size:
    """Pile of tyres or sacks."""
    rng = m.rng
    tyre, sack = rng.random() < 0.5, m.fabric()
    for k in range(int(rng.integers(1, 5))):
        x, y, turn = (float(v) for v in rng.normal(0.0, 0.03, 3))
        if tyre:
            b.rod((x, y, 0.1 + 0.2 * k), 0.62, 0.19, m.dark, hollow=0.62, floor=-1.0)
        else:
            b.box((x, y, 0.06 + 0.12 * k), (0.6, 0.4, 0.13), sack, rot=(0, 0, turn), bevel=0.05)
    return 0.65, 0.65, 0.5


def pier(b: SceneBuilder, m: Materials) -> Size:
    """Chimney or pier of brick that projects from the wall."""
    w, d = m.rng.uniform(0.4, 1.4), m.rng.uniform(0.2, 0.5)
    b.box((0, 0, UP / 2), (w, d, UP), m.brick(), bevel=0.0)
    return w, d, UP
