# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicles at their real sizes, heading along +y, wheels on z = 0."""

from __future__ import annotations

import math

from train.worlds import layout as L
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder


def _wheels(b: SceneBuilder, m: Materials, width: float, front: float, rear: float, d: float) -> None:
    for x in (-1, 1):
        for y in (front, rear):
            b.rod((x * (width / 2 - .1), y, d / 2), d, .22, m.dark, rot=(0, 1.5708, 0))
            b.rod((x * (width / 2 - .085), y, d / 2), d * .62, .2, m.chrome, rot=(0, 1.5708, 0))


def _lights(b: SceneBuilder, m: Materials, width: float, length: float, z: float) -> None:
    red = m.add(L.PLAIN, (.4, .01, .01), emit=.4 if m.rng.random() < .3 else .05, f0=.05, rough=.05)
    lamp = m.add(L.PLAIN, (.7, .7, .7), f0=.1, rough=.05)
    for x in (-1, 1):
        b.box((x * (width / 2 - .2), -length / 2 - .005, z), (.3, .05, .16), red, bevel=.02)
        b.box((x * (width / 2 - .22), length / 2 + .005, z - .08), (.34, .05, .14), lamp, bevel=.02)
    plate = m.add(L.PRINT, (.7, .7, .68), (.7, .7, .68))
    for y in (-length / 2 - .03, length / 2 + .03):
        b.box((0, y, z - .25), (.52, .02, .11), plate, exact=True)


def car(b: SceneBuilder, m: Materials) -> tuple[float, float, float]:
    """Hatchback, saloon, estate or off-roader."""
    rng = m.rng
    w, length, h = rng.uniform(1.65, 1.88), rng.uniform(3.6, 4.9), rng.uniform(1.38, 1.56)
    if rng.random() < .2:
        h += .22
    paint, glass = m.car_paint(), m.glass()
    d = rng.uniform(.58, .68)
    waist = .58 * h + .06
    nose = rng.uniform(.85, 1.15)
    tail = rng.uniform(.05, .25) if rng.random() < .6 else rng.uniform(.6, .9)
    b.wedge((0, 0, .47), (w, length, .5), paint, top=(.99, .99))
    b.wedge((0, -.02 * length, waist - .09), (w * .98, length * .97, .22), paint, top=(.93, .95))
    cabin = length - nose - tail
    y0 = (tail - nose) / 2
    tall = h - waist
    b.wedge((0, y0, waist + tall / 2), (w * .9, cabin, tall), glass, top=(.8, .62), shift=(0., -.12))
    b.wedge((0, y0, h - .03), (w * .9 * .83, cabin * .67, .07), paint, top=(.9, .92), shift=(0., -.02))
    for x in (-1, 1):
        for f in (-.3, .02, .33):
            b.strut((x * w * .445, y0 + f * cabin * 1.3, waist), (x * w * .365, y0 - .03 * cabin + f * cabin, h - .04), .06, paint)
        b.box((x * (w / 2 + .08), y0 + cabin * .36, waist + .08), (.17, .1, .12), paint, bevel=.02)
        b.box((x * (w / 2 + .001), -.1, .86 * waist), (.01, .2, .025), m.dark)
    b.box((0, 0, .3), (w * .97, length * .99, .16), m.dark)
    b.box((0, length / 2 - .01, .56), (w * .5, .06, .12), m.dark)
    _wheels(b, m, w, length * .31, -length * .31, d)
    _lights(b, m, w, length, .78)
    return w, length, h


def van(b: SceneBuilder, m: Materials) -> tuple[float, float, float]:
    """Delivery van."""
    rng = m.rng
    w, length, h = rng.uniform(1.9, 2.05), rng.uniform(4.7, 6.), rng.uniform(1.95, 2.7)
    paint, glass = m.paint(m.pick(((.7, .7, .7), (.7, .7, .7), (.5, .35, .02), (.03, .06, .25))), f0=.04), m.glass()
    b.wedge((0, -.45, h / 2 + .15), (w, length - .9, h - .3), paint, top=(.94, .98))
    b.wedge((0, length / 2 - .5, .75), (w, 1.0, .9), paint, top=(.97, .8), shift=(0, -.2))
    b.wedge((0, length / 2 - .95, 1.2 + (h - 1.2) / 2), (w * .98, 1.2, h - 1.22), glass, top=(.95, .4), shift=(0, -.5))
    for x in (-1, 1):
        b.box((x * w * .488, length / 2 - 1.5, 1.55), (.05, .8, .5), glass)
    b.box((0, -length / 2 - .005, h * .68), (w * .8, .02, h * .24), glass)
    b.box((0, 0, .35), (w * .96, length * .98, .2), m.dark)
    _wheels(b, m, w, length * .33, -length * .3, .68)
    _lights(b, m, w, length, .95)
    return w, length, h


def truck(b: SceneBuilder, m: Materials) -> tuple[float, float, float]:
    """Lorry with a box body."""
    rng = m.rng
    w, length, h = 2.45, rng.uniform(7., 11.), rng.uniform(3.2, 3.9)
    cab, load = m.car_paint(), m.paint()
    b.box((0, -.9, h / 2 + .5), (w, length - 1.9, h - 1.), load)
    b.wedge((0, length / 2 - .85, 1.7), (w * .97, 1.7, 2.4), cab, top=(.96, .85), shift=(0, -.12))
    b.box((0, length / 2 - .02, 2.15), (w * .85, .06, .75), m.glass(), rot=(.1, 0, 0))
    b.box((0, 0, .75), (w * .8, length * .96, .35), m.dark)
    _wheels(b, m, w, length * .36, -length * .3, .95)
    _lights(b, m, w, length, 1.0)
    return w, length, h


def bus(b: SceneBuilder, m: Materials) -> tuple[float, float, float]:
    """City bus or tram."""
    w, length, h = 2.5, m.rng.uniform(10., 13.), m.rng.uniform(2.9, 3.3)
    paint = m.paint(f0=.04)
    b.box((0, 0, h / 2 + .15), (w, length, h - .3), paint, bevel=.1)
    glass = m.glass()
    for x in (-1, 1):
        for i in range(6):
            b.box((x * w / 2, (i - 2.5) * length / 6.2, 1.85), (.03, length / 6.8, 1.), glass)
    for y in (-1, 1):
        b.box((0, y * length / 2, 1.8), (w * .88, .04, 1.25), glass)
    _wheels(b, m, w, length * .3, -length * .28, .95)
    _lights(b, m, w, length, .8)
    return w, length, h


def bicycle(b: SceneBuilder, m: Materials) -> tuple[float, float, float]:
    """Bicycle."""
    mat = m.paint()
    for y in (-.52, .52):
        for i in range(10):
            a, c = i * .6283, (i + 1) * .6283
            b.strut((0, y + .33 * math.cos(a), .34 + .33 * math.sin(a)), (0, y + .33 * math.cos(c), .34 + .33 * math.sin(c)), .035, m.dark)
    points = (((0, -.52, .34), (0, -.15, .85)), ((0, -.15, .85), (0, .42, .85)), ((0, .52, .34), (0, .4, .98)),
              ((0, -.1, .3), (0, .42, .8)), ((0, -.1, .3), (0, -.17, .95)), ((0, -.52, .34), (0, -.1, .3)))
    for start, end in points:
        b.strut(start, end, .035, mat)
    b.strut((-.28, .38, 1.02), (.28, .38, 1.02), .03, m.dark)
    b.box((0, -.19, .97), (.14, .26, .06), m.dark, bevel=.02)
    return .55, 1.75, 1.05
