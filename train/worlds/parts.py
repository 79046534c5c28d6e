# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of worlds: frames of one size, built by a worker and rendered in one launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.worlds.generate import KINDS, WorldConfig, Worlds, random_source
from train.worlds.render.assets import Assets
from train.worlds.render.pack import pack
from train.worlds.render.sensor import SensorDraw, draw_sensor

# Building a scene costs several times as much as another view of it.
VIEWS = 6
FRAMES = 16 * VIEWS
# Key of the independent random stream for sizes.
_SIZE = 6


@dataclass(frozen=True)
class Part:
    """B frames of one size.

    packed: members of `pack.Packed` by name.
    tan_half_vfov: float32 [B].
    sensors: B cameras.
    """

    number: int
    size: tuple[int, int]
    packed: dict[str, NDArray[Any]]
    tan_half_vfov: NDArray[np.float32]
    sensors: list[SensorDraw]


class WorldParts:
    """Random access to parts: `parts[n]` depends only on seed, sizes, kinds and n.

    A map-style data set for `torch.utils.data.DataLoader`: the scenes are built in its workers.
    """

    def __init__(
        self,
        seed: int,
        sizes: tuple[tuple[int, int], ...],
        shares: tuple[float, ...],
        kinds: dict[str, float] | None,
        assets: str,
        world: int = 1,
    ) -> None:
        """sizes: (height, width), drawn with probabilities `shares`. assets: folder or ''.

        world: number of processes; part `number` belongs to process number % world.
        """
        self._seed, self._sizes, self._shares = seed, sizes, shares
        self._kinds, self._assets, self._world = kinds, assets, world
        self._worlds: dict[tuple[int, int], Worlds] = {}

    def size_of(self, number: int) -> tuple[int, int]:
        """Return (height, width) of a part; the first parts of each process cover all sizes."""
        if number // self._world < len(self._sizes):
            return self._sizes[number // self._world]
        rng = random_source(self._seed, number, _SIZE)
        return self._sizes[int(rng.choice(len(self._sizes), p=self._shares))]

    def __getitem__(self, number: int) -> Part:
        """Build part `number`: FRAMES frames."""
        if not self._worlds:  # opened in the worker process, because textures are big
            self._open()
        size = self.size_of(number)
        worlds = self._worlds[size]
        frames = [worlds.frame(number * FRAMES + i) for i in range(FRAMES)]
        return Part(
            number=number,
            size=size,
            packed=pack([frame.arrays for frame in frames]).arrays(),
            tan_half_vfov=np.array([f.camera.tan_half_vfov for f in frames], np.float32),
            sensors=[draw_sensor(frame.rng) for frame in frames],
        )

    def _open(self) -> None:
        assets = Assets.load(self._assets)
        for size in self._sizes:
            config = WorldConfig(size=size, views=VIEWS, kinds=self._kinds or KINDS)
            self._worlds[size] = Worlds(self._seed, config, assets)
