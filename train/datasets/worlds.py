# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds as a source, rendered on demand; see `train.worlds.cache` for stored ones."""

from __future__ import annotations

from dmd_ros.core.records import RawSample
from train.worlds import Assets, WorldConfig, Worlds


class OnlineWorlds:
    """Endless frames, rendered on demand."""

    def __init__(self, seed: int, assets: str, sizes: tuple[tuple[int, int], ...]) -> None:
        """Check the assets; raises `TrainError` if the folder does not exist.

        assets: folder of photographic materials, or ''. sizes: the largest one sets the area.
        """
        Assets.check(assets)  # otherwise every frame would be counted as broken
        area = max(height * width for height, width in sizes)
        self._key = (seed, assets, area)
        self._worlds: Worlds | None = None

    def __len__(self) -> int:
        """Return 0: endless."""
        return 0

    def name(self, index: int) -> str:
        """Return the seed and number that reproduce a frame."""
        return f'worlds seed {self._key[0]} frame {index}'

    def load(self, index: int) -> RawSample:
        """Render frame `index`."""
        if self._worlds is None:  # built in the worker: it holds caches and large textures
            seed, assets, area = self._key
            self._worlds = Worlds(seed, WorldConfig(size=None, area=area), Assets.load(assets))
        return self._worlds[index]
