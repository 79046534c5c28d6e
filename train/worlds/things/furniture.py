# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Televisions, plants, lamps, and the lists of all furniture."""

from __future__ import annotations

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.fittings import bags, ladder, toilet, washbasin
from train.worlds.things.kitchen import cabinet
from train.worlds.things.seating import bed, chair, office_chair, sofa
from train.worlds.things.storage import appliance, drawers, heap_of_boxes, shelf, wardrobe
from train.worlds.things.tables import coffee_table, desk, table


def television(b: SceneBuilder, m: Materials) -> Size:
    """Low board with a television."""
    rng = m.rng
    w = rng.uniform(1.1, 1.8)
    wide = rng.uniform(0.8, 1.3)
    b.box((0, 0, 0.22), (w, 0.4, 0.42), m.wood())
    b.box((0, 0.205, 0.22), (w - 0.04, 0.012, 0.36), m.wood())
    b.box((0, -0.05, 0.5 + wide * 0.29), (wide, 0.05, wide * 0.58), m.dark)
    b.box(
        (0, -0.023, 0.5 + wide * 0.29),
        (wide - 0.03, 0.006, wide * 0.58 - 0.03),
        m.screen() if rng.random() < 0.4 else m.glass(),
        exact=True,
    )
    b.box((0, -0.05, 0.47), (0.4, 0.14, 0.08), m.dark)
    return w, 0.42, 0.5


def plant(b: SceneBuilder, m: Materials) -> Size:
    """Pot plant."""
    rng = m.rng
    pot = rng.uniform(0.2, 0.4)
    h = rng.uniform(0.6, 1.7)
    b.rod((0, 0, pot * 0.45), pot * 0.8, pot * 0.9, m.plastic(), top=1.25, hollow=0.85, floor=1.6)
    b.strut((0, 0, pot * 0.5), (0, 0, h * 0.7), 0.03, m.bark())
    leaf = m.foliage()
    for _ in range(int(rng.integers(2, 5))):
        s = h * rng.uniform(0.3, 0.55)
        b.leaves(
            (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12), h * rng.uniform(0.6, 0.95)),
            (s, s, s),
            leaf,
            0.05,
            0.62,
        )
    return 0.5, 0.5, h


def floor_lamp(b: SceneBuilder, m: Materials) -> Size:
    """Lamp on a stand of 1.4-1.8 m."""
    h = m.rng.uniform(1.4, 1.8)
    b.rod((0, 0, 0.015), 0.28, 0.03, m.dark)
    b.rod((0, 0, h / 2), 0.025, h, m.chrome)
    b.rod((0, 0, h), 0.4, 0.28, m.glow((0.8, 0.68, 0.45), m.rng.choice([0.2, 2.0])), top=0.7)
    return 0.4, 0.4, h


ALONG_WALL = (
    shelf,
    bags,
    bags,
    ladder,
    cabinet,
    cabinet,
    drawers,
    desk,
    heap_of_boxes,
    shelf,
    shelf,
    wardrobe,
    drawers,
    desk,
    sofa,
    television,
    plant,
    appliance,
    heap_of_boxes,
    bed,
    floor_lamp,
    chair,
    table,
)
BATHROOM = toilet, washbasin, washbasin, appliance, bags, cabinet, drawers, shelf, chair
FREE = (table, coffee_table, chair, office_chair, sofa, plant, heap_of_boxes, cabinet)
