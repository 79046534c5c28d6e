# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects on the floors of cellars and garages: stains, cracks, hoses, pipes, odds and ends."""

from __future__ import annotations

import math
from itertools import pairwise

from numpy.random import Generator

from train.worlds.kernels import layout as L
from train.worlds.materials.cellar import CONCRETES, CellarMaterials
from train.worlds.materials.table import scaled
from train.worlds.places.shell import RoomPlan
from train.worlds.render.scene import SceneBuilder, Vec
from train.worlds.things.clutter import ball, bottle, can, carton, container, papers, tool
from train.worlds.things.workbench import blocks, cable, hardware

HOSES = (0.01, 0.12, 0.05), (0.02, 0.02, 0.02), (0.5, 0.35, 0.03), (0.55, 0.08, 0.03)
THINGS = ball, bottle, can, carton, container, papers, tool, blocks, cable, hardware


def _path(
    rng: Generator, plan: RoomPlan, step: float, count: int, bend: float
) -> list[tuple[float, float]]:
    """Random walk over the floor; its direction changes by about `bend` radians per step."""
    x, y = rng.uniform(0.3, plan.width - 0.3), rng.uniform(0.3, plan.depth - 0.3)
    heading, turn = rng.uniform(-math.pi, math.pi), 0.0
    points = [(x, y)]
    for _ in range(count):
        turn = 0.8 * turn + rng.normal(0.0, bend)
        heading += turn
        x = min(plan.width - 0.08, max(0.08, x + step * math.cos(heading)))
        y = min(plan.depth - 0.08, max(0.08, y + step * math.sin(heading)))
        points.append((x, y))
    return points


def stains(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan) -> None:
    """Puddles, spilt paint and cracks, all flatter than 3 mm."""
    rng = m.rng
    for _ in range(int(rng.integers(0, 5))):
        wet = rng.random() < 0.6
        grey = scaled(m.pick(CONCRETES, 0.15), 0.45 if wet else rng.choice([0.6, 1.4]))
        mat = m.add(L.PLAIN, grey, f0=0.04 if wet else 0.0, rough=0.1, grime=0.5)
        size = math.exp(rng.uniform(math.log(0.08), math.log(0.5)))
        for k, (x, y) in enumerate(_path(rng, plan, 0.4 * size, int(rng.integers(3, 10)), 0.7)):
            b.rod((x, y, 0.0008), size * rng.uniform(0.4, 1.1), 0.0016 + 1e-5 * k, mat)
    crack = m.paint(scaled(m.pick(CONCRETES), 0.35))
    for _ in range(int(rng.integers(0, 3))):
        for (x, y), (u, v) in pairwise(_path(rng, plan, 0.25, int(rng.integers(4, 12)), 0.35)):
            b.strut((x, y, -0.004), (u, v, -0.004), 0.012, crack)  # thinner ones would be dots


def litter(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan) -> None:
    """Hoses, cables, pipes and small things."""
    rng = m.rng
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        d = rng.uniform(0.008, 0.014) if rng.random() < 0.5 else rng.uniform(0.02, 0.04)
        mat = m.paint(m.pick(HOSES), f0=0.03)
        points: list[Vec] = [
            (x, y, d * rng.uniform(0.5, 1.3))
            for x, y in _path(rng, plan, 0.1, int(rng.integers(12, 40)), 0.25)
        ]
        for start, end in pairwise(points):
            b.strut(start, end, d, mat)
    for _ in range(int(rng.integers(0, 3))):
        (x, y), (u, v) = _path(rng, plan, rng.uniform(0.6, 2.5), 1, 0.0)
        d = rng.uniform(0.02, 0.08)
        b.strut((x, y, d / 2), (u, v, d / 2), d, m.pipe())
    for _ in range(int(rng.choice([0, 3, 8]))):
        x, y = rng.uniform(0.2, plan.width - 0.2), rng.uniform(0.2, plan.depth - 0.2)
        with b.at(x, y, 0.0, rng.uniform(-math.pi, math.pi)):
            THINGS[int(rng.integers(len(THINGS)))](b, m)
