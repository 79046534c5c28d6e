# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials of walls, floors and ceilings."""

from __future__ import annotations

from train.worlds.kernels import layout as L
from train.worlds.materials.table import MaterialTable, scaled
from train.worlds.materials.things import WOODS


class RoomMaterials(MaterialTable):
    """Materials of walls, floors and ceilings."""

    def wall(self) -> int:
        """Inside wall."""
        roll = self.rng.random()
        if roll < 0.57:
            kinds = ((0.25, 'plaster'), (0.45, 'wallpaper'), (0.53, 'brick'), (0.57, 'concrete'))
            kind = next(kind for below, kind in kinds if roll < below)
            found = self.photo(kind, calm=kind != 'brick')
            if found is not None:
                return found
        a = self.pick(
            (
                (0.7, 0.68, 0.62),
                (0.72, 0.72, 0.7),
                (0.6, 0.52, 0.38),
                (0.45, 0.5, 0.55),
                (0.55, 0.58, 0.48),
                (0.6, 0.38, 0.36),
                (0.35, 0.34, 0.33),
                (0.66, 0.6, 0.5),
            ),
            0.15,
        )
        if roll > 0.93:
            return self.add(
                L.TILES,
                a,
                (0.5, 0.5, 0.48),
                sx=0.2,
                sy=0.2 if roll > 0.965 else 0.1,
                p1=0.004,
                contrast=0.1,
                f0=0.05,
                rough=0.1,
            )
        if roll > 0.89:
            return self.brick()
        if roll > 0.8:
            return self.add(
                L.STRIPES,
                a,
                scaled(a, 0.85),
                sx=self.rng.uniform(0.08, 0.3),
                p0=0.5,
                contrast=0.05,
            )
        return self.add(L.PLAIN, a, contrast=0.05, grime=float(self.rng.choice([0.03, 0.05, 0.1])))

    def floor(self) -> int:
        """Inside floor."""
        roll = self.rng.random()
        kinds = ((0.4, 'wood_floor'), (0.65, 'carpet'), (0.85, 'tiles'), (1.0, 'concrete'))
        kind = next(kind for below, kind in kinds if roll < below)
        f0 = float(self.rng.choice([0.0, 0.03, 0.05])) if kind != 'carpet' else 0.0
        found = self.photo(kind, f0=f0)
        if found is not None:
            return found
        if kind == 'wood_floor':
            a = self.pick(WOODS)
            return self.add(
                L.PLANKS,
                a,
                scaled(a, 0.7),
                sx=self.rng.uniform(0.5, 2.2),
                sy=self.rng.uniform(0.06, 0.2),
                p0=0.7,
                contrast=0.5,
                f0=f0,
                rough=0.12,
                grime=0.15,
            )
        if kind == 'carpet':
            return self.carpet()
        a = self.pick(
            ((0.55, 0.5, 0.42), (0.65, 0.63, 0.6), (0.3, 0.28, 0.26), (0.45, 0.28, 0.18))
        )
        if kind == 'tiles':
            size = self.rng.choice([0.15, 0.3, 0.3, 0.4, 0.6])
            return self.add(
                L.TILES,
                a,
                scaled(a, 0.55),
                sx=size,
                sy=size,
                p1=0.005,
                contrast=0.3,
                f0=f0,
                rough=0.1,
            )
        return self.add(L.NOISE, a, scaled(a, 0.75), sx=0.5, contrast=0.3, grime=0.5, f0=f0)

    def worktop(self) -> int:
        """Top of a table or bench: boards, laminate, stone, cloth, metal."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.4:
            return self.wood()
        if roll < 0.55:
            found = self.photo('wood_floor', scale=float(rng.uniform(0.6, 1.2)), swap=True)
            a = self.pick(WOODS)
            wide = float(rng.uniform(0.06, 0.16))
            return found or self.add(
                L.PLANKS, a, scaled(a, 0.7), sx=2.5, sy=wide, p0=0.7, contrast=0.5, swap=True
            )
        if roll < 0.75:
            greys = ((0.7, 0.7, 0.68), (0.45, 0.45, 0.45), (0.2, 0.2, 0.21), (0.04, 0.04, 0.045))
            a = self.pick(greys, 0.15)
            f0 = float(rng.choice([0.0, 0.03, 0.05]))
            return self.add(L.PLAIN, a, contrast=0.06, grime=float(rng.choice([0.04, 0.2])), f0=f0)
        if roll < 0.83:
            a = self.pick(((0.1, 0.1, 0.1), (0.5, 0.48, 0.45), (0.35, 0.3, 0.25)))
            return self.add(L.SPECKLE, a, scaled(a, 0.4), sx=0.006, contrast=0.2, f0=0.04)
        return self.fabric() if roll < 0.93 else self.metal()

    def carpet(self) -> int:
        """Striped or mottled carpet."""
        a = self.hue((0.05, 0.5), (0.2, 0.7))
        b = scaled(a, self.rng.uniform(0.4, 0.8))
        if self.rng.random() < 0.4:
            return self.add(
                L.STRIPES,
                a,
                b,
                sx=self.rng.uniform(0.02, 0.15),
                p0=0.5,
                contrast=0.8,
                grime=0.3,
            )
        return self.add(L.NOISE, a, b, sx=self.rng.uniform(0.008, 0.03), contrast=0.6, grime=0.3)

    def ceiling(self) -> int:
        """Ceiling."""
        found = self.photo('ceiling') if self.rng.random() < 0.2 else None
        if found is not None:
            return found
        a = self.pick(((0.75, 0.74, 0.72), (0.7, 0.7, 0.7), (0.68, 0.62, 0.52)), 0.08)
        if self.rng.random() < 0.2:
            return self.add(L.TILES, a, scaled(a, 0.6), sx=0.6, sy=0.6, p1=0.02, contrast=0.15)
        return self.add(L.PLAIN, a, contrast=0.05, grime=0.04)
