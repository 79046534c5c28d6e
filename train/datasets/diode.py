# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DIODE: rooms and streets, by one laser scanner; depth and its validity as .npy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, read_rgb
from train.errors import TrainError

# The virtual camera of all pictures; fx and fy do differ.
CAMERA = Camera(886.81, 927.06, 512.0, 384.0, 1024, 768)


class Diode(Reader):
    """One part ('indoors' or 'outdoor') of one split ('val' or 'train')."""

    dataset = 'diode'
    tree = (
        'val/indoors/scene_00019/scan_00183/<name>.png\n'
        'val/indoors/scene_00019/scan_00183/<name>_depth.npy\n'
        'val/indoors/scene_00019/scan_00183/<name>_depth_mask.npy\nval/outdoor/...'
    )

    def __init__(self, root: str | Path, part: str = 'indoors', split: str = 'val') -> None:
        """Find the pictures; raises `TrainError`."""
        if part not in ('indoors', 'outdoor') or split not in ('val', 'train'):
            raise TrainError(
                f'diode: part={part!r}, split={split!r}; allowed: indoors, outdoor; val, train'
            )
        self.part, self.split = part, split
        super().__init__(root)

    def _scan(self) -> list[Path]:
        folder = self.need(self.root / self.split / self.part)
        return sorted(folder.glob('scene_*/scan_*/*.png'))

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        stem = item.with_suffix('').name
        # float32 [H, W, 1] metres; the mask is [H, W], 1 = measured by the scanner.
        depth = np.load(item.with_name(f'{stem}_depth.npy')).astype(np.float32)
        depth = depth.reshape(depth.shape[:2])
        mask = np.load(item.with_name(f'{stem}_depth_mask.npy')).reshape(depth.shape)
        depth[(mask != 1) | ~(depth > 0.0)] = np.nan
        return RawSample(rgb, depth, CAMERA.resized(rgb.shape[1], rgb.shape[0]))
