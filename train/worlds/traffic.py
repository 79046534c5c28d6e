# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parked and moving vehicles of a road along y around x = 0."""

from __future__ import annotations

import math

from train.worlds import vehicles
from train.worlds.materials import Materials
from train.worlds.scene import SceneBuilder

MOVING = (*(vehicles.car,) * 6, vehicles.van, vehicles.truck, vehicles.bus)


def parked(b: SceneBuilder, m: Materials, half: float, town: float) -> None:
    """Cars along the kerbs at x = -half and half; town: 0 = countryside, 1 = town."""
    rng = m.rng
    share = rng.uniform(0.3, 0.9) if town > 0.35 and rng.random() < 0.7 else 0.0
    for side in (-1, 1):
        y = -70.0
        while y < 90.0 and share:
            y += rng.uniform(5.3, 6.5)
            if rng.random() < share:
                into = rng.uniform(-0.05, 0.15) if rng.random() < 0.9 else 0.0
                make = vehicles.car if rng.random() < 0.88 else vehicles.van
                turn = (0.0 if side > 0 else math.pi) + rng.normal(0.0, 0.03)
                with b.at(side * (half - 1.05 + into), y, 0.0, turn):
                    make(b, m)


def moving(b: SceneBuilder, m: Materials, lane: float, lanes: int) -> None:
    """Up to six vehicles on lanes of `lane` metres, not where cameras stand."""
    rng = m.rng
    for _ in range(int(rng.integers(0, 7))):
        x = (int(rng.integers(lanes)) + 0.5) * lane - 0.5 * lane * lanes
        y = rng.uniform(-60.0, 110.0)
        if abs(y) > 8.0:
            with b.at(x + rng.normal(0.0, 0.2), y, 0.0, 0.0 if x > 0 else math.pi):
                MOVING[int(rng.integers(len(MOVING)))](b, m)


def car_park(b: SceneBuilder, m: Materials, x: float) -> None:
    """Cars side by side, across the road's direction."""
    rng = m.rng
    y = rng.uniform(-50.0, 0.0)
    for _ in range(int(rng.integers(5, 16))):
        y += rng.uniform(2.5, 2.9)
        if rng.random() < 0.8:
            with b.at(x, y, 0.0, rng.choice([-1.0, 1.0]) * math.pi / 2):
                vehicles.car(b, m)
