# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms: shell, openings, lights, furniture."""

from __future__ import annotations

import math

from numpy.random import Generator

from train.worlds import fittings, furniture
from train.worlds.assets import Assets
from train.worlds.clutter import scatter
from train.worlds.groups import group
from train.worlds.materials import Materials
from train.worlds.openings import (
    HALF_PI,
    Opening,
    annex,
    doorway,
    wall_frames,
    window_opening,
    with_beyond,
)
from train.worlds.scene import Scene, SceneBuilder
from train.worlds.shell import RoomPlan, ceiling_lamps, picture, skirting, stairs, wall
from train.worlds.storage import kitchen

# Logarithms of the radiance of light that bounced more than once: dark corners are common.
AMBIENT = math.log(0.012), math.log(0.2)


class Footprints:
    """Occupied rectangles on the floor, axis-aligned in the world."""

    def __init__(self, plan: RoomPlan) -> None:
        self.plan = plan
        self.boxes: list[tuple[float, float, float, float]] = []

    def take(self, x: float, y: float, half_x: float, half_y: float) -> bool:
        """Occupy a rectangle by its centre; False if it is not free or leaves the room."""
        box = (x - half_x, y - half_y, x + half_x, y + half_y)
        if (
            box[0] < -0.02
            or box[1] < -0.02
            or box[2] > self.plan.width + 0.02
            or box[3] > self.plan.depth + 0.02
        ):
            return False
        if any(
            box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in self.boxes
        ):
            return False
        self.boxes.append(box)
        return True


def draw_plan(rng: Generator) -> RoomPlan:
    """Room or corridor of real-life size."""
    height = rng.uniform(2.3, 3.0) if rng.random() < 0.8 else rng.uniform(3.0, 3.4)
    if rng.random() < 0.12:
        return RoomPlan(rng.uniform(1.3, 2.4), rng.uniform(6, 14), height)
    if rng.random() < 0.22:
        return RoomPlan(rng.uniform(6, 11), rng.uniform(6, 11), height)
    return RoomPlan(rng.uniform(2.6, 6.5), rng.uniform(3.0, 8.0), height)


def build_shell(b: SceneBuilder, m: Materials, plan: RoomPlan) -> list[Opening]:
    """Floor, ceiling, walls with doors and windows, lamps -> the openings."""
    rng = m.rng
    w, d, h = plan.width, plan.depth, plan.height
    b.box((w / 2, d / 2, -0.05), (w + 0.3, d + 0.3, 0.1), m.floor(), bevel=0.0)
    b.box((w / 2, d / 2, h + 0.05), (w + 0.3, d + 0.3, 0.1), m.ceiling(), bevel=0.0)
    day = rng.random() < 0.65
    lamp = 0.0 if day and rng.random() < 0.3 else float(rng.uniform(1.0, 3.0))
    if lamp:
        ceiling_lamps(b, m, plan, lamp)
    main, accent = m.wall(), m.wall()
    board = m.white if rng.random() < 0.6 else m.wood()
    openings: list[Opening] = []
    wide = int(rng.integers(4)) if rng.random() < 0.5 else -1
    for index, (x, y, yaw, length) in enumerate(wall_frames(plan)):
        with b.at(x, y, 0.0, yaw):
            mat = accent if rng.random() < 0.15 else main
            if rng.random() < 0.75:
                skirting(b, length, board)
            if index == wide and length > 2.4:
                openings.append(annex(b, m, index, length, h, mat))
            elif index == 0 or rng.random() < 0.4:
                openings.append(doorway(b, m, index, length, h, mat))
            else:
                wall(b, m, length, h, mat, None)
                if rng.random() < 0.7 and sum(o.sill > 0 for o in openings) < 2:
                    openings += window_opening(b, m, index, length, h, day)
    return openings


def furnish(b: SceneBuilder, m: Materials, plan: RoomPlan, openings: list[Opening]) -> None:
    """Furniture along the walls, groups in the middle, things on the floor and on the walls."""
    rng = m.rng
    taken = Footprints(plan)
    frames = wall_frames(plan)
    for o in openings:
        if o.sill == 0.0:
            with b.at(*frames[o.wall][:2], 0.0, frames[o.wall][2]):
                u, v, _ = b.world(o.at, 0.45, 0.0)
            taken.take(u, v, 0.42, 0.42)
    if rng.random() < 0.35:
        _kitchen_line(b, m, frames[2], openings, taken)
    full = rng.uniform(0.6, 1.0)
    for index, frame in enumerate(frames):
        _wall_line(b, m, index, frame, openings, taken, full, plan.height)
    area = plan.width * plan.depth
    for _ in range(int(rng.integers(1, 4 + int(area / 5)))):
        x, y = (
            rng.uniform(0.6, max(0.61, plan.width - 0.6)),
            rng.uniform(0.6, max(0.61, plan.depth - 0.6)),
        )
        reach = rng.choice([0.5, 0.8, 1.1])
        if taken.take(x, y, reach, reach):
            turned = (
                rng.uniform(-math.pi, math.pi) if rng.random() < 0.4 else rng.integers(4) * HALF_PI
            )
            with b.at(x, y, 0.0, turned):
                group(b, m, reach)
    with b.at(plan.width / 2, plan.depth / 2):
        scatter(b, m, plan.width * 0.9, plan.depth * 0.9, int(rng.choice([0, 0, 2, 6])), big=False)
        if rng.random() < 0.35:
            b.box((0, 0, 0.004), (rng.uniform(1.0, 2.5), rng.uniform(1.0, 3.0), 0.012), m.fabric())


def _wall_line(
    b: SceneBuilder,
    m: Materials,
    index: int,
    frame: tuple[float, float, float, float],
    openings: list[Opening],
    taken: Footprints,
    full: float,
    plan_height: float,
) -> None:
    """Fill a wall from left to right with furniture and pictures, around its openings."""
    rng = m.rng
    x, y, yaw, length = frame
    holes = [o for o in openings if o.wall == index]
    along = rng.uniform(0.0, 0.4)
    with b.at(x, y, 0.0, yaw):
        for _ in range(12):
            if along > length - 0.35:
                break
            make = furniture.ALONG_WALL[int(rng.integers(len(furniture.ALONG_WALL)))]
            if rng.random() > full:  # leave a gap
                if all(abs(o.at - along) > o.half + 0.5 for o in holes) and rng.random() < 0.65:
                    _on_wall(b, m, along + 0.2, plan_height)
                along += rng.uniform(0.4, 1.2)
                continue
            start, materials = len(b.rows), len(m.rows)
            with b.at(0.0, 0.0):
                w, d, h = make(b, m)
            middle = along + w / 2
            u, v, _ = b.world(middle, d / 2 + 0.02, 0.0)
            half = (w / 2, d / 2) if index % 2 == 0 else (d / 2, w / 2)
            blocked = any(abs(o.at - middle) < o.half + w / 2 and h > o.sill for o in holes)
            keep = not blocked and taken.take(u, v, *half)
            moved = b.rows[start:]
            del b.rows[start:]
            if keep:
                dx, dy, _ = b.world(middle, d / 2 + 0.02, 0.0)
                ox, oy, _ = b.world(0.0, 0.0, 0.0)
                b.rows.extend((r[0], r[1] + dx - ox, r[2] + dy - oy, *r[3:]) for r in moved)
            else:
                del m.rows[materials:]
            clear = all(abs(o.at - middle) > o.half + 0.4 for o in holes)
            if clear and (not keep or h < 1.0) and rng.random() < 0.65:
                _on_wall(b, m, middle, plan_height)
            along += (w if keep else 0.25) + (
                rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.02
            )


def _on_wall(b: SceneBuilder, m: Materials, x: float, height: float) -> None:
    """Hang something over low furniture or on a bare wall."""
    roll = m.rng.random()
    if roll < 0.5:
        picture(b, m, x, m.rng.uniform(1.4, 1.75))
    elif roll < 0.75:
        fittings.wall_shelf(b, m, x)
    elif roll < 0.83:
        fittings.board(b, m, x)
    elif roll < 0.91:
        fittings.coats(b, m, x)
    else:
        fittings.pipes(b, m, x, height)


def _kitchen_line(
    b: SceneBuilder,
    m: Materials,
    frame: tuple[float, float, float, float],
    openings: list[Opening],
    taken: Footprints,
) -> None:
    x, y, yaw, length = frame
    if any(o.wall == 2 and o.sill < 0.85 for o in openings):
        return
    width = min(length - 0.2, float(m.rng.uniform(1.8, 4.0)))
    with b.at(x, y, 0.0, yaw), b.at(length / 2, 0.32):
        kitchen(b, m, width)
        u, v, _ = b.world(0.0, 0.0, 0.0)
        taken.take(u, v, width / 2, 0.31)


def indoor_scene(rng: Generator, assets: Assets) -> tuple[Scene, RoomPlan]:
    """Build a furnished room."""
    m = Materials(rng, assets)
    b = SceneBuilder()
    plan = draw_plan(rng)
    openings = build_shell(b, m, plan)
    furnish(b, m, plan, openings)
    if plan.width > 3 and rng.random() < 0.08:
        with b.at(plan.width - 0.6, plan.depth / 2):
            stairs(b, m, 0.9, 8)
    level = math.exp(rng.uniform(*AMBIENT))
    scene = b.finish(m.array(), ambient=(level, level * 0.97, level * 0.93))
    return scene, with_beyond(plan, openings)
