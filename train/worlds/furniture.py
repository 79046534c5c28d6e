# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture. Every piece stands at the origin on the floor, its back to -y, its front to +y.

Each function returns the (width, depth, height) of the space that it takes.
"""

from __future__ import annotations

from train.worlds.clutter import scatter, shelf_row
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder

Size = tuple[float, float, float]


def _legs(
    b: SceneBuilder,
    mat: int,
    width: float,
    depth: float,
    height: float,
    thick: float,
    round_: bool,
    splay: float = 0.0,
) -> None:
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width - thick) / 2, sy * (depth - thick) / 2
            if round_:
                b.strut((x + sx * splay, y + sy * splay, 0.0), (x, y, height), thick, mat, top=1.2)
            else:
                b.box((x, y, height / 2), (thick, thick, height), mat)


def table(b: SceneBuilder, m: Materials, size: Size | None = None, things: bool = True) -> Size:
    """Dining or work table, 0.71-0.77 m high."""
    rng = m.rng
    w, d, h = size or (rng.uniform(0.8, 2.0), rng.uniform(0.6, 1.0), rng.uniform(0.71, 0.77))
    top, leg = m.wood(), m.wood()
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
        _legs(b, leg, w - 0.06, d - 0.06, h - slab, rng.uniform(0.035, 0.09), rng.random() < 0.4)
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


def chair(b: SceneBuilder, m: Materials) -> Size:
    """Chair with the seat at 0.45 m."""
    rng = m.rng
    frame = m.wood() if rng.random() < 0.7 else m.metal()
    seat = m.fabric() if rng.random() < 0.4 else frame
    w, d, h = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.48), rng.uniform(0.43, 0.48)
    back = rng.uniform(0.8, 1.02)
    leg = rng.uniform(0.025, 0.045)
    b.box((0, 0, h - 0.02), (w, d, 0.04), seat, bevel=0.015)
    _legs(b, frame, w, d, h - 0.03, leg, rng.random() < 0.5, rng.uniform(0.0, 0.03))
    for sx in (-1, 1):
        b.box(
            (sx * (w - leg) / 2, -d / 2 + 0.01, (h + back) / 2),
            (leg, leg, back - h),
            frame,
            rot=(0.1, 0, 0),
        )
    style = rng.random()
    if style < 0.4:
        for z in (0.35, 0.62, 0.9):
            b.box((0, -d / 2 + 0.02, h + z * (back - h)), (w - leg, 0.018, 0.06), frame)
    elif style < 0.7:
        for i in range(4):
            b.box(
                ((i - 1.5) * w / 5, -d / 2 + 0.015, (h + back) / 2),
                (0.025, 0.015, back - h - 0.04),
                frame,
            )
        b.box((0, -d / 2, back - 0.03), (w, 0.022, 0.07), frame)
    else:
        b.box(
            (0, -d / 2 + 0.02, h + 0.6 * (back - h)),
            (w - leg, 0.03, 0.65 * (back - h)),
            seat,
            rot=(0.1, 0, 0),
            bevel=0.015,
        )
    return w, d, back


def office_chair(b: SceneBuilder, m: Materials) -> Size:
    """Swivel chair."""
    cloth = m.fabric() if m.rng.random() < 0.6 else m.dark
    h = m.rng.uniform(0.44, 0.54)
    for i in range(5):
        with b.at(0, 0, 0, i * 1.2566):
            b.box((0.15, 0, 0.08), (0.3, 0.04, 0.03), m.dark, rot=(0, 0.1, 0))
            b.ball((0.3, 0, 0.03), (0.05, 0.05, 0.06), m.dark)
    b.rod((0, 0, h / 2), 0.05, h, m.chrome)
    b.box((0, 0, h), (0.48, 0.48, 0.09), cloth, bevel=0.04)
    b.box((0, -0.24, h + 0.36), (0.44, 0.07, 0.52), cloth, rot=(0.12, 0, 0), bevel=0.03)
    for sx in (-1, 1):
        b.box((sx * 0.26, 0, h + 0.2), (0.05, 0.25, 0.03), m.dark)
        b.box((sx * 0.26, 0, h + 0.1), (0.03, 0.05, 0.2), m.dark)
    return 0.65, 0.65, h + 0.6


def sofa(b: SceneBuilder, m: Materials, seats: int | None = None) -> Size:
    """Sofa or armchair."""
    rng = m.rng
    n = seats or int(rng.integers(1, 4))
    each = rng.uniform(0.58, 0.75)
    w, d, h = n * each + 0.36, rng.uniform(0.8, 0.98), rng.uniform(0.75, 0.92)
    cloth = m.fabric()
    pillow = m.fabric()
    seat = rng.uniform(0.4, 0.46)
    b.box((0, 0.03, 0.2), (w - 0.04, d - 0.08, 0.26), cloth, bevel=0.04)
    b.box(
        (0, -d / 2 + 0.12, h / 2 + 0.03),
        (w - 0.1, 0.2, h - 0.08),
        cloth,
        bevel=0.06,
        rot=(0.08, 0, 0),
    )
    for sx in (-1, 1):
        b.box((sx * (w / 2 - 0.09), 0.02, 0.32), (0.18, d - 0.06, 0.56), cloth, bevel=0.06)
        b.box((sx * (w / 2 - 0.1), d / 2 - 0.12, 0.04), (0.05, 0.05, 0.08), m.dark)
    for i in range(n):
        x = (i - (n - 1) / 2) * each
        b.box((x, 0.1, seat - 0.06), (each - 0.015, d - 0.3, 0.15), cloth, bevel=0.05)
        b.box(
            (x, -d / 2 + 0.27, seat + 0.2),
            (each - 0.03, 0.15, 0.38),
            cloth,
            bevel=0.06,
            rot=(0.2, 0, 0),
        )
    for _ in range(int(rng.integers(0, 3))):
        b.box(
            (rng.uniform(-0.4, 0.4) * n * each, -d / 2 + 0.42, seat + 0.17),
            (0.4, 0.12, 0.36),
            pillow,
            rot=(0.4, rng.uniform(-0.3, 0.3), 0),
            bevel=0.06,
        )
    return w, d, h


def bed(b: SceneBuilder, m: Materials) -> Size:
    """Bed of 2 m length."""
    rng = m.rng
    w = float(rng.choice([0.9, 1.0, 1.4, 1.6, 1.8]))
    d, h = 2.08, rng.uniform(0.42, 0.6)
    frame, sheet, cover, pillow = m.wood(), m.white, m.fabric(), m.fabric()
    b.box((0, 0, 0.2), (w + 0.06, d, 0.2), frame)
    _legs(b, frame, w, d, 0.2, 0.06, False)
    b.box(
        (0, -d / 2 - 0.02, rng.uniform(0.4, 0.6)),
        (w + 0.08, 0.05, rng.uniform(0.7, 1.1)),
        frame,
        bevel=0.02,
    )
    b.box((0, 0, h - 0.11), (w, d - 0.08, 0.22), sheet, bevel=0.05)
    b.box((0, 0.25, h - 0.06), (w + 0.06, d - 0.55, 0.2), cover, bevel=0.06)
    for x in (-w / 4, w / 4) if w > 1.2 else (0.0,):
        b.ball(
            (x, -d / 2 + 0.32, h + 0.06),
            (min(0.7, w * 0.46), 0.42, 0.2),
            pillow if rng.random() < 0.5 else sheet,
        )
    return w + 0.1, d + 0.1, 1.0


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


def kitchen(b: SceneBuilder, m: Materials, width: float) -> Size:
    """Kitchen line: base units with a worktop at 0.9 m, wall units, sink, hob, things."""
    rng = m.rng
    front = m.paint(f0=0.04) if rng.random() < 0.6 else m.wood()
    top = (
        m.add(
            10,
            m.pick(((0.1, 0.1, 0.1), (0.5, 0.48, 0.45), (0.35, 0.3, 0.25))),
            (0.06, 0.06, 0.06),
            sx=0.006,
            contrast=0.2,
            f0=0.04,
        )
        if rng.random() < 0.5
        else m.wood(gloss=True)
    )
    units = max(1, round(width / 0.6))
    each = width / units
    h, d = rng.uniform(0.86, 0.94), 0.6
    b.box((0, -0.02, h / 2 + 0.03), (width, d - 0.06, h - 0.1), front)
    b.box((0, -0.06, 0.05), (width, d - 0.1, 0.1), m.dark)
    b.box((0, 0, h - 0.02), (width + 0.02, d + 0.02, 0.04), top, bevel=0.006)
    for i in range(units):
        x = (i - (units - 1) / 2) * each
        b.box((x, d / 2 - 0.04, h / 2 + 0.05), (each - 0.006, 0.02, h - 0.16), front)
        if rng.random() < 0.4:
            b.box((x, d / 2 - 0.029, h - 0.2), (each - 0.004, 0.003, 0.006), m.dark)
        b.box((x, d / 2 - 0.015, h - 0.14), (each * 0.5, 0.02, 0.012), m.chrome)
    wall = rng.random() < 0.8
    tall = rng.uniform(0.5, 0.8)
    for i in range(units):
        x = (i - (units - 1) / 2) * each
        if wall and rng.random() < 0.85:
            b.box((x, -0.12, 1.42 + tall / 2), (each - 0.002, 0.34, tall), front)
            b.box((x, 0.055, 1.42 + tall / 2), (each - 0.01, 0.018, tall - 0.01), front)
            b.box((x + each * 0.35, 0.07, 1.5), (0.012, 0.02, 0.12), m.chrome)
    b.box(
        (0, -d / 2 + 0.01, 1.15),
        (width, 0.015, 0.5),
        m.add(
            3,
            m.hue((0.0, 0.4), (0.5, 0.95)),
            (0.5, 0.5, 0.48),
            sx=0.15,
            sy=0.15,
            p1=0.004,
            f0=0.05,
            contrast=0.1,
        ),
    )
    if rng.random() < 0.7:
        b.box((-width * 0.25, 0, h + 0.002), (0.5, 0.4, 0.012), m.chrome)
        b.box((-width * 0.25, 0, h + 0.006), (0.42, 0.32, 0.01), m.metal())
        b.strut((-width * 0.25, -0.22, h), (-width * 0.25, -0.22, h + 0.25), 0.025, m.chrome)
        b.strut((-width * 0.25, -0.22, h + 0.25), (-width * 0.25, -0.04, h + 0.2), 0.02, m.chrome)
    if rng.random() < 0.6 and width > 1.5:
        b.box((width * 0.25, 0, h + 0.004), (0.58, 0.5, 0.01), m.glass())
    with b.at(0, -0.05, h):
        scatter(b, m, width * 0.9, 0.4, int(rng.integers(2, 5 + int(3 * width))))
    return width, d, h


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


def television(b: SceneBuilder, m: Materials) -> Size:
    """Low board with a television."""
    rng = m.rng
    w = rng.uniform(1.1, 1.8)
    wide = rng.uniform(0.8, 1.3)
    b.box((0, 0, 0.22), (w, 0.4, 0.42), m.wood())
    b.box((0, 0.205, 0.22), (w - 0.04, 0.012, 0.36), m.wood())
    b.box((0, -0.05, 0.5 + wide * 0.29), (wide, 0.05, wide * 0.58), m.dark)
    b.box(
        (0, -0.023, 0.5 + wide * 0.29),
        (wide - 0.03, 0.006, wide * 0.58 - 0.03),
        m.screen() if rng.random() < 0.4 else m.glass(),
        exact=True,
    )
    b.box((0, -0.05, 0.45), (0.4, 0.2, 0.03), m.dark)
    return w, 0.42, 0.5


def plant(b: SceneBuilder, m: Materials) -> Size:
    """Pot plant."""
    rng = m.rng
    pot = rng.uniform(0.2, 0.4)
    h = rng.uniform(0.6, 1.7)
    b.rod((0, 0, pot * 0.45), pot * 0.8, pot * 0.9, m.plastic(), top=1.25, hollow=0.85, floor=1.6)
    b.strut((0, 0, pot * 0.5), (0, 0, h * 0.7), 0.03, m.bark())
    leaf = m.foliage()
    for _ in range(int(rng.integers(2, 5))):
        s = h * rng.uniform(0.3, 0.55)
        b.leaves(
            (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12), h * rng.uniform(0.6, 0.95)),
            (s, s, s),
            leaf,
            0.05,
            0.62,
        )
    return 0.5, 0.5, h


def floor_lamp(b: SceneBuilder, m: Materials) -> Size:
    """Standard lamp."""
    h = m.rng.uniform(1.4, 1.8)
    b.rod((0, 0, 0.015), 0.28, 0.03, m.dark)
    b.rod((0, 0, h / 2), 0.025, h, m.chrome)
    b.rod((0, 0, h), 0.4, 0.28, m.glow((0.8, 0.68, 0.45), m.rng.choice([0.2, 2.0])), top=0.7)
    return 0.4, 0.4, h


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
    b.rod((0, 0, 0.8), 0.5, 1.3, white)
    for x in (-0.1, 0.1):
        b.strut((x, 0, 1.4), (x, 0, 2.2), 0.04, m.metal())
    return 0.6, 0.6, 1.6


ALONG_WALL = (
    shelf,
    shelf,
    wardrobe,
    drawers,
    desk,
    sofa,
    television,
    plant,
    appliance,
    heap_of_boxes,
    bed,
    floor_lamp,
    chair,
    table,
)
FREE = (table, coffee_table, chair, office_chair, sofa, plant, heap_of_boxes, table)
