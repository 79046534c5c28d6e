# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms: shell, openings, lights, furniture."""

from __future__ import annotations

import math

from numpy.random import Generator

from train.worlds import furniture
from train.worlds.assets import Assets
from train.worlds.clutter import scatter
from train.worlds.materials import Materials
from train.worlds.people import person
from train.worlds.scene import Scene, SceneBuilder
from train.worlds.shell import (
    DOOR_WIDTH,
    RoomPlan,
    ceiling_lamps,
    door,
    picture,
    side_room,
    skirting,
    stairs,
    wall,
    window,
)

HALF_PI = math.pi / 2


class Footprints:
    """Occupied rectangles on the floor (circles, to be quick)."""

    def __init__(self) -> None:
        self.circles: list[tuple[float, float, float]] = []

    def free(self, x: float, y: float, radius: float) -> bool:
        """Whether a disc is clear of everything."""
        return all(math.hypot(x - u, y - v) > .8 * (radius + r) for u, v, r in self.circles)

    def take(self, x: float, y: float, radius: float) -> None:
        """Mark a disc as occupied."""
        self.circles.append((x, y, radius))


def draw_plan(rng: Generator) -> RoomPlan:
    """Room or corridor of real-life size."""
    height = rng.uniform(2.3, 3.0) if rng.random() < .8 else rng.uniform(3.0, 3.4)
    if rng.random() < .12:
        return RoomPlan(rng.uniform(1.3, 2.4), rng.uniform(6, 14), height)
    if rng.random() < .12:
        return RoomPlan(rng.uniform(6, 10), rng.uniform(6, 10), height)
    return RoomPlan(rng.uniform(2.5, 6.), rng.uniform(2.8, 6.5), height)


def wall_frames(plan: RoomPlan) -> tuple[tuple[float, float, float, float], ...]:
    """(x, y, yaw, length) of the four walls; in their frames +y points into the room."""
    w, d = plan.width, plan.depth
    return ((0., 0., 0., w), (w, 0., HALF_PI, d), (w, d, math.pi, w), (0., d, -HALF_PI, d))


def build_shell(b: SceneBuilder, m: Materials, plan: RoomPlan) -> None:
    """Floor, ceiling, walls with doors and windows, lamps."""
    rng = m.rng
    w, d, h = plan.width, plan.depth, plan.height
    b.box((w / 2, d / 2, -.05), (w + .3, d + .3, .1), m.floor(), bevel=0.)
    b.box((w / 2, d / 2, h + .05), (w + .3, d + .3, .1), m.ceiling(), bevel=0.)
    day = rng.random() < .65
    lamp = 0. if day and rng.random() < .35 else float(rng.uniform(1., 3.))
    if lamp:
        ceiling_lamps(b, m, plan, lamp)
    main, accent = m.wall(), m.wall()
    board = m.white if rng.random() < .6 else m.wood()
    windows = 0
    for index, (x, y, yaw, length) in enumerate(wall_frames(plan)):
        with b.at(x, y, 0., yaw):
            mat = accent if rng.random() < .15 else main
            if rng.random() < .75:
                skirting(b, length, board)
            roll = rng.random()
            if roll < .45 or index == 0:
                at = rng.uniform(DOOR_WIDTH, max(DOOR_WIDTH + .01, length - DOOR_WIDTH))
                ajar = rng.random() < .5
                wall(b, m, length, h, mat, at if ajar else None)
                door(b, m, at, rng.uniform(.6, 1.9) if ajar else None)
                if ajar:
                    side_room(b, m, at, h)
            else:
                wall(b, m, length, h, mat, None)
                wide = min(length - .8, rng.uniform(.8, 2.6))
                if roll < .85 and wide > .5 and windows < 2:
                    windows += 1
                    sill = rng.choice([.1, .85, .9, 1.0])
                    top = min(h - .15, rng.uniform(2.0, 2.4))
                    at = rng.uniform(.3 + wide / 2, length - .3 - wide / 2)
                    bright = rng.uniform(1.5, 7.) if day else .02
                    window(b, m, at, wide, sill, top, bright)
                    if day:
                        power = bright * wide * (top - sill) * .32
                        b.window_light((at, .08, (sill + top) / 2), (0., 1., 0.), (power * .92, power, power * 1.08), .35)
            for _ in range(int(rng.integers(0, 3))):
                picture(b, m, rng.uniform(.4, max(.5, length - .4)), rng.uniform(1.35, 1.7))


def furnish(b: SceneBuilder, m: Materials, plan: RoomPlan) -> None:
    """Furniture along the walls, groups in the middle, things on the floor, people."""
    rng = m.rng
    taken = Footprints()
    frames = wall_frames(plan)
    if rng.random() < .35:
        _kitchen_line(b, m, frames, taken)
    for _ in range(int(rng.integers(2, 5 + int(plan.width * plan.depth / 5)))):
        x, y, yaw, length = frames[int(rng.integers(4))]
        along = rng.uniform(.5, max(.51, length - .5))
        make = furniture.ALONG_WALL[int(rng.integers(len(furniture.ALONG_WALL)))]
        _place(b, m, taken, make, x, y, yaw, along, plan)
    for _ in range(int(rng.integers(0, 2 + int(plan.width * plan.depth / 9)))):
        x, y = rng.uniform(.8, max(.81, plan.width - .8)), rng.uniform(.8, max(.81, plan.depth - .8))
        if taken.free(x, y, .8):
            with b.at(x, y, 0., rng.uniform(-math.pi, math.pi) if rng.random() < .4 else rng.integers(4) * HALF_PI):
                _group(b, m)
            taken.take(x, y, .8)
    with b.at(plan.width / 2, plan.depth / 2):
        scatter(b, m, plan.width * .9, plan.depth * .9, int(rng.choice([0, 0, 2, 6])), big=False)
        if rng.random() < .35:
            b.box((0, 0, .004), (rng.uniform(1., 2.5), rng.uniform(1., 3.), .012), m.fabric())


def _kitchen_line(b: SceneBuilder, m: Materials, frames: tuple, taken: Footprints) -> None:
    x, y, yaw, length = frames[2]
    width = min(length - .2, float(m.rng.uniform(1.8, 4.)))
    with b.at(x, y, 0., yaw), b.at(length / 2, .32):
        furniture.kitchen(b, m, width)
        for k in range(int(width / .6)):
            u, v, _ = b.world(-width / 2 + .3 + k * .6, 0., 0.)
            taken.take(u, v, .45)


def _place(b: SceneBuilder, m: Materials, taken: Footprints, make, x: float, y: float, yaw: float,
           along: float, plan: RoomPlan) -> None:
    """Try a piece at a wall; leave it out if it does not fit."""
    start, materials = len(b.rows), len(m._rows)
    with b.at(x, y, 0., yaw):
        with b.at(along, 0.):
            size = make(b, m)
            u, v, _ = b.world(0., size[1] / 2 + .02, 0.)
        reach = .5 * max(size[0], size[1])
        fits = (taken.free(u, v, reach) and size[0] / 2 < along + .05
                and .2 + size[1] < min(plan.width, plan.depth) * .6)
        moved = b.rows[start:]
        del b.rows[start:]
        if not fits:
            del m._rows[materials:]
            return
        dx, dy = -math.sin(b._yaw) * (size[1] / 2 + .02), math.cos(b._yaw) * (size[1] / 2 + .02)
        b.rows.extend((r[0], r[1] + dx, r[2] + dy, *r[3:]) for r in moved)
        taken.take(u, v, reach)


def _group(b: SceneBuilder, m: Materials) -> None:
    """Table with chairs, or one piece, or a person."""
    rng = m.rng
    roll = rng.random()
    if roll < .15:
        person(b, m)
    elif roll < .6:
        w, d, _ = furniture.table(b, m)
        state = rng.bit_generator.state
        for i in range(int(rng.integers(1, 5))):
            side = 1 if i % 2 == 0 else -1
            with b.at((i // 2 - .5) * w * .5, side * (d / 2 + rng.uniform(-.05, .25)), 0., (math.pi if side > 0 else 0.) + rng.uniform(-.25, .25)):
                rng.bit_generator.state = state  # chairs of one set look alike
                furniture.chair(b, m)
    else:
        furniture.FREE[int(rng.integers(len(furniture.FREE)))](b, m)


def indoor_scene(rng: Generator, assets: Assets) -> tuple[Scene, RoomPlan]:
    """Build a furnished room."""
    m = Materials(rng, assets)
    b = SceneBuilder()
    plan = draw_plan(rng)
    build_shell(b, m, plan)
    furnish(b, m, plan)
    if plan.width > 3 and rng.random() < .08:
        with b.at(plan.width - .6, plan.depth / 2):
            stairs(b, m, .9, 8)
    level = float(rng.uniform(.03, .12))
    return b.finish(m.array(), ambient=(level, level * .95, level * .88)), plan
