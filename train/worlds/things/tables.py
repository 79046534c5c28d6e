# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and desks."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.clutter import plate, scatter


def legs(
    b: SceneBuilder,
    mat: int,
    width: float,
    depth: float,
    height: float,
    thick: float,
    round_: bool,
    splay: float = 0.0,
) -> None:
    """Four legs of the given height under a top of width x depth."""
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width - thick) / 2, sy * (depth - thick) / 2
            if round_:
                b.strut((x + sx * splay, y + sy * splay, 0.0), (x, y, height), thick, mat, top=1.2)
            else:
                b.box((x, y, height / 2), (thick, thick, height), mat)


def table(
    b: SceneBuilder,
    m: Materials,
    size: Size | None = None,
    things: bool = True,
    top: int | None = None,
) -> Size:
    """Dining or work table, 0.71-0.77 m high; top: its material, None = wood."""
    rng = m.rng
    w, d, h = size or (rng.uniform(0.8, 2.0), rng.uniform(0.6, 1.0), rng.uniform(0.71, 0.77))
    top, leg = m.wood() if top is None else top, m.wood()
    if rng.random() < 0.3:
        leg = m.metal()
    slab = rng.uniform(0.018, 0.05)
    if rng.random() < 0.15 and size is None:
        w = d = rng.uniform(0.7, 1.2)
        b.rod((0, 0, h - slab / 2), w, slab, top)
        b.rod((0, 0, h / 2), 0.09, h - slab, leg)
        b.rod((0, 0, 0.02), 0.5, 0.04, leg, top=0.7)
    else:
        b.box((0, 0, h - slab / 2), (w, d, slab), top, bevel=0.008)
        legs(b, leg, w - 0.06, d - 0.06, h - slab, rng.uniform(0.035, 0.09), rng.random() < 0.4)
        if rng.random() < 0.6:
            for y in (-d / 2 + 0.08, d / 2 - 0.08):
                b.box((0, y, h - slab - 0.05), (w - 0.16, 0.02, 0.09), leg)
    if things:
        with b.at(0, 0, h):
            scatter(b, m, w * 0.85, d * 0.8, int(rng.integers(0, 9)))
    return w, d, h


def coffee_table(b: SceneBuilder, m: Materials) -> Size:
    """Low table."""
    rng = m.rng
    return table(b, m, (rng.uniform(0.7, 1.3), rng.uniform(0.45, 0.7), rng.uniform(0.36, 0.48)))


def desk(b: SceneBuilder, m: Materials) -> Size:
    """Desk with a computer."""
    rng = m.rng
    w, d, h = table(
        b, m, (rng.uniform(1.1, 1.8), rng.uniform(0.6, 0.8), rng.uniform(0.71, 0.76)), things=False
    )
    with b.at(0, 0, h):
        screens(b, m, w, d)
        b.box((0, 0.08, 0.012), (0.44, 0.14, 0.02), m.dark)
        b.box(
            (0, 0.08, 0.023),
            (0.42, 0.12, 0.004),
            m.add(
                L.TILES, (0.05, 0.05, 0.055), (0.015, 0.015, 0.015), sx=0.019, sy=0.019, p1=0.004
            ),
        )
        b.ball((0.32, 0.1, 0.015), (0.06, 0.1, 0.035), m.dark)
        with b.at(rng.uniform(-0.1, 0.1), 0):
            scatter(b, m, w * 0.9, d * 0.8, int(rng.integers(1, 7)), clear=0.3)
    return w, d, h


def screens(b: SceneBuilder, m: Materials, width: float, depth: float) -> None:
    """One or two monitors at the back of a desk top z = 0 of width x depth."""
    if m.rng.random() < 0.6:
        monitor(b, m, 0.0, 0.18 - depth / 2)
        return
    wide = min(0.62, width / 2 - 0.01)
    for side in (-1, 1):
        monitor(b, m, side * (wide / 2 + 0.005), 0.18 - depth / 2, wide)


def monitor(b: SceneBuilder, m: Materials, x: float, y: float, widest: float = 0.62) -> None:
    """Monitor on a stand, on the surface z = 0; widest: greatest width (metres)."""
    w = min(widest, m.rng.uniform(0.42, 0.62))
    z = m.rng.uniform(0.3, 0.38)
    b.box((x, y, z), (w, 0.035, w * 0.6), m.dark)
    b.box(
        (x, y + 0.018, z),
        (w - 0.03, 0.004, w * 0.6 - 0.03),
        m.screen() if m.rng.random() < 0.6 else m.glass(),
        exact=True,
    )
    b.box((x, y - 0.03, z / 2), (0.05, 0.03, z), m.dark)
    b.box((x, y, 0.008), (0.24, 0.18, 0.016), m.dark)


def lay(b: SceneBuilder, m: Materials, width: float, depth: float) -> None:
    """Set a table of width x depth whose top is z = 0: plates, knives, forks, glasses, mats."""
    rng = m.rng
    seats = max(1, int(width / 0.65))
    metal, glass, mat = m.chrome, m.plastic(), m.fabric() if rng.random() < 0.5 else None
    for i in range(2 * seats):
        side = 1 if i % 2 else -1
        at = (i // 2 - (seats - 1) / 2) * width / seats, side * (depth / 2 - 0.18)
        with b.at(*at, 0.0, 0.0 if side < 0 else 3.1416):
            if mat is not None:
                b.box((0, 0, 0.002), (0.44, 0.32, 0.004), mat)
            plate(b, m)
            for x in (-0.17, 0.17, 0.19):
                b.strut((x, -0.1, 0.007), (x, 0.1, 0.007), 0.009, metal, top=1.6)
            b.rod((0.15, 0.16, 0.06), 0.06, 0.12, glass, top=1.15, hollow=0.92, floor=0.1)
