# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, 1.5-1.9 m tall, from ellipsoids and limbs."""

from __future__ import annotations

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder


def person(b: SceneBuilder, m: Materials) -> None:
    """Standing or walking person facing +y."""
    rng = m.rng
    h = rng.uniform(1.5, 1.9)
    step = rng.uniform(0.0, 0.35)
    skin, top, trousers, hair = (
        m.skin(),
        m.fabric(),
        m.fabric(),
        m.paint(
            m.pick(((0.02, 0.015, 0.01), (0.12, 0.07, 0.03), (0.3, 0.22, 0.1), (0.25, 0.25, 0.25)))
        ),
    )
    hip, shoulder, wide = 0.52 * h, 0.82 * h, 0.23 * h
    for side, way in ((-1, 1), (1, -1)):
        x = side * 0.055 * h
        foot = (x, way * step * 0.5 * h, 0.05)
        knee = (x, way * step * 0.22 * h + 0.03, 0.28 * h)
        b.strut((x, 0, hip), knee, 0.09 * h, trousers, top=0.75)
        b.strut(knee, foot, 0.065 * h, trousers, top=0.75)
        b.ball((foot[0], foot[1] + 0.05, 0.045), (0.09, 0.26, 0.09), m.dark)
        elbow = (side * 0.14 * h, -way * step * 0.12 * h, 0.63 * h)
        hand = (side * 0.13 * h, -way * step * 0.22 * h + 0.06, 0.5 * h)
        b.strut((side * 0.115 * h, 0, shoulder - 0.02), elbow, 0.06 * h, top, top=0.8)
        b.strut(elbow, hand, 0.048 * h, top if rng.random() < 0.5 else skin, top=0.7)
        b.ball(hand, (0.08, 0.08, 0.11), skin)
    b.ball((0, 0, hip), (wide * 0.8, 0.13 * h, 0.16 * h), trousers)
    b.wedge((0, 0, 0.67 * h), (wide * 0.78, 0.125 * h, 0.3 * h), top, top=(1.15, 0.9))
    b.ball((0, 0, shoulder - 0.02 * h), (wide * 1.05, 0.13 * h, 0.1 * h), top)
    b.rod((0, 0, 0.855 * h), 0.06 * h, 0.07 * h, skin)
    b.ball((0, 0.01, 0.935 * h), (0.085 * h, 0.105 * h, 0.135 * h), skin)
    b.ball((0, -0.012, 0.955 * h), (0.095 * h, 0.11 * h, 0.11 * h), hair)
    if rng.random() < 0.25:
        b.box((0, -0.1 * h, 0.7 * h), (0.17 * h, 0.1 * h, 0.24 * h), m.fabric(), bevel=0.05)
