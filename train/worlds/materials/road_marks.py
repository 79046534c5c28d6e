# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Marks of a carriageway at their real widths: paint, coloured lanes, repairs, covers, cracks.

The frame of a carriageway: x across, y along, traffic keeps to the right. All marks are flat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds.kernels import layout as L
from train.worlds.materials.table import Colour, scaled

WHITE: Colour = (0.62, 0.62, 0.6)
YELLOWS: tuple[Colour, ...] = ((0.58, 0.4, 0.06), (0.55, 0.34, 0.02), (0.6, 0.46, 0.16))
COLOURED: tuple[Colour, ...] = (
    (0.27, 0.08, 0.055),
    (0.2, 0.07, 0.05),
    (0.07, 0.17, 0.1),
    (0.06, 0.12, 0.24),
    (0.26, 0.25, 0.24),
    (0.06, 0.06, 0.06),
)
# Rows of 3 from the top left, least significant bit first.
LETTERS = {
    c: sum(int(bit) << i for i, bit in enumerate(rows))
    for c, rows in {
        'A': '010101111101101',
        'B': '110101110101110',
        'I': '111010010010111',
        'L': '100100100100111',
        'O': '111101101101111',
        'P': '111101111100100',
        'S': '111100111001111',
        'T': '111010010010010',
        'U': '101101101101111',
        'W': '101101111111101',
        'X': '101101010101101',
        '3': '111001111001111',
    }.items()
}
WORDS = ('BUS', 'STOP', 'TAXI', 'SLOW', '30', '50', 'A3')
ENDLESS = 400.0  # least length of marks along the whole road (metres)


@dataclass(frozen=True)
class Mark:
    """One mark: middle and full size in metres, turned by yaw; p as in kernels/markings.py."""

    kind: int
    x: float
    y: float
    wide: float
    long: float
    colour: Colour
    yaw: float = 0.0
    p: tuple[float, ...] = ()
    cover: float = 0.95
    wear: float = 0.4

    def row(self) -> NDArray[np.float32]:
        """Return the row of the table of materials."""
        row = np.zeros(L.M_COLS, np.float32)
        row[L.K_KIND], row[L.K_COLOUR : L.K_COLOUR + 3] = self.kind, self.colour
        row[L.K_COVER], row[L.K_WEAR] = self.cover, self.wear
        row[L.K_COS], row[L.K_SIN] = math.cos(self.yaw), math.sin(self.yaw)
        row[L.K_X], row[L.K_Y] = self.x, self.y
        row[L.K_HX], row[L.K_HY] = 0.5 * self.wide, 0.5 * self.long
        row[L.K_P0 : L.K_P0 + len(self.p)] = self.p
        return row


def _filled(dash: tuple[float, float] | None) -> tuple[int, tuple[float, ...]]:
    """Return kind and p of a line: dash = (length, gap), None = solid."""
    if dash is None:
        return L.FILL, ()
    period = dash[0] + dash[1]
    return L.STRIPED, (period, dash[0] / period)


class Brush:
    """Collection of marks whose paint has the width and wear of one road."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.marks: list[Mark] = []
        self.width = float(rng.choice([0.1, 0.12, 0.15, 0.2, 0.25]))
        self.cover, self.wear = float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.1, 0.9))
        self.yellow = YELLOWS[int(rng.integers(len(YELLOWS)))]

    def paint(self, mark: Mark) -> None:
        """Add a mark of paint."""
        self.marks.append(replace(mark, cover=self.cover, wear=self.wear))

    def colour(self, yellow: float = 0.35) -> Colour:
        """Return white, or sometimes yellow."""
        return self.yellow if self.rng.random() < yellow else WHITE

    def line(
        self,
        x: float,
        y: tuple[float, float],
        colour: Colour,
        dash: tuple[float, float] | None = None,
        width: float = 0.0,
    ) -> None:
        """Line along y at x between two y; dash = (length, gap)."""
        kind, p = _filled(dash)
        middle, long = 0.5 * (y[0] + y[1]), y[1] - y[0]
        self.paint(Mark(kind, x, middle, width or self.width, long, colour, p=p))

    def across(
        self,
        y: float,
        x: tuple[float, float],
        width: float,
        colour: Colour,
        dash: tuple[float, float] | None = None,
    ) -> None:
        """Line along x at y between two x, or bars: a zebra is a wide dashed line."""
        kind, p = _filled(dash)
        middle, long = 0.5 * (x[0] + x[1]), abs(x[1] - x[0])
        self.paint(Mark(kind, middle, y, width, long, colour, yaw=math.pi / 2, p=p))

    def word(self, text: str, x: float, y: float, wide: float, colour: Colour, yaw: float) -> None:
        """Letters `wide` metres wide in total and tall enough to be read from a car."""
        pitch, tall = wide / len(text), self.rng.uniform(1.2, 3.0)
        for i, c in enumerate(text):
            bits = LETTERS.get(c, LETTERS['O'])
            off = (i + 0.5) * pitch - 0.5 * wide
            at = (x + off * math.cos(yaw), y + off * math.sin(yaw))
            self.paint(Mark(L.GLYPH, *at, 0.75 * pitch, tall, colour, yaw=yaw, p=(bits,)))

    def corner(self, x: float, y: float, colour: Colour) -> None:
        """Two lines that meet at a right angle at (x, y)."""
        rng = self.rng
        width = rng.uniform(0.08, 0.4)
        a, b = rng.uniform(0.4, 7.0, 2) * rng.choice([-1.0, 1.0], 2)
        self.line(x, (min(y, y + a), max(y, y + a)), colour, width=width)
        self.across(y, (x, x + b), width * rng.uniform(0.8, 1.5), colour)

    def stray(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """One mark of any kind in a rectangle, as on squares, in depots and in front of gates."""
        rng = self.rng
        at = (float(rng.uniform(*x)), float(rng.uniform(*y)))
        colour = self.colour(0.45)
        wide, long = float(rng.uniform(1.0, 5.0)), float(rng.uniform(2.0, 12.0))
        yaw = float(rng.choice([0.0, math.pi / 2, rng.normal(0.0, 0.3)], p=[0.6, 0.2, 0.2]))
        line = float(rng.uniform(0.08, 0.25))
        kind = int(rng.choice(8, p=[0.36, 0.12, 0.12, 0.08, 0.06, 0.1, 0.1, 0.06]))
        if kind == 0:
            self.corner(*at, colour)
        elif kind == 1:
            self.across(at[1], x, rng.uniform(0.1, 0.6), colour)
        elif kind in (2, 3, 4):
            net, bays = (line, rng.uniform(0.8, 2.0)), (line, rng.uniform(2.3, 6.0))
            shape, p = ((L.FRAME, (line, 0.0)), (L.FRAME, bays), (L.NET, net))[kind - 2]
            self.paint(Mark(shape, *at, wide, long, colour, yaw, p))
        elif kind == 5:
            hatch = (rng.uniform(0.8, 2.2), rng.uniform(0.25, 0.5), rng.choice([-1.0, 1.0]))
            self.paint(Mark(L.STRIPED, *at, wide, long, colour, yaw, hatch))
            self.paint(Mark(L.FRAME, *at, wide, long, colour, yaw, (line, 0.0)))
        elif kind == 6:
            self.word(WORDS[int(rng.integers(len(WORDS)))], *at, 2.2, colour, yaw)
        else:
            self.line(at[0], (at[1], at[1] + long), colour, (1.0, 1.0), 0.3)

    def repairs(self, half: float, y: tuple[float, float], ground: Colour) -> None:
        """Patches of other asphalt with straight edges, trenches, seams, cracks, covers."""
        rng, add = self.rng, self.marks.append
        for _ in range(int(rng.poisson(2.2))):
            tone = scaled(ground, math.exp(rng.normal(-0.2, 0.35)))
            at = (rng.uniform(-half, half), rng.uniform(*y))
            size, yaw = (rng.uniform(0.5, 4.0), rng.uniform(0.6, 14.0)), rng.normal(0.0, 0.03)
            if rng.random() < 0.3:  # a trench from kerb to kerb
                at, size = (0.0, at[1]), (2 * half, rng.uniform(0.4, 1.5))
            add(Mark(L.FILL, *at, *size, tone, yaw, cover=rng.uniform(0.6, 1.0), wear=0.1))
            if rng.random() < 0.5:
                seam = (rng.uniform(0.02, 0.06), 0.0)
                add(Mark(L.FRAME, *at, *size, (0.03, 0.03, 0.03), yaw, seam, 0.7))
        for _ in range(int(rng.poisson(1.5))):
            at, long = (rng.uniform(-half, half), rng.uniform(*y)), rng.uniform(3.0, 25.0)
            yaw = rng.choice([0.0, math.pi / 2]) + rng.normal(0.0, 0.1)
            wide, tone, cover = rng.uniform(0.01, 0.04), scaled(ground, 0.25), 0.8
            if rng.random() < 0.35:  # wheel tracks: rubber or dust
                wide, tone = rng.uniform(0.08, 0.25), scaled(ground, rng.choice([0.5, 1.8]))
                cover = 0.4
            p = (wide, rng.uniform(0.5, 5.0))
            add(Mark(L.CRACK, *at, 2 * wide + rng.uniform(0.1, 0.9), long, tone, yaw, p, cover))
        for _ in range(int(rng.poisson(1.5))):
            at = (rng.uniform(-half, half), rng.uniform(*y))
            if rng.random() < 0.65:
                tone, d = scaled(ground, rng.choice([0.4, 0.7, 1.6])), rng.uniform(0.55, 0.75)
                add(Mark(L.DISC, *at, d, d, tone))
            else:  # a grating at the kerb
                at = (rng.choice([-1.0, 1.0]) * (half - 0.25), at[1])
                add(Mark(L.STRIPED, *at, 0.4, 0.5, (0.02, 0.02, 0.02), p=(0.06, 0.6)))
