# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Waymo Open Dataset, perception v2 (parquet): pictures with depth from the top LiDAR.

Range images are converted to points in the world with the pose of every LiDAR pixel (the car moves
during a turn), then to the camera with the car's pose at the picture. The pixels of points come
from the set's own projections, which account for the rolling shutter. Finally, lens distortion is
removed from pictures and pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.eval import points
from train.datasets.base import Reader, decode_rgb, require
from train.datasets.waymo_range import world_points
from train.errors import TrainError

TOP_LIDAR = 1
CAMERAS = {1: 'FRONT', 2: 'FRONT_LEFT', 3: 'FRONT_RIGHT', 4: 'SIDE_LEFT', 5: 'SIDE_RIGHT'}
COMPONENTS = (
    'camera_image',
    'camera_calibration',
    'lidar',
    'lidar_calibration',
    'lidar_pose',
    'lidar_camera_projection',
)
# The cameras of this set have x forward, y to the left and z up.
_OPTICAL_FROM_CAMERA = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
_INTRINSICS = ('f_u', 'f_v', 'c_u', 'c_v', 'k1', 'k2', 'p1', 'p2', 'k3')
_TIME = 'key.frame_timestamp_micros'
_CAMERA, _LASER = 'key.camera_name', 'key.laser_name'
_CALIBRATION = '[CameraCalibrationComponent].'
_Item = tuple[str, int, int]


class Waymo(Reader):
    """Pictures of the chosen cameras (numbers 1-5); every: use every n-th frame (of 10 Hz)."""

    dataset = 'waymo'
    tree = '\n'.join(f'{component}/<segment>.parquet' for component in COMPONENTS)

    def __init__(
        self,
        root: str | Path,
        cameras: tuple[int, ...] = tuple(CAMERAS),
        every: int = 1,
    ) -> None:
        """Read the keys of all pictures; raises `TrainError`."""
        self.cameras = cameras
        self.every = every
        super().__init__(root)

    def _scan(self) -> list[_Item]:
        parquet = require('pyarrow.parquet', 'the parquet files of Waymo')
        for component in COMPONENTS:
            self.need(self.root / component)
        items: list[_Item] = []
        for path in sorted((self.root / 'camera_image').glob('*.parquet')):
            keys = parquet.read_table(path, columns=[_TIME, _CAMERA])
            times, cameras = (keys[name].to_pylist() for name in (_TIME, _CAMERA))
            used = set(sorted(set(times))[:: self.every])
            found = [
                (path.stem, time, camera)
                for time, camera in zip(times, cameras, strict=True)
                if time in used and camera in self.cameras
            ]
            items.extend(sorted(found))
        return items

    def _name(self, item: _Item) -> str:
        return f'{item[0]}/{item[1]}/{CAMERAS.get(item[2], item[2])}'

    def _load(self, item: _Item) -> RawSample:
        segment, time, number = item
        picture = self._row('camera_image', segment, {_TIME: time, _CAMERA: number})
        calibration = self._row('camera_calibration', segment, {_CAMERA: number})
        camera = _camera(calibration)
        rgb = decode_rgb(picture['[CameraImageComponent].image'], 'camera_image')
        xyz, table = self._points(segment, time)
        hit, u, v = _seen_by(table, number)
        world_from_vehicle = _matrix4(picture['[CameraImageComponent].pose.transform'])
        vehicle_from_camera = _matrix4(calibration[_CALIBRATION + 'extrinsic.transform'])
        camera_from_world = points.inverse(world_from_vehicle @ vehicle_from_camera)
        seen = points.apply(camera_from_world, xyz[hit]) @ _OPTICAL_FROM_CAMERA.T
        ahead = seen[:, 2] > 0.1
        return points.rectified(rgb, camera, u[ahead], v[ahead], seen[ahead, 2])

    def _points(self, segment: str, time: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the top LiDAR's points in the world [N, 3] and their projections [N, 6]."""
        key = {_TIME: time, _LASER: TOP_LIDAR}
        prefix = 'range_image_return1'
        ranges = _image(self._row('lidar', segment, key), f'[LiDARComponent].{prefix}')
        poses = _image(self._row('lidar_pose', segment, key), f'[LiDARPoseComponent].{prefix}')
        table = _image(
            self._row('lidar_camera_projection', segment, key),
            f'[LiDARCameraProjectionComponent].{prefix}',
        )
        laser = self._row('lidar_calibration', segment, {_LASER: TOP_LIDAR})
        name = '[LiDARCalibrationComponent].'
        beams = laser[name + 'beam_inclination.values']
        if beams is None:
            raise TrainError('the top LiDAR has no beam inclinations; the calibration is damaged')
        extrinsic = _matrix4(laser[name + 'extrinsic.transform'])
        xyz = world_points(ranges[..., 0], poses, extrinsic, np.array(beams, np.float64))
        measured = ranges[..., 0] > 0
        return xyz[measured], table[measured]

    def _row(self, component: str, segment: str, key: dict[str, int]) -> dict[str, Any]:
        parquet = require('pyarrow.parquet', 'the parquet files of Waymo')
        path = self.need(self.root / component / f'{segment}.parquet')
        filters = [(name, '==', value) for name, value in key.items()]
        table = parquet.read_table(path, filters=filters)
        if table.num_rows != 1:
            raise TrainError(f'{path} has {table.num_rows} rows for {key}, expected 1')
        return {name: table[name][0].as_py() for name in table.column_names}


def _camera(row: dict[str, Any]) -> Camera:
    """Create the distorted camera; the coefficients are OpenCV's k1, k2, p1, p2, k3."""
    values = [float(row[f'{_CALIBRATION}intrinsic.{name}']) for name in _INTRINSICS]
    return Camera(
        *values[:4],
        width=int(row[_CALIBRATION + 'width']),
        height=int(row[_CALIBRATION + 'height']),
        distortion_model='plumb_bob',
        distortion=tuple(values[4:]),
    )


def _seen_by(
    table: NDArray[np.float32], camera: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Select the points seen by `camera`, the first or the second camera listed for each point."""
    first, second = table[:, 0] == camera, table[:, 3] == camera
    hit = first | second
    u = np.where(first, table[:, 1], table[:, 4])[hit]
    v = np.where(first, table[:, 2], table[:, 5])[hit]
    return hit, u.astype(np.float64), v.astype(np.float64)


def _image(row: dict[str, Any], name: str) -> NDArray[np.float32]:
    values = np.array(row[f'{name}.values'], np.float32)
    return values.reshape(row[f'{name}.shape'])


def _matrix4(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64).reshape(4, 4)
