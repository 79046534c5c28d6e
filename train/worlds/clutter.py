# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small things that stand on surfaces, at their real sizes (metres)."""

from __future__ import annotations

import math

from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder


def mug(b: SceneBuilder, m: Materials) -> None:
    """Mug, 0.08-0.1 m."""
    r = m.rng
    d, h, mat = r.uniform(.07, .09), r.uniform(.08, .11), m.plastic()
    b.rod((0, 0, h / 2), d, h, mat, top=r.uniform(.95, 1.15), hollow=.9, floor=.1)
    for z, x in ((.3, .55), (.75, .55)):
        b.box((d * x + .01, 0, h * z), (.03, .012, .01), mat)
    b.box((d * .5 + .027, 0, h * .52), (.01, .012, h * .5), mat)


def can(b: SceneBuilder, m: Materials) -> None:
    """Drink or food can."""
    d, h = ((.066, .115), (.073, .11), (.1, .14), (.085, .05))[int(m.rng.integers(4))]
    b.rod((0, 0, h / 2), d, h - .006, m.printed(), exact=True)
    b.rod((0, 0, h - .003), d * .95, .006, m.chrome)


def bottle(b: SceneBuilder, m: Materials) -> None:
    """Bottle, 0.2-0.33 m."""
    r = m.rng
    d, h, mat = r.uniform(.055, .095), r.uniform(.18, .33), m.plastic()
    b.rod((0, 0, h * .32), d, h * .64, mat)
    b.rod((0, 0, h * .72), d, h * .16, mat, top=.35)
    b.rod((0, 0, h * .88), d * .33, h * .18, mat)
    b.rod((0, 0, h * .97), d * .38, h * .06, m.plastic())
    b.rod((0, 0, h * .34), d * 1.01, h * .35, m.printed(), exact=True)


def carton(b: SceneBuilder, m: Materials) -> None:
    """Printed box: cereal, milk, tea, screws."""
    r = m.rng
    kind = r.random()
    size = (r.uniform(.16, .24), r.uniform(.04, .08), r.uniform(.2, .32)) if kind < .4 else (
        (.07, .07, r.uniform(.18, .24)) if kind < .6 else tuple(r.uniform(.05, .2, 3)))
    if r.random() < .25:
        size = (size[0], size[2], size[1])
    b.box((0, 0, size[2] / 2), size, m.printed(), exact=True, bevel=.003)


def bowl(b: SceneBuilder, m: Materials) -> None:
    """Bowl, 0.12-0.28 m."""
    r = m.rng
    base = r.uniform(.06, .11)
    h = r.uniform(.045, .11)
    b.rod((0, 0, h / 2), base, h, m.plastic(), top=r.uniform(1.7, 2.4), hollow=.93, floor=.12)
    if r.random() < .3:
        for _ in range(3):
            _fruit(b, m, r.uniform(-.03, .03), r.uniform(-.03, .03), h * .3)


def plate(b: SceneBuilder, m: Materials) -> None:
    """Plate."""
    d = m.rng.uniform(.18, .28)
    b.rod((0, 0, .011), d * .65, .022, m.plastic(), top=1.5, hollow=.93, floor=.6)


def _fruit(b: SceneBuilder, m: Materials, x: float, y: float, z: float) -> None:
    d = m.rng.uniform(.05, .085)
    colour = m.pick(((.5, .04, .03), (.55, .2, .02), (.3, .4, .05), (.6, .5, .06)))
    b.ball((x, y, z + d / 2), (d, d, d * .92), m.add(1, colour, tuple(.7 * c for c in colour), sx=.02, f0=.04))


def fruit(b: SceneBuilder, m: Materials) -> None:
    """Some fruit."""
    for _ in range(int(m.rng.integers(1, 4))):
        _fruit(b, m, m.rng.uniform(-.08, .08), m.rng.uniform(-.08, .08), 0.)


def book(b: SceneBuilder, m: Materials) -> None:
    """Book or a pile of them, magazines."""
    r = m.rng
    z = 0.
    for _ in range(int(r.choice([1, 1, 2, 4]))):
        w, d, h = r.uniform(.12, .24), r.uniform(.18, .31), r.uniform(.006, .045)
        turn = r.uniform(-.3, .3)
        b.box((0, 0, z + h / 2), (w * .97, d * .97, h), m.white, rot=(0, 0, turn))
        b.box((0, 0, z + h), (w, d, .003), m.printed(), rot=(0, 0, turn), exact=True)
        z += h + .002


def papers(b: SceneBuilder, m: Materials) -> None:
    """Sheets of A4 paper."""
    r = m.rng
    page = m.add(6, (.75, .75, .73), (.74, .74, .72))
    for i in range(int(r.integers(1, 4))):
        b.box((r.uniform(-.08, .08), r.uniform(-.08, .08), .001 + .0015 * i), (.21, .297, .001), page,
              rot=(0, 0, r.uniform(-1, 1)), exact=True)


def lamp(b: SceneBuilder, m: Materials) -> None:
    """Table lamp."""
    h = m.rng.uniform(.3, .5)
    b.rod((0, 0, .01), .14, .02, m.plastic())
    b.rod((0, 0, h / 2), .02, h, m.chrome)
    b.rod((0, 0, h), .26, .17, m.glow((.8, .7, .5), float(m.rng.choice([.2, 1.5]))), top=.65)


def tool(b: SceneBuilder, m: Materials) -> None:
    """Drill, hammer, screwdriver or pen."""
    r = m.rng
    mat, grip = m.plastic(), m.dark
    kind = r.random()
    if kind < .35:
        b.rod((0, 0, .16), .06, .17, mat, rot=(0, 1.57, 0))
        b.rod((.13, 0, .16), .04, .09, grip, rot=(0, 1.57, 0), top=.6)
        b.box((-.04, 0, .09), (.045, .04, .13), grip, rot=(0, .15, 0), bevel=.01)
        b.box((-.03, 0, .025), (.1, .07, .05), mat, bevel=.01)
    elif kind < .6:
        b.strut((-.14, 0, .014), (.12, 0, .016), .026, mat)
        b.box((.14, 0, .02), (.035, .1, .035), m.chrome)
    else:
        length = r.uniform(.12, .24)
        b.strut((-length / 2, 0, .012), (0, 0, .012), .022, mat)
        b.strut((0, 0, .012), (length / 2, 0, .009), .008, m.chrome)


def container(b: SceneBuilder, m: Materials) -> None:
    """Plastic box with a lid, jar or tub."""
    r = m.rng
    if r.random() < .5:
        s = (r.uniform(.1, .28), r.uniform(.08, .2), r.uniform(.04, .12))
        b.wedge((0, 0, s[2] / 2), (s[0] * .9, s[1] * .9, s[2]), m.plastic(), top=(1.1, 1.1))
        b.box((0, 0, s[2] + .008), (s[0] * 1.03, s[1] * 1.03, .018), m.plastic(), bevel=.008)
    else:
        d, h = r.uniform(.06, .13), r.uniform(.06, .2)
        b.rod((0, 0, h / 2), d, h, m.printed() if r.random() < .5 else m.plastic(), exact=True)
        b.rod((0, 0, h + .01), d * 1.03, .022, m.plastic())


def keyboard(b: SceneBuilder, m: Materials) -> None:
    """Keyboard or laptop."""
    keys = m.add(3, (.05, .05, .055), (.2, .2, .2), sx=.019, sy=.019, p1=.004)
    if m.rng.random() < .5:
        b.box((0, 0, .01), (.44, .14, .018), m.dark)
        b.box((0, 0, .02), (.42, .12, .004), keys)
    else:
        body = m.metal()
        b.box((0, 0, .01), (.33, .23, .018), body)
        b.box((0, -.02, .02), (.29, .11, .003), keys)
        b.box((0, -.16, .11), (.33, .012, .22), body, rot=(.4, 0, 0))
        b.box((0, -.152, .112), (.31, .006, .19), m.screen(), rot=(.4, 0, 0), exact=True)


def vase(b: SceneBuilder, m: Materials) -> None:
    """Vase with a plant."""
    h = m.rng.uniform(.1, .22)
    b.rod((0, 0, h / 2), h * .55, h, m.plastic(), top=m.rng.uniform(.6, 1.2), hollow=.85, floor=.2)
    s = h * m.rng.uniform(1., 1.8)
    b.leaves((0, 0, h + s * .35), (s, s, s), m.foliage(), .02, .6)


def ball(b: SceneBuilder, m: Materials) -> None:
    """Ball, soft toy or lump of cloth."""
    d = m.rng.uniform(.06, .2)
    b.ball((0, 0, d * .4), (d, d * m.rng.uniform(.7, 1.2), d * .8), m.fabric())


KINDS = (mug, mug, can, can, bottle, bottle, carton, carton, bowl, plate, fruit, book, book, papers,
         tool, container, container, vase, ball)
WIDE = (lamp, keyboard)


def scatter(b: SceneBuilder, m: Materials, width: float, depth: float, count: int, *, clear: float = 0.,
            big: bool = True) -> None:
    """Put things on a surface of width x depth around the origin without overlap."""
    rng = m.rng
    taken: list[tuple[float, float]] = []
    for _ in range(count):
        for _ in range(6):
            x, y = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
            if abs(x) < clear and y > -depth * .3:
                continue
            if all(math.hypot(x - u, y - v) > .17 for u, v in taken):
                taken.append((x, y))
                kinds = KINDS + WIDE if big else KINDS
                with b.at(x, y, 0., rng.uniform(-3.14, 3.14)):
                    kinds[int(rng.integers(len(kinds)))](b, m)
                break


def shelf_row(b: SceneBuilder, m: Materials, width: float, depth: float, height: float) -> None:
    """Fill one shelf: books, boxes, bottles, or little."""
    rng = m.rng
    x = -width / 2
    while x < width / 2 - .06:
        roll = rng.random()
        room = width / 2 - x
        if roll < .4:
            w = min(room, rng.uniform(.15, .7))
            h = height * rng.uniform(.65, .95)
            b.box((x + w / 2, -depth * .1, h / 2), (w, depth * .7, h), m.books())
        elif roll < .6:
            w = min(room, rng.uniform(.1, .35))
            h = height * rng.uniform(.3, .9)
            mat = m.cardboard() if rng.random() < .3 else (m.printed() if rng.random() < .5 else m.plastic())
            b.box((x + w / 2, 0, h / 2), (w * .96, depth * rng.uniform(.5, .95), h), mat, exact=True)
        elif roll < .85:
            w = min(room, .12)
            with b.at(x + w / 2, rng.uniform(-.3, .3) * depth):
                (mug, can, container, vase, fruit, bowl)[int(rng.integers(6))](b, m)
        else:
            w = rng.uniform(.05, .3)
        x += w + rng.uniform(0., .03)
