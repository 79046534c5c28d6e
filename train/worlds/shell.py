# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Walls, doors, windows and lamps of rooms. Wall frame: x along the wall, +y into the room."""

from __future__ import annotations

import math
from dataclasses import dataclass

from train.worlds import layout as L
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder

DOOR_WIDTH = 0.8
DOOR_HEIGHT = 2.0
THICK = 0.12


@dataclass(frozen=True)
class RoomPlan:
    """Inner size of a room, x in [0, width], y in [0, depth], floor at z = 0 (metres)."""

    width: float
    depth: float
    height: float


def door(b: SceneBuilder, m: Materials, x: float, leaf_open: float | None = None) -> None:
    """Door of 0.8 x 2.0 m with frame and handle; leaf_open = angle, None = shut."""
    frame = m.white if m.rng.random() < .6 else m.wood()
    leaf = m.white if m.rng.random() < .5 else m.wood()
    half = DOOR_WIDTH / 2
    for side in (-1, 1):
        b.box((x + side * (half + .04), 0, DOOR_HEIGHT / 2), (.08, THICK + .2, DOOR_HEIGHT), frame)
    b.box((x, 0, DOOR_HEIGHT + .04), (DOOR_WIDTH + .16, THICK + .2, .08), frame)
    with b.at(x - half, .03, 0., leaf_open or 0.):
        b.box((half, 0, DOOR_HEIGHT / 2), (DOOR_WIDTH, .04, DOOR_HEIGHT), leaf)
        if m.rng.random() < .5:
            for z, tall in ((.55, .7), (1.45, .8)):
                b.box((half, .022, z), (.5, .012, tall), leaf, bevel=.012)
        for y in (-.06, .06):
            b.box((DOOR_WIDTH - .11, y, 1.03), (.12, .018, .02), m.chrome)
            b.box((DOOR_WIDTH - .06, y * .5, 1.0), (.035, .03, .16), m.chrome)


def window(b: SceneBuilder, m: Materials, x: float, width: float, sill: float, top: float,
           strength: float) -> None:
    """Window with frame, bright view, sometimes curtains, blinds, sill and radiator."""
    rng = m.rng
    frame = m.white if rng.random() < .7 else m.wood()
    middle, tall = (sill + top) / 2, top - sill
    view = m.add(L.OUTVIEW, (.75, .85, 1.), (.5, .6, .3), emit=strength)
    b.box((x, .004, middle), (width, .02, tall), view, exact=True)
    bars = int(rng.integers(1, 4))
    for i in range(bars + 1):
        b.box((x - width / 2 + i * width / bars, .02, middle), (.06, .05, tall), frame)
    for z in (sill, top) + ((sill + .65 * tall,) if rng.random() < .4 else ()):
        b.box((x, .02, z), (width + .06, .05, .06), frame)
    b.box((x, .1, sill - .04), (width + .1, .2, .03), frame)
    drapery = rng.random()
    if drapery < .45:
        cloth = m.fabric() if rng.random() < .6 else m.add(L.STRIPES, c := m.hue((.1, .9), (.2, .8)), (c[0] * .6, c[1] * .6, c[2] * .6), sx=.09, p0=.5)
        bottom = .05 if rng.random() < .6 else sill - .1
        for side in (-1, 1):
            folds = int(rng.integers(3, 7))
            for i in range(folds):
                b.rod((x + side * (width / 2 + .02 - i * .07), .14, (bottom + top + .15) / 2), .085, top + .15 - bottom, cloth)
        b.strut((x - width / 2 - .3, .14, top + .17), (x + width / 2 + .3, .14, top + .17), .03, m.chrome)
    elif drapery < .6:
        low = rng.uniform(sill, top - .1)
        b.box((x, .06, (low + top) / 2), (width, .012, top - low), m.add(L.STRIPES, (.6, .58, .52), (.35, .34, .3), sx=.03, p0=.3, p1=1.))
    if sill > .6 and rng.random() < .6:
        b.box((x, .1, .38), (min(width, 1.2), .09, .5), m.add(L.STRIPES, (.7, .7, .68), (.35, .35, .34), sx=.05, p0=.35), bevel=.01)


def picture(b: SceneBuilder, m: Materials, x: float, z: float) -> None:
    """Framed picture, poster, mirror, clock or notice board on a wall."""
    rng = m.rng
    w, h = rng.uniform(.2, 1.0), rng.uniform(.2, .8)
    if rng.random() < .8:
        b.box((x, .012, z), (w + .06, .024, h + .06), m.wood(), bevel=.01)
    inner = m.mirror() if rng.random() < .12 else m.printed()
    b.box((x, .016, z), (w, .02, h), inner, exact=True)


def wall(b: SceneBuilder, m: Materials, length: float, height: float, mat: int, gap: float | None) -> None:
    """Wall with an optional doorway centred at `gap`."""
    if gap is None:
        b.box((length / 2, -THICK / 2, height / 2), (length + 2 * THICK, THICK, height), mat, bevel=0.)
        return
    half = DOOR_WIDTH / 2
    b.box(((gap - half) / 2, -THICK / 2, height / 2), (gap - half, THICK, height), mat, bevel=0.)
    b.box(((gap + half + length) / 2, -THICK / 2, height / 2), (length - gap - half, THICK, height), mat, bevel=0.)
    b.box((gap, -THICK / 2, (height + DOOR_HEIGHT) / 2), (DOOR_WIDTH, THICK, height - DOOR_HEIGHT), mat, bevel=0.)


def side_room(b: SceneBuilder, m: Materials, gap: float, height: float) -> None:
    """What is seen through an open doorway: a bare room or passage behind the wall."""
    rng = m.rng
    w, d = rng.uniform(1.6, 4.), rng.uniform(1.2, 4.5)
    paper, ground, top = m.wall(), m.floor(), m.ceiling()
    b.box((gap, -THICK - d / 2, -.05), (w, d + 2 * THICK, .1), ground, bevel=0.)
    b.box((gap, -THICK - d / 2, height + .05), (w, d, .1), top, bevel=0.)
    b.box((gap, -THICK - d - .05, height / 2), (w, .1, height), paper, bevel=0.)
    for side in (-1, 1):
        b.box((gap + side * (w / 2 + .05), -THICK - d / 2, height / 2), (.1, d, height), paper, bevel=0.)
    with b.at(gap, -THICK - d):
        if rng.random() < .5:
            picture(b, m, rng.uniform(-.3, .3), 1.5)
        else:
            door(b, m, 0.)


def ceiling_lamps(b: SceneBuilder, m: Materials, plan: RoomPlan, strength: float) -> None:
    """One to four lamps on the ceiling."""
    rng = m.rng
    warm = rng.uniform(.45, 1.05)
    colour = (strength, strength * (.8 + .2 * warm), strength * warm)
    glow = m.glow((.9, .85, .75), strength * 1.2)
    columns = 2 if plan.width * plan.depth > 25 and rng.random() < .6 else 1
    style = rng.random()
    for i in range(columns):
        x = plan.width * (i + .5) / columns + rng.uniform(-.3, .3)
        y = plan.depth * rng.uniform(.35, .65)
        gain = 1.0 / columns
        drop = .35
        if style < .3:
            b.box((x, y, plan.height - .03), (.3, 1.2, .05), glow)
        elif style < .6:
            b.rod((x, y, plan.height - .05), .38, .1, glow, top=.8)
        else:
            drop = rng.uniform(.5, .8)
            b.strut((x, y, plan.height - drop + .2), (x, y, plan.height), .012, m.dark)
            b.rod((x, y, plan.height - drop + .17), .35, .2, glow, top=.5)
        b.lamp((x, y, plan.height - drop), (colour[0] * gain, colour[1] * gain, colour[2] * gain), .04)


def skirting(b: SceneBuilder, length: float, mat: int) -> None:
    """Board along the foot of a wall."""
    b.box((length / 2, .008, .04), (length, .016, .08), mat)


def stairs(b: SceneBuilder, m: Materials, width: float, steps: int) -> tuple[float, float, float]:
    """Straight flight along -y, steps of 0.17 x 0.28 m, with a hand rail."""
    mat = m.wood()
    for i in range(steps):
        b.box((0, -i * .28, (i + 1) * .085), (width, .3, (i + 1) * .17), mat)
    rail = m.chrome if m.rng.random() < .4 else mat
    for i in range(0, steps, 2):
        b.strut((width / 2, -i * .28, (i + 1) * .17), (width / 2, -i * .28, (i + 1) * .17 + .9), .03, rail)
    b.strut((width / 2, 0, 1.05), (width / 2, -(steps - 1) * .28, steps * .17 + .9), .05, rail)
    return width, steps * .28, steps * .17 + math.pi * .3
