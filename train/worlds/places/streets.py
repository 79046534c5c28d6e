# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets, country roads, car parks and paths. The road runs along y around x = 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from train.worlds.materials import Materials
from train.worlds.places import gardens, masts, road, traffic
from train.worlds.places.sky import draw_sky
from train.worlds.render.assets import Assets
from train.worlds.render.scene import Scene, SceneBuilder
from train.worlds.things import buildings, roadside, vehicles
from train.worlds.things.people import person


@dataclass(frozen=True)
class Spot:
    """Place for cameras: position, yaw, lowest and highest z, and tolerance of y (`slack`).

    car: on a lane. foreground: there is an object right in front of it.
    """

    x: float
    y: float
    yaw: float
    low: float
    high: float
    slack: float = 12.0
    car: bool = False
    foreground: bool = False


class Street:
    """One road with its objects; `spots` are places for cameras."""

    def __init__(self, rng: Generator, assets: Assets) -> None:
        self.m = Materials(rng, assets)
        self.b = SceneBuilder()
        self.rng = rng
        self.town = float(rng.random())
        self.spots: list[Spot] = []
        self.leaf = [self.m.foliage() for _ in range(3)]
        self.bark = self.m.bark()
        self.road = road.draw_road(rng, self.town)
        self.edge = self.road.edge
        # Fields on both sides, as around wide roads outside towns.
        self.open = self.town < 0.6 and not self.road.homes and rng.random() < 0.35
        self.sign = 1

    def _leaf(self) -> int:
        return self.leaf[int(self.rng.integers(3))]

    def side(self, sign: int) -> None:
        """Everything beside the road on one side; frame: +x away from the road."""
        rng, b, m = self.rng, self.b, self.m
        self.sign = sign
        style = rng.random() * 0.5 + self.town * (0.2 if self.open else 0.5)
        with b.at(0.0, 0.0, 0.0, 0.0 if sign > 0 else math.pi):
            gap = self.edge + (rng.uniform(0.0, 1.5) if style > 0.75 else rng.uniform(1.0, 9.0))
            if self.road.homes:
                gardens.row(b, m, self.edge, self._clear)
                self._row(self.edge - 0.4, rng.uniform(10.0, 25.0), self._small)
                return
            if self.open:
                gap += rng.uniform(30.0, 120.0)
            elif rng.random() < 0.4:  # forecourts, squares
                gap += rng.uniform(4.0, 22.0)
            if style < 0.85 and rng.random() < 0.25:
                rows = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
                traffic.car_park(b, m, self.edge, rows, self._clear)
                gap = max(gap, self.edge + 8.0 * rows)
            if gap > self.edge + 3.0 and rng.random() < 0.6:
                self._garden(self.edge + 1.5, gap - 1.0)
            if style > 0.4:
                self._houses(gap, 0.95 if style > 0.6 else 0.5)
                if rng.random() < 0.15 and gap > self.edge + 6.0 and not self.road.crossing:
                    roadside.thicket(b, m, self.edge + 3.5, self.leaf)
            else:
                self._wood(gap + rng.uniform(0.0, 8.0))
            if rng.random() < 0.55:
                self._barrier(min(gap - 0.3, self.edge + 0.4))
            self._row(self.edge - 0.5, rng.uniform(6.0, 16.0), self._small)
            if rng.random() < 0.6:
                trees = rng.uniform(7.0, 20.0)
                x = self.edge + rng.uniform(-0.6, 0.8)
                self._row(x, trees, lambda: roadside.tree(b, m, self._leaf(), self.bark))

    def _clear(self, y: float, reach: float) -> bool:
        """Return whether y in the frame of the current side is off the crossing road."""
        return self.road.clear(self.sign * y, reach)

    def _row(self, x: float, pitch: float, make: Callable[[], object]) -> None:
        y = -60.0 + self.rng.uniform(0.0, pitch)
        while y < 100.0:
            if self._clear(y, 0.5):
                with self.b.at(x, y, self.road.ground(x, self.sign * y)):
                    make()
            y += pitch * self.rng.uniform(0.7, 1.4)

    def _garden(self, start: float, end: float) -> None:
        """Trees and bushes in front of the houses."""
        rng, b, m = self.rng, self.b, self.m
        for _ in range(int(rng.integers(1, 8))):
            x, y = rng.uniform(start, end), rng.uniform(-50.0, 80.0)
            if not self._clear(y, 2.0):
                continue
            with b.at(x, y):
                if rng.random() < 0.25:
                    roadside.tree(b, m, self._leaf(), self.bark)
                else:
                    roadside.bush(b, m, self._leaf())

    def _houses(self, gap: float, dense: float) -> None:
        rng, b, m = self.rng, self.b, self.m
        halls = 0.1 if rng.random() < 0.7 else 0.7
        y = -70.0
        while y < 110.0:
            width = rng.uniform(7.0, 22.0)
            if not self._clear(y + width / 2, width / 2):
                y += 3.0
                continue
            if rng.random() < dense:
                make = buildings.hall if rng.random() < halls else buildings.house
                with b.at(gap + rng.uniform(0.0, 0.6), y + width / 2):
                    make(b, m, width - (0.0 if dense > 0.8 else 1.5), rng.uniform(8.0, 13.0))
            else:
                with b.at(gap + rng.uniform(1.0, 5.0), y + width / 2):
                    roadside.tree(b, m, self._leaf(), self.bark)
            y += width
        back, tall = gap + 22.0, rng.uniform(5.0, 10.0)
        for start, end in self._spans(-200.0, 200.0):
            buildings.slab(b, m, back, (start + end) / 2, (8.0, end - start, tall))

    def _spans(self, start: float, end: float) -> list[tuple[float, float]]:
        """Cut the crossing road out of a stretch of the current side."""
        if self.road.crossing is None:
            return [(start, end)]
        y, reach = self.sign * self.road.crossing[0], self.road.crossing[1] + self.road.walk + 0.5
        parts = ((start, min(end, y - reach)), (max(start, y + reach), end))
        return [(low, high) for low, high in parts if high - low > 1.0]

    def _wood(self, gap: float) -> None:
        rng, b, m = self.rng, self.b, self.m
        if rng.random() < 0.4 and self.road.crossing is None:
            roadside.thicket(b, m, gap + 4.0, self.leaf)
        for _ in range(int(rng.integers(0, 18))):
            x, y = gap + abs(rng.normal(0.0, 12.0)), rng.uniform(-60.0, 130.0)
            if not self._clear(y, 3.0):
                continue
            with b.at(x, y):
                if rng.random() < 0.7:
                    roadside.tree(b, m, self._leaf(), self.bark)
                else:
                    roadside.bush(b, m, self._leaf())
        if rng.random() < 0.7:
            for i in range(7):
                y = -150.0 + i * 75.0
                b.leaves(
                    (rng.uniform(60.0, 110.0), y, 3.0),
                    (40.0, 90.0, rng.uniform(10.0, 26.0)),
                    self._leaf(),
                    1.2,
                    0.8,
                )
        if rng.random() < 0.5:
            b.ball(
                (rng.uniform(300.0, 600.0), rng.uniform(-200.0, 500.0), -20.0),
                (rng.uniform(300, 500), 900, rng.uniform(80.0, 220.0)),
                self.m.grass(),
            )

    def _barrier(self, x: float) -> None:
        rng, b, m = self.rng, self.b, self.m
        begin = rng.uniform(-60.0, 10.0)
        for _ in range(int(rng.integers(1, 4))):
            length = rng.uniform(10.0, 40.0)
            for start, end in self._spans(begin, begin + length):
                with b.at(x, (start + end) / 2):
                    if rng.random() < 0.5:
                        roadside.hedge(b, m, min(end - start, 22.0), self._leaf())
                    else:
                        roadside.fence(b, m, end - start)
            begin += length + rng.uniform(2.0, 12.0)

    def _small(self) -> None:
        rng, b, m = self.rng, self.b, self.m
        roll = rng.random()
        if roll < 0.2:
            with b.at(0, 0, 0, rng.uniform(-math.pi, math.pi)):
                person(b, m)
        elif roll < 0.3:
            with b.at(0, 0, 0, rng.normal(0.0, 0.5)):
                vehicles.bicycle(b, m)
        else:
            makes = (
                roadside.street_lamp,
                roadside.street_lamp,
                roadside.traffic_sign,
                roadside.traffic_light,
                roadside.bin_,
                roadside.bin_,
                roadside.pole,
                roadside.bus_stop,
            )
            with b.at(0.3 if self.road.walk else 0.8, 0):
                makes[int(rng.integers(len(makes)))](b, m)

    def backdrop(self) -> None:
        """Close the far end of the street with trees, houses or hills."""
        rng, b, m = self.rng, self.b, self.m
        for y in (-150.0, rng.uniform(130.0, 300.0)):
            for _ in range(int(rng.integers(0, 6))):
                x = rng.uniform(-80.0, 80.0)
                if rng.random() < 0.5:
                    b.leaves(
                        (x, y, 4.0),
                        (rng.uniform(20, 60), 20, rng.uniform(10.0, 24.0)),
                        self._leaf(),
                        1.0,
                        0.8,
                    )
                else:
                    size = (rng.uniform(10.0, 40.0), 12.0, rng.uniform(6.0, 30.0))
                    buildings.slab(b, m, x, y, size)

    def choose_spots(self) -> None:
        """Add cameras of cars on lanes, of pedestrians and robots on pavements and roadsides."""
        lanes, wide = self.road.lanes, self.road.lane
        for lane in range(lanes):
            x = (lane + 0.5 - 0.5 * lanes) * wide
            for y in (0.0, self.road.before):
                spot = Spot(x, y, math.pi / 2, 1.35, 2.0, car=True)
                self.spots += [spot] * (4 if lane < 3 else 1)
        beside = self.road.half + max(0.6, self.road.walk * 0.5)
        for side in (-1, 1):
            x, up = side * beside, self.road.ground(beside, 0.0)
            self.spots += [
                Spot(x, 0.0, math.pi / 2, 0.3 + up, 1.0 + up),
                Spot(x, 0.0, math.pi / 2, 1.4 + up, 1.75 + up),
                Spot(x, 0.0, math.pi / 2 + side * 1.2, 0.4 + up, 1.7 + up),
                Spot(x, 0.0, math.pi / 2 + side * 1.6, 1.2 + up, 1.8 + up),
            ]
        self._foreground(beside)

    def _foreground(self, x: float) -> None:
        """Spot on the pavement or the road with an object right in front of it."""
        rng, b, m = self.rng, self.b, self.m
        x *= rng.choice([-1.0, 0.5, 1.0])
        yaw, y = rng.uniform(-math.pi, math.pi), rng.uniform(-25.0, 25.0)
        low = rng.uniform(0.3, 1.6) + self.road.ground(x, y)
        self.spots += [Spot(x, y, yaw, low, low + 0.3, 0.1, foreground=True)] * 2
        away = rng.uniform(0.8, 2.4)
        with b.at(x, y, 0.0, yaw), b.at(away, rng.uniform(-0.45, 0.45) * away):
            x, y, _ = b.world(0.0, 0.0, 0.0)
        up = self.road.ground(x, y)
        with b.at(x, y, up, yaw):
            roll = rng.random()
            if roll < 0.3:
                with b.at(0.0, 0.0, 0.0, rng.uniform(-math.pi, math.pi)):
                    person(b, m)
            elif roll < 0.55:
                roadside.bush(b, m, self._leaf())
            elif roll < 0.7:
                s = rng.uniform(0.4, 1.2)
                b.box((0, 0, 0.9), (0.4, s, 1.8), m.paint() if s < 0.8 else m.brick())
            elif roll < 0.85:
                thick = rng.uniform(0.08, 0.5)
                b.rod((0, 0, 1.5), thick, 3.0, self.bark if rng.random() < 0.5 else m.metal())
            else:
                with b.at(1.4, 0.0, -up, rng.choice([0.0, 1.57, 3.14])):
                    vehicles.car(b, m)


def outdoor_scene(rng: Generator, assets: Assets) -> tuple[Scene, list[Spot]]:
    """Build a street scene -> (scene, camera spots)."""
    street = Street(rng, assets)
    road.lay(street.b, street.m, street.road, street.town)
    traffic.parked(street.b, street.m, street.road, street.town)
    traffic.moving(street.b, street.m, street.road)
    masts.furnish(street.b, street.m, street.road)
    street.side(1)
    street.side(-1)
    street.backdrop()
    street.choose_spots()
    sky = draw_sky(rng, street.b, len(assets.panos))
    level = math.exp(rng.uniform(math.log(0.015), math.log(0.12)))
    return street.b.finish(street.m.array(), sky, (level, level, 1.08 * level)), street.spots
