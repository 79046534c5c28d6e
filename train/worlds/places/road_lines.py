# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lane lines, crossings and stop lines of a carriageway."""

from __future__ import annotations

import math

from numpy.random import Generator

from train.worlds.kernels import layout as L
from train.worlds.materials.road_marks import COLOURED, ENDLESS, WHITE, Brush, Mark
from train.worlds.materials.table import Colour, scaled

DASHES = ((3.0, 6.0), (6.0, 12.0), (2.0, 4.0), (3.0, 9.0), (4.0, 6.0), (1.5, 1.5))
END = 800.0


class Carriageway:
    """Marks of `lanes` lanes of `lane` metres in a bed from x = -half to half.

    stops: the two y between which a junction is, or None.
    """

    def __init__(
        self,
        rng: Generator,
        lane: float,
        lanes: int,
        half: float,
        stops: tuple[float, float] | None,
    ) -> None:
        self.rng, self.brush = rng, Brush(rng)
        self.lane, self.lanes, self.half = lane, lanes, half
        self.stops = stops
        self.both = lanes > 1 and rng.random() < 0.9  # traffic in both directions
        self.middle = 0.5 * lane * (lanes % 2) if self.both else -0.5 * lane * lanes
        # The middle line: its colour, and dashed, solid, double, or solid beside dashed.
        self.yellow = self.brush.colour(0.5)
        self.centre = int(rng.choice(4, p=[0.3, 0.3, 0.3, 0.1]))

    def marks(self, ground: Colour, bare: bool) -> list[Mark]:
        """Add all marks; bare: without lane lines, as in small streets."""
        rng, brush = self.rng, self.brush
        self._coloured(ground)
        ends = [(-END, END)]
        if self.stops:
            low = self._approach(self.stops[0] - rng.uniform(0.3, 2.5), -1)
            high = self._approach(self.stops[1] + rng.uniform(0.3, 2.5), 1)
            ends = [(-END, low), (high, END)]
        elif rng.random() < 0.3:
            self._zebra(rng.uniform(-15.0, 35.0))
        local, brush.marks = brush.marks, []
        long = [mark for mark in local if mark.long >= ENDLESS]
        if not bare:
            self._lines(ends)
        lines, brush.marks = brush.marks, []
        brush.repairs(self.half, (-25.0, 40.0), ground)
        if rng.random() < 0.7:
            for _ in range(int(rng.integers(1, 9))):
                brush.stray((-self.half, self.half), (-20.0, 35.0))
        return [*long, *lines, *(m for m in local if m.long < ENDLESS), *brush.marks]

    def _coloured(self, ground: Colour) -> None:
        """Bus or cycle lane of another colour, a strip at the kerb, seams between lanes."""
        rng, add, half = self.rng, self.brush.marks.append, self.half
        wide = min(half, float(rng.choice([1.6, self.lane])))
        if rng.random() < 0.2:
            tone = COLOURED[int(rng.integers(len(COLOURED)))]
            for side in (-1, 1) if rng.random() < 0.5 else (1,):
                x = side * (half - 0.5 * wide - 0.15)
                add(Mark(L.FILL, x, 0.0, wide, 2 * END, tone, wear=0.2))
                line = x - side * 0.5 * wide
                self.brush.line(line, (-END, END), WHITE, None if wide < 2.0 else (1.0, 1.0))
        if rng.random() < 0.3:  # gutter
            tone = (0.3, 0.29, 0.27)
            for side in (-1, 1):
                add(Mark(L.FILL, side * (half - 0.15), 0.0, 0.3, 2 * END, tone, wear=0.2))
        if rng.random() < 0.12:  # slabs of concrete
            p = (rng.uniform(4.0, 7.0), 0.004)
            add(Mark(L.STRIPED, 0.0, 0.0, 2 * half, 2 * END, scaled(ground, 0.3), p=p))
        if rng.random() < 0.15:  # places to park along the kerb
            p = (0.1, rng.uniform(5.0, 6.5))
            x = rng.choice([-1.0, 1.0]) * (half - 1.05)
            self.brush.paint(Mark(L.FRAME, x, 0.0, 2.1, 2 * END, self.brush.colour(0.2), p=p))
        if rng.random() < 0.4:
            x = rng.uniform(-0.7, 0.7) * half
            add(Mark(L.FILL, x, 0.0, rng.uniform(0.01, 0.05), 2 * END, (0.04,) * 3, cover=0.7))

    def _lines(self, ends: list[tuple[float, float]]) -> None:
        """Lines between lanes, in the middle and at the edges."""
        rng, brush = self.rng, self.brush
        dash = DASHES[int(rng.integers(len(DASHES)))]
        edges = brush.colour(0.25), int(rng.choice(3, p=[0.3, 0.55, 0.15]))
        inset = float(rng.uniform(0.12, 0.5))
        for y in ends:
            for i in range(1, self.lanes):
                x = i * self.lane - 0.5 * self.lane * self.lanes
                if self.both and abs(x - self.middle) < 0.1:
                    self._centre(x, y, dash)
                else:
                    brush.line(x, y, WHITE, dash)
            for side in (-1, 1):
                x = side * (self.half - inset)
                if edges[1]:
                    brush.line(x, y, edges[0])
                if edges[1] == 2:
                    brush.line(x - side * (0.1 + brush.width), y, edges[0])

    def _centre(self, x: float, y: tuple[float, float], dash: tuple[float, float]) -> None:
        """Dashed, solid, double, or solid beside dashed."""
        brush, colour, style = self.brush, self.yellow, self.centre
        gap = 0.5 * brush.width + 0.06
        if style == 0:
            brush.line(x, y, colour, dash)
        elif style == 1:
            brush.line(x, y, colour)
        else:
            brush.line(x - gap, y, colour)
            brush.line(x + gap, y, colour, dash if style == 3 else None)

    def _zebra(self, y: float) -> None:
        """Crossing for pedestrians around y."""
        rng, brush, half = self.rng, self.brush, self.half - 0.2
        deep, bar = rng.uniform(2.5, 5.0), rng.uniform(0.35, 0.65)
        roll, colour = rng.random(), brush.colour(0.12)
        if roll < 0.7:
            brush.across(y, (-half, half), deep, colour, (bar, bar * rng.uniform(0.9, 1.6)))
        if roll > 0.6:  # two lines, dashed or solid
            broken = (0.5, 0.3) if rng.random() < 0.4 else None
            for side in (-0.55, 0.55):
                brush.across(
                    y + side * deep, (-half, half), rng.uniform(0.12, 0.3), colour, broken
                )

    def _approach(self, y: float, sign: int) -> float:
        """Add crossing, stop line and arrows before a junction at y; return where lines end."""
        rng, brush = self.rng, self.brush
        if rng.random() < 0.75:
            self._zebra(y + sign * 2.5)
            y += sign * (5.0 + rng.uniform(0.5, 3.0))
        reach = (self.middle, self.half - 0.2) if sign < 0 else (-self.half + 0.2, self.middle)
        if not self.both and sign > 0:
            return y
        colour = brush.colour(0.12)
        if rng.random() < 0.85:
            width = rng.uniform(0.2, 0.6)
            broken = (0.5, 0.3) if rng.random() < 0.2 else None
            brush.across(y + sign * 0.5 * width, reach, width, colour, broken)
        before = float(rng.uniform(8.0, 30.0))
        solid = (y - before, y) if sign < 0 else (y, y + before)
        if self.both and self.centre == 0 and rng.random() < 0.8:
            brush.line(self.middle, solid, self.yellow)
        arrows = rng.random() < 0.6
        for i in range(self.lanes):
            x = (i + 0.5) * self.lane - 0.5 * self.lane * self.lanes
            if not reach[0] < x < reach[1]:
                continue
            if abs(x - 0.5 * self.lane - self.middle) > 0.3 and sign < 0:
                brush.line(x - 0.5 * self.lane, solid, WHITE)
            elif abs(x + 0.5 * self.lane - self.middle) > 0.3 and sign > 0:
                brush.line(x + 0.5 * self.lane, solid, WHITE)
            if arrows:
                p = (float(rng.integers(-1, 2)), float(rng.integers(2)))
                at = (x, y + sign * rng.uniform(4.0, 9.0))
                yaw = 0.0 if sign < 0 else math.pi
                brush.paint(Mark(L.ARROW, *at, 1.2, rng.uniform(3.0, 6.0), WHITE, yaw, p))
        return y

    def square(self, reach: float, ground: Colour) -> list[Mark]:
        """Return the marks inside a junction, whose other road is at y = -reach to reach."""
        rng, brush, half = self.rng, self.brush, self.half
        brush.repairs(half, (-reach, reach), ground)
        if rng.random() < 0.25:
            p = (rng.uniform(0.1, 0.2), rng.uniform(1.5, 3.0))
            colour = brush.colour(0.8)
            brush.paint(Mark(L.NET, 0.0, 0.0, 2 * half - 0.4, 2 * reach, colour, p=p))
        if rng.random() < 0.4:  # lines continue through the junction
            for i in range(1, self.lanes):
                x = i * self.lane - 0.5 * self.lane * self.lanes
                brush.line(x, (-reach, reach), WHITE, (0.5, 1.0))
        if rng.random() < 0.3:
            brush.stray((-half, half), (-reach, reach))
        return brush.marks


def bays(rng: Generator, wide: float, long: float, rows: int, ground: Colour) -> list[Mark]:
    """Return the marks of a car park: rows of bays, each 5 m deep, along y."""
    brush = Brush(rng)
    colour, line = brush.colour(0.2), rng.uniform(0.08, 0.14)
    brush.repairs(0.5 * wide, (-0.4 * long, 0.4 * long), ground)
    if rng.random() < 0.85:
        for row in range(rows):
            x = 8.0 * row + 3.2 - 0.5 * wide
            p = (line, 2.65)
            brush.paint(Mark(L.FRAME, x, 0.0, 5.0, 2.65 * int(long / 2.65 - 1), colour, p=p))
    for _ in range(int(rng.integers(0, 3))):
        brush.stray((-0.5 * wide, 0.5 * wide), (-0.3 * long, 0.3 * long))
    return brush.marks
