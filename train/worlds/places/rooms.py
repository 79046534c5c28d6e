# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms: shell, openings, lights, furniture."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.random import Generator

from train.worlds.materials import Materials
from train.worlds.places.cellar import cellar_scene
from train.worlds.places.floor import BATHROOM, Footprints
from train.worlds.places.openings import (
    HALF_PI,
    along_walls,
    annex,
    before_doors,
    doorway,
    wall_frames,
    window_opening,
    with_beyond,
)
from train.worlds.places.shell import (
    Counter,
    Opening,
    RoomPlan,
    ceiling_lamps,
    skirting,
    stairs,
    wall,
)
from train.worlds.render.assets import Assets
from train.worlds.render.scene import Scene, SceneBuilder
from train.worlds.things.clutter import scatter
from train.worlds.things.groups import group
from train.worlds.things.kitchen import cabinet, draw_style, kitchen

# Logarithms of the radiance of light that bounced more than once: dark corners are common.
AMBIENT = math.log(0.007), math.log(0.15)
STAIN = math.log(0.2), math.log(0.8)
# Half sizes of the free squares to try for groups of furniture (metres).
REACHES = 0.5, 0.8, 0.8, 1.1, 1.1, 1.1
CELLAR_SHARE = 1.0 / 7.0
BATHROOM_AREA = 14.0  # square metres; larger rooms are never bathrooms


def draw_plan(rng: Generator) -> RoomPlan:
    """Room or corridor of real-life size."""
    height = rng.uniform(2.3, 3.0) if rng.random() < 0.8 else rng.uniform(3.0, 3.4)
    if rng.random() < 0.12:
        return RoomPlan(rng.uniform(1.3, 2.4), rng.uniform(6, 14), height)
    if rng.random() < 0.3:
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
                wall(b, length, h, mat, None)
                if rng.random() < 0.7 and sum(o.sill > 0 for o in openings) < 2:
                    openings += window_opening(b, m, index, length, h, day)
    return openings


def furnish(
    b: SceneBuilder, m: Materials, plan: RoomPlan, openings: list[Opening]
) -> list[Counter]:
    """Furniture along the walls, groups in the middle, things on floor and walls -> flat tops."""
    rng = m.rng
    taken = before_doors(b, plan, openings)
    full = rng.uniform(0.6, 1.0)
    if plan.width * plan.depth < BATHROOM_AREA and rng.random() < 0.25:
        along_walls(b, m, plan, openings, taken, full, BATHROOM)
        return taken.counters
    if rng.random() < 0.08:
        with b.at(plan.width - 0.6, plan.depth / 2):
            taken.put(b, m, lambda: stairs(b, m, 0.9, 8))
    if rng.random() < 0.4:
        _kitchen(b, m, plan, openings, taken)
    along_walls(b, m, plan, openings, taken, full)
    _middle(b, m, plan, taken)
    return taken.counters


def _middle(b: SceneBuilder, m: Materials, plan: RoomPlan, taken: Footprints) -> None:
    """Place groups of furniture, a rug and things on the floor."""
    rng = m.rng
    wanted = min(5, round(plan.width * plan.depth / 10.0 * rng.uniform(0.3, 1.1)))
    for _ in range(12 * wanted):
        if not wanted:
            break
        reach = REACHES[int(rng.integers(len(REACHES)))]
        x = rng.uniform(reach, max(reach + 0.01, plan.width - reach))
        y = rng.uniform(reach, max(reach + 0.01, plan.depth - reach))
        if not taken.free((x - reach, y - reach, x + reach, y + reach)):
            continue
        askew = rng.random() < 0.4
        turned = rng.uniform(-math.pi, math.pi) if askew else rng.integers(4) * HALF_PI
        with b.at(x, y, 0.0, turned):
            wanted -= taken.put(b, m, lambda reach=reach: group(b, m, reach))
    with b.at(plan.width / 2, plan.depth / 2):
        scatter(b, m, plan.width * 0.9, plan.depth * 0.9, int(rng.choice([0, 0, 2, 6])), big=False)
        if rng.random() < 0.35:
            wide, long = min(plan.width, rng.uniform(1.0, 2.5)), rng.uniform(1.0, 3.0)
            b.box((0, 0, 0.004), (wide, long, 0.012), m.fabric())


def _kitchen(
    b: SceneBuilder, m: Materials, plan: RoomPlan, openings: list[Opening], taken: Footprints
) -> None:
    """Kitchen line along wall 2; sometimes a second one round the corner, or an island."""
    rng = m.rng
    style, frames = draw_style(m), wall_frames(plan)

    def line(wall: int, start: float, width: float, walled: bool) -> None:
        x, y, yaw, _ = frames[wall]
        holes = [o for o in openings if o.wall == wall and o.sill < style.height]
        if any(o.at + o.half > start and o.at - o.half < start + width for o in holes):
            return
        with b.at(x, y, 0.0, yaw), b.at(start + width / 2, 0.315):
            if taken.put(b, m, lambda: kitchen(b, m, style, width, walled)):
                taken.add_counter(b, (0.0, 0.3), width, style.height)

    width = min(plan.width - 0.2, float(rng.uniform(1.8, 4.0)))
    start = 0.03 if rng.random() < 0.6 else (plan.width - width) / 2
    line(2, start, width, walled=rng.random() < 0.7)
    if rng.random() < 0.5 and plan.depth > 3.0:  # wall 1 ends where wall 2 begins
        leg = rng.uniform(0.6, min(2.4, plan.depth - 1.6))
        line(1, plan.depth - 0.67 - leg, leg, walled=False)
    elif plan.width > 3.2 and plan.depth > 3.2:
        x, y = plan.width * rng.uniform(0.35, 0.65), plan.depth - rng.uniform(2.0, 2.4)
        with b.at(x, y, 0.0, rng.choice([0.0, math.pi])):
            if taken.put(b, m, lambda: cabinet(b, m, style)):
                taken.add_counter(b, (0.0, 0.3), 1.0, style.height)


def indoor_scene(rng: Generator, assets: Assets) -> tuple[Scene, RoomPlan]:
    """Build a furnished room; one in seven is a cellar, a utility room or a garage."""
    if rng.random() < CELLAR_SHARE:
        return cellar_scene(rng, assets)
    # The furniture of a room matches: in half of the rooms all of it is stained dark.
    stain = math.exp(rng.uniform(*STAIN)) if rng.random() < 0.5 else 1.0
    m = Materials(rng, assets, stain=stain)
    b = SceneBuilder()
    plan = draw_plan(rng)
    openings = build_shell(b, m, plan)
    counters = furnish(b, m, plan, openings)
    level = math.exp(rng.uniform(*AMBIENT))
    scene = b.finish(m.array(), ambient=(level, level * 0.97, level * 0.93))
    return scene, replace(with_beyond(plan, openings), counters=tuple(counters))
