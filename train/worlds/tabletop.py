# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table tops, desks and work benches with many small things, seen from close by."""

from __future__ import annotations

import math

from numpy.random import Generator

from train.worlds import furniture
from train.worlds.assets import Assets
from train.worlds.clutter import scatter
from train.worlds.materials import Materials
from train.worlds.people import person
from train.worlds.rooms import AMBIENT, build_shell
from train.worlds.scene import Scene, SceneBuilder
from train.worlds.seating import chair
from train.worlds.shell import RoomPlan
from train.worlds.tables import monitor, table
from train.worlds.workbench import arm, gripper


def _fill(b: SceneBuilder, m: Materials, width: float, depth: float) -> None:
    """Things on the top, at times a screen, a hand or a robot at work."""
    rng = m.rng
    bench = float(rng.choice([0.0, 0.3, 0.7]))
    count = int(rng.integers(4, 8 + int(16 * width * depth)))
    screen = rng.random() < 0.2
    if screen:
        monitor(b, m, rng.uniform(-0.3, 0.3) * width, 0.16 - depth / 2)
    scatter(
        b,
        m,
        width * 0.9,
        depth * (0.6 if screen else 0.88),
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
                gripper(b, m)


def tabletop_scene(
    rng: Generator, assets: Assets
) -> tuple[Scene, tuple[float, float, float], RoomPlan]:
    """Room with one full table -> (scene, centre of the table top, room)."""
    m = Materials(rng, assets)
    b = SceneBuilder()
    plan = RoomPlan(rng.uniform(2.8, 5.5), rng.uniform(2.8, 5.5), rng.uniform(2.3, 3.0))
    build_shell(b, m, plan)
    x, y = plan.width * rng.uniform(0.35, 0.65), plan.depth * rng.uniform(0.35, 0.65)
    height = float(rng.choice([0.45, 0.72, 0.75, 0.75, 0.9], p=[0.15, 0.25, 0.25, 0.2, 0.15]))
    size = (rng.uniform(0.7, 2.2), rng.uniform(0.5, 1.1), height)
    with b.at(x, y, 0.0, rng.uniform(-math.pi, math.pi)):
        table(b, m, size, things=False, top=m.worktop())
        with b.at(0, 0, height):
            _fill(b, m, size[0], size[1])
        for side in (-1, 1):
            if rng.random() < 0.4:
                with b.at(
                    rng.uniform(-0.3, 0.3) * size[0],
                    side * (size[1] / 2 + 0.15),
                    0.0,
                    math.pi if side > 0 else 0.0,
                ):
                    chair(b, m)
    for _ in range(int(rng.integers(1, 5))):
        u, v = rng.uniform(0.5, plan.width - 0.5), rng.uniform(0.5, plan.depth - 0.5)
        if math.hypot(u - x, v - y) > 1.6:
            with b.at(u, v, 0.0, rng.uniform(-math.pi, math.pi)):
                make = (person, *furniture.FREE)
                make[int(rng.integers(len(make)))](b, m)
    level = math.exp(rng.uniform(*AMBIENT))
    return b.finish(m.array(), ambient=(level, level, level)), (x, y, height), plan
