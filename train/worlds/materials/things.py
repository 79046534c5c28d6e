# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials of furniture, things, people and vehicles."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials.table import Colour, MaterialTable, scaled

WOODS: tuple[Colour, ...] = (
    (0.42, 0.25, 0.12),
    (0.55, 0.38, 0.21),
    (0.25, 0.12, 0.06),
    (0.15, 0.075, 0.04),
    (0.62, 0.47, 0.3),
    (0.36, 0.17, 0.08),
    (0.48, 0.42, 0.35),
)

CAR_PAINTS: tuple[Colour, ...] = (
    (0.02, 0.02, 0.022),
    (0.6, 0.6, 0.6),
    (0.3, 0.31, 0.33),
    (0.12, 0.13, 0.14),
    (0.45, 0.03, 0.02),
    (0.03, 0.06, 0.2),
    (0.7, 0.69, 0.66),
    (0.05, 0.12, 0.07),
    (0.35, 0.29, 0.2),
    (0.02, 0.02, 0.022),
    (0.5, 0.52, 0.54),
    (0.5, 0.3, 0.03),
)

SKINS: tuple[Colour, ...] = (
    (0.55, 0.32, 0.22),
    (0.4, 0.21, 0.13),
    (0.2, 0.1, 0.06),
    (0.62, 0.4, 0.3),
)


class ThingMaterials(MaterialTable):
    """Materials of furniture, things, people and vehicles."""

    def paint(
        self, colour: Colour | None = None, *, f0: float = 0.0, contrast: float = 0.06
    ) -> int:
        """Painted or plastic surface."""
        return self.add(L.PLAIN, colour or self.hue(), contrast=contrast, f0=f0, grime=0.04)

    def plastic(self) -> int:
        """Smooth coloured plastic, enamel or ceramics."""
        bright = self.rng.random() < 0.4
        colour = (
            self.pick(((0.7, 0.7, 0.68), (0.03, 0.03, 0.03), (0.35, 0.35, 0.36)))
            if bright
            else self.hue((0.3, 1.0), (0.15, 0.9))
        )
        return self.add(
            L.PLAIN,
            colour,
            contrast=0.08,
            f0=float(self.rng.choice([0.0, 0.03, 0.05])),
            rough=0.12,
        )

    def wood(self) -> int:
        """Boards of furniture."""
        gloss = self.rng.random() < 0.4
        f0 = 0.04 if gloss else 0.0
        stain = (self.stain, self.stain, self.stain)
        found = self.photo('wood', f0=f0, swap=True, tint=stain)
        if found is not None:
            return found
        a = scaled(self.pick(WOODS), self.stain)
        return self.add(
            L.GRAIN,
            a,
            scaled(a, self.rng.uniform(0.5, 0.8)),
            sx=self.rng.uniform(0.02, 0.06),
            contrast=self.rng.uniform(0.2, 0.6),
            f0=f0,
            swap=True,
            grime=0.15,
            rough=0.15,
        )

    def metal(self) -> int:
        """Bare or painted metal."""
        return self.photo('metal', f0=0.15) or self.add(
            L.GRAIN,
            self.pick(((0.4, 0.4, 0.4), (0.25, 0.25, 0.26), (0.5, 0.45, 0.35))),
            sx=0.01,
            contrast=0.2,
            f0=float(self.rng.uniform(0.1, 0.4)),
            rough=0.25,
            swap=True,
        )

    def fabric(self) -> int:
        """Upholstery, bedding, clothes."""
        found = self.photo('fabric')
        if found is not None:
            return found
        a, b = self.hue((0.05, 0.7), (0.15, 0.85)), self.hue((0.05, 0.7), (0.15, 0.85))
        kind = self.rng.random()
        if kind < 0.5:
            return self.add(L.NOISE, a, scaled(a, 0.7), sx=0.006, contrast=0.5, grime=0.2)
        if kind < 0.65:
            return self.add(
                L.STRIPES,
                a,
                b,
                sx=self.rng.uniform(0.02, 0.12),
                p0=self.rng.uniform(0.2, 0.6),
                p1=float(self.rng.integers(2)),
                contrast=0.3,
            )
        if kind < 0.78:
            return self.add(L.CHECK, a, b, sx=self.rng.uniform(0.015, 0.06), contrast=0.3)
        return self.add(L.SPLAT, a, b, sx=self.rng.uniform(0.04, 0.15), contrast=0.3)

    def printed(self) -> int:
        """Cover, label or poster that fills each face once."""
        light = self.rng.random() < 0.5
        a = (
            self.pick(((0.75, 0.73, 0.68), (0.8, 0.8, 0.8)))
            if light
            else self.hue((0.3, 1.0), (0.2, 0.9))
        )
        return self.add(
            L.PRINT, a, self.hue((0.4, 1.0), (0.2, 0.9)), f0=float(self.rng.choice([0.0, 0.03]))
        )

    def cardboard(self) -> int:
        """Brown board."""
        return self.add(L.PLAIN, self.pick(((0.4, 0.26, 0.14),)), contrast=0.25, grime=0.2)

    def books(self) -> int:
        """Row of spines; v spans the face."""
        return self.add(L.BOOKS, (0.25, 0.2, 0.17))

    def glass(self) -> int:
        """Dark mirror-like glass."""
        return self.add(L.PLAIN, (0.01, 0.012, 0.013), contrast=0.0, f0=0.09, rough=0.0)

    def mirror(self) -> int:
        """Mirror."""
        return self.add(L.PLAIN, (0.02, 0.02, 0.02), contrast=0.0, f0=0.85, rough=0.0)

    def glow(self, colour: Colour, strength: float) -> int:
        """Luminous surface."""
        return self.add(L.PLAIN, colour, emit=strength, contrast=0.05)

    def screen(self) -> int:
        """Lit screen of a monitor or television."""
        return self.add(
            L.PRINT,
            self.hue((0.1, 0.8), (0.1, 0.7)),
            self.hue((0.1, 0.8), (0.1, 0.7)),
            emit=float(self.rng.uniform(0.3, 1.2)),
            f0=0.04,
            rough=0.0,
        )

    def skin(self) -> int:
        """Human skin."""
        return self.paint(self.pick(SKINS, 0.15))

    def car_paint(self) -> int:
        """Glossy lacquer."""
        return self.add(
            L.PLAIN, self.pick(CAR_PAINTS, 0.15), contrast=0.04, f0=0.05, rough=0.0, grime=0.04
        )
