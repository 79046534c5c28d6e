# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kitchens and cabinets with doors, 0.8-0.95 m high."""

from __future__ import annotations

from dataclasses import dataclass

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.clutter import scatter

DEEP = 0.6


@dataclass(frozen=True)
class Style:
    """Common properties of a kitchen's units: materials, kind of handles, height (metres)."""

    front: int
    top: int
    plinth: int
    handle: int
    grip: str
    height: float


def draw_style(m: Materials) -> Style:
    """Draw the look of a kitchen."""
    rng = m.rng
    roll = rng.random()
    front = m.wood() if roll < 0.35 else (m.white if roll < 0.55 else m.paint(f0=0.04))
    stone = m.pick(((0.02, 0.02, 0.022), (0.1, 0.1, 0.1), (0.5, 0.48, 0.45), (0.35, 0.3, 0.25)))
    top = (
        m.add(L.SPECKLE, stone, (0.06, 0.06, 0.06), sx=0.006, contrast=0.2, f0=0.04, rough=0.1)
        if rng.random() < 0.5
        else m.worktop()
    )
    return Style(
        front,
        top,
        plinth=m.dark if rng.random() < 0.5 else m.metal(),
        handle=m.dark if rng.random() < 0.3 else m.chrome,
        grip=str(rng.choice(['bar', 'upright', 'knob', 'groove'])),
        height=float(rng.uniform(0.8, 0.95)),
    )


def base_units(b: SceneBuilder, m: Materials, style: Style, width: float) -> None:
    """Units side by side under one top: doors, drawers, sometimes an oven."""
    rng = m.rng
    units = max(1, round(width / 0.6))
    each, h = width / units, style.height
    b.box((0, -0.02, h / 2 - 0.03), (width, DEEP - 0.06, h - 0.26), style.front)
    for side in (-1, 1):  # the carcass leaves room for a sink
        b.box((side * (width / 2 - 0.01), -0.02, h - 0.1), (0.02, DEEP - 0.06, 0.13), style.front)
    b.box((0, -0.28, h - 0.1), (width, 0.02, 0.13), style.front)
    b.box((0, -0.06, 0.05), (width, DEEP - 0.1, 0.1), style.plinth)
    for i in range(units):
        with b.at((i - (units - 1) / 2) * each, DEEP / 2 - 0.04):
            roll = rng.random()
            if roll < 0.12 and each > 0.5:
                _oven(b, m, style, each)
            else:
                _fronts(b, style, each, 1 if roll < 0.7 else int(rng.integers(2, 5)), i % 2)


def _fronts(b: SceneBuilder, style: Style, each: float, count: int, hinge: int) -> None:
    """One door, or a stack of drawers, with handles."""
    tall = (style.height - 0.16) / count
    for k in range(count):
        z = 0.11 + (k + 0.5) * tall
        b.box((0, 0, z), (each - 0.006, 0.02, tall - 0.006), style.front)
        if style.grip == 'groove':
            b.box((0, 0.004, z + tall / 2 - 0.01), (each - 0.01, 0.02, 0.012), style.plinth)
        elif style.grip == 'knob':
            x = 0.0 if count > 1 else (hinge - 0.5) * (each - 0.1)
            b.rod((x, 0.022, z + 0.3 * tall), 0.03, 0.03, style.handle, rot=(1.57, 0, 0))
        elif style.grip == 'upright' and count == 1:
            x = (hinge - 0.5) * (each - 0.09)
            b.box((x, 0.03, z + 0.25 * tall), (0.012, 0.025, 0.16), style.handle)
        else:
            b.box((0, 0.03, z + tall / 2 - 0.06), (each * 0.5, 0.025, 0.012), style.handle)


def _oven(b: SceneBuilder, m: Materials, style: Style, each: float) -> None:
    """Oven with a glass door and knobs."""
    h = style.height
    b.box((0, 0, h / 2 + 0.03), (each - 0.01, 0.02, h - 0.18), m.dark)
    b.box((0, 0.012, h / 2 - 0.04), (each - 0.06, 0.01, h - 0.4), m.glass(), exact=True)
    b.box((0, 0.035, h - 0.24), (each * 0.75, 0.03, 0.02), style.handle)
    for x in (-0.2, -0.1, 0.1, 0.2):
        b.rod((x, 0.02, h - 0.12), 0.04, 0.025, style.handle, rot=(1.57, 0, 0))


def worktop(b: SceneBuilder, m: Materials, style: Style, width: float, sink: float | None) -> None:
    """Top with a sink and a tap at x = `sink` (None: without), and a hob if there is room."""
    h, wide = style.height, width + 0.02
    if sink is None:
        b.box((0, 0, h - 0.02), (wide, DEEP + 0.02, 0.04), style.top, bevel=0.006)
    else:
        _sink(b, m, h, sink)
        for x0, x1 in ((-wide / 2, sink - 0.24), (sink + 0.24, wide / 2)):
            size = (x1 - x0, DEEP + 0.02, 0.04)
            b.box(((x0 + x1) / 2, 0, h - 0.02), size, style.top, bevel=0.006)
        for y, deep in ((-0.255, 0.11), (0.25, 0.12)):
            b.box((sink, y, h - 0.02), (0.48, deep, 0.04), style.top)
    if m.rng.random() < 0.6 and width > 1.5:
        x = width * 0.28
        b.box((x, 0, h + 0.004), (0.58, 0.5, 0.01), m.glass())
        if m.rng.random() < 0.5:
            for u, v in ((-0.14, -0.12), (0.14, -0.12), (-0.14, 0.12), (0.14, 0.12)):
                b.rod((x + u, v, h + 0.012), m.rng.uniform(0.14, 0.21), 0.008, m.dark, hollow=0.9)


def _sink(b: SceneBuilder, m: Materials, h: float, x: float) -> None:
    """Basin of 0.4 x 0.34 m, 0.16 m deep, with its tap."""
    steel = m.metal() if m.rng.random() < 0.7 else m.white
    b.box((x, 0.0, h - 0.16), (0.44, 0.4, 0.01), steel)
    for side in (-1, 1):
        b.box((x + side * 0.22, 0.0, h - 0.07), (0.04, 0.41, 0.15), steel, bevel=0.015)
        b.box((x, side * 0.185, h - 0.07), (0.44, 0.03, 0.15), steel, bevel=0.015)
    b.rod((x, 0.0, h - 0.153), 0.07, 0.006, m.dark)
    b.strut((x, -0.25, h), (x, -0.25, h + 0.27), 0.025, m.chrome)
    b.strut((x, -0.25, h + 0.26), (x, -0.04, h + 0.22), 0.02, m.chrome)


def kitchen(b: SceneBuilder, m: Materials, style: Style, width: float, walled: bool) -> Size:
    """Line against a wall: units, worktop, wall units if `walled`, tiles behind, things."""
    rng = m.rng
    base_units(b, m, style, width)
    sink = -width * 0.25 if width > 1.1 and rng.random() < 0.7 else None
    worktop(b, m, style, width, sink)
    _wall_side(b, m, style, width, walled)
    left = -width / 2 if sink is None else sink + 0.26  # keeps the sink free
    with b.at((left + width / 2) / 2, -0.05, style.height):
        count = int(rng.integers(0, 5 + int(3 * width)))
        scatter(b, m, (width / 2 - left) * 0.9, 0.4, count)
    return width, DEEP, style.height


def _wall_side(b: SceneBuilder, m: Materials, style: Style, width: float, walled: bool) -> None:
    """Cupboards from 1.42 m up, and tiles behind the worktop."""
    rng = m.rng
    units = max(1, round(width / 0.6))
    each = width / units
    tall = rng.uniform(0.5, 0.8)
    for i in range(units):
        x = (i - (units - 1) / 2) * each
        if walled and rng.random() < 0.85:
            b.box((x, -0.12, 1.42 + tall / 2), (each - 0.002, 0.34, tall), style.front)
            b.box((x, 0.055, 1.42 + tall / 2), (each - 0.01, 0.018, tall - 0.01), style.front)
            b.box((x + each * 0.35, 0.07, 1.5), (0.012, 0.02, 0.12), style.handle)
    joint, side = (0.5, 0.5, 0.48), float(rng.choice([0.1, 0.15, 0.2]))
    paint = m.hue((0.0, 0.4), (0.5, 0.95))
    tiles = m.add(L.TILES, paint, joint, sx=side, sy=side, p1=0.004, f0=0.05, contrast=0.1)
    b.box((0, -0.29, 1.15), (width, 0.015, 0.5), tiles)


def cabinet(b: SceneBuilder, m: Materials, style: Style | None = None) -> Size:
    """Free-standing units: sideboard, dresser, island; often with nothing on them."""
    rng = m.rng
    style, width = style or draw_style(m), float(rng.uniform(0.6, 2.2))
    base_units(b, m, style, width)
    worktop(b, m, style, width, None)
    with b.at(0, 0, style.height):
        scatter(b, m, width * 0.9, 0.4, int(rng.choice([0, 1, 3, 6])))
    return width, DEEP, style.height
