# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials of cellars, utility rooms and garages: bare, without cladding."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.materials.table import Colour, scaled

CONCRETES: tuple[Colour, ...] = ((0.34, 0.34, 0.33), (0.24, 0.25, 0.25), (0.42, 0.4, 0.36))
PAINTS: tuple[Colour, ...] = ((0.25, 0.09, 0.07), (0.2, 0.22, 0.25), (0.1, 0.14, 0.1))
BRICKS: tuple[Colour, ...] = ((0.25, 0.1, 0.06), (0.16, 0.07, 0.05), (0.3, 0.2, 0.14))
LIMES: tuple[Colour, ...] = ((0.66, 0.65, 0.6), (0.6, 0.55, 0.42), (0.5, 0.52, 0.5))


class CellarMaterials(Materials):
    """Materials with bare walls, floors and ceilings; the rest is as in other scenes."""

    def wall(self) -> int:
        """Brick, bare or whitewashed, blocks, raw concrete, boards, flaking plaster."""
        roll = self.rng.random()
        if roll < 0.2:
            return self.photo('brick') or self._courses(self.pick(BRICKS), 0.4, 0.8)
        if roll < 0.5:
            return self._courses(self.pick(LIMES, 0.15), 0.3, 0.35)
        if roll < 0.62:
            return self._courses(self.pick(CONCRETES + LIMES, 0.15), 0.2, 0.25, 0.4, 0.2)
        if roll < 0.78:
            return self._concrete(0.4)
        if roll < 0.86:
            return self._boards((0.3, 0.17, 0.09))
        return self.add(L.SPLAT, a := self.pick(LIMES, 0.1), scaled(a, 0.6), sx=0.7, grime=0.4)

    def floor(self) -> int:
        """Concrete or screed with stains, sometimes painted."""
        rng = self.rng
        f0 = float(rng.choice([0.0, 0.02, 0.04]))
        if rng.random() < 0.35:
            return self._concrete(0.6, f0)
        a = self.pick(CONCRETES if rng.random() < 0.88 else PAINTS)
        kind, size = (L.SPLAT, (0.6, 1.6)) if rng.random() < 0.6 else (L.NOISE, (0.3, 1.2))
        tone = rng.uniform(0.45, 0.8) if rng.random() < 0.75 else rng.uniform(1.1, 1.4)
        return self.add(
            kind,
            a,
            scaled(a, tone),
            sx=rng.uniform(*size),
            contrast=0.35,
            grime=float(rng.uniform(0.3, 0.8)),
            f0=f0,
            rough=0.5,
        )

    def ceiling(self) -> int:
        """Underside of the floor above: boards, concrete, or whitewashed."""
        roll = self.rng.random()
        if roll < 0.5:
            return self._boards((0.26, 0.15, 0.08))
        return self._concrete(0.3) if roll < 0.75 else super().ceiling()

    def sheet_metal(self) -> int:
        """Galvanised sheet of ducts, or the foil around them."""
        grey = self.pick(((0.45, 0.46, 0.47), (0.32, 0.33, 0.34), (0.6, 0.6, 0.6)), 0.1)
        return self.add(
            L.GRAIN, grey, scaled(grey, 0.8), sx=0.05, contrast=0.2, f0=0.2, rough=0.35, grime=0.2
        )

    def pipe(self) -> int:
        """Copper, plastic, iron or insulation of pipes."""
        colours = ((0.36, 0.15, 0.07), (0.7, 0.7, 0.68), (0.03, 0.03, 0.03), (0.35, 0.35, 0.35))
        return self.add(L.PLAIN, self.pick(colours, 0.15), contrast=0.15, f0=0.03, grime=0.2)

    def _concrete(self, grime: float, f0: float = 0.0) -> int:
        found = self.photo('concrete', calm=True, grime=grime, f0=f0)
        a = self.pick(CONCRETES)
        return found or self.add(
            L.NOISE, a, scaled(a, 0.7), sx=0.5, contrast=0.3, grime=grime, f0=f0
        )

    def _courses(
        self, a: Colour, joint: float, contrast: float, wide: float = 0.225, high: float = 0.075
    ) -> int:
        """Bricks or blocks of colour a; joint: contrast of the joints."""
        b = scaled(a, 1.0 - joint) if max(a) > 0.35 else (0.3, 0.29, 0.27)
        grime = float(self.rng.uniform(0.3, 1.1))
        return self.add(
            L.TILES, a, b, sx=wide, sy=high, p0=0.5, p1=0.012, contrast=contrast, grime=grime
        )

    def _boards(self, colour: Colour) -> int:
        """Rough sawn boards."""
        a = self.pick((colour, scaled(colour, 0.5), (0.5, 0.4, 0.28)))
        wide = float(self.rng.uniform(0.1, 0.2))
        return self.add(
            L.PLANKS, a, scaled(a, 0.6), sx=3.0, sy=wide, p0=1.0, contrast=0.6, grime=0.3
        )
