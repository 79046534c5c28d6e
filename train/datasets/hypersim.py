# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HyperSim: rendered rooms; "depth_meters" is the distance along the ray, in HDF5."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, read_rgb, require, z_from_ray
from train.errors import TrainError

# The common camera. A few scenes shift or tilt it a little; the protocol ignores that.
CAMERA = Camera(886.81, 886.81, 511.5, 383.5, 1024, 768)
SPLIT_FILE = 'metadata_images_split_scene_v1.csv'


class HyperSim(Reader):
    """Tone-mapped previews with depth; split: 'all', or train, val, test of the split table."""

    dataset = 'hypersim'
    tree = (
        'ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg\n'
        'ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5\n'
        f'{SPLIT_FILE}   (for a split)'
    )

    def __init__(self, root: str | Path, split: str = 'all') -> None:
        """Find the pictures; raises `TrainError`."""
        if split not in ('all', 'train', 'val', 'test'):
            raise TrainError(f'hypersim: split={split!r}; allowed: all, train, val, test')
        self.split = split
        super().__init__(root)

    def _scan(self) -> list[Path]:
        found = sorted(self.root.glob('*/images/scene_cam_*_final_preview/*.tonemap.jpg'))
        if self.split == 'all':
            return found
        table = self.need(self.root / SPLIT_FILE)
        with table.open(encoding='utf-8', newline='') as file:
            wanted = {
                (row['scene_name'], row['camera_name'], int(row['frame_id']))
                for row in csv.DictReader(file)
                if row['split_partition_name'] == self.split
            }
        return [path for path in found if _key(path) in wanted]

    def _load(self, item: Path) -> RawSample:
        h5py = require('h5py', 'the HDF5 files of HyperSim')
        rgb = read_rgb(item)
        folder = item.parent.name.removesuffix('final_preview') + 'geometry_hdf5'
        name = item.name.removesuffix('tonemap.jpg') + 'depth_meters.hdf5'
        with h5py.File(self.need(item.parents[1] / folder / name), 'r') as file:
            distance = np.array(file['dataset'], np.float32)
        # NaN where the ray hit no geometry; this remains unknown.
        distance[~(np.isfinite(distance) & (distance > 0.0))] = np.nan
        camera = CAMERA.resized(rgb.shape[1], rgb.shape[0])
        return RawSample(rgb, z_from_ray(distance, camera), camera)


def _key(path: Path) -> tuple[str, str, int]:
    """Return scene, camera and frame number, as in the split table."""
    camera = path.parent.name.removeprefix('scene_').removesuffix('_final_preview')
    return path.parents[2].name, camera, int(path.name.split('.')[1])
