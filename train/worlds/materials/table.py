# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of materials of one scene (colours linear, texture periods in metres)."""

from __future__ import annotations

import colorsys
import math
from bisect import bisect
from itertools import accumulate

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds.kernels import layout as L
from train.worlds.render.assets import Assets

Colour = tuple[float, float, float]

# Hues of man-made things: reds, browns and blues are common, magenta is rare.
HUES = (0.0, 0.05, 0.09, 0.13, 0.2, 0.33, 0.45, 0.55, 0.61, 0.68, 0.8, 0.93)
HUE_SHARES = (0.15, 0.12, 0.16, 0.1, 0.05, 0.07, 0.05, 0.09, 0.1, 0.04, 0.02, 0.05)
_UP_TO = tuple(accumulate(HUE_SHARES))  # Generator.choice takes ten times as long


def scaled(colour: Colour, gain: float) -> Colour:
    """Colour times gain."""
    return colour[0] * gain, colour[1] * gain, colour[2] * gain


class MaterialTable:
    """Material rows of a scene; every method that adds a row returns its number.

    stain: share of light that passes the stain of all furniture, 1 = no stain.
    """

    def __init__(
        self, rng: Generator, assets: Assets, photo_share: float = 0.5, stain: float = 1.0
    ) -> None:
        self.rng = rng
        self.stain = stain
        self.assets = assets
        self.photo_share = photo_share
        self.rows: list[NDArray[np.float32]] = []
        self.dark = self.add(L.PLAIN, (0.015, 0.015, 0.017), contrast=0.2)
        self.chrome = self.add(L.PLAIN, (0.5, 0.5, 0.5), contrast=0.1, f0=0.4, rough=0.15)
        self.white = self.add(L.PLAIN, (0.75, 0.74, 0.72), contrast=0.1)

    def array(self) -> NDArray[np.float32]:
        """Return all rows, [M, M_COLS]."""
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
        """Add one material; see kernels/layout.py for the meaning of the fields."""
        b = a if b is None else b
        row = np.zeros(L.M_COLS, np.float32)
        row[L.M_KIND], row[L.M_SX], row[L.M_SY] = kind, sx, sy
        row[L.M_A : L.M_A + 3], row[L.M_B : L.M_B + 3] = a, b
        row[L.M_P0], row[L.M_P1], row[L.M_CONTRAST] = p0, p1, contrast
        row[L.M_EMIT], row[L.M_F0], row[L.M_TILE], row[L.M_GRIME] = emit, f0, tile, grime
        row[L.M_MEAN : L.M_MEAN + 3] = mean or tuple(
            0.6 * p + 0.4 * q for p, q in zip(a, b, strict=True)
        )
        row[L.M_SEED] = self.rng.integers(1, 60000)
        row[L.M_SWAP], row[L.M_ROUGH] = swap, rough
        self.rows.append(row)
        return len(self.rows) - 1

    def pick(self, options: tuple[Colour, ...], spread: float = 0.25) -> Colour:
        """Return one of the colours, slightly varied."""
        base = options[int(self.rng.integers(len(options)))]
        gain = math.exp(self.rng.normal(0.0, spread))
        r, g, b = (1.0 + self.rng.normal(0.0, 0.06, 3)).tolist()
        return (
            min(0.85, max(0.008, base[0] * gain * r)),
            min(0.85, max(0.008, base[1] * gain * g)),
            min(0.85, max(0.008, base[2] * gain * b)),
        )

    def hue(
        self, saturation: tuple[float, float] = (0.2, 0.9), value: tuple[float, float] = (0.1, 0.8)
    ) -> Colour:
        """Return a random linear colour; value is its display brightness."""
        drawn = min(bisect(_UP_TO, self.rng.random()), len(HUES) - 1)
        hue = HUES[drawn] + self.rng.normal(0.0, 0.025)
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
        calm: bool = False,
    ) -> int | None:
        """Return a photographic tile of a kind, never number 0; None if missing or by chance.

        calm: exclude strongly coloured ones, which are unusual for rooms.
        """
        numbers = self.assets.kinds.get(kind, ())
        if not numbers or self.rng.random() >= self.photo_share:
            return None
        tile = numbers[int(self.rng.integers(len(numbers)))]
        width, height = self.assets.metres[tile]
        scale *= float(np.exp(self.rng.normal(0.0, 0.2)))
        start = int(self.assets.tiles[tile])
        end = start + len(self.assets.atlas) // len(self.assets.tiles)
        mean = (self.assets.atlas[end - 3 : end] / 255.0) ** 2
        if calm and mean.max() > 2.5 * mean.min() + 0.03:
            return None
        return self.add(
            L.PHOTO,
            tint,
            sx=width * scale,
            sy=height * scale,
            tile=tile,
            f0=f0,
            grime=grime,
            swap=swap,
            mean=tuple(float(m * t) for m, t in zip(mean, tint, strict=True)),
        )

    def brick(self) -> int:
        """Brick courses of 0.075 m."""
        return self.photo('brick') or self.add(
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
