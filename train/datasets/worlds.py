# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds as sources: rendered on-line, or read from shards rendered beforehand."""

from __future__ import annotations

from pathlib import Path

from dmd_ros.core.records import RawSample
from train.errors import TrainError
from train.worlds import Assets, WorldConfig, Worlds
from train.worlds.cache import CachedWorlds


class OnlineWorlds:
    """Frames without an end, rendered when they are asked for."""

    def __init__(self, seed: int, assets: str, sizes: tuple[tuple[int, int], ...]) -> None:
        """assets: folder of photographic materials, or ''. The largest of sizes sets the area."""
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


class WorldCache:
    """Frames of `python -m train.worlds.cache`, memory-mapped."""

    def __init__(self, path: str) -> None:
        """Open the shards that are there now."""
        self._path = path
        try:
            self._frames = CachedWorlds(Path(path).expanduser())
        except (OSError, TypeError, ValueError) as error:
            raise TrainError(f'cache {path} has a broken shard ({error}); delete it') from None
        if not len(self):
            raise TrainError(f'cache {path} has no frames; delete it and render it again')

    def __len__(self) -> int:
        """Count frames."""
        return len(self._frames)

    def name(self, index: int) -> str:
        """Name a frame by folder and number."""
        return f'{self._path} frame {index}'

    def load(self, index: int) -> RawSample:
        """Read frame `index`."""
        try:
            return self._frames[index]
        except IndexError:  # of depth or cameras, which were cut short
            raise TrainError('its shard holds fewer of them than pictures') from None

    def __reduce__(self) -> tuple[type[WorldCache], tuple[str]]:
        """Travel to worker processes as a path, not as the shards' contents."""
        return WorldCache, (self._path,)
