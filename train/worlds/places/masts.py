# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals, gantries and lamps: objects over a road or in even rows beside it."""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.places.road import Road
from train.worlds.render.scene import SceneBuilder
from train.worlds.things import roadside

BOARDS = ((0.02, 0.08, 0.4), (0.02, 0.2, 0.1), (0.75, 0.75, 0.75), (0.02, 0.08, 0.4))


def furnish(b: SceneBuilder, m: Materials, road: Road) -> None:
    """Signals at a junction, gantries and lamps of wide roads, a railing in the middle."""
    rng = m.rng
    edge = road.half + 0.15 + min(road.walk, 1.0) + 0.4
    if road.crossing and rng.random() < (0.2 if road.homes else 0.75):
        _signals(b, m, road, edge)
    if road.lanes < 3:
        return
    if rng.random() < 0.5:
        _lamps(b, m, road, edge)
    if rng.random() < 0.3:
        y = rng.uniform(25.0, 80.0)
        if road.clear(y, 1.0):
            _gantry(b, m, y, edge)
    if road.lanes % 2 == 0 and rng.random() < 0.2:
        for y in range(-60, 120, 20):
            if road.clear(y + 10.0, 14.0):
                with b.at(0.0, y + 10.0):
                    roadside.fence(b, m, 19.0)


def _head(b: SceneBuilder, m: Materials, at: tuple[float, float, float]) -> None:
    """Signal head that faces -y."""
    x, y, z = at
    b.box((x, y, z), (0.34, 0.25, 1.0), m.dark)
    lit = int(m.rng.integers(3))
    for i, colour in enumerate(((0.1, 0.7, 0.2), (0.8, 0.5, 0.03), (0.8, 0.04, 0.03))):
        if i == lit:
            glow = m.glow(colour, 2.5)
            b.rod((x, y - 0.14, z - 0.3 + 0.3 * i), 0.2, 0.04, glow, rot=(1.57, 0, 0))


def _signals(b: SceneBuilder, m: Materials, road: Road, edge: float) -> None:
    """Put signals on posts at the corners and on arms over the road."""
    assert road.crossing
    rng, (y, half) = m.rng, road.crossing
    away = half + road.walk + rng.uniform(0.5, 3.0)
    tall, paint = rng.uniform(5.8, 7.0), m.metal() if rng.random() < 0.5 else m.white
    arms = rng.random() < 0.6
    for side, far in ((-1, 1), (1, 1), (-1, -1), (1, -1)):
        facing = 0.0 if rng.random() < 0.75 else math.pi
        with b.at(side * edge, y + far * away, 0.0, facing):
            to = -side * (1 if facing == 0.0 else -1)
            if arms and far * side > 0:
                reach = to * min(road.half, rng.uniform(3.0, 9.0))
                b.strut((0, 0, 0), (0, 0, tall), 0.24, paint, top=0.7)
                b.strut((0, 0, tall - 0.4), (reach, 0, tall), 0.14, paint, top=0.6)
                _head(b, m, (reach * 0.95, -0.15, tall - 0.45))
                if abs(reach) > 5.0:
                    _head(b, m, (reach * 0.5, -0.15, tall - 0.6))
            else:
                b.rod((0, 0, 1.8), 0.13, 3.6, paint)
            _head(b, m, (to * 0.25, -0.1, 2.9))


def _lamps(b: SceneBuilder, m: Materials, road: Road, edge: float) -> None:
    """Even rows of lamps of one kind, 25-40 m apart."""
    rng = m.rng
    pitch, tall, arm = rng.uniform(25.0, 40.0), rng.uniform(7.5, 11.5), rng.uniform(1.0, 2.8)
    paint = m.metal() if rng.random() < 0.5 else m.white
    start = rng.uniform(-60.0, -20.0)
    for i in range(int(220.0 / pitch)):
        y = start + i * pitch
        if not road.clear(y, 1.0):
            continue
        for side in (-1, 1):
            b.strut((side * edge, y, 0), (side * edge, y, tall), 0.2, paint, top=0.5)
            tip = (side * (edge - arm), y, tall + 0.4)
            b.strut((side * edge, y, tall), tip, 0.09, paint)
            b.box(tip, (0.7, 0.3, 0.12), paint, bevel=0.03)


def _gantry(b: SceneBuilder, m: Materials, y: float, edge: float) -> None:
    """Beam over the road with boards."""
    rng = m.rng
    paint, z = m.metal(), rng.uniform(5.8, 7.2)
    for side in (-1, 1):
        b.rod((side * edge, y, z / 2), 0.35, z, paint)
    b.box((0, y, z), (2 * edge, 0.3, 0.5), paint)
    for side in (-1, 1):
        if rng.random() < 0.8:
            size = (rng.uniform(2.0, 4.5), 0.08, rng.uniform(1.2, 3.0))
            board = m.add(L.PRINT, m.pick(BOARDS), (0.7, 0.7, 0.7))
            b.box((side * edge * 0.5, y - 0.2, z + 0.2), size, board, exact=True)
