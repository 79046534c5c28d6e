# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bed of a road along y around x = 0: carriageway, kerbs, pavements, a crossing road."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.random import Generator

from train.worlds.materials import Materials
from train.worlds.places.road_lines import Carriageway
from train.worlds.render.scene import SceneBuilder
from train.worlds.things import roadside

PAVEMENT = 0.11  # height of pavements over the carriageway (metres)


@dataclass(frozen=True)
class Road:
    """A road of `lanes` lanes; lengths in metres.

    half: distance of the kerb from the middle.
    walk: width of a pavement, 0 = none.
    homes: whether it is a narrow street between gardens.
    crossing: (y, half width) of a crossing road, or None.
    """

    lane: float
    lanes: int
    half: float
    walk: float
    homes: bool
    crossing: tuple[float, float] | None

    @property
    def edge(self) -> float:
        """Return the outer edge of the pavements."""
        return self.half + 0.15 + self.walk

    @property
    def before(self) -> float:
        """Return the y where cars wait at the crossing road; 0 if there is none."""
        if self.crossing is None:
            return 0.0
        return self.crossing[0] - self.crossing[1] - self.walk - 8.0

    def clear(self, y: float, reach: float) -> bool:
        """Return whether an object at y, extending `reach` along y, is off the crossing road."""
        if self.crossing is None:
            return True
        return abs(y - self.crossing[0]) > self.crossing[1] + self.walk + reach

    def ground(self, x: float, y: float) -> float:
        """Return the height of the ground at a place on or beside the carriageway."""
        raised = self.walk and self.half < abs(x) < self.edge and self.clear(y, 0.0)
        return PAVEMENT if raised else 0.0


def draw_road(rng: Generator, town: float) -> Road:
    """Draw a road between a country road (town = 0) and a town street (1)."""
    homes = town > 0.3 and rng.random() < 0.3
    lane = float(rng.uniform(2.5, 3.0) if homes else rng.uniform(2.9, 3.7))
    lanes = 2 if homes else int(rng.choice([1, 2, 2, 2, 3, 4, 4, 6]))
    bare = town < 0.3 and not homes
    walk = 0.0 if bare and rng.random() < 0.7 else float(rng.uniform(1.2 if homes else 1.5, 4.5))
    crossing = None
    if rng.random() < (0.2 if homes else 0.4):
        half = float(rng.uniform(2.6, 4.0) if lanes < 3 else rng.uniform(4.0, 12.0))
        crossing = (float(rng.uniform(-4.0, 40.0)), half)
    return Road(
        lane, lanes, 0.5 * lane * lanes + 0.3, min(walk, 2.0) if homes else walk, homes, crossing
    )


def lay(b: SceneBuilder, m: Materials, road: Road, town: float) -> None:
    """Meadow, road, kerbs and pavements."""
    rng = m.rng
    soft = town < 0.3 or road.homes or rng.random() < 0.4
    base = m.grass() if soft else (m.soil() if rng.random() < 0.3 else m.asphalt())
    b.box((0, 0, -0.51), (3000, 3000, 1.0), base, bevel=0.0)
    ground = m.road_ground()
    stops = None
    if road.crossing:
        y, half = road.crossing
        stops = (y - half - road.walk, y + half + road.walk)
        _across(b, m, road, ground)
    way = Carriageway(rng, road.lane, road.lanes, road.half, stops)
    bare = rng.random() < (0.8 if road.homes else 0.1)
    surface = m.road(ground, road.lane, road.half, way.marks(ground, bare))
    if stops is None and rng.random() < 0.12:
        surface = m.asphalt()
    b.box((0, 0, -0.5), (2 * road.half, 1600, 1.0), surface, exact=True, bevel=0.0)
    if road.walk:
        _pavements(b, m, road)
    if rng.random() < 0.25 and not road.homes:
        roadside.tram_track(b, m, rng.choice([-1.0, 1.0]) * (road.edge + 2.0))


def _across(b: SceneBuilder, m: Materials, road: Road, ground: tuple[float, float, float]) -> None:
    """Lay the crossing road slightly below the other one, and the square they share above it."""
    assert road.crossing
    rng, (y, half) = m.rng, road.crossing
    lanes = max(1, round((2 * half - 0.4) / 3.2))
    lane = (2 * half - 0.4) / lanes
    with b.at(0.0, y, 0.0, math.pi / 2):
        stops = (-road.half - road.walk, road.half + road.walk)
        marks = Carriageway(rng, lane, lanes, half, stops).marks(ground, rng.random() < 0.2)
        surface = m.road(ground, lane, half, marks)
        b.box((0, 0, -0.504), (2 * half, 1600, 1.0), surface, exact=True, bevel=0.0)
    way = Carriageway(rng, road.lane, road.lanes, road.half, None)
    square = m.road(ground, road.lane, road.half, way.square(half, ground), 0.0)
    size = (2 * (road.half + road.walk), 2 * (half + road.walk), 1.0)
    b.box((0, y, -0.496), size, square, exact=True, bevel=0.0)


def _pavements(b: SceneBuilder, m: Materials, road: Road) -> None:
    """Kerbs and slabs on both sides, rounded at the corners of a crossing road."""
    rng = m.rng
    kerb = m.paint((0.5, 0.35, 0.05) if rng.random() < 0.07 else (0.38, 0.37, 0.35))
    slabs = m.paving()
    middle = road.half + 0.15 + road.walk / 2
    spans = [(-800.0, 800.0)]
    if road.crossing:
        y, half = road.crossing
        low, high = y - half - road.walk, y + half + road.walk
        spans = [(-800.0, low), (high, 800.0)]
        for corner, sign in ((low, -1), (high, 1)):
            for side in (-1, 1):
                far = side * (road.half + 400.0 + road.walk)
                d = 2 * road.walk
                at = (side * (road.edge), corner)
                b.rod((*at, -0.386), d + 0.3, 1.0, kerb)
                b.rod((*at, -0.384), d, 1.0, slabs)
                line = corner - sign * (road.walk / 2)
                b.box((far, line, -0.392), (800.0, road.walk, 1.0), slabs, bevel=0.0)
                b.box((far, line - sign * (road.walk / 2 + 0.07), -0.38), (800, 0.15, 1.0), kerb)
    bevel = rng.choice([0.02, 0.05])
    for y0, y1 in spans:
        for side in (-1, 1):
            at, long = (y0 + y1) / 2, y1 - y0
            b.box((side * (road.half + 0.07), at, -0.38), (0.15, long, 1.0), kerb, bevel=bevel)
            b.box((side * middle, at, PAVEMENT - 0.5), (road.walk, long, 1.0), slabs, bevel=0.0)
