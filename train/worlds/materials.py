# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials with real-life texture scales (periods in metres, colours linear)."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds import layout as L
from train.worlds.assets import Assets

Colour = tuple[float, float, float]

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
# Hues of things that people make: reds, browns and blues are common, magenta is rare.
HUES = (0.0, 0.05, 0.09, 0.13, 0.2, 0.33, 0.45, 0.55, 0.61, 0.68, 0.8, 0.93)
HUE_SHARES = (0.15, 0.12, 0.16, 0.1, 0.05, 0.07, 0.05, 0.09, 0.1, 0.04, 0.02, 0.05)
SKINS: tuple[Colour, ...] = (
    (0.55, 0.32, 0.22),
    (0.4, 0.21, 0.13),
    (0.2, 0.1, 0.06),
    (0.62, 0.4, 0.3),
)


def scaled(colour: Colour, gain: float) -> Colour:
    """Colour times gain."""
    return colour[0] * gain, colour[1] * gain, colour[2] * gain


class Materials:
    """Creates the material rows of one scene; every method returns a material number."""

    def __init__(self, rng: Generator, assets: Assets, photo_share: float = 0.5) -> None:
        self.rng = rng
        self.assets = assets
        self.photo_share = photo_share
        self.rows: list[NDArray[np.float32]] = []
        self.dark = self.add(L.PLAIN, (0.015, 0.015, 0.017), contrast=0.2)
        self.chrome = self.add(L.PLAIN, (0.5, 0.5, 0.5), contrast=0.1, f0=0.4, rough=0.15)
        self.white = self.add(L.PLAIN, (0.75, 0.74, 0.72), contrast=0.1)

    def array(self) -> NDArray[np.float32]:
        """All rows, [M, M_COLS]."""
        return np.stack(self.rows)

    def add(
        self,
        kind: int,
        a: Colour,
        b: Colour | None = None,
        *,
        sx: float = 1.0,
        sy: float = 1.0,
        p0: float = 0.0,
        p1: float = 0.0,
        contrast: float = 0.3,
        emit: float = 0.0,
        f0: float = 0.0,
        tile: int = 0,
        grime: float = 0.0,
        swap: bool = False,
        rough: float = 0.2,
        mean: Colour | None = None,
    ) -> int:
        """Add one material; see layout.py for the meaning of the fields."""
        b = a if b is None else b
        row = np.zeros(L.M_COLS, np.float32)
        row[L.M_KIND], row[L.M_SX], row[L.M_SY] = kind, sx, sy
        row[L.M_A : L.M_A + 3], row[L.M_B : L.M_B + 3] = a, b
        row[L.M_P0], row[L.M_P1], row[L.M_CONTRAST] = p0, p1, contrast
        row[L.M_EMIT], row[L.M_F0], row[L.M_TILE], row[L.M_GRIME] = emit, f0, tile, grime
        row[L.M_MEAN : L.M_MEAN + 3] = mean or tuple(0.6 * p + 0.4 * q for p, q in zip(a, b))
        row[L.M_SEED] = self.rng.integers(1, 60000)
        row[L.M_SWAP], row[L.M_ROUGH] = swap, rough
        self.rows.append(row)
        return len(self.rows) - 1

    def pick(self, options: tuple[Colour, ...], spread: float = 0.25) -> Colour:
        """One of the colours, a little changed."""
        base = options[int(self.rng.integers(len(options)))]
        gain = np.exp(self.rng.normal(0.0, spread))
        tint = 1.0 + self.rng.normal(0.0, 0.06, 3)
        return tuple(float(np.clip(c * gain * t, 0.008, 0.85)) for c, t in zip(base, tint))  # type: ignore

    def hue(
        self, saturation: tuple[float, float] = (0.2, 0.9), value: tuple[float, float] = (0.1, 0.8)
    ) -> Colour:
        """Random colour; value is display brightness, the result is linear."""
        hue = float(self.rng.choice(HUES, p=HUE_SHARES)) + self.rng.normal(0.0, 0.025)
        r, g, b = colorsys.hsv_to_rgb(
            hue % 1.0,
            self.rng.uniform(*saturation) * self.rng.random() ** 0.35,
            self.rng.uniform(*value),
        )
        return r**2.2, g**2.2, b**2.2

    def photo(
        self,
        kind: str,
        *,
        f0: float = 0.0,
        tint: Colour = (1.0, 1.0, 1.0),
        swap: bool = False,
        grime: float = 0.08,
        scale: float = 1.0,
    ) -> int | None:
        """Photographic tile of a kind, or None if there is none or by chance."""
        numbers = self.assets.kinds.get(kind, ())
        if not numbers or self.rng.random() >= self.photo_share:
            return None
        tile = numbers[int(self.rng.integers(len(numbers)))]
        size = self.assets.metres[tile] * scale * float(np.exp(self.rng.normal(0.0, 0.2)))
        start = int(self.assets.tiles[tile])
        end = start + len(self.assets.atlas) // len(self.assets.tiles)
        mean = (self.assets.atlas[end - 3 : end] / 255.0) ** 2
        return self.add(
            L.PHOTO,
            tint,
            sx=size,
            sy=size,
            tile=tile,
            f0=f0,
            grime=grime,
            swap=swap,
            mean=tuple(float(m * t) for m, t in zip(mean, tint)),
        )  # type: ignore

    # -- solid things ----------------------------------------------------------------------------

    def paint(
        self, colour: Colour | None = None, *, f0: float = 0.0, contrast: float = 0.12
    ) -> int:
        """Painted or plastic surface."""
        return self.add(L.PLAIN, colour or self.hue(), contrast=contrast, f0=f0, grime=0.1)

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

    def wood(self, colour: Colour | None = None, gloss: bool | None = None) -> int:
        """Boards of furniture."""
        gloss = self.rng.random() < 0.4 if gloss is None else gloss
        f0 = 0.04 if gloss else 0.0
        found = self.photo('wood', f0=f0, swap=True) if colour is None else None
        if found is not None:
            return found
        a = colour or self.pick(WOODS)
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
        found = self.photo('metal', f0=0.15)
        if found is not None:
            return found
        return self.add(
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
        """Cover, label, poster: fills each face once."""
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

    # -- rooms -----------------------------------------------------------------------------------

    def wall(self) -> int:
        """Inside wall."""
        roll = self.rng.random()
        kind = (
            'plaster'
            if roll < 0.4
            else ('wallpaper' if roll < 0.6 else ('brick' if roll < 0.68 else 'concrete'))
        )
        if roll < 0.75:
            found = self.photo(kind)
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
        return self.add(L.PLAIN, a, contrast=0.05, grime=float(self.rng.choice([0.03, 0.06, 0.2])))

    def brick(self) -> int:
        """Brick courses of 0.075 m."""
        found = self.photo('brick')
        if found is not None:
            return found
        return self.add(
            L.TILES,
            self.pick(((0.3, 0.11, 0.06), (0.35, 0.2, 0.12), (0.5, 0.45, 0.38))),
            (0.4, 0.38, 0.34),
            sx=0.225,
            sy=0.075,
            p0=0.5,
            p1=0.012,
            contrast=0.8,
            grime=0.4,
        )

    def floor(self) -> int:
        """Inside floor."""
        roll = self.rng.random()
        kind = (
            'wood_floor'
            if roll < 0.4
            else ('carpet' if roll < 0.65 else ('tiles' if roll < 0.85 else 'concrete'))
        )
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
            return self.add(
                L.NOISE, a, b, sx=self.rng.uniform(0.008, 0.03), contrast=0.6, grime=0.3
            )
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

    def ceiling(self) -> int:
        """Ceiling."""
        found = self.photo('ceiling') if self.rng.random() < 0.2 else None
        if found is not None:
            return found
        a = self.pick(((0.75, 0.74, 0.72), (0.7, 0.7, 0.7), (0.68, 0.62, 0.52)), 0.08)
        if self.rng.random() < 0.2:
            return self.add(L.TILES, a, scaled(a, 0.6), sx=0.6, sy=0.6, p1=0.02, contrast=0.15)
        return self.add(L.PLAIN, a, contrast=0.05, grime=0.04)

    # -- outdoors --------------------------------------------------------------------------------

    def road(self, lane: float, lanes: int, dash: float, crossing: float) -> int:
        """Asphalt with lane markings along the local y axis of a box."""
        a = self.pick(
            ((0.1, 0.1, 0.1), (0.16, 0.155, 0.15), (0.22, 0.21, 0.2), (0.13, 0.125, 0.12)), 0.2
        )
        return self.add(
            L.ROAD,
            a,
            (0.62, 0.62, 0.6),
            sx=lane,
            sy=dash,
            p0=lanes,
            p1=crossing,
            contrast=0.4,
            grime=0.2,
        )

    def asphalt(self) -> int:
        """Plain asphalt."""
        return self.photo('asphalt') or self.add(
            L.NOISE, (0.14, 0.14, 0.14), (0.1, 0.1, 0.1), sx=0.03, contrast=0.5, grime=0.4
        )

    def paving(self) -> int:
        """Pavement slabs."""
        found = self.photo('paving')
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
        found = self.photo('grass')
        if found is not None:
            return found
        return self.add(
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
        found = self.photo(kind)
        if found is not None:
            return found
        return self.add(
            L.SPECKLE,
            self.pick(((0.3, 0.22, 0.15), (0.35, 0.33, 0.3))),
            (0.14, 0.12, 0.1),
            sx=self.rng.uniform(0.02, 0.06),
            contrast=0.6,
            grime=0.5,
        )

    def foliage(self) -> int:
        """Leaves."""
        dark = self.pick(((0.035, 0.06, 0.012), (0.05, 0.075, 0.02), (0.03, 0.05, 0.016)), 0.3)
        light = self.pick(
            ((0.15, 0.22, 0.05), (0.2, 0.24, 0.08), (0.12, 0.18, 0.06), (0.28, 0.2, 0.06)), 0.3
        )
        return self.add(L.LEAF, dark, light, sx=0.12, contrast=0.9)

    def bark(self) -> int:
        """Tree trunk."""
        found = self.photo('bark')
        if found is not None:
            return found
        return self.add(L.NOISE, (0.12, 0.085, 0.06), (0.05, 0.035, 0.025), sx=0.07, contrast=0.8)

    def facade(self, storey: float) -> int:
        """Wall of a house with windows."""
        wall = self.pick(
            (
                (0.6, 0.55, 0.45),
                (0.65, 0.64, 0.6),
                (0.5, 0.35, 0.2),
                (0.35, 0.18, 0.12),
                (0.4, 0.4, 0.4),
                (0.55, 0.42, 0.3),
                (0.28, 0.3, 0.33),
                (0.15, 0.22, 0.35),
            ),
            0.2,
        )
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
            p0=self.rng.uniform(0.3, 0.6),
            p1=self.rng.uniform(0.35, 0.55),
            contrast=0.15,
            grime=0.15,
        )

    def car_paint(self) -> int:
        """Glossy lacquer."""
        return self.add(
            L.PLAIN, self.pick(CAR_PAINTS, 0.15), contrast=0.04, f0=0.05, rough=0.02, grime=0.04
        )
