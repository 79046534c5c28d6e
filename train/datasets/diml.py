# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DIML/CVL RGB-D: indoor (Kinect v2) and outdoor (ZED stereo); uint16 millimetres.

The set has no calibration file per picture. An intrinsics.json beside the data ({"fx", "fy", "cx",
"cy", "width", "height"}, scaled to the picture's size) takes precedence; without it, the nominal
camera of the sensor is used, if there is one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, metres_from_codes, read_codes, read_mask, read_rgb
from train.errors import TrainError

INTRINSICS = 'intrinsics.json'
# Nominal colour camera of a Kinect v2 (the default of its open driver before calibration).
KINECT_V2 = Camera(1081.37, 1081.37, 959.5, 539.5, 1920, 1080)
# Nominal left camera of a ZED per picture height: the sensor is cropped, not scaled.
ZED = {
    1080: Camera(1400.0, 1400.0, 959.5, 539.5, 1920, 1080),
    720: Camera(700.0, 700.0, 639.5, 359.5, 1280, 720),
}
# A picture with another aspect ratio was cropped, so a scaled camera would be wrong.
_ASPECT_TOLERANCE = 0.01


class DimlIndoor(Reader):
    """Indoor frames with the filled depth; resolution: 'HR', 'LR' or 'any'."""

    dataset = 'diml_indoor'
    tree = (
        'train/LR/<scene>/color/in_00_160126_155728_c.png\n'
        'train/LR/<scene>/depth_filled/in_00_160126_155728_depth_filled.png\n'
        'intrinsics.json   (optional)'
    )

    def __init__(self, root: str | Path, resolution: str = 'any') -> None:
        """Find the pictures; raises `TrainError`."""
        if resolution not in ('HR', 'LR', 'any'):
            raise TrainError(f'diml_indoor: resolution={resolution!r}; allowed: HR, LR, any')
        self.resolution = resolution
        super().__init__(root)

    def _scan(self) -> list[Path]:
        found = sorted(self.root.glob('**/color/*_c.png'))
        return [p for p in found if self.resolution == 'any' or self.resolution in p.parts]

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        name = item.name.removesuffix('_c.png') + '_depth_filled.png'
        depth = metres_from_codes(read_codes(item.parents[1] / 'depth_filled' / name), 1000.0)
        return RawSample(rgb, depth, camera_for(self.root, rgb.shape[:2], KINECT_V2))


class DimlOutdoor(Reader):
    """Outdoor frames; confident: drop pixels that the confidence map, if present, marks with 0.

    The evaluation protocol uses all pixels, so `confident` is off by default.
    """

    dataset = 'diml_outdoor'
    tree = (
        '<scene>/outleft/*.png\n<scene>/depthmap/*.png\n<scene>/confidencemap/*.png   (optional)\n'
        'intrinsics.json   (needed unless the pictures are 1920x1080 or 1280x720)'
    )

    def __init__(self, root: str | Path, confident: bool = False) -> None:
        """Find the pictures; raises `TrainError`."""
        self.confident = confident
        super().__init__(root)

    def _scan(self) -> list[Path]:
        return sorted(self.root.glob('**/outleft/*.png'))

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        depth = metres_from_codes(read_codes(item.parents[1] / 'depthmap' / item.name), 1000.0)
        mask = item.parents[1] / 'confidencemap' / item.name
        if self.confident and mask.is_file():
            depth[~read_mask(mask)] = np.nan
        camera = camera_for(self.root, rgb.shape[:2], ZED.get(rgb.shape[0]))
        return RawSample(rgb, depth, camera)


def camera_for(root: Path, size: tuple[int, int], nominal: Camera | None) -> Camera:
    """Return the camera for pictures of `size` (rows, columns), from the file or nominal."""
    height, width = size
    path = root / INTRINSICS
    if path.is_file():
        camera = _read_intrinsics(path)
    elif nominal is not None:
        camera = nominal
    else:
        raise TrainError(
            f'pictures of {width}x{height} have no nominal camera; write {path} with fx, fy, cx, '
            'cy, width, height'
        )
    if abs(camera.width / camera.height * height / width - 1.0) > _ASPECT_TOLERANCE:
        raise TrainError(
            f'picture {width}x{height} has a different aspect ratio from its camera '
            f'{camera.width}x{camera.height}: it was cropped; write {path} for this size'
        )
    return camera.resized(width, height)


def _read_intrinsics(path: Path) -> Camera:
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        numbers = [float(values[key]) for key in ('fx', 'fy', 'cx', 'cy')]
        return Camera(*numbers, width=int(values['width']), height=int(values['height']))
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(f'{path} must contain fx, fy, cx, cy, width, height: {error!r}') from None
