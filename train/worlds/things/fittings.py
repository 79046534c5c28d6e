# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things fixed to or leaning on walls, bathrooms, bags and ladders."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.clutter import shelf_row


def wall_shelf(b: SceneBuilder, m: Materials, x: float) -> None:
    """Hang one to three boards with things on a wall, 1.1-2 m high."""
    rng = m.rng
    width, deep = rng.uniform(0.5, 1.4), rng.uniform(0.15, 0.28)
    board = m.wood()
    for i in range(int(rng.integers(1, 4))):
        z = 1.15 + 0.36 * i
        b.box((x, deep / 2, z), (width, deep, 0.025), board)
        with b.at(x, deep / 2 + 0.01, z + 0.014):
            shelf_row(b, m, width - 0.04, deep - 0.03, 0.28)


def board(b: SceneBuilder, m: Materials, x: float) -> None:
    """Hang a whiteboard or a notice board."""
    width = m.rng.uniform(0.9, 2.0)
    b.box((x, 0.015, 1.5), (width + 0.05, 0.03, 1.05), m.metal())
    b.box((x, 0.025, 1.5), (width, 0.02, 1.0), m.white if m.rng.random() < 0.6 else m.cardboard())
    for _ in range(int(m.rng.integers(0, 5))):
        at = (x + m.rng.uniform(-0.4, 0.4) * width, 0.037, 1.5 + m.rng.uniform(-0.3, 0.3))
        b.box(at, (0.2, 0.003, 0.28), m.printed(), exact=True)


def coats(b: SceneBuilder, m: Materials, x: float) -> None:
    """Hang clothes on a row of hooks."""
    count = int(m.rng.integers(2, 5))
    b.box((x, 0.015, 1.65), (count * 0.25 + 0.1, 0.03, 0.1), m.wood())
    for i in range(count):
        at = x + (i - (count - 1) / 2) * 0.25
        tall = m.rng.uniform(0.6, 1.1)
        size = (0.3, m.rng.uniform(0.1, 0.2), tall)
        b.wedge((at, 0.12, 1.62 - tall / 2), size, m.fabric(), top=(0.35, 0.5), shift=(0.0, -0.5))


def pipes(b: SceneBuilder, m: Materials, x: float, height: float) -> None:
    """Run pipes up a wall and along it under the ceiling."""
    for i in range(int(m.rng.integers(1, 4))):
        d = m.rng.uniform(0.02, 0.12)
        mat = m.metal() if m.rng.random() < 0.5 else m.white
        at = x + i * 0.16
        b.strut((at, 0.05 + d / 2, 0.0), (at, 0.05 + d / 2, height), d, mat)
        if m.rng.random() < 0.5:
            z = height - 0.12 - 0.14 * i
            b.strut((at, 0.06 + d / 2, z), (at - 1.6, 0.06 + d / 2, z), d, mat)


def ladder(b: SceneBuilder, m: Materials) -> Size:
    """Lean a ladder or boards on the wall."""
    mat = m.metal() if m.rng.random() < 0.5 else m.wood()
    h = m.rng.uniform(1.5, 2.3)
    for x in (-0.2, 0.2):
        b.strut((x, 0.25, 0), (x, -0.2, h), 0.05, mat)
    for i in range(1, int(h / 0.28)):
        y = 0.25 - 0.45 * i * 0.28 / h
        b.strut((-0.2, y, i * 0.28), (0.2, y, i * 0.28), 0.03, mat)
    return 0.5, 0.6, h


def bags(b: SceneBuilder, m: Materials) -> Size:
    """Drop bags, baskets and buckets on the floor."""
    for i in range(int(m.rng.integers(1, 4))):
        s = m.rng.uniform(0.2, 0.42)
        x, y = (i - 1) * 0.35, m.rng.uniform(-0.1, 0.1)
        roll = m.rng.random()
        if roll < 0.4:
            b.wedge((x, y, s / 2), (s, s * 0.5, s), m.fabric(), top=(0.6, 0.4))
        elif roll < 0.7:
            b.rod((x, y, s / 2), s * 0.8, s, m.plastic(), top=1.2, hollow=0.94, floor=0.1)
        else:
            b.ball((x, y, s * 0.4), (s * 1.2, s, s * 0.85), m.fabric())
    return 1.0, 0.5, 0.5


def washbasin(b: SceneBuilder, m: Materials) -> Size:
    """Basin at 0.85 m with a mirror above."""
    china = m.add(L.PLAIN, (0.75, 0.75, 0.74), f0=0.05, rough=0.05, contrast=0.03)
    b.rod((0, 0, 0.78), 0.4, 0.16, china, top=1.3, hollow=0.9, floor=0.2)
    b.rod((0, -0.1, 0.36), 0.16, 0.72, china)
    b.strut((0, -0.18, 0.85), (0, -0.18, 1.0), 0.03, m.chrome)
    b.strut((0, -0.18, 1.0), (0, -0.05, 0.97), 0.025, m.chrome)
    b.box((0, -0.25, 1.5), (0.55, 0.02, 0.7), m.mirror(), exact=True)
    return 0.56, 0.54, 0.95


def toilet(b: SceneBuilder, m: Materials) -> Size:
    """Toilet with cistern."""
    china = m.add(L.PLAIN, (0.75, 0.75, 0.74), f0=0.05, rough=0.05, contrast=0.03)
    b.rod((0, 0.1, 0.2), 0.26, 0.4, china, top=1.4)
    b.ball((0, 0.12, 0.41), (0.38, 0.5, 0.08), china)
    b.box((0, -0.22, 0.58), (0.38, 0.18, 0.4), china, bevel=0.03)
    return 0.4, 0.7, 0.8
