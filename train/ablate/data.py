# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render the worlds of the ablations once, in shards, and read the frames of a test set."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dmd_ros.core.records import RawSample
from train.ablate.experiments import COVERED, DATA, FAR, OTHER, OTHER_FACTOR, TESTS, TWO_CAMERAS
from train.ablate.scales import Scale
from train.errors import TrainError
from train.worlds import Assets, WorldConfig, held_out
from train.worlds.cache import SHARD, WorldCache, claim_folder, shard_path, write_cache

# Seed of all worlds; the seeds of the runs differ in weights, order and noise, not in frames.
_SEED = 0


def folder(out: Path, name: str) -> Path:
    """Return the folder of a data set's frames."""
    return out / 'data' / name.replace(' ', '-')


def missing_frames(out: Path, name: str, scale: Scale) -> int:
    """Count the frames of a data set that are yet to be rendered."""
    shards = _shards(name, scale)
    there = sum(shard_path(folder(out, name), n).exists() for n in range(shards))
    return (shards - there) * SHARD


def world_config(name: str, scale: Scale) -> WorldConfig:
    """Return the settings for rendering a data set."""
    data = DATA[name]
    cameras = TWO_CAMERAS if data.two_cameras else {}
    return WorldConfig(size=scale.frame, kinds=dict(data.kinds), cameras=cameras)


def facts(config: WorldConfig, assets: str) -> dict[str, Any]:
    """Return the properties that all frames of a data set share."""
    return {
        'size': list(config.size or ()),
        'kinds': dict(config.kinds),
        'cameras': dict(config.cameras),
        'assets': bool(assets),
    }


def render(
    out: Path,
    name: str,
    scale: Scale,
    assets: str,
    workers: int,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Render the missing shards of a data set; check(), called every few shards, may raise."""
    root, config = folder(out, name), world_config(name, scale)
    if missing_frames(out, name, scale):
        Assets.load(assets)  # fails here, before the folder is claimed for them
    claim_folder(root, facts(config, assets))
    shards = _shards(name, scale)
    seed = held_out(_SEED) if DATA[name].held_out else _SEED
    for end in range(0, shards, 2 * workers):
        until = min(end + 2 * workers, shards)
        if any(not shard_path(root, n).exists() for n in range(until)):
            check()
        write_cache(root, until * SHARD, seed, config, assets, workers)


def test_frames(out: Path, test: str, scale: Scale) -> list[RawSample]:
    """Read the frames of a test set; raises `TrainError` if it has none."""
    wanted = TESTS[test]
    kind = DATA[wanted.data].kinds[0][0]
    source = WorldCache(folder(out, wanted.data))
    frames: list[RawSample] = []
    for index in range(len(source)):
        raw = source.load(index)
        if not wanted.lens or wanted.lens == lens_of(raw.camera.tan_half_vfov, kind):
            frames.append(raw)
        if len(frames) == scale.test_frames:
            break
    if not frames:
        raise TrainError(f'no frame of test set {test!r} in {folder(out, wanted.data)}')
    return frames


def lens_of(tan_half_vfov: float, kind: str) -> str:
    """Compare a lens with that of the kind's training pictures: `OTHER`, `FAR` or '' (similar)."""
    ratio = tan_half_vfov / TWO_CAMERAS[kind]
    if not COVERED[0] <= ratio <= COVERED[1]:
        return FAR
    return OTHER if max(ratio, 1.0 / ratio) >= OTHER_FACTOR else ''


def _shards(name: str, scale: Scale) -> int:
    frames = scale.test_frames if DATA[name].held_out else scale.train_frames
    return math.ceil(frames / SHARD)
