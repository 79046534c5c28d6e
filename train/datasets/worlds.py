# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds as a source, rendered on-line; see `train.worlds.cache` for rendered ones."""

from __future__ import annotations

from dmd_ros.core.records import RawSample
from train.worlds import Assets, WorldConfig, Worlds


class OnlineWorlds:
    """Frames without an end, rendered when they are asked for."""

    def __init__(self, seed: int, assets: str, sizes: tuple[tuple[int, int], ...]) -> None:
        """assets: folder of photographic materials, or ''. The largest of sizes sets the area.

        Raises `TrainError` if there is no such folder.
        """
        Assets.check(assets)  # else every frame would be counted as a broken one
        area = max(height * width for height, width in sizes)
        self._key = (seed, assets, area)
        self._worlds: Worlds | None = None

    def __len__(self) -> int:
        """0: no end."""
        return 0

    def name(self, index: int) -> str:
        """Name a frame by what makes it again."""
        return f'worlds seed {self._key[0]} frame {index}'

    def load(self, index: int) -> RawSample:
        """Render frame `index`."""
        if self._worlds is None:  # built in the worker process: it holds caches and big textures
            seed, assets, area = self._key
            self._worlds = Worlds(seed, WorldConfig(size=None, area=area), Assets.load(assets))
        return self._worlds[index]
