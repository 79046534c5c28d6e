# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Houses and halls beside a road; their front is at x = 0, faces -x and extends along y."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.materials.table import Colour
from train.worlds.render.scene import SceneBuilder, Vec

PALE: tuple[Colour, ...] = ((0.78, 0.77, 0.74), (0.72, 0.7, 0.64), (0.66, 0.58, 0.42))


def house(b: SceneBuilder, m: Materials, width: float, deep: float, pale: bool = False) -> None:
    """House whose front faces -x and is `width` metres long along y.

    pale: a white or cream family home.
    """
    rng = m.rng
    storey = rng.uniform(2.7, 3.3)
    storeys = int(rng.choice([1, 2, 2, 3] if pale else [1, 2, 2, 3, 4, 5]))
    h = storeys * storey + 0.3
    # Gable ends and firewalls have no windows.
    wall = m.pick(PALE, 0.08) if pale and rng.random() < 0.8 else None
    front = m.facade(storey, wall) if rng.random() < 0.85 else m.cladding()
    b.box((deep / 2, 0, h / 2), (deep, width, h), front, exact=True, bevel=0.0)
    _roof(b, m, width, deep, h)
    b.box((-0.04, 0, 0.25), (0.1, width, 0.5), m.paint((0.25, 0.24, 0.23)))
    wood = m.wood()
    at = rng.uniform(-0.35, 0.35) * width
    b.box((-0.05, at, 1.05), (0.12, 1.15, 2.2), m.white)
    b.box((-0.1, at, 1.02), (0.08, 0.95, 2.05), wood)
    b.box((-0.4, at, 0.08), (0.8, 1.4, 0.16), m.paint((0.3, 0.3, 0.3)))
    if rng.random() < 0.3:
        b.box(
            (-0.05, -at, 1.1),
            (0.12, 2.5, 2.15),
            m.add(L.STRIPES, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3), sx=0.25, p0=0.9, p1=1.0),
        )
    if storeys > 1 and rng.random() < 0.5:
        rail = m.metal()
        for floor in range(1, storeys):
            y = at + rng.choice([-2.5, 0, 2.5])
            b.box((-0.6, y, floor * storey + 0.1), (1.2, 2.8, 0.15), m.white)
            b.box((-1.17, y, floor * storey + 0.6), (0.04, 2.8, 0.9), rail)
    for y in (-width / 2 + 0.1, width / 2 - 0.1):
        b.strut((-0.06, y, 0), (-0.06, y, h), 0.1, m.dark)


def _roof(b: SceneBuilder, m: Materials, width: float, deep: float, h: float) -> None:
    """Saddle roof or flat roof on walls of height h."""
    rng = m.rng
    if rng.random() < 0.65:
        tiles = m.photo('roof') or m.add(
            L.TILES,
            m.pick(((0.3, 0.09, 0.05), (0.12, 0.1, 0.1), (0.2, 0.1, 0.07))),
            (0.05, 0.04, 0.04),
            sx=0.25,
            sy=0.33,
            p0=0.5,
            p1=0.02,
            contrast=0.6,
        )
        rise = rng.uniform(1.5, 4.0)
        b.wedge(
            (deep / 2, 0, h + rise / 2), (deep + 0.8, width + 0.3, rise), tiles, top=(0.03, 1.0)
        )
    else:
        b.box((deep / 2, 0, h + 0.15), (deep + 0.3, width + 0.3, 0.3), m.paint((0.3, 0.3, 0.3)))


def garage(b: SceneBuilder, m: Materials, x: float, width: float) -> None:
    """Row of garages with dark doors and a flat roof, the front at x."""
    rng = m.rng
    h, count = rng.uniform(2.3, 2.8), max(1, int(width / 3.0))
    pitch = width / count
    wall = m.paint(m.pick(PALE, 0.1)) if rng.random() < 0.7 else m.brick()
    door = m.paint(m.pick(((0.04, 0.04, 0.04), (0.08, 0.06, 0.05), (0.3, 0.3, 0.3))))
    b.box((x + 3.0, 0, h / 2), (6.0, width, h), wall)
    b.box((x + 2.8, 0, h + 0.1), (6.8, width + 0.3, 0.22), m.paint((0.16, 0.13, 0.11)))
    for i in range(count):
        y = (i + 0.5 - 0.5 * count) * pitch
        b.box((x, y, 0.44 * h), (0.06, min(2.6, pitch - 0.4), 0.86 * h), door)


def hall(b: SceneBuilder, m: Materials, width: float, deep: float) -> None:
    """School, shop or factory: a clad wall without windows beside a glass front."""
    rng = m.rng
    h = rng.uniform(3.2, 9.0)
    skin, glazing, trim = m.cladding(), m.glazing(), m.metal() if rng.random() < 0.5 else m.white
    share = rng.choice([0.0, rng.uniform(0.2, 0.6), 1.0], p=[0.3, 0.55, 0.15])
    foot = rng.choice([0.0, rng.uniform(0.2, 0.9)])
    b.box((deep / 2, 0, h / 2), (deep, width, h), skin, exact=True, bevel=0.0)
    b.box((deep / 2 - 0.1, 0, h), (deep + 0.3, width + 0.2, rng.uniform(0.1, 0.5)), trim)
    if foot:
        b.box((-0.03, 0, foot / 2), (0.1, width, foot), m.paint((0.25, 0.24, 0.23)))
    if share:
        low, high = rng.uniform(0.0, 0.4), h * rng.uniform(0.6, 0.95)
        wide = share * (width - 1.0)
        at = rng.uniform(-0.5, 0.5) * (width - 1.0 - wide)
        pane = (-0.06, at, (low + high) / 2)
        b.box(pane, (0.08, wide, high - low), glazing, exact=True, bevel=0.0)
        for z in (low, high):
            b.box((-0.08, at, z), (0.14, wide + 0.1, 0.12), trim)
        if rng.random() < 0.4:
            b.box((-1.0, at, high), (2.0, wide + 0.4, 0.15), trim)


def slab(b: SceneBuilder, m: Materials, x: float, y: float, size: Vec) -> None:
    """Distant block with its middle at x, y."""
    skin = m.facade(3.0) if m.rng.random() < 0.75 else m.glazing()
    b.box((x, y, size[2] / 2), size, skin, exact=True)
