# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials of roads, ground, plants and houses."""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials.road_marks import ENDLESS, Mark
from train.worlds.materials.table import Colour, MaterialTable, scaled

WALLS: tuple[Colour, ...] = (
    (0.6, 0.55, 0.45),
    (0.65, 0.64, 0.6),
    (0.5, 0.35, 0.2),
    (0.35, 0.18, 0.12),
    (0.4, 0.4, 0.4),
    (0.55, 0.42, 0.3),
    (0.28, 0.3, 0.33),
    (0.4, 0.44, 0.46),
)
SKIES: tuple[Colour, ...] = (
    (0.08, 0.25, 0.5),
    (0.2, 0.45, 0.7),
    (0.04, 0.1, 0.3),
    (0.4, 0.58, 0.72),
    (0.05, 0.3, 0.4),
)


class StreetMaterials(MaterialTable):
    """Materials of roads, ground, plants and houses."""

    def road_ground(self) -> Colour:
        """Colour of asphalt, old to new, or of concrete."""
        return self.pick(
            (
                (0.1, 0.1, 0.1),
                (0.16, 0.155, 0.15),
                (0.22, 0.21, 0.2),
                (0.13, 0.125, 0.12),
                (0.3, 0.27, 0.23),
            ),
            0.2,
        )

    def road(
        self, ground: Colour, lane: float, half: float, marks: list[Mark], track: float = 0.06
    ) -> int:
        """Ground with marks, for the upper face of a box; track: contrast of wheel tracks.

        Marks along the whole road come first.
        """
        photo = self.photo('asphalt', calm=True)
        contrast, grime = self.rng.uniform(0.2, 0.6), self.rng.uniform(0.03, 0.2)
        number = self.add(L.ROAD, ground, contrast=contrast, grime=grime, tile=-1, mean=ground)
        row = self.rows[number]
        if photo is not None:  # the photo adds grain, the mean colour stays
            from_photo = self.rows[photo]
            row[L.M_A : L.M_A + 3] /= from_photo[L.M_MEAN : L.M_MEAN + 3]
            row[L.M_TILE], row[L.R_TILE] = from_photo[L.M_TILE], from_photo[L.M_SX]
            row[L.M_CONTRAST] = 0.15
        long = [mark.long >= ENDLESS for mark in marks]
        spans = [(k.y, 0.5 * math.hypot(k.wide, k.long)) for k in marks if k.long < ENDLESS]
        row[L.R_MARKS], row[L.R_LONG] = len(marks), long.index(False) if spans else len(marks)
        row[L.R_FROM] = min((y - reach for y, reach in spans), default=0.0)
        row[L.R_TO] = max((y + reach for y, reach in spans), default=0.0)
        row[L.R_LANE], row[L.R_TRACK], row[L.R_HALF] = lane, track, half
        self.rows += [mark.row() for mark in marks]
        return number

    def asphalt(self) -> int:
        """Plain asphalt."""
        return self.photo('asphalt', calm=True) or self.add(
            L.NOISE, (0.14, 0.14, 0.14), (0.1, 0.1, 0.1), sx=0.03, contrast=0.5, grime=0.4
        )

    def paving(self) -> int:
        """Pavement slabs."""
        found = self.photo('paving', calm=True)
        if found is not None:
            return found
        a = self.pick(((0.35, 0.34, 0.32), (0.28, 0.26, 0.25), (0.4, 0.33, 0.27)))
        size = self.rng.choice([0.1, 0.2, 0.3, 0.5])
        return self.add(
            L.TILES,
            a,
            scaled(a, 0.45),
            sx=size,
            sy=size * self.rng.choice([0.5, 1.0, 1.0]),
            p0=self.rng.choice([0.0, 0.5]),
            p1=0.008,
            contrast=0.5,
            grime=0.4,
        )

    def grass(self) -> int:
        """Lawn or meadow."""
        return self.photo('grass', tint=(0.8, 0.65, 0.8)) or self.add(
            L.NOISE,
            self.pick(((0.07, 0.12, 0.03), (0.12, 0.14, 0.04), (0.2, 0.17, 0.07))),
            self.pick(((0.03, 0.06, 0.015), (0.1, 0.08, 0.04))),
            sx=0.08,
            contrast=0.9,
            grime=0.8,
        )

    def soil(self) -> int:
        """Soil, gravel or dry ground."""
        kind = str(self.rng.choice(['soil', 'gravel', 'rock']))
        return self.photo(kind) or self.add(
            L.SPECKLE,
            self.pick(((0.3, 0.22, 0.15), (0.35, 0.33, 0.3))),
            (0.14, 0.12, 0.1),
            sx=self.rng.uniform(0.02, 0.06),
            contrast=0.6,
            grime=0.5,
        )

    def foliage(self, gain: float = 1.0) -> int:
        """Leaves; gain: brightness."""
        dark = self.pick(((0.035, 0.06, 0.012), (0.05, 0.075, 0.02), (0.03, 0.05, 0.016)), 0.3)
        light = self.pick(
            ((0.15, 0.22, 0.05), (0.2, 0.24, 0.08), (0.12, 0.18, 0.06), (0.28, 0.2, 0.06)), 0.3
        )
        return self.add(L.LEAF, scaled(dark, gain), scaled(light, gain), sx=0.12, contrast=0.9)

    def bark(self) -> int:
        """Tree trunk."""
        return self.photo('bark') or self.add(
            L.NOISE, (0.12, 0.085, 0.06), (0.05, 0.035, 0.025), sx=0.07, contrast=0.8
        )

    def render_colour(self) -> Colour:
        """Return the colour of an outside wall: earths, whites as bright as clouds, sky blues."""
        roll = self.rng.random()
        if roll < 0.5:
            return self.pick(WALLS, 0.2)
        if roll < 0.75:
            return self.pick(((0.78, 0.77, 0.74), (0.7, 0.72, 0.74), (0.75, 0.7, 0.6)), 0.08)
        return self.pick(SKIES, 0.3) if roll < 0.87 else self.hue((0.3, 0.9), (0.35, 0.95))

    def cladding(self) -> int:
        """Outside wall without windows: glazed tiles, panels, ribbed sheet, brick, render."""
        rng = self.rng
        a, roll = self.render_colour(), rng.random()
        if roll < 0.5:
            size = float(rng.choice([0.1, 0.2, 0.3, 0.6, 1.2]))
            return self.add(
                L.TILES,
                a,
                scaled(a, rng.uniform(0.3, 1.2)),
                sx=size * rng.choice([1.0, 2.0]),
                sy=size,
                p0=rng.choice([0.0, 0.5]),
                p1=rng.uniform(0.004, 0.02),
                contrast=rng.uniform(0.1, 1.0),
                f0=rng.choice([0.0, 0.04]),
                rough=0.1,
                grime=0.1,
            )
        if roll < 0.65:
            ribs = rng.uniform(0.1, 0.4)
            return self.add(L.STRIPES, a, scaled(a, 0.6), sx=ribs, p0=0.8, contrast=0.05)
        if roll < 0.8:
            return self.brick()
        return self.add(L.PLAIN, a, contrast=0.05, grime=rng.uniform(0.02, 0.12))

    def glazing(self) -> int:
        """Curtain wall: panes that mirror the sky, in thin frames."""
        rng = self.rng
        pane = self.pick(((0.012, 0.014, 0.015), (0.02, 0.04, 0.05), (0.05, 0.07, 0.09)))
        frame = self.pick(((0.6, 0.6, 0.6), (0.05, 0.05, 0.05), (0.3, 0.3, 0.32)))
        return self.add(
            L.TILES,
            pane,
            frame,
            sx=rng.uniform(0.9, 2.0),
            sy=rng.uniform(1.0, 3.0),
            p1=rng.uniform(0.04, 0.12),
            contrast=0.3,
            f0=rng.uniform(0.06, 0.35),
            rough=0.0,
        )

    def facade(self, storey: float, wall: Colour | None = None) -> int:
        """Wall of a house with windows."""
        wall = wall or self.render_colour()
        frame = (
            (0.7, 0.7, 0.68)
            if self.rng.random() < 0.7
            else self.pick(((0.1, 0.06, 0.04), (0.03, 0.03, 0.03)))
        )
        return self.add(
            L.FACADE,
            wall,
            frame,
            sx=self.rng.uniform(1.8, 4.2),
            sy=storey,
            p0=self.rng.uniform(*((0.3, 0.6) if self.rng.random() < 0.8 else (0.8, 1.1))),
            p1=self.rng.uniform(0.35, 0.55),
            contrast=self.rng.uniform(0.02, 0.1),
            grime=self.rng.uniform(0.02, 0.08),
        )
