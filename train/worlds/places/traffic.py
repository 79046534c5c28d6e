# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parked and moving vehicles of a road along y around x = 0."""

from __future__ import annotations

import math
from collections.abc import Callable

from train.worlds.materials import Materials
from train.worlds.places.road import Road
from train.worlds.places.road_lines import bays
from train.worlds.render.scene import SceneBuilder
from train.worlds.things import vehicles

MOVING = (*(vehicles.car,) * 6, vehicles.van, vehicles.truck, vehicles.bus)


def parked(b: SceneBuilder, m: Materials, road: Road, town: float) -> None:
    """Cars along the kerbs, half on the pavement of narrow streets; town: 0 (country) to 1."""
    rng, half = m.rng, road.half
    share = rng.uniform(0.3, 0.9) if road.homes or (town > 0.35 and rng.random() < 0.7) else 0.0
    up = rng.uniform(0.3, 1.0) if road.homes or road.lanes == 1 else 0.05
    for side in (-1, 1):
        y = -70.0
        while y < 90.0 and share:
            y += rng.uniform(5.3, 6.5)
            if rng.random() < share and road.clear(y, 6.0):
                into = up + rng.uniform(-0.1, 0.1) if rng.random() < 0.9 else 0.0
                make = vehicles.car if rng.random() < 0.88 else vehicles.van
                turn = (0.0 if side > 0 else math.pi) + rng.normal(0.0, 0.03)
                with b.at(side * (half - 1.05 + into), y, 0.0, turn):
                    make(b, m)


def moving(b: SceneBuilder, m: Materials, road: Road) -> None:
    """Up to six vehicles on the lanes, away from the cameras; some on the crossing road."""
    rng = m.rng
    for _ in range(int(rng.integers(0, 4 if road.homes else 7))):
        x = (int(rng.integers(road.lanes)) + 0.5 - 0.5 * road.lanes) * road.lane
        y = rng.uniform(-60.0, 110.0)
        if abs(y) > 8.0:
            with b.at(x + rng.normal(0.0, 0.2), y, 0.0, 0.0 if x > 0 else math.pi):
                MOVING[int(rng.integers(len(MOVING)))](b, m)
    if road.crossing:
        y, half = road.crossing
        for _ in range(int(rng.integers(0, 4))):
            side = rng.choice([-1.0, 1.0])
            x = rng.uniform(-60.0, 60.0)
            if abs(x) > road.half + 4.0:
                with b.at(x, y + 0.5 * side * half, 0.0, -side * math.pi / 2):
                    vehicles.car(b, m)


def car_park(
    b: SceneBuilder, m: Materials, x: float, rows: int, clear: Callable[[float, float], bool]
) -> None:
    """Rows of cars across the road's direction, on asphalt with bays that starts at x."""
    rng = m.rng
    start, count = rng.uniform(-50.0, 0.0), int(rng.integers(5, 16))
    long, wide = 2.65 * (count + 1), 8.0 * rows
    if not clear(start + long / 2, long / 2):
        return
    ground = m.road_ground()
    with b.at(x + wide / 2, start + long / 2):
        surface = m.road(ground, 3.0, wide / 2, bays(rng, wide, long, rows, ground), 0.0)
        b.box((0, 0, -0.5), (wide, long, 1.0), surface, exact=True, bevel=0.0)
        for row in range(rows):
            for i in range(count):
                if rng.random() < 0.8:
                    y = (i + 0.5 - 0.5 * count) * 2.65 + rng.normal(0.0, 0.08)
                    at = (3.2 + 8.0 * row - wide / 2, y, 0.0)
                    with b.at(*at, rng.choice([-1.0, 1.0]) * math.pi / 2):
                        vehicles.car(b, m)
