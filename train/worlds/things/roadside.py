# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Roadside objects: trees, hedges, fences, poles, signs, bins."""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.render.scene import SceneBuilder


def tree(b: SceneBuilder, m: Materials, leaf: int, bark: int) -> None:
    """Tree of 4-19 m with a crown of leaf clusters."""
    rng = m.rng
    h = rng.uniform(4.0, 13.0) if rng.random() < 0.7 else rng.uniform(10.0, 19.0)
    r = h * rng.uniform(0.2, 0.34)
    stem = rng.uniform(0.18, 0.4)
    fork = h * rng.uniform(0.2, 0.4)
    b.strut((0, 0, -0.1), (rng.uniform(-0.2, 0.2), 0, fork + 0.5), stem, bark, top=0.7)
    if rng.random() < 0.18:
        for i in range(4):
            z = h * (0.25 + 0.2 * i)
            s = r * (1.7 - 0.38 * i)
            b.leaves((0, 0, z), (s, s, h * 0.42), leaf, 0.22, 0.7)
        return
    for _ in range(int(rng.integers(3, 7))):
        a, away = rng.uniform(0, 6.283), r * rng.uniform(0.1, 0.75)
        z = fork + (h - fork) * rng.uniform(0.3, 0.8)
        s = r * rng.uniform(0.9, 1.7)
        x, y = away * math.cos(a), away * math.sin(a)
        b.strut((0, 0, fork), (x, y, z), stem * 0.5, bark, top=0.4)
        b.leaves(
            (x, y, z),
            (s, s, s * rng.uniform(0.7, 1.1)),
            leaf,
            rng.uniform(0.16, 0.3),
            rng.uniform(0.6, 0.78),
        )


def bush(b: SceneBuilder, m: Materials, leaf: int) -> None:
    """Bush of 0.6-2 m."""
    s = m.rng.uniform(0.6, 2.2)
    b.leaves((0, 0, s * 0.4), (s * m.rng.uniform(1.0, 1.6), s, s), leaf, 0.12, 0.75)


def thicket(b: SceneBuilder, m: Materials, x: float, leaves: list[int]) -> None:
    """Edge of a wood along y at x: trees grown together, with bushes at their feet."""
    rng = m.rng
    high, y = rng.uniform(5.0, 16.0), -50.0
    while y < 100.0:
        leaf, under = (leaves[int(i)] for i in rng.integers(len(leaves), size=2))
        h, wide = high * rng.uniform(0.7, 1.3), rng.uniform(8.0, 14.0)
        low, at = rng.uniform(0.15, 0.35) * h + 1.0, x + rng.uniform(-1.5, 1.5)
        b.leaves((at + 2.0, y, 0.53 * h), (8.0, wide, h), leaf, 0.3, 0.78)
        b.leaves((at - 1.5, y, 0.4 * low), (3.0, wide, low), under, 0.15, 0.78)
        y += 0.75 * wide


def hedge(b: SceneBuilder, m: Materials, length: float, leaf: int, h: float | None = None) -> None:
    """Clipped or wild hedge along y, h metres high."""
    rng = m.rng
    h = h or float(rng.uniform(0.8, 2.2))
    if rng.random() < 0.5:
        b.box((0, 0, h / 2), (0.7, length, h), leaf, bevel=0.15)
    step = h * 0.8
    for i in range(int(length / step)):
        y = -length / 2 + (i + 0.5) * step
        b.leaves(
            (rng.uniform(-0.1, 0.1), y, h * 0.5),
            (1.0, step * 1.6, h * rng.uniform(1.0, 1.2)),
            leaf,
            0.14,
            0.75,
        )


def fence(b: SceneBuilder, m: Materials, length: float) -> None:
    """Fence, wall or guard rail along y."""
    rng = m.rng
    kind = rng.random()
    if kind < 0.25:
        h = rng.uniform(0.6, 2.2)
        b.box((0, 0, h / 2), (0.2, length, h), m.brick() if rng.random() < 0.6 else m.wall())
        b.box((0, 0, h + 0.03), (0.28, length, 0.06), m.paint((0.35, 0.34, 0.32)))
    elif kind < 0.5:
        h = rng.uniform(0.9, 1.9)
        wood = m.add(
            L.STRIPES,
            a := m.pick(((0.2, 0.12, 0.07), (0.3, 0.25, 0.2), (0.5, 0.5, 0.48))),
            scaled(a, 0.5),
            sx=0.12,
            p0=0.92,
            contrast=0.6,
            grime=0.4,
        )
        b.box((0, 0, h / 2 + 0.05), (0.04, length, h), wood, exact=True)
    elif kind < 0.75:
        metal = m.metal()
        for i in range(int(length / 4) + 1):
            b.box((0.08, -length / 2 + i * 4.0, 0.35), (0.1, 0.1, 0.7), metal)
        b.box((0, 0, 0.62), (0.06, length, 0.3), metal, bevel=0.06)
    else:
        dark = m.paint(
            m.pick(((0.05, 0.07, 0.05), (0.03, 0.18, 0.11), (0.6, 0.6, 0.6), (0.05, 0.1, 0.3)))
        )
        for i in range(int(length / 2.0) + 1):
            b.rod((0, -length / 2 + i * 2.0, 0.55), 0.05, 1.1, dark)
        for z in (0.25, 0.65, 1.05):
            b.strut((0, -length / 2, z), (0, length / 2, z), 0.035, dark)


def street_lamp(b: SceneBuilder, m: Materials) -> None:
    """Lamp post of 5-9 m with an arm towards -x."""
    h = m.rng.uniform(5.0, 9.0)
    mat = m.metal()
    b.strut((0, 0, 0), (0, 0, h), 0.16, mat, top=0.6)
    b.strut((0, 0, h), (-1.4, 0, h + 0.3), 0.09, mat)
    b.box((-1.6, 0, h + 0.3), (0.7, 0.25, 0.14), mat, bevel=0.03)


def traffic_light(b: SceneBuilder, m: Materials) -> None:
    """Signal at 3 m, facing -y."""
    b.rod((0, 0, 1.75), 0.13, 3.5, m.metal())
    b.box((0, -0.12, 3.1), (0.32, 0.25, 0.95), m.dark)
    lit = int(m.rng.integers(3))
    for i, colour in enumerate(((0.1, 0.7, 0.2), (0.8, 0.5, 0.03), (0.8, 0.04, 0.03))):
        glow = m.glow(colour, 2.5) if i == lit else m.glow(scaled(colour, 0.1), 0.0)
        b.rod((0, -0.25, 2.8 + 0.3 * i), 0.2, 0.04, glow, rot=(1.57, 0, 0))


def traffic_sign(b: SceneBuilder, m: Materials) -> None:
    """Sign on a post, facing -y."""
    rng = m.rng
    b.rod((0, 0, 1.35), 0.07, 2.7, m.chrome)
    z = rng.uniform(2.1, 2.6)
    if rng.random() < 0.5:
        b.rod((0, -0.05, z), 0.6, 0.02, m.paint((0.6, 0.03, 0.03)), rot=(1.57, 0, 0))
        b.rod(
            (0, -0.062, z),
            0.44,
            0.02,
            m.white if rng.random() < 0.6 else m.paint((0.02, 0.07, 0.4)),
            rot=(1.57, 0, 0),
        )
    else:
        b.box(
            (0, -0.05, z),
            (rng.uniform(0.5, 0.9), 0.02, rng.uniform(0.4, 0.9)),
            m.add(
                L.PRINT,
                m.pick(((0.02, 0.08, 0.4), (0.75, 0.6, 0.05), (0.75, 0.75, 0.75))),
                (0.7, 0.7, 0.7),
            ),
            exact=True,
        )


def pole(b: SceneBuilder, m: Materials) -> None:
    """Telegraph or tram pole with wires along y."""
    h = m.rng.uniform(6.0, 9.0)
    b.rod((0, 0, h / 2), 0.24, h, m.bark() if m.rng.random() < 0.5 else m.metal())
    b.box((0, 0, h - 0.5), (1.6, 0.1, 0.1), m.dark)
    for x in (-0.7, 0.7):
        b.strut((x, -60, h - 0.44), (x, 60, h - 0.44), 0.025, m.dark)


def bin_(b: SceneBuilder, m: Materials) -> None:
    """Wheeled bin of 1.1 m, letter box or cabinet."""
    if m.rng.random() < 0.6:
        mat = m.paint(
            m.pick(((0.03, 0.03, 0.035), (0.02, 0.06, 0.03), (0.03, 0.04, 0.1), (0.3, 0.2, 0.02)))
        )
        b.wedge((0, 0, 0.5), (0.46, 0.5, 1.0), mat, top=(1.25, 1.25))
        b.wedge(
            (0, 0, 1.03),
            (0.6, 0.66, 0.08),
            m.dark if m.rng.random() < 0.5 else mat,
            top=(0.9, 0.9),
        )
    else:
        s = m.rng.uniform(0.4, 0.9)
        b.box(
            (0, 0, 0.7),
            (s, s * 0.8, 1.4),
            m.paint(m.pick(((0.35, 0.35, 0.33), (0.6, 0.45, 0.02), (0.4, 0.03, 0.03)))),
        )


def bus_stop(b: SceneBuilder, m: Materials) -> None:
    """Shelter of 2.5 m, open towards -x."""
    glass, metal = m.glass(), m.metal()
    b.box((0.6, 0, 2.45), (1.5, 3.6, 0.1), metal)
    b.box((1.25, 0, 1.3), (0.03, 3.4, 2.1), glass)
    for y in (-1.7, 1.7):
        b.box((1.2, y, 1.2), (0.08, 0.08, 2.4), metal)
        b.box((0.7, y, 1.3), (0.9, 0.04, 1.9), m.printed() if y > 0 else glass, exact=True)
    b.box((1.0, 0, 0.45), (0.35, 2.4, 0.06), m.wood())
    b.box((1.0, 0, 0.21), (0.08, 2.0, 0.42), metal)


def tram_track(b: SceneBuilder, m: Materials, x: float) -> None:
    """Track of 1.435 m gauge on a bed of gravel, along y."""
    b.box((x, 0, -0.45), (3.2, 1600, 1.0), m.soil(), bevel=0.0)
    ties = m.add(
        L.STRIPES, (0.1, 0.08, 0.07), (0.22, 0.2, 0.18), sx=0.65, p0=0.6, p1=1.0, contrast=0.6
    )
    b.box((x, 0, -0.44), (2.4, 1600, 1.0), ties, bevel=0.0)
    rail = m.add(L.PLAIN, (0.16, 0.1, 0.07), f0=0.1, contrast=0.3)
    for side in (-0.75, 0.75):
        b.box((x + side, 0, 0.12), (0.07, 1600, 0.14), rail)
