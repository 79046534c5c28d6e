# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Waymo reader, on one frame written as perception v2 parquet."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import labels

from train.datasets.registry import open_dataset
from train.errors import TrainError


def write_waymo(root: Path, distortion: tuple[float, ...], pixels: np.ndarray) -> None:
    """Write one segment of one frame; its only LiDAR return is seen by the front camera.

    pixels: position of the return in the picture, by the set's projection.
    """
    pa = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    key = {'key.segment_context_name': ['seg'], 'key.frame_timestamp_micros': [1000]}
    laser = {**key, 'key.laser_name': pa.array([1], pa.int8())}
    camera = {**key, 'key.camera_name': pa.array([1], pa.int8())}

    def put(component: str, columns: dict) -> None:
        (root / component).mkdir()
        parquet.write_table(pa.table(columns), root / component / 'seg.parquet')

    def image(component: str, values: np.ndarray) -> dict:
        name = f'[{component}].range_image_return1'
        return {
            f'{name}.values': pa.array([values.ravel().tolist()], pa.list_(pa.float32())),
            f'{name}.shape': pa.array([list(values.shape)], pa.list_(pa.int32(), 3)),
        }

    def matrix(yaw: float, x: float, y: float, z: float) -> pa.Array:
        c, s = math.cos(yaw), math.sin(yaw)
        rows = [c, -s, 0, x, s, c, 0, y, 0, 0, 1, z, 0, 0, 0, 1]
        return pa.array([[float(v) for v in rows]], pa.list_(pa.float64(), 16))

    ranges = np.full((2, 8, 4), -1.0, np.float32)
    ranges[1, 3, 0] = 10.0
    # The car is at (100, 50), turned by 30 degrees, when this pixel is measured.
    poses = np.zeros((2, 8, 6), np.float32)
    poses[1, 3] = [0, 0, math.radians(30), 100, 50, 0]
    table = np.zeros((2, 8, 6), np.float32)
    table[1, 3] = [4, 3, 3, 1, *pixels]  # first seen by another camera
    put('lidar', {**laser, **image('LiDARComponent', ranges)})
    put('lidar_pose', {**laser, **image('LiDARPoseComponent', poses)})
    put('lidar_camera_projection', {**laser, **image('LiDARCameraProjectionComponent', table)})
    name = '[LiDARCalibrationComponent].'
    put(
        'lidar_calibration',
        {
            'key.segment_context_name': ['seg'],
            'key.laser_name': pa.array([1], pa.int8()),
            name + 'extrinsic.transform': matrix(2.0, 1.43, 0.0, 2.184),
            name + 'beam_inclination.values': pa.array([[-0.1, 0.05]], pa.list_(pa.float64())),
        },
    )
    name = '[CameraCalibrationComponent].'
    lens = zip(
        ('f_u', 'f_v', 'c_u', 'c_v', 'k1', 'k2', 'p1', 'p2', 'k3'),
        (400.0, 410.0, 96.0, 64.0, *distortion),
        strict=True,
    )
    put(
        'camera_calibration',
        {
            'key.segment_context_name': ['seg'],
            'key.camera_name': pa.array([1], pa.int8()),
            **{f'{name}intrinsic.{field}': [value] for field, value in lens},
            name + 'extrinsic.transform': matrix(0.0, 1.5, 0.0, 2.0),
            name + 'width': pa.array([192], pa.int32()),
            name + 'height': pa.array([128], pa.int32()),
        },
    )
    name = '[CameraImageComponent].'
    put(
        'camera_image',
        {
            **camera,
            name + 'image': [
                cv2.imencode('.jpg', np.full((128, 192, 3), 90, np.uint8))[1].tobytes()
            ],
            # The picture is taken 1 m further along the heading.
            name + 'pose.transform': matrix(
                math.radians(30),
                100 + math.cos(math.radians(30)),
                50 + math.sin(math.radians(30)),
                0,
            ),
        },
    )


def test_waymo_depth_is_along_the_camera_axis(tmp_path):
    write_waymo(tmp_path, (0.0,) * 5, np.array([120, 70]))
    reader = open_dataset('waymo', tmp_path)
    assert reader.index() == ['seg/1000/FRONT']
    sample = reader.load(0)
    # Column 3 of 8 points at pi - 3.5 / 8 of a turn in the car's frame for any mounting yaw; row 1
    # of 2 is the lower beam. The car drives 1 m before the picture is taken.
    azimuth = math.pi - 2 * math.pi * 3.5 / 8
    ahead = 1.43 + 10 * math.cos(-0.1) * math.cos(azimuth) - 1.0 - 1.5
    assert labels(sample.depth) == {(70, 120): pytest.approx(ahead, abs=1e-4)}
    assert sample.camera.fy == 410.0 and not sample.camera.is_distorted


def test_waymo_removes_distortion_from_picture_and_labels(tmp_path):
    # Pixel of a ray at (0.2, -0.1) with this lens, by the Brown-Conrady formula.
    k1, k2, p1, p2, k3 = lens = (-0.3, 0.05, 0.001, -0.002, 0.0)
    x, y = 0.2, -0.1
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    bent = np.array([400 * xd + 96, 410 * yd + 64])
    write_waymo(tmp_path, lens, np.rint(bent))
    sample = open_dataset('waymo', tmp_path).load(0)
    ((row, column),) = labels(sample.depth)
    assert column == pytest.approx(400 * x + 96, abs=1.0)
    assert row == pytest.approx(410 * y + 64, abs=1.0)
    assert abs(bent[0] - (400 * x + 96)) > 1.0  # the distortion is visible
    assert not sample.camera.is_distorted


def test_waymo_needs_every_component(tmp_path):
    write_waymo(tmp_path, (0.0,) * 5, np.array([120, 70]))
    (tmp_path / 'lidar_pose' / 'seg.parquet').unlink()
    (tmp_path / 'lidar_pose').rmdir()
    with pytest.raises(TrainError, match='lidar_pose does not exist'):
        open_dataset('waymo', tmp_path)
