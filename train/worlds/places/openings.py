# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Doors, windows and openings to second rooms in the walls of a room, and the space behind."""

from __future__ import annotations

import math
from dataclasses import replace

from train.worlds.materials import Materials
from train.worlds.places.floor import Footprints, Stock, wall_line
from train.worlds.places.shell import (
    DOOR_WIDTH,
    THICK,
    Opening,
    RoomPlan,
    door,
    side_room,
    wall,
    window,
)
from train.worlds.render.scene import SceneBuilder
from train.worlds.things.groups import group

HALF_PI = math.pi / 2


def wall_frames(plan: RoomPlan) -> tuple[tuple[float, float, float, float], ...]:
    """Return (x, y, yaw, length) of the four walls; in their frames +y points into the room."""
    w, d = plan.width, plan.depth
    return ((0.0, 0.0, 0.0, w), (w, 0.0, HALF_PI, d), (w, d, math.pi, w), (0.0, d, -HALF_PI, d))


def doorway(
    b: SceneBuilder, m: Materials, index: int, length: float, height: float, mat: int
) -> Opening:
    """Wall with a closed door, or an open one and the space behind it."""
    at = m.rng.uniform(DOOR_WIDTH, max(DOOR_WIDTH + 0.01, length - DOOR_WIDTH))
    ajar = m.rng.random() < 0.5
    wall(b, length, height, mat, at if ajar else None)
    door(b, m, at, m.rng.uniform(0.6, 1.9) if ajar else None)
    beyond = side_room(b, m, at, height, length) if ajar else (0.0, 0.0)
    return Opening(index, at, 0.55, 0.0, beyond)


def annex(
    b: SceneBuilder,
    m: Materials,
    index: int,
    length: float,
    height: float,
    mat: int,
    stock: Stock | None = None,
) -> Opening:
    """Wall with a wide opening into a second room, as in open-plan homes and offices.

    stock: furniture of that room, see `wall_line`.
    """
    rng = m.rng
    gap = rng.uniform(1.1, min(3.6, length - 0.5))
    at = rng.uniform(gap / 2 + 0.15, length - gap / 2 - 0.15)
    head = height - 0.02 if rng.random() < 0.4 else rng.uniform(2.0, height - 0.1)
    wall(b, length, height, mat, at, (gap, head))
    deep = rng.uniform(2.2, 6.0)
    end = -THICK - deep
    ground = m.floor()
    b.box((length / 2, end / 2, -0.05), (length + 0.3, deep + 0.3, 0.1), ground, bevel=0.0)
    b.box(
        (length / 2, end / 2, height + 0.05),
        (length + 0.3, deep + 0.3, 0.1),
        m.ceiling(),
        bevel=0.0,
    )
    for x in (-THICK / 2, length + THICK / 2):
        b.box((x, end / 2, height / 2), (THICK, deep + THICK, height), mat, bevel=0.0)
    with b.at(0.0, end):
        b.box((length / 2, -0.05, height / 2), (length + 0.2, 0.1, height), mat, bevel=0.0)
        _furnish_annex(b, m, length, deep, height, stock)
    if rng.random() < 0.6:
        power = rng.uniform(0.5, 2.0)
        lamp = (length / 2, -deep / 2, height - 0.4)
        b.lamp(lamp, (power, 0.85 * power, 0.65 * power), 0.1)
    return Opening(index, at, gap / 2 + 0.1, 0.0, (length, deep))


def _furnish_annex(
    b: SceneBuilder, m: Materials, length: float, deep: float, h: float, stock: Stock | None
) -> None:
    """Furnish a second room of height h, x from 0 to length, y from 0 (its far wall) to deep."""
    rng = m.rng
    holes = []
    if stock is None and rng.random() < 0.5:
        wide = min(length - 0.6, rng.uniform(0.8, 2.2))
        window(b, m, length / 2, wide, 0.9, min(2.2, h - 0.1), rng.uniform(0.5, 5.0))
        holes.append(Opening(0, length / 2, wide / 2, 0.9))
    floor = Footprints(b.world_rect((0.0, 0.0, length, deep)))
    if rng.random() < 0.7:
        with b.at(rng.uniform(0.2, 0.8) * length, rng.uniform(0.4, 0.65) * deep, 0.0, HALF_PI):
            floor.put(b, m, lambda: group(b, m, 1.1))
    wall_line(b, m, length, holes, floor, rng.uniform(0.4, 0.9), h, stock)


def with_beyond(plan: RoomPlan, openings: list[Opening]) -> RoomPlan:
    """Return the plan with the floor behind its open doorways, where cameras are allowed too."""
    rectangles = []
    for o in openings:
        wide, deep = o.beyond
        if not deep:
            continue
        x, y, yaw, length = wall_frames(plan)[o.wall]
        reach = min(wide / 2 - 0.2, o.half + 0.2)
        u0, u1 = max(0.2, o.at - reach), min(length - 0.2, o.at + reach)
        corners = [(u0, -0.25), (u1, -min(deep - 0.2, 2.5))]
        c, s = math.cos(yaw), math.sin(yaw)
        ends = [(x + c * u - s * v, y + s * u + c * v) for u, v in corners]
        xs, ys = sorted(e[0] for e in ends), sorted(e[1] for e in ends)
        rectangles.append((xs[0], ys[0], xs[1], ys[1]))
    return replace(plan, beyond=tuple(rectangles))


def window_opening(
    b: SceneBuilder, m: Materials, index: int, length: float, height: float, day: bool
) -> list[Opening]:
    """Window with its light, if the wall is long enough."""
    rng = m.rng
    wide = min(length - 0.8, rng.uniform(0.8, 2.6))
    if wide < 0.5:
        return []
    sill = float(rng.choice([0.1, 0.85, 0.9, 1.0]))
    top = min(height - 0.15, rng.uniform(2.0, 2.4))
    at = rng.uniform(0.3 + wide / 2, length - 0.3 - wide / 2)
    bright = rng.uniform(1.5, 7.0) if day else 0.02
    window(b, m, at, wide, sill, top, bright)
    if day:
        power = bright * wide * (top - sill) * 0.32
        b.window_light(
            (at, 0.08, (sill + top) / 2),
            (0.0, 1.0, 0.0),
            (power * 0.92, power, power * 1.08),
            0.35,
        )
    return [Opening(index, at, wide / 2 + 0.1, sill)]


def before_doors(b: SceneBuilder, plan: RoomPlan, openings: list[Opening]) -> Footprints:
    """Return the floor of a room where only the areas in front of its doors are occupied."""
    taken = Footprints((0.0, 0.0, plan.width, plan.depth))
    frames = wall_frames(plan)
    for o in openings:
        if o.sill == 0.0:
            with b.at(*frames[o.wall][:2], 0.0, frames[o.wall][2]):
                u, v, _ = b.world(o.at, 0.45, 0.0)
            taken.take((u - 0.42, v - 0.42, u + 0.42, v + 0.42))
    return taken


def along_walls(
    b: SceneBuilder,
    m: Materials,
    plan: RoomPlan,
    openings: list[Opening],
    taken: Footprints,
    full: float,
    stock: Stock | None = None,
) -> None:
    """Furnish all walls, see `wall_line`."""
    for index, (x, y, yaw, length) in enumerate(wall_frames(plan)):
        holes = [o for o in openings if o.wall == index]
        with b.at(x, y, 0.0, yaw):
            wall_line(b, m, length, holes, taken, full, plan.height, stock)
