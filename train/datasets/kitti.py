# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI: rectified raw pictures with the accumulated-LiDAR depth annotations."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, metres_from_codes, read_codes, read_list, read_rgb
from train.errors import TrainError


class Kitti(Reader):
    """Pictures of the colour cameras 02 and 03 that have an annotation.

    split: 'train', 'val' (of the annotations) or 'all'. cameras: which of '02' and '03'.
    list_file: a split file with lines "picture annotation focal" (the usual form of the Eigen
    split; lines whose annotation is None are skipped). It overrides `split`.
    """

    dataset = 'kitti'
    tree = (
        'raw/2011_09_26/calib_cam_to_cam.txt\n'
        'raw/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png\n'
        'depth/train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png\n'
        'depth/val/...'
    )

    def __init__(
        self,
        root: str | Path,
        split: str = 'train',
        cameras: tuple[str, ...] = ('02', '03'),
        list_file: str | Path | None = None,
    ) -> None:
        """Pair pictures and annotations; raises `TrainError`."""
        if split not in ('train', 'val', 'all'):
            raise TrainError(f'kitti: split={split!r}; allowed: train, val, all')
        self.splits = ('train', 'val') if split == 'all' else (split,)
        self.cameras = cameras
        self.list_file = list_file
        super().__init__(root)

    def _scan(self) -> list[tuple[Path, Path]]:
        self.need(self.root / 'raw')
        self.need(self.root / 'depth')
        return self._listed(Path(self.list_file)) if self.list_file else self._found()

    def _found(self) -> list[tuple[Path, Path]]:
        pairs = []
        for split in self.splits:
            for camera in self.cameras:
                pattern = f'*/proj_depth/groundtruth/image_{camera}/*.png'
                for depth in sorted((self.root / 'depth' / split).glob(pattern)):
                    drive = depth.parents[3].name
                    folder = self.root / 'raw' / drive[:10] / drive / f'image_{camera}' / 'data'
                    rgb = _picture(folder / depth.name)
                    # Annotations without the pictures of their drive are not an error.
                    if rgb is not None:
                        pairs.append((rgb, depth))
        return pairs

    def _listed(self, list_file: Path) -> list[tuple[Path, Path]]:
        pairs = []
        for words in read_list(list_file):
            if len(words) < 2:
                raise TrainError(f'{list_file}: {words} must be "picture annotation [focal]"')
            rgb = _picture(self.root / 'raw' / words[0].lstrip('/'))
            if words[1] == 'None':
                continue
            if rgb is None:
                raise self.missing(self.root / 'raw' / words[0])
            name = words[1].lstrip('/')
            tried = [self.root / 'depth' / part / name for part in ('train', 'val', '')]
            depth = next((path for path in tried if path.is_file()), None)
            if depth is None:
                raise self.missing(tried[0])
            pairs.append((rgb, depth))
        return pairs

    def _load(self, item: tuple[Path, Path]) -> RawSample:
        rgb = read_rgb(item[0])
        depth = metres_from_codes(read_codes(item[1]), 256.0)
        # .../<date>/<drive>/image_02/data/<frame>.png
        date, camera = item[0].parents[3], item[0].parents[1].name[-2:]
        fx, fy, cx, cy = _intrinsics(self.need(date / 'calib_cam_to_cam.txt'), camera)
        return RawSample(rgb, depth, Camera(fx, fy, cx, cy, rgb.shape[1], rgb.shape[0]))


def _picture(path: Path) -> Path | None:
    """Return the picture as .png, or as .jpg, a common conversion; None if neither exists."""
    return next((p for p in (path, path.with_suffix('.jpg')) if p.is_file()), None)


@lru_cache(maxsize=64)
def _intrinsics(path: Path, camera: str) -> tuple[float, float, float, float]:
    """Read fx, fy, cx, cy of the rectified camera from P_rect_<camera>."""
    key = f'P_rect_{camera}:'
    for line in path.read_text(encoding='utf-8').splitlines():
        if line.startswith(key):
            p = np.array(line[len(key) :].split(), np.float64).reshape(3, 4)
            return float(p[0, 0]), float(p[1, 1]), float(p[0, 2]), float(p[1, 2])
    raise TrainError(f'{path} has no line {key}')
