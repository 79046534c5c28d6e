# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and desks.

Each piece stands at the origin on the floor, back to -y; returns (width, depth, height) in metres.
"""

from __future__ import annotations

from train.worlds.clutter import scatter
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder

Size = tuple[float, float, float]


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
    """Four legs under a top of width x depth, to the height given."""
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
        for x in (0.0,) if rng.random() < 0.6 else (-0.32, 0.3):
            monitor(b, m, x, -d / 2 + 0.18)
        b.box((0, 0.08, 0.012), (0.44, 0.14, 0.02), m.dark)
        b.box(
            (0, 0.08, 0.023),
            (0.42, 0.12, 0.004),
            m.add(3, (0.05, 0.05, 0.055), (0.015, 0.015, 0.015), sx=0.019, sy=0.019, p1=0.004),
        )
        b.ball((0.32, 0.1, 0.015), (0.06, 0.1, 0.035), m.dark)
        with b.at(rng.uniform(-0.1, 0.1), 0):
            scatter(b, m, w * 0.9, d * 0.8, int(rng.integers(1, 7)), clear=0.3)
    return w, d, h


def monitor(b: SceneBuilder, m: Materials, x: float, y: float) -> None:
    """Monitor on a stand, on the surface z = 0."""
    w = m.rng.uniform(0.42, 0.62)
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
