# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small things that stand on surfaces, at their real sizes (metres)."""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.render.scene import SceneBuilder
from train.worlds.things.workbench import BENCH


def mug(b: SceneBuilder, m: Materials) -> None:
    """Mug, 0.08-0.1 m."""
    r = m.rng
    d, h, mat = r.uniform(0.07, 0.09), r.uniform(0.08, 0.11), m.plastic()
    b.rod((0, 0, h / 2), d, h, mat, top=r.uniform(0.95, 1.15), hollow=0.9, floor=0.1)
    for z, x in ((0.3, 0.55), (0.75, 0.55)):
        b.box((d * x + 0.01, 0, h * z), (0.03, 0.012, 0.01), mat)
    b.box((d * 0.5 + 0.027, 0, h * 0.52), (0.01, 0.012, h * 0.5), mat)


def can(b: SceneBuilder, m: Materials) -> None:
    """Drink or food can."""
    d, h = ((0.066, 0.115), (0.073, 0.11), (0.1, 0.14), (0.085, 0.05))[int(m.rng.integers(4))]
    b.rod((0, 0, h / 2), d, h - 0.006, m.printed(), exact=True)
    b.rod((0, 0, h - 0.003), d * 0.95, 0.006, m.chrome)


def bottle(b: SceneBuilder, m: Materials) -> None:
    """Bottle, 0.2-0.33 m."""
    r = m.rng
    d, h, mat = r.uniform(0.055, 0.095), r.uniform(0.18, 0.33), m.plastic()
    b.rod((0, 0, h * 0.32), d, h * 0.64, mat)
    b.rod((0, 0, h * 0.72), d, h * 0.16, mat, top=0.35)
    b.rod((0, 0, h * 0.88), d * 0.33, h * 0.18, mat)
    b.rod((0, 0, h * 0.97), d * 0.38, h * 0.06, m.plastic())
    b.rod((0, 0, h * 0.34), d * 1.01, h * 0.35, m.printed(), exact=True)


def carton(b: SceneBuilder, m: Materials) -> None:
    """Cereal, milk, tea or screws in a printed box."""
    r = m.rng
    kind = r.random()
    size = (
        (r.uniform(0.16, 0.24), r.uniform(0.04, 0.08), r.uniform(0.2, 0.32))
        if kind < 0.4
        else (
            (0.07, 0.07, r.uniform(0.18, 0.24)) if kind < 0.6 else tuple(r.uniform(0.05, 0.2, 3))
        )
    )
    if r.random() < 0.25:
        size = (size[0], size[2], size[1])
    b.box((0, 0, size[2] / 2), size, m.printed(), exact=True, bevel=0.003)


def bowl(b: SceneBuilder, m: Materials) -> None:
    """Bowl, 0.12-0.28 m."""
    r = m.rng
    base = r.uniform(0.06, 0.11)
    h = r.uniform(0.045, 0.11)
    b.rod((0, 0, h / 2), base, h, m.plastic(), top=r.uniform(1.7, 2.4), hollow=0.93, floor=0.12)
    if r.random() < 0.3:
        for _ in range(3):
            _fruit(b, m, r.uniform(-0.03, 0.03), r.uniform(-0.03, 0.03), h * 0.3)


def plate(b: SceneBuilder, m: Materials) -> None:
    """Plate."""
    d = m.rng.uniform(0.18, 0.28)
    b.rod((0, 0, 0.011), d * 0.65, 0.022, m.plastic(), top=1.5, hollow=0.93, floor=0.6)


def _fruit(b: SceneBuilder, m: Materials, x: float, y: float, z: float) -> None:
    d = m.rng.uniform(0.05, 0.085)
    colour = m.pick(((0.5, 0.04, 0.03), (0.55, 0.2, 0.02), (0.3, 0.4, 0.05), (0.6, 0.5, 0.06)))
    b.ball(
        (x, y, z + d / 2),
        (d, d, d * 0.92),
        m.add(L.NOISE, colour, scaled(colour, 0.7), sx=0.02, f0=0.04),
    )


def fruit(b: SceneBuilder, m: Materials) -> None:
    """One to three fruits."""
    for _ in range(int(m.rng.integers(1, 4))):
        _fruit(b, m, m.rng.uniform(-0.08, 0.08), m.rng.uniform(-0.08, 0.08), 0.0)


def book(b: SceneBuilder, m: Materials) -> None:
    """Book or a pile of them, magazines."""
    r = m.rng
    z = 0.0
    for _ in range(int(r.choice([1, 1, 2, 4]))):
        w, d, h = r.uniform(0.12, 0.24), r.uniform(0.18, 0.31), r.uniform(0.006, 0.045)
        turn = r.uniform(-0.3, 0.3)
        b.box((0, 0, z + h / 2), (w * 0.97, d * 0.97, h), m.white, rot=(0, 0, turn))
        b.box((0, 0, z + h), (w, d, 0.003), m.printed(), rot=(0, 0, turn), exact=True)
        z += h + 0.002


def papers(b: SceneBuilder, m: Materials) -> None:
    """Sheets of A4 paper."""
    r = m.rng
    page = m.add(L.PRINT, (0.75, 0.75, 0.73), (0.74, 0.74, 0.72))
    for i in range(int(r.integers(1, 4))):
        b.box(
            (r.uniform(-0.08, 0.08), r.uniform(-0.08, 0.08), 0.001 + 0.0015 * i),
            (0.21, 0.297, 0.001),
            page,
            rot=(0, 0, r.uniform(-1, 1)),
            exact=True,
        )


def lamp(b: SceneBuilder, m: Materials) -> None:
    """Table lamp."""
    h = m.rng.uniform(0.3, 0.5)
    b.rod((0, 0, 0.01), 0.14, 0.02, m.plastic())
    b.rod((0, 0, h / 2), 0.02, h, m.chrome)
    b.rod(
        (0, 0, h), 0.26, 0.17, m.glow((0.8, 0.7, 0.5), float(m.rng.choice([0.2, 1.5]))), top=0.65
    )


def tool(b: SceneBuilder, m: Materials) -> None:
    """Drill, hammer, screwdriver or pen."""
    r = m.rng
    mat, grip = m.plastic(), m.dark
    kind = r.random()
    if kind < 0.35:
        b.rod((0, 0, 0.16), 0.06, 0.17, mat, rot=(0, 1.57, 0))
        b.rod((0.13, 0, 0.16), 0.04, 0.09, grip, rot=(0, 1.57, 0), top=0.6)
        b.box((-0.04, 0, 0.09), (0.045, 0.04, 0.13), grip, rot=(0, 0.15, 0), bevel=0.01)
        b.box((-0.03, 0, 0.025), (0.1, 0.07, 0.05), mat, bevel=0.01)
    elif kind < 0.6:
        b.strut((-0.14, 0, 0.014), (0.12, 0, 0.016), 0.026, mat)
        b.box((0.14, 0, 0.02), (0.035, 0.1, 0.035), m.chrome)
    else:
        length = r.uniform(0.12, 0.24)
        b.strut((-length / 2, 0, 0.012), (0, 0, 0.012), 0.022, mat)
        b.strut((0, 0, 0.012), (length / 2, 0, 0.009), 0.008, m.chrome)


def container(b: SceneBuilder, m: Materials) -> None:
    """Plastic box with a lid, jar or tub."""
    r = m.rng
    if r.random() < 0.5:
        s = (r.uniform(0.1, 0.28), r.uniform(0.08, 0.2), r.uniform(0.04, 0.12))
        b.wedge((0, 0, s[2] / 2), (s[0] * 0.9, s[1] * 0.9, s[2]), m.plastic(), top=(1.1, 1.1))
        b.box((0, 0, s[2] + 0.008), (s[0] * 1.03, s[1] * 1.03, 0.018), m.plastic(), bevel=0.008)
    else:
        d, h = r.uniform(0.06, 0.13), r.uniform(0.06, 0.2)
        b.rod((0, 0, h / 2), d, h, m.printed() if r.random() < 0.5 else m.plastic(), exact=True)
        b.rod((0, 0, h + 0.01), d * 1.03, 0.022, m.plastic())


def keyboard(b: SceneBuilder, m: Materials) -> None:
    """Keyboard or laptop."""
    keys = m.add(L.TILES, (0.05, 0.05, 0.055), (0.2, 0.2, 0.2), sx=0.019, sy=0.019, p1=0.004)
    if m.rng.random() < 0.5:
        b.box((0, 0, 0.01), (0.44, 0.14, 0.018), m.dark)
        b.box((0, 0, 0.02), (0.42, 0.12, 0.004), keys)
    else:
        body = m.metal()
        b.box((0, 0, 0.01), (0.33, 0.23, 0.018), body)
        b.box((0, -0.02, 0.02), (0.29, 0.11, 0.003), keys)
        b.box((0, -0.16, 0.11), (0.33, 0.012, 0.22), body, rot=(0.4, 0, 0))
        b.box((0, -0.152, 0.112), (0.31, 0.006, 0.19), m.screen(), rot=(0.4, 0, 0), exact=True)


def vase(b: SceneBuilder, m: Materials) -> None:
    """Vase with a plant."""
    h = m.rng.uniform(0.1, 0.22)
    b.rod(
        (0, 0, h / 2),
        h * 0.55,
        h,
        m.plastic(),
        top=m.rng.uniform(0.6, 1.2),
        hollow=0.85,
        floor=0.2,
    )
    s = h * m.rng.uniform(1.0, 1.8)
    b.leaves((0, 0, h + s * 0.35), (s, s, s), m.foliage(), 0.02, 0.6)


def ball(b: SceneBuilder, m: Materials) -> None:
    """Ball, soft toy or lump of cloth."""
    d = m.rng.uniform(0.06, 0.2)
    b.ball((0, 0, d * 0.4), (d, d * m.rng.uniform(0.7, 1.2), d * 0.8), m.fabric())


KINDS = (
    mug,
    mug,
    can,
    can,
    bottle,
    bottle,
    carton,
    carton,
    bowl,
    plate,
    fruit,
    book,
    book,
    papers,
    tool,
    container,
    container,
    vase,
    ball,
)
WIDE = (lamp, keyboard)


def scatter(
    b: SceneBuilder,
    m: Materials,
    width: float,
    depth: float,
    count: int,
    *,
    clear: float = 0.0,
    big: bool = True,
    bench: float = 0.0,
    gap: float = 0.17,
) -> None:
    """Place things without overlap on a surface of width x depth around the origin.

    clear: half width of the area in front that stays free.
    big: whether to include lamps and keyboards.
    bench: share of things that belong on work benches.
    gap: least distance between two middles (metres).
    """
    rng = m.rng
    kinds = KINDS + WIDE if big else KINDS
    taken: list[tuple[float, float]] = []
    for _ in range(count):
        for _ in range(6):
            x, y = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
            if abs(x) < clear and y > -depth * 0.3:
                continue
            if all(math.hypot(x - u, y - v) > gap for u, v in taken):
                taken.append((x, y))
                of = BENCH if rng.random() < bench else kinds
                with b.at(x, y, 0.0, rng.uniform(-3.14, 3.14)):
                    of[int(rng.integers(len(of)))](b, m)
                break


def shelf_row(b: SceneBuilder, m: Materials, width: float, depth: float, height: float) -> None:
    """Fill one shelf: books, boxes, bottles, or a few things."""
    rng = m.rng
    x = -width / 2
    while x < width / 2 - 0.06:
        roll = rng.random()
        room = width / 2 - x
        if roll < 0.4:
            w = min(room, rng.uniform(0.15, 0.7))
            h = height * rng.uniform(0.65, 0.95)
            b.box((x + w / 2, -depth * 0.1, h / 2), (w, depth * 0.7, h), m.books())
        elif roll < 0.6:
            w = min(room, rng.uniform(0.1, 0.35))
            h = height * rng.uniform(0.3, 0.9)
            mat = (
                m.cardboard()
                if rng.random() < 0.3
                else (m.printed() if rng.random() < 0.5 else m.plastic())
            )
            b.box(
                (x + w / 2, 0, h / 2),
                (w * 0.96, depth * rng.uniform(0.5, 0.95), h),
                mat,
                exact=True,
            )
        elif roll < 0.85:
            w = min(room, 0.12)
            with b.at(x + w / 2, rng.uniform(-0.3, 0.3) * depth):
                (mug, can, container, vase, fruit, bowl)[int(rng.integers(6))](b, m)
        else:
            w = rng.uniform(0.05, 0.3)
        x += w + rng.uniform(0.0, 0.03)
