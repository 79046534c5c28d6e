# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table tops, desks and work benches with many small things, seen from close by."""

from __future__ import annotations

import math

from numpy.random import Generator

from train.worlds.materials import Materials
from train.worlds.places.floor import Footprints
from train.worlds.places.rooms import AMBIENT, build_shell
from train.worlds.places.shell import RoomPlan
from train.worlds.render.assets import Assets
from train.worlds.render.scene import Scene, SceneBuilder, Size
from train.worlds.things import furniture
from train.worlds.things.clutter import scatter
from train.worlds.things.kitchen import DEEP, base_units, draw_style, worktop
from train.worlds.things.people import person
from train.worlds.things.seating import chair
from train.worlds.things.tables import lay, monitor, table
from train.worlds.things.workbench import arm, gripper


def _fill(b: SceneBuilder, m: Materials, width: float, depth: float) -> None:
    """Things on the top, sometimes a screen, a hand or a robot at work."""
    rng = m.rng
    bench = float(rng.choice([0.0, 0.3, 0.7]))
    count = int(rng.integers(5, 9 + int(15 * width * depth)))
    screen = rng.random() < 0.2
    if screen:
        aside = max(0.0, width / 2 - 0.32)  # keeps it within the edge
        monitor(b, m, rng.uniform(-1.0, 1.0) * aside, 0.12 - depth / 2)
    laid = not screen and depth > 0.7 and rng.random() < 0.25
    if laid:
        lay(b, m, width, depth)
    scatter(
        b,
        m,
        width * 0.9,
        depth - 0.7 if laid else depth * (0.6 if screen else 0.88),
        count,
        big=rng.random() < 0.5,
        bench=bench,
        gap=rng.uniform(0.1, 0.18),
    )
    busy = rng.random()
    if busy < 0.5:
        with b.at(rng.uniform(-0.4, 0.4) * width, 0.0, 0.0, rng.integers(2) * math.pi):
            if busy < 0.35:
                with b.at(0.0, -depth / 2):
                    arm(b, m, rng.uniform(0.1, 0.45))
            else:
                gripper(b, m, depth / 2 - 0.08)


def _table(b: SceneBuilder, m: Materials, size: Size) -> Size:
    """Table of the given size, or kitchen units of that width -> the actual size."""
    if m.rng.random() < 0.85:
        return table(b, m, size, things=False, top=m.worktop())
    style = draw_style(m)
    base_units(b, m, style, size[0])
    worktop(b, m, style, size[0], None)
    return size[0], DEEP, style.height


def tabletop_scene(
    rng: Generator, assets: Assets
) -> tuple[Scene, tuple[float, float, float], RoomPlan]:
    """Room with one cluttered table -> (scene, centre of the table top, room)."""
    m = Materials(rng, assets)
    b = SceneBuilder()
    plan = RoomPlan(rng.uniform(2.8, 6.5), rng.uniform(2.8, 6.5), rng.uniform(2.3, 3.0))
    build_shell(b, m, plan)
    x, y = plan.width * rng.uniform(0.35, 0.65), plan.depth * rng.uniform(0.35, 0.65)
    height = float(rng.choice([0.45, 0.72, 0.75, 0.75, 0.9], p=[0.15, 0.25, 0.25, 0.2, 0.15]))
    widest = 1.6 * min(x, y, plan.width - x, plan.depth - y)  # at any rotation
    size = (min(widest, rng.uniform(0.7, 2.2)), rng.uniform(0.5, 1.1), height)
    floor = Footprints((0.0, 0.0, plan.width, plan.depth))
    with b.at(x, y, 0.0, rng.uniform(-math.pi, math.pi)):
        start = len(b.rows)
        size = _table(b, m, size)
        with b.at(0, 0, size[2]):
            _fill(b, m, size[0], size[1])
        board = b.bounds(start)
        for side in (-1, 1):
            if rng.random() < 0.45:
                at = rng.uniform(-0.3, 0.3) * size[0], side * (size[1] / 2 + 0.15)
                with b.at(*at, 0.0, math.pi if side > 0 else 0.0):
                    floor.put(b, m, lambda: chair(b, m))
    floor.boxes.append(board)
    for _ in range(int(rng.integers(1, 4))):
        u, v = rng.uniform(0.5, plan.width - 0.5), rng.uniform(0.5, plan.depth - 0.5)
        if not floor.free((u - 0.3, v - 0.3, u + 0.3, v + 0.3)):
            continue
        make = (person, *furniture.FREE)[int(rng.integers(1 + len(furniture.FREE)))]
        with b.at(u, v, 0.0, rng.uniform(-math.pi, math.pi)):
            floor.put(b, m, lambda make=make: make(b, m))
    level = math.exp(rng.uniform(*AMBIENT))
    return b.finish(m.array(), ambient=(level, level, level)), (x, y, size[2]), plan
