# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A few tiny labelled pictures on disk, and settings for training on them in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.config import TrainConfig, make_config
from train.worlds.cache import shard_path

# In float32, so that a test learns the same on processors with and without bfloat16.
FAST = (
    'sizes=32x32', 'batch=4', 'workers=0', 'threads=1', 'warmup=8', 'schedule=constant',
    'cooldown=0', 'log_every=4', 'checkpoint_every=1000000', 'ema=64', 'precision=fp32',
)  # fmt: skip


def camera(width: int = 48, height: int = 40, fy: float = 40.0) -> Camera:
    return Camera(fy, fy, (width - 1) / 2, (height - 1) / 2, width, height)


def plane_sample(seed: int, tilt: float = 0.5) -> RawSample:
    """Return a floor seen from a random height, brighter where it is nearer: easy to learn."""
    rng = np.random.default_rng(seed)
    cam = camera()
    inverse = 1.0 / rng.uniform(1.0, 6.0) + tilt * cam.rays()[..., 1] / rng.uniform(2.0, 6.0)
    depth = (1.0 / np.clip(inverse, 1 / 30, None)).astype(np.float32)
    level = np.clip(255 * np.clip(inverse, 0, 1), 0, 255)
    rgb = np.repeat(level[..., None], 3, axis=2).astype(np.uint8)
    return RawSample(rgb, depth, cam)


def write_set(folder: Path, count: int = 4) -> Path:
    """Write a set in the layout of `RgbdFolder`."""
    folder.mkdir(parents=True)
    frames = []
    for i in range(count):
        raw = plane_sample(i)
        name = f'{i:03d}'
        cv2.imwrite(str(folder / f'{name}_rgb.jpg'), raw.rgb[..., ::-1])
        cv2.imwrite(str(folder / f'{name}_depth.png'), (raw.depth * 1000).astype(np.uint16))
        frames.append({'id': name, 'K': raw.camera.matrix.tolist()})
    (folder / 'meta.json').write_text(json.dumps({'frames': frames}))
    return folder


def write_shard(root: Path, samples: list[RawSample]) -> None:
    """Write samples like `train.worlds.cache`, without rendering."""
    folder = shard_path(root, 0)
    folder.mkdir(parents=True)
    np.save(folder / 'rgb.npy', np.stack([s.rgb for s in samples]))
    np.save(folder / 'depth.npy', np.stack([s.depth.astype(np.float16) for s in samples]))
    cameras = [(s.camera.fx, s.camera.fy, s.camera.cx, s.camera.cy) for s in samples]
    np.save(folder / 'camera.npy', np.array(cameras))


def fast_config(folder: Path, *settings: str) -> TrainConfig:
    """Return a config of the smallest preset for the set in `folder`."""
    return make_config('micro', [f'sources=folder:{folder}', *FAST, *settings])


def set_options(*settings: str) -> list[str]:
    """Return settings as command-line options."""
    return [word for setting in settings for word in ('--set', setting)]


def losses_of(run: Path) -> dict[int, float]:
    """Return losses by clock; after a resume, the second value of a step replaces the first."""
    lines = (run / 'losses.jsonl').read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.endswith('}')]
    return {row['clock']: row['loss'] for row in rows if 'loss' in row}
