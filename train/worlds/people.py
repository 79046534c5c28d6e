# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, 1.5-1.9 m tall, from ellipsoids and limbs."""

from __future__ import annotations

from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder


def person(b: SceneBuilder, m: Materials, stride: float | None = None) -> float:
    """Standing or walking person facing +y; returns the height."""
    rng = m.rng
    h = rng.uniform(1.5, 1.9)
    step = rng.uniform(0., .35) if stride is None else stride
    skin, top, trousers, hair = m.skin(), m.fabric(), m.fabric(), m.paint(m.pick(((.02, .015, .01), (.12, .07, .03), (.3, .22, .1), (.25, .25, .25))))
    hip, shoulder, wide = .52 * h, .82 * h, .23 * h
    for side, way in ((-1, 1), (1, -1)):
        x = side * .055 * h
        foot = (x, way * step * .5 * h, .05)
        knee = (x, way * step * .22 * h + .03, .28 * h)
        b.strut((x, 0, hip), knee, .09 * h, trousers, top=.75)
        b.strut(knee, foot, .065 * h, trousers, top=.75)
        b.ball((foot[0], foot[1] + .05, .045), (.09, .26, .09), m.dark)
        elbow = (side * .14 * h, -way * step * .12 * h, .63 * h)
        hand = (side * .13 * h, -way * step * .22 * h + .06, .5 * h)
        b.strut((side * .115 * h, 0, shoulder - .02), elbow, .06 * h, top, top=.8)
        b.strut(elbow, hand, .048 * h, top if rng.random() < .5 else skin, top=.7)
        b.ball(hand, (.08, .08, .11), skin)
    b.ball((0, 0, hip), (wide * .8, .13 * h, .16 * h), trousers)
    b.wedge((0, 0, .67 * h), (wide * .78, .125 * h, .3 * h), top, top=(1.15, .9))
    b.ball((0, 0, shoulder - .02 * h), (wide * 1.05, .13 * h, .1 * h), top)
    b.rod((0, 0, .855 * h), .06 * h, .07 * h, skin)
    b.ball((0, .01, .935 * h), (.085 * h, .105 * h, .135 * h), skin)
    b.ball((0, -.012, .955 * h), (.095 * h, .11 * h, .11 * h), hair)
    if rng.random() < .25:
        b.box((0, -.1 * h, .7 * h), (.17 * h, .1 * h, .24 * h), m.fabric(), bevel=.05)
    return float(h)
