# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cellars, utility rooms and garages: low, bare, dark and cluttered."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.random import Generator

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.materials.cellar import CellarMaterials
from train.worlds.places.ceilings import ducts, joists, pipework
from train.worlds.places.floor import Footprints, Stock
from train.worlds.places.litter import litter, stains
from train.worlds.places.openings import (
    along_walls,
    annex,
    before_doors,
    doorway,
    wall_frames,
    with_beyond,
)
from train.worlds.places.shell import Opening, RoomPlan, wall
from train.worlds.render.assets import Assets
from train.worlds.render.scene import Scene, SceneBuilder
from train.worlds.things import fittings, utilities
from train.worlds.things.seating import chair
from train.worlds.things.storage import appliance, heap_of_boxes, shelf, wardrobe
from train.worlds.things.tables import table
from train.worlds.things.vehicles import car

# Logarithms of the radiance of light that bounced more than once, and of lamps at 1 m.
AMBIENT = math.log(0.004), math.log(0.08)
LAMP = math.log(0.7), math.log(3.5)
FLASH_SHARE = 0.3
GARAGE_SHARE = 0.22
POSTS = (0.02, 0.02, 0.022), (0.2, 0.05, 0.03), (0.35, 0.36, 0.36), (0.65, 0.65, 0.62)


def _hang(b: SceneBuilder, m: Materials, x: float, height: float) -> None:
    """Pipes, fuse box or wall boiler, shelf, coats."""
    roll = m.rng.random()
    if roll < 0.35:
        fittings.pipes(b, m, x, height)
    elif roll < 0.65:
        utilities.store_boards(b, m, x)
    elif roll < 0.75:
        fittings.coats(b, m, x)
    elif roll < 0.85:
        size = (m.rng.uniform(0.25, 0.5), m.rng.uniform(0.1, 0.36), m.rng.uniform(0.4, 0.8))
        b.box((x, size[1] / 2, 1.5), size, m.paint((0.6, 0.6, 0.58)), bevel=0.015)
        for at in (x - 0.3 * size[0], x, x + 0.3 * size[0]):
            b.strut((at, 0.06, 0.1), (at, 0.06, utilities.UP), 0.022, m.dark)
    else:
        fittings.board(b, m, x)


STOCK = Stock(
    (
        utilities.water_heater,
        utilities.water_heater,
        utilities.furnace,
        utilities.furnace,
        utilities.steel_shelf,
        utilities.steel_shelf,
        utilities.steel_shelf,
        utilities.wall_bench,
        utilities.wall_bench,
        utilities.wall_bench,
        utilities.crates,
        utilities.crates,
        utilities.tins,
        utilities.tins,
        utilities.planks,
        utilities.planks,
        utilities.freezer,
        utilities.rack,
        utilities.bike,
        utilities.tyres,
        utilities.pier,
        fittings.bags,
        fittings.ladder,
        appliance,
        appliance,
        heap_of_boxes,
        heap_of_boxes,
        shelf,
        wardrobe,
        chair,
    ),
    _hang,
)
FREE = (
    table,
    chair,
    heap_of_boxes,
    utilities.crates,
    utilities.tins,
    utilities.tyres,
    fittings.bags,
)


def cellar_plan(rng: Generator) -> tuple[RoomPlan, bool]:
    """Size of a room, and whether it is a garage."""
    if rng.random() < GARAGE_SHARE:
        return RoomPlan(rng.uniform(2.8, 6.2), rng.uniform(5.2, 7.5), rng.uniform(2.2, 2.6)), True
    size = rng.uniform(2.2, 6.5), rng.uniform(2.8, 9.0)
    return RoomPlan(*size, rng.uniform(2.12, 2.5)), False


def _shell(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan, garage: bool) -> list[Opening]:
    """Floor, ceiling, walls with doors and small windows -> the openings."""
    rng = m.rng
    w, d, h = plan.width, plan.depth, plan.height
    b.box((w / 2, d / 2, -0.05), (w + 0.3, d + 0.3, 0.1), m.floor(), bevel=0.0)
    b.box((w / 2, d / 2, h + 0.05), (w + 0.3, d + 0.3, 0.1), m.ceiling(), bevel=0.0)
    main, day = m.wall(), rng.random() < 0.4
    openings: list[Opening] = []
    wide = int(rng.integers(1, 4)) if rng.random() < 0.35 else -1
    for index, (x, y, yaw, length) in enumerate(wall_frames(plan)):
        mat = m.wall() if rng.random() < 0.35 else main
        with b.at(x, y, 0.0, yaw):
            if index == 0 and garage:
                wall(b, length, h, mat, None)
                openings.append(_gate(b, m, length))
            elif index == wide and length > 2.4:
                openings.append(annex(b, m, index, length, h, mat, STOCK))
            elif index == 2 or rng.random() < 0.25:
                openings.append(doorway(b, m, index, length, h, mat))
            else:
                wall(b, length, h, mat, None)
                if rng.random() < 0.5:
                    openings.append(_small_window(b, m, index, length, h, day))
    return openings


def _gate(b: SceneBuilder, m: Materials, length: float) -> Opening:
    """Garage door of boards, closed, 2.1 m high."""
    wide = min(length - 0.3, m.rng.choice([2.4, 2.5, 4.8]))
    colour = m.pick(((0.65, 0.65, 0.63), (0.3, 0.3, 0.3), (0.3, 0.17, 0.08)))
    high = m.rng.choice([0.15, 0.5])
    leaf = m.add(
        L.TILES, colour, scaled(colour, 0.4), sx=m.rng.choice([0.6, 9.0]), sy=high, p1=0.015
    )
    b.box((length / 2, 0.02, 1.05), (wide, 0.04, 2.1), leaf)
    for side in (-1, 1):
        x = length / 2 + side * wide / 2
        b.box((x, 0.04, 1.05), (0.06, 0.06, 2.1), m.chrome)
    return Opening(0, length / 2, wide / 2, 0.0)


def _small_window(
    b: SceneBuilder, m: Materials, index: int, length: float, height: float, day: bool
) -> Opening:
    """Window under the ceiling, 0.25-0.5 m high."""
    rng = m.rng
    wide, top = rng.uniform(0.4, 0.9), height - rng.uniform(0.12, 0.3)
    tall, at = rng.uniform(0.25, 0.5), rng.uniform(0.6, length - 0.6)
    z, bright = top - tall / 2, rng.uniform(1.5, 7.0) if day else 0.02
    view = m.add(L.OUTVIEW, (0.75, 0.85, 1.0), (0.4, 0.45, 0.3), emit=bright)
    frame = m.white if rng.random() < 0.5 else m.wood()
    b.box((at, 0.004, z), (wide, 0.02, tall), view, exact=True)
    for side in (-0.5, 0.5):
        b.box((at, 0.015, z + side * tall), (wide + 0.05, 0.05, 0.05), frame)
        b.box((at + side * wide, 0.015, z), (0.05, 0.05, tall + 0.05), frame)
    if day:
        power = bright * wide * tall * 0.32
        b.window_light((at, 0.08, z), (0.0, 1.0, 0.0), (power * 0.92, power, power * 1.08), 0.2)
    return Opening(index, at, wide / 2 + 0.05, top - tall)


def _lamps(b: SceneBuilder, m: Materials, plan: RoomPlan, height: float) -> None:
    """Bare bulbs or tubes `height` metres up; in a large room often at one end only."""
    rng = m.rng
    for _ in range(int(rng.integers(1, 3))):
        x, y = plan.width * rng.uniform(0.15, 0.85), plan.depth * rng.uniform(0.1, 0.9)
        power, warm = math.exp(rng.uniform(*LAMP)), rng.uniform(0.45, 1.15)
        colour = (power, power * (0.75 + 0.22 * warm), power * warm)
        if rng.random() < 0.5:
            b.ball((x, y, height - 0.12), (0.07, 0.07, 0.1), m.glow((0.9, 0.8, 0.6), 20.0))
            b.strut((x, y, height - 0.08), (x, y, height + 0.4), 0.03, m.dark)
            b.lamp((x, y, height - 0.2), colour, 0.03)
        else:
            size = (1.2, 0.05, 0.04) if rng.random() < 0.5 else (0.05, 1.2, 0.04)
            tray = (size[0] + 0.06, size[1] + 0.06, 0.04)
            b.box((x, y, height - 0.03), size, m.glow((0.9, 0.9, 0.85), 8.0))
            b.box((x, y, height + 0.01), tray, m.white)
            b.lamp((x, y, height - 0.15), colour, 0.15)


def _middle(b: SceneBuilder, m: Materials, plan: RoomPlan, taken: Footprints, cars: float) -> None:
    """Place posts and loose objects; cars: probability of a car."""
    rng = m.rng
    if rng.random() < cars:
        turned = math.pi if rng.random() < 0.5 else 0.0
        with b.at(plan.width * rng.uniform(0.4, 0.6), plan.depth * 0.48, 0.0, turned):
            taken.put(b, m, lambda: car(b, m))
    post, thick = m.paint(m.pick(POSTS)), rng.uniform(0.07, 0.13)
    for _ in range(int(rng.choice([0, 1, 2]))):
        with b.at(plan.width * rng.uniform(0.35, 0.65), plan.depth * rng.uniform(0.2, 0.8)):
            at = (0.0, 0.0, plan.height / 2)
            taken.put(b, m, lambda at=at: b.rod(at, thick, plan.height, post))
    for _ in range(int(rng.integers(1, 3 + int(plan.width * plan.depth / 8)))):
        x, y = rng.uniform(0.4, plan.width - 0.4), rng.uniform(0.4, plan.depth - 0.4)
        make = FREE[int(rng.integers(len(FREE)))]
        with b.at(x, y, 0.0, rng.uniform(-math.pi, math.pi)):
            taken.put(b, m, lambda make=make: make(b, m))


def cellar_scene(rng: Generator, assets: Assets) -> tuple[Scene, RoomPlan]:
    """Build a cellar, a utility room or a garage."""
    m = CellarMaterials(rng, assets)
    b = SceneBuilder()
    plan, garage = cellar_plan(rng)
    openings = _shell(b, m, plan, garage)
    taken = before_doors(b, plan, openings)
    along_walls(b, m, plan, openings, taken, rng.uniform(0.75, 1.0), STOCK)
    _middle(b, m, plan, taken, 0.45 if garage else 0.0)
    clear = plan.height
    if rng.random() < (0.3 if garage else 0.65):
        clear = joists(b, m, plan)
    ducts(b, m, plan, clear, 0 if garage else int(rng.integers(0, 4)))
    pipework(b, m, plan, clear)
    stains(b, m, plan)
    litter(b, m, plan)
    _lamps(b, m, plan, clear)
    level = math.exp(rng.uniform(*AMBIENT))
    scene = b.finish(m.array(), ambient=(level, level * 0.97, level * 0.92))
    if rng.random() < FLASH_SHARE:
        scene.flash = math.exp(rng.uniform(*LAMP))
    return scene, replace(with_beyond(plan, openings), counters=tuple(taken.counters))
