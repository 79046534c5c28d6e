# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds: the projection formula, colour bits, missing points, and the edge filter."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from dmd_ros.core import pointcloud
from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError

INF, NAN = np.float32(np.inf), np.float32(np.nan)
CAMERA = Camera(40.0, 41.0, 15.2, 12.7, 33, 27)


def scene(camera: Camera = CAMERA) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    size = (camera.height, camera.width)
    depth = random.uniform(0.3, 30, size).astype(np.float32)
    depth.ravel()[::7], depth.ravel()[3::11], depth.ravel()[5::13] = NAN, INF, -INF
    return depth, random.integers(0, 256, (*size, 3), dtype=np.uint8)


def cloud(depth: np.ndarray, rgb: np.ndarray, camera: Camera, *limits: float) -> np.ndarray:
    points = np.full((*depth.shape, 4), 123.0, np.float32)
    pointcloud.write_cloud(depth, camera.rays(), rgb, *(limits or (0.0, INF)), points)
    return points


@pytest.mark.parametrize('size', [(33, 27), (1, 1), (40_000, 2), (700, 130)])
def test_points_are_what_the_formula_says(size: tuple[int, int]) -> None:
    """Sizes with one strip, several strips, and rows longer than a strip."""
    camera = Camera(40.0, 41.0, 15.2, 12.7, *size)
    depth, rgb = scene(camera)
    points = cloud(depth, rgb, camera)
    known = np.isfinite(depth)
    assert np.isnan(points[~known][:, :3]).all()
    v, u = np.nonzero(known)
    z = depth[known].astype(np.float64)
    expected = np.stack([(u - 15.2) / 40.0 * z, (v - 12.7) / 41.0 * z, z], axis=1)
    np.testing.assert_allclose(points[known][:, :3], expected, rtol=2e-6, atol=1e-6)
    bits = points[..., 3].copy().view(np.uint32)
    r, g, b = rgb.astype(np.uint32).transpose(2, 0, 1)
    np.testing.assert_array_equal(bits, (r << 16) | (g << 8) | b)


def test_points_project_back_to_their_pixels() -> None:
    depth, rgb = scene()
    points = cloud(depth, rgb, CAMERA)
    v, u = np.nonzero(np.isfinite(depth))
    pixels, _ = cv2.projectPoints(
        points[v, u, :3].astype(np.float64), np.zeros(3), np.zeros(3), CAMERA.matrix, None
    )
    np.testing.assert_allclose(pixels[:, 0], np.stack([u, v], axis=1), atol=1e-3)


def test_the_parts_give_the_same_as_the_whole() -> None:
    depth, rgb = scene()
    points = np.empty((*depth.shape, 4), np.float32)
    pointcloud.backproject(depth, CAMERA.rays(), points)
    pointcloud.pack_rgb(rgb, points)
    np.testing.assert_array_equal(
        points.view(np.uint32) & 0x7FFFFFFF,
        cloud(depth, rgb, CAMERA).view(np.uint32) & 0x7FFFFFFF,
    )


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_strided_inputs_give_the_strided_cloud(stride: int) -> None:
    depth, rgb = scene()
    full = cloud(depth, rgb, CAMERA)
    step = (slice(None, None, stride), slice(None, None, stride))
    points = np.empty((*depth[step].shape, 4), np.float32)
    pointcloud.write_cloud(depth[step], CAMERA.rays()[step], rgb[step], 0.0, INF, points)
    np.testing.assert_array_equal(points, full[step])


def test_holes_are_left_out_and_other_points_kept() -> None:
    depth, rgb = scene()
    holes = np.random.default_rng(1).random(depth.shape) < 0.3
    points = np.empty((*depth.shape, 4), np.float32)
    pointcloud.write_cloud(depth, CAMERA.rays(), rgb, 0.0, INF, points, holes)
    expected = cloud(depth, rgb, CAMERA)
    expected[holes, :3] = NAN
    np.testing.assert_array_equal(points, expected)


def test_range_limits_leave_no_point_outside() -> None:
    depth, rgb = scene()
    points = cloud(depth, rgb, CAMERA, 2.0, 10.0)
    kept = np.isfinite(points[..., :3]).all(axis=2)
    np.testing.assert_array_equal(kept, (depth >= 2.0) & (depth <= 10.0))
    assert np.isnan(points[~kept][:, :3]).all()


def test_no_warning_of_numpy_reaches_the_log(recwarn: pytest.WarningsRecorder) -> None:
    depth, rgb = scene()
    cloud(depth, rgb, CAMERA, 1.0, 9.0)
    pointcloud.limit_range(depth, 0.5, 20.0)
    assert not recwarn.list


@pytest.mark.parametrize('shape', [(27, 33, 3), (27, 32, 4)])
def test_a_buffer_of_another_size_is_refused(shape: tuple) -> None:
    depth, rgb = scene()
    with pytest.raises(CoreError, match=r'contiguous \(27, 33, 4\)'):
        pointcloud.write_cloud(depth, CAMERA.rays(), rgb, 0.0, INF, np.empty(shape, np.float32))


def test_a_buffer_with_gaps_is_refused_because_opencv_would_write_a_copy() -> None:
    depth, rgb = scene()
    gaps = np.empty((27, 66, 4), np.float32)[:, ::2]
    with pytest.raises(CoreError, match='contiguous'):
        pointcloud.write_cloud(depth, CAMERA.rays(), rgb, 0.0, INF, gaps)


def test_same_points_as_sensor_msgs_py_reads() -> None:
    """Oracle, where installed: the standard reader of PointCloud2."""
    reader = pytest.importorskip('sensor_msgs_py.point_cloud2')
    messages = pytest.importorskip('sensor_msgs.msg')
    depth, rgb = scene()
    points = cloud(depth, rgb, CAMERA)
    message = messages.PointCloud2(
        height=27, width=33, point_step=pointcloud.POINT_BYTES, row_step=16 * 33, is_dense=False
    )
    message.is_bigendian = sys.byteorder != 'little'
    message.fields = [
        messages.PointField(name=name, offset=4 * i, datatype=messages.PointField.FLOAT32, count=1)
        for i, name in enumerate(('x', 'y', 'z', 'rgb'))
    ]
    message.data = points.tobytes()
    read = reader.read_points(message)
    for i, name in enumerate(('x', 'y', 'z', 'rgb')):
        np.testing.assert_array_equal(
            read[name].reshape(27, 33).view(np.uint32), points[..., i].copy().view(np.uint32)
        )
    solid = reader.read_points(message, field_names=('x', 'y', 'z'), skip_nans=True)
    assert len(solid) == np.isfinite(depth).sum()


def test_limits_of_the_depth_image_are_rep_117() -> None:
    depth = np.float32([[0.1, 0.5, 3.0, 9.0, 9.1, NAN, INF, -INF]])
    pointcloud.limit_range(depth, 0.5, 9.0)
    np.testing.assert_array_equal(depth, np.float32([[-INF, 0.5, 3, 9, INF, NAN, INF, -INF]]))
    pointcloud.limit_range(depth, 0.0, np.inf)
    assert depth[0, 1] == 0.5
