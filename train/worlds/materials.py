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

WOODS: tuple[Colour, ...] = ((.42, .25, .12), (.55, .38, .21), (.25, .12, .06), (.15, .075, .04),
                             (.62, .47, .3), (.36, .17, .08), (.48, .42, .35))
CAR_PAINTS: tuple[Colour, ...] = ((.02, .02, .022), (.6, .6, .6), (.3, .31, .33), (.12, .13, .14),
                                  (.45, .03, .02), (.03, .06, .2), (.7, .69, .66), (.05, .12, .07),
                                  (.35, .29, .2), (.02, .02, .022), (.5, .52, .54), (.5, .3, .03))
# Hues of things that people make: reds, browns and blues are common, magenta is rare.
HUES = (0., .05, .09, .13, .2, .33, .45, .55, .61, .68, .8, .93)
HUE_SHARES = (.15, .12, .16, .1, .05, .07, .05, .09, .1, .04, .02, .05)
SKINS: tuple[Colour, ...] = ((.55, .32, .22), (.4, .21, .13), (.2, .1, .06), (.62, .4, .3))


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
        self.dark = self.add(L.PLAIN, (.015, .015, .017), contrast=.2)
        self.chrome = self.add(L.PLAIN, (.5, .5, .5), contrast=.1, f0=.4, rough=.15)
        self.white = self.add(L.PLAIN, (.75, .74, .72), contrast=.1)

    def array(self) -> NDArray[np.float32]:
        """All rows, [M, M_COLS]."""
        return np.stack(self.rows)

    def add(self, kind: int, a: Colour, b: Colour | None = None, *, sx: float = 1.0,
            sy: float = 1.0, p0: float = 0.0, p1: float = 0.0, contrast: float = 0.3,
            emit: float = 0.0, f0: float = 0.0, tile: int = 0, grime: float = 0.0,
            swap: bool = False, rough: float = 0.2, mean: Colour | None = None) -> int:
        """Add one material; see layout.py for the meaning of the fields."""
        b = a if b is None else b
        row = np.zeros(L.M_COLS, np.float32)
        row[L.M_KIND], row[L.M_SX], row[L.M_SY] = kind, sx, sy
        row[L.M_A:L.M_A + 3], row[L.M_B:L.M_B + 3] = a, b
        row[L.M_P0], row[L.M_P1], row[L.M_CONTRAST] = p0, p1, contrast
        row[L.M_EMIT], row[L.M_F0], row[L.M_TILE], row[L.M_GRIME] = emit, f0, tile, grime
        row[L.M_MEAN:L.M_MEAN + 3] = mean or tuple(0.6 * p + 0.4 * q for p, q in zip(a, b))
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

    def hue(self, saturation: tuple[float, float] = (0.2, 0.9),
            value: tuple[float, float] = (0.1, 0.8)) -> Colour:
        """Random colour; value is display brightness, the result is linear."""
        hue = float(self.rng.choice(HUES, p=HUE_SHARES)) + self.rng.normal(0., .025)
        r, g, b = colorsys.hsv_to_rgb(hue % 1., self.rng.uniform(*saturation) * self.rng.random() ** .35,
                                      self.rng.uniform(*value))
        return r ** 2.2, g ** 2.2, b ** 2.2

    def photo(self, kind: str, *, f0: float = 0.0, tint: Colour = (1., 1., 1.), swap: bool = False,
              grime: float = 0.08, scale: float = 1.0) -> int | None:
        """Photographic tile of a kind, or None if there is none or by chance."""
        numbers = self.assets.kinds.get(kind, ())
        if not numbers or self.rng.random() >= self.photo_share:
            return None
        tile = numbers[int(self.rng.integers(len(numbers)))]
        size = self.assets.metres[tile] * scale * float(np.exp(self.rng.normal(0.0, 0.2)))
        start = int(self.assets.tiles[tile])
        end = start + len(self.assets.atlas) // len(self.assets.tiles)
        mean = (self.assets.atlas[end - 3:end] / 255.0) ** 2
        return self.add(L.PHOTO, tint, sx=size, sy=size, tile=tile, f0=f0, grime=grime, swap=swap,
                        mean=tuple(float(m * t) for m, t in zip(mean, tint)))  # type: ignore

    # -- solid things ----------------------------------------------------------------------------

    def paint(self, colour: Colour | None = None, *, f0: float = 0.0, contrast: float = .12) -> int:
        """Painted or plastic surface."""
        return self.add(L.PLAIN, colour or self.hue(), contrast=contrast, f0=f0, grime=.1)

    def plastic(self) -> int:
        """Smooth coloured plastic, enamel or ceramics."""
        bright = self.rng.random() < 0.4
        colour = self.pick(((.7, .7, .68), (.03, .03, .03), (.35, .35, .36))) if bright else self.hue((.3, 1.), (.15, .9))
        return self.add(L.PLAIN, colour, contrast=.08, f0=float(self.rng.choice([0., .03, .05])), rough=.12)

    def wood(self, colour: Colour | None = None, gloss: bool | None = None) -> int:
        """Boards of furniture."""
        gloss = self.rng.random() < 0.4 if gloss is None else gloss
        f0 = 0.04 if gloss else 0.0
        found = self.photo('wood', f0=f0, swap=True) if colour is None else None
        if found is not None:
            return found
        a = colour or self.pick(WOODS)
        return self.add(L.GRAIN, a, scaled(a, self.rng.uniform(.5, .8)), sx=self.rng.uniform(.02, .06),
                        contrast=self.rng.uniform(.2, .6), f0=f0, swap=True, grime=.15, rough=.15)

    def metal(self) -> int:
        """Bare or painted metal."""
        found = self.photo('metal', f0=.15)
        if found is not None:
            return found
        return self.add(L.GRAIN, self.pick(((.4, .4, .4), (.25, .25, .26), (.5, .45, .35))), sx=.01,
                        contrast=.2, f0=float(self.rng.uniform(.1, .4)), rough=.25, swap=True)

    def fabric(self) -> int:
        """Upholstery, bedding, clothes."""
        found = self.photo('fabric')
        if found is not None:
            return found
        a, b = self.hue((.05, .7), (.15, .85)), self.hue((.05, .7), (.15, .85))
        kind = self.rng.random()
        if kind < 0.5:
            return self.add(L.NOISE, a, scaled(a, .7), sx=.006, contrast=.5, grime=.2)
        if kind < 0.65:
            return self.add(L.STRIPES, a, b, sx=self.rng.uniform(.02, .12), p0=self.rng.uniform(.2, .6),
                            p1=float(self.rng.integers(2)), contrast=.3)
        if kind < 0.78:
            return self.add(L.CHECK, a, b, sx=self.rng.uniform(.015, .06), contrast=.3)
        return self.add(L.SPLAT, a, b, sx=self.rng.uniform(.04, .15), contrast=.3)

    def printed(self) -> int:
        """Cover, label, poster: fills each face once."""
        light = self.rng.random() < .5
        a = self.pick(((.75, .73, .68), (.8, .8, .8))) if light else self.hue((.3, 1.), (.2, .9))
        return self.add(L.PRINT, a, self.hue((.4, 1.), (.2, .9)), f0=float(self.rng.choice([0., .03])))

    def cardboard(self) -> int:
        """Brown board."""
        return self.add(L.PLAIN, self.pick(((.4, .26, .14),)), contrast=.25, grime=.2)

    def books(self) -> int:
        """Row of spines; v spans the face."""
        return self.add(L.BOOKS, (.25, .2, .17))

    def glass(self) -> int:
        """Dark mirror-like glass."""
        return self.add(L.PLAIN, (.01, .012, .013), contrast=.0, f0=.09, rough=.0)

    def mirror(self) -> int:
        """Mirror."""
        return self.add(L.PLAIN, (.02, .02, .02), contrast=.0, f0=.85, rough=.0)

    def glow(self, colour: Colour, strength: float) -> int:
        """Luminous surface."""
        return self.add(L.PLAIN, colour, emit=strength, contrast=.05)

    def screen(self) -> int:
        """Lit screen of a monitor or television."""
        return self.add(L.PRINT, self.hue((.1, .8), (.1, .7)), self.hue((.1, .8), (.1, .7)),
                        emit=float(self.rng.uniform(.3, 1.2)), f0=.04, rough=0.)

    def skin(self) -> int:
        """Human skin."""
        return self.paint(self.pick(SKINS, .15))

    # -- rooms -----------------------------------------------------------------------------------

    def wall(self) -> int:
        """Inside wall."""
        roll = self.rng.random()
        kind = 'plaster' if roll < .4 else ('wallpaper' if roll < .6 else ('brick' if roll < .68 else 'concrete'))
        if roll < .75:
            found = self.photo(kind)
            if found is not None:
                return found
        a = self.pick(((.7, .68, .62), (.72, .72, .7), (.6, .52, .38), (.45, .5, .55), (.55, .58, .48),
                       (.6, .38, .36), (.35, .34, .33), (.66, .6, .5)), .15)
        if roll > .93:
            return self.add(L.TILES, a, (.5, .5, .48), sx=.2, sy=.2 if roll > .965 else .1,
                            p1=.004, contrast=.1, f0=.05, rough=.1)
        if roll > .89:
            return self.brick()
        if roll > .8:
            return self.add(L.STRIPES, a, scaled(a, .85), sx=self.rng.uniform(.08, .3), p0=.5, contrast=.05)
        return self.add(L.PLAIN, a, contrast=.05, grime=float(self.rng.choice([.03, .06, .2])))

    def brick(self) -> int:
        """Brick courses of 0.075 m."""
        found = self.photo('brick')
        if found is not None:
            return found
        return self.add(L.TILES, self.pick(((.3, .11, .06), (.35, .2, .12), (.5, .45, .38))), (.4, .38, .34),
                        sx=.225, sy=.075, p0=.5, p1=.012, contrast=.8, grime=.4)

    def floor(self) -> int:
        """Inside floor."""
        roll = self.rng.random()
        kind = 'wood_floor' if roll < .4 else ('carpet' if roll < .65 else ('tiles' if roll < .85 else 'concrete'))
        f0 = float(self.rng.choice([0., .03, .05])) if kind != 'carpet' else 0.
        found = self.photo(kind, f0=f0)
        if found is not None:
            return found
        if kind == 'wood_floor':
            a = self.pick(WOODS)
            return self.add(L.PLANKS, a, scaled(a, .7), sx=self.rng.uniform(.5, 2.2), sy=self.rng.uniform(.06, .2),
                            p0=.7, contrast=.5, f0=f0, rough=.12, grime=.15)
        if kind == 'carpet':
            a = self.hue((.05, .5), (.2, .7))
            b = scaled(a, self.rng.uniform(.4, .8))
            if self.rng.random() < .4:
                return self.add(L.STRIPES, a, b, sx=self.rng.uniform(.02, .15), p0=.5, contrast=.8, grime=.3)
            return self.add(L.NOISE, a, b, sx=self.rng.uniform(.008, .03), contrast=.6, grime=.3)
        a = self.pick(((.55, .5, .42), (.65, .63, .6), (.3, .28, .26), (.45, .28, .18)))
        if kind == 'tiles':
            size = self.rng.choice([.15, .3, .3, .4, .6])
            return self.add(L.TILES, a, scaled(a, .55), sx=size, sy=size, p1=.005, contrast=.3, f0=f0, rough=.1)
        return self.add(L.NOISE, a, scaled(a, .75), sx=.5, contrast=.3, grime=.5, f0=f0)

    def ceiling(self) -> int:
        """Ceiling."""
        found = self.photo('ceiling') if self.rng.random() < .2 else None
        if found is not None:
            return found
        a = self.pick(((.75, .74, .72), (.7, .7, .7), (.68, .62, .52)), .08)
        if self.rng.random() < .2:
            return self.add(L.TILES, a, scaled(a, .6), sx=.6, sy=.6, p1=.02, contrast=.15)
        return self.add(L.PLAIN, a, contrast=.05, grime=.04)

    # -- outdoors --------------------------------------------------------------------------------

    def road(self, lane: float, lanes: int, dash: float, crossing: float) -> int:
        """Asphalt with lane markings along the local y axis of a box."""
        a = self.pick(((.1, .1, .1), (.16, .155, .15), (.22, .21, .2), (.13, .125, .12)), .2)
        return self.add(L.ROAD, a, (.62, .62, .6), sx=lane, sy=dash, p0=lanes, p1=crossing,
                        contrast=.4, grime=.2)

    def asphalt(self) -> int:
        """Plain asphalt."""
        return self.photo('asphalt') or self.add(L.NOISE, (.14, .14, .14), (.1, .1, .1), sx=.03, contrast=.5, grime=.4)

    def paving(self) -> int:
        """Pavement slabs."""
        found = self.photo('paving')
        if found is not None:
            return found
        a = self.pick(((.35, .34, .32), (.28, .26, .25), (.4, .33, .27)))
        size = self.rng.choice([.1, .2, .3, .5])
        return self.add(L.TILES, a, scaled(a, .45), sx=size, sy=size * self.rng.choice([.5, 1., 1.]),
                        p0=self.rng.choice([0., .5]), p1=.008, contrast=.5, grime=.4)

    def grass(self) -> int:
        """Lawn or meadow."""
        found = self.photo('grass')
        if found is not None:
            return found
        return self.add(L.NOISE, self.pick(((.07, .12, .03), (.12, .14, .04), (.2, .17, .07))),
                        self.pick(((.03, .06, .015), (.1, .08, .04))), sx=.08, contrast=.9, grime=.8)

    def soil(self) -> int:
        """Soil, gravel or dry ground."""
        kind = str(self.rng.choice(['soil', 'gravel', 'rock']))
        found = self.photo(kind)
        if found is not None:
            return found
        return self.add(L.SPECKLE, self.pick(((.3, .22, .15), (.35, .33, .3))), (.14, .12, .1),
                        sx=self.rng.uniform(.02, .06), contrast=.6, grime=.5)

    def foliage(self) -> int:
        """Leaves."""
        dark = self.pick(((.035, .06, .012), (.05, .075, .02), (.03, .05, .016)), .3)
        light = self.pick(((.15, .22, .05), (.2, .24, .08), (.12, .18, .06), (.28, .2, .06)), .3)
        return self.add(L.LEAF, dark, light, sx=.12, contrast=.9)

    def bark(self) -> int:
        """Tree trunk."""
        found = self.photo('bark')
        if found is not None:
            return found
        return self.add(L.NOISE, (.12, .085, .06), (.05, .035, .025), sx=.07, contrast=.8)

    def facade(self, storey: float) -> int:
        """Wall of a house with windows."""
        wall = self.pick(((.6, .55, .45), (.65, .64, .6), (.5, .35, .2), (.35, .18, .12), (.4, .4, .4),
                          (.55, .42, .3), (.28, .3, .33), (.15, .22, .35)), .2)
        frame = (.7, .7, .68) if self.rng.random() < .7 else self.pick(((.1, .06, .04), (.03, .03, .03)))
        return self.add(L.FACADE, wall, frame, sx=self.rng.uniform(1.8, 4.2), sy=storey,
                        p0=self.rng.uniform(.3, .6), p1=self.rng.uniform(.35, .55),
                        contrast=.15, grime=.15)

    def car_paint(self) -> int:
        """Glossy lacquer."""
        return self.add(L.PLAIN, self.pick(CAR_PAINTS, .15), contrast=.04, f0=.05, rough=.02, grime=.04)
