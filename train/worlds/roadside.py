# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands beside a road: houses, trees, hedges, fences, poles, signs, bins."""

from __future__ import annotations

import math

from train.worlds import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.scene import SceneBuilder


def tree(b: SceneBuilder, m: Materials, leaf: int, bark: int) -> None:
    """Tree of 4-14 m with a crown of leaf clusters."""
    rng = m.rng
    h = rng.uniform(4., 13.)
    r = h * rng.uniform(.2, .34)
    stem = rng.uniform(.18, .4)
    fork = h * rng.uniform(.2, .4)
    b.strut((0, 0, -.1), (rng.uniform(-.2, .2), 0, fork + .5), stem, bark, top=.7)
    if rng.random() < .18:
        for i in range(4):
            z = h * (.25 + .2 * i)
            s = r * (1.7 - .38 * i)
            b.leaves((0, 0, z), (s, s, h * .42), leaf, .22, .7)
        return
    for _ in range(int(rng.integers(3, 7))):
        a, away = rng.uniform(0, 6.283), r * rng.uniform(.1, .75)
        z = fork + (h - fork) * rng.uniform(.3, .8)
        s = r * rng.uniform(.9, 1.7)
        x, y = away * math.cos(a), away * math.sin(a)
        b.strut((0, 0, fork), (x, y, z), stem * .5, bark, top=.4)
        b.leaves((x, y, z), (s, s, s * rng.uniform(.7, 1.1)), leaf, rng.uniform(.16, .3), rng.uniform(.6, .78))


def bush(b: SceneBuilder, m: Materials, leaf: int) -> None:
    """Bush of 0.6-2 m."""
    s = m.rng.uniform(.6, 2.2)
    b.leaves((0, 0, s * .4), (s * m.rng.uniform(1., 1.6), s, s), leaf, .12, .75)


def hedge(b: SceneBuilder, m: Materials, length: float, leaf: int) -> None:
    """Clipped or wild hedge along y."""
    rng = m.rng
    h = rng.uniform(.8, 2.2)
    if rng.random() < .5:
        b.box((0, 0, h / 2), (.7, length, h), leaf, bevel=.15)
    step = h * .8
    for i in range(int(length / step)):
        y = -length / 2 + (i + .5) * step
        b.leaves((rng.uniform(-.1, .1), y, h * .5), (1.0, step * 1.6, h * rng.uniform(1., 1.2)), leaf, .14, .75)


def fence(b: SceneBuilder, m: Materials, length: float) -> None:
    """Fence, wall or guard rail along y."""
    rng = m.rng
    kind = rng.random()
    if kind < .25:
        h = rng.uniform(.6, 2.2)
        b.box((0, 0, h / 2), (.2, length, h), m.brick() if rng.random() < .6 else m.wall())
        b.box((0, 0, h + .03), (.28, length, .06), m.paint((.35, .34, .32)))
    elif kind < .5:
        h = rng.uniform(.9, 1.9)
        wood = m.add(L.STRIPES, a := m.pick(((.2, .12, .07), (.3, .25, .2), (.5, .5, .48))), scaled(a, .5), sx=.12, p0=.92, contrast=.6, grime=.4)
        b.box((0, 0, h / 2 + .05), (.04, length, h), wood, exact=True)
    elif kind < .75:
        metal = m.metal()
        for i in range(int(length / 4) + 1):
            b.box((.08, -length / 2 + i * 4., .35), (.1, .1, .7), metal)
        b.box((0, 0, .62), (.06, length, .3), metal, bevel=.06)
    else:
        dark = m.paint((.05, .07, .05))
        for i in range(int(length / 2.) + 1):
            b.rod((0, -length / 2 + i * 2., .55), .05, 1.1, dark)
        for z in (.25, .65, 1.05):
            b.strut((0, -length / 2, z), (0, length / 2, z), .035, dark)


def house(b: SceneBuilder, m: Materials, width: float, deep: float) -> float:
    """House whose front is the face towards -x, `width` long along y; returns the height."""
    rng = m.rng
    storey = rng.uniform(2.7, 3.3)
    storeys = int(rng.choice([1, 2, 2, 3, 4, 5]))
    h = storeys * storey + .3
    front = m.facade(storey)
    b.box((deep / 2, 0, h / 2), (deep, width, h), front, exact=True, bevel=0.)
    if rng.random() < .65:
        tiles = m.photo('roof') or m.add(L.TILES, m.pick(((.3, .09, .05), (.12, .1, .1), (.2, .1, .07))), (.05, .04, .04), sx=.25, sy=.33, p0=.5, p1=.02, contrast=.6)
        rise = rng.uniform(1.5, 4.)
        b.wedge((deep / 2, 0, h + rise / 2), (deep + .8, width + .3, rise), tiles, top=(.03, 1.))
    else:
        b.box((deep / 2, 0, h + .15), (deep + .3, width + .3, .3), m.paint((.3, .3, .3)))
    b.box((-.04, 0, .25), (.1, width, .5), m.paint((.25, .24, .23)))
    wood = m.wood()
    at = rng.uniform(-.35, .35) * width
    b.box((-.05, at, 1.05), (.12, 1.15, 2.2), m.white)
    b.box((-.1, at, 1.02), (.08, .95, 2.05), wood)
    b.box((-.4, at, .08), (.8, 1.4, .16), m.paint((.3, .3, .3)))
    if rng.random() < .3:
        b.box((-.05, -at, 1.1), (.12, 2.5, 2.15), m.add(L.STRIPES, (.5, .5, .5), (.3, .3, .3), sx=.25, p0=.9, p1=1.))
    if storeys > 1 and rng.random() < .5:
        rail = m.metal()
        for floor in range(1, storeys):
            y = at + rng.choice([-2.5, 0, 2.5])
            b.box((-.6, y, floor * storey + .1), (1.2, 2.8, .15), m.white)
            b.box((-1.17, y, floor * storey + .6), (.04, 2.8, .9), rail)
    for y in (-width / 2 + .1, width / 2 - .1):
        b.strut((-.06, y, 0), (-.06, y, h), .1, m.dark)
    return h


def street_lamp(b: SceneBuilder, m: Materials) -> None:
    """Lamp post of 5-9 m with an arm towards -x."""
    h = m.rng.uniform(5., 9.)
    mat = m.metal()
    b.strut((0, 0, 0), (0, 0, h), .16, mat, top=.6)
    b.strut((0, 0, h), (-1.4, 0, h + .3), .09, mat)
    b.box((-1.6, 0, h + .3), (.7, .25, .14), mat, bevel=.03)


def traffic_light(b: SceneBuilder, m: Materials) -> None:
    """Signal at 3 m, facing -y."""
    b.rod((0, 0, 1.75), .13, 3.5, m.metal())
    b.box((0, -.12, 3.1), (.32, .25, .95), m.dark)
    lit = int(m.rng.integers(3))
    for i, colour in enumerate(((.1, .7, .2), (.8, .5, .03), (.8, .04, .03))):
        glow = m.glow(colour, 2.5) if i == lit else m.glow(scaled(colour, .1), 0.)
        b.rod((0, -.25, 2.8 + .3 * i), .2, .04, glow, rot=(1.57, 0, 0))


def traffic_sign(b: SceneBuilder, m: Materials) -> None:
    """Sign on a post, facing -y."""
    rng = m.rng
    b.rod((0, 0, 1.35), .07, 2.7, m.chrome)
    z = rng.uniform(2.1, 2.6)
    if rng.random() < .5:
        b.rod((0, -.05, z), .6, .02, m.paint((.6, .03, .03)), rot=(1.57, 0, 0))
        b.rod((0, -.062, z), .44, .02, m.white if rng.random() < .6 else m.paint((.02, .07, .4)), rot=(1.57, 0, 0))
    else:
        b.box((0, -.05, z), (rng.uniform(.5, .9), .02, rng.uniform(.4, .9)),
              m.add(L.PRINT, m.pick(((.02, .08, .4), (.75, .6, .05), (.75, .75, .75))), (.7, .7, .7)), exact=True)


def pole(b: SceneBuilder, m: Materials) -> None:
    """Telegraph or tram pole with wires along y."""
    h = m.rng.uniform(6., 9.)
    b.rod((0, 0, h / 2), .24, h, m.bark() if m.rng.random() < .5 else m.metal())
    b.box((0, 0, h - .5), (1.6, .1, .1), m.dark)
    for x in (-.7, .7):
        b.strut((x, -60, h - .4), (x, 60, h - .4), .025, m.dark)


def bin_(b: SceneBuilder, m: Materials) -> None:
    """Wheeled bin of 1.1 m, letter box or cabinet."""
    if m.rng.random() < .6:
        mat = m.paint(m.pick(((.03, .03, .035), (.02, .06, .03), (.03, .04, .1), (.3, .2, .02))))
        b.wedge((0, 0, .52), (.46, .5, .96), mat, top=(1.25, 1.25))
        b.wedge((0, 0, 1.03), (.6, .66, .08), m.dark if m.rng.random() < .5 else mat, top=(.9, .9))
    else:
        s = m.rng.uniform(.4, .9)
        b.box((0, 0, .7), (s, s * .8, 1.4), m.paint(m.pick(((.35, .35, .33), (.6, .45, .02), (.4, .03, .03)))))


def bus_stop(b: SceneBuilder, m: Materials) -> None:
    """Shelter of 2.5 m, open towards -x."""
    glass, metal = m.glass(), m.metal()
    b.box((.6, 0, 2.45), (1.5, 3.6, .1), metal)
    b.box((1.25, 0, 1.3), (.03, 3.4, 2.1), glass)
    for y in (-1.7, 1.7):
        b.box((1.2, y, 1.2), (.08, .08, 2.4), metal)
        b.box((.7, y, 1.3), (.9, .04, 1.9), m.printed() if y > 0 else glass, exact=True)
    b.box((1.0, 0, .45), (.35, 2.4, .06), m.wood())
