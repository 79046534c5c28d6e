# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Groups of furniture in the middle of rooms."""

from __future__ import annotations

import math

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder
from train.worlds.things import furniture
from train.worlds.things.people import person
from train.worlds.things.seating import chair, office_chair, sofa
from train.worlds.things.tables import coffee_table, desk, table


def group(b: SceneBuilder, m: Materials, reach: float) -> None:
    """Table with chairs, or one piece, or a person, within a square of half size `reach`."""
    rng = m.rng
    roll = rng.random()
    if reach < 0.6:
        if roll < 0.25:
            person(b, m)
        else:
            (chair, office_chair, furniture.plant)[int(rng.integers(3))](b, m)
    elif roll < 0.5:
        w, d, _ = table(b, m)
        state = rng.bit_generator.state
        for i in range(int(rng.integers(1, 5))):
            side = 1 if i % 2 == 0 else -1
            with b.at(
                (i // 2 - 0.5) * w * 0.5,
                side * (d / 2 + rng.uniform(-0.05, 0.25)),
                0.0,
                (math.pi if side > 0 else 0.0) + rng.uniform(-0.25, 0.25),
            ):
                rng.bit_generator.state = state  # chairs of one set look alike
                chair(b, m)
    elif roll < 0.68:
        workplaces(b, m, 2 if reach > 1.0 and rng.random() < 0.6 else 1)
    elif roll < 0.84 and reach > 1.0:
        lounge(b, m)
    else:
        furniture.FREE[int(rng.integers(len(furniture.FREE)))](b, m)


def lounge(b: SceneBuilder, m: Materials) -> None:
    """Sofa behind a low table, sometimes an armchair of the same set beside them."""
    rng = m.rng
    seats = int(rng.integers(2, 4))
    state = rng.bit_generator.state  # as with chairs
    with b.at(0.0, -0.55):
        sofa(b, m, seats)
    with b.at(rng.uniform(-0.2, 0.2), 0.5):
        coffee_table(b, m)
    if rng.random() < 0.6:
        side = 1 if rng.random() < 0.5 else -1
        with b.at(side * 1.45, 0.5, 0.0, side * math.pi / 2):
            rng.bit_generator.state = state
            sofa(b, m, 1)


def workplaces(b: SceneBuilder, m: Materials, count: int) -> None:
    """One desk with its chair, or two back to back."""
    rng = m.rng
    for yaw in (0.0, math.pi)[:count]:
        with b.at(0.0, 0.0, 0.0, yaw), b.at(rng.uniform(-0.1, 0.1), 0.4 * (count - 1)):
            _, deep, _ = desk(b, m)
            away = deep / 2 + rng.uniform(0.1, 0.4)
            with b.at(rng.uniform(-0.2, 0.2), away, 0.0, math.pi + rng.normal(0.0, 0.5)):
                office_chair(b, m)
