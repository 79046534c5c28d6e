# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reused buffers and copied CameraInfo, without any middleware."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from peers import depth_of, info_of, points_of

from dmd_ros.core.camera_info import camera_from_info
from dmd_ros.ros.messages import CloudBuffer, ImageBuffer, info_from_camera


@pytest.mark.parametrize('rectified', [True, False])
def test_the_received_camera_info_is_never_mutated(rectified):
    """Comparable nodes write the scaled K into the message that others share."""
    received = info_of(7, d=[-0.2, 0.05, 0.0, 0.0, 0.0], binning_x=2, binning_y=2)
    received.width, received.height = 128, 96
    before = copy.deepcopy(received)
    camera = camera_from_info(received, 64, 48, rectified)
    ours = info_from_camera(camera.rectified(), received.header)
    ours.k[0] = 1.0
    ours.roi.x_offset = 5
    ours.d[0] = 3.0
    assert received == before


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', [0.1] * 5),
        ('rational_polynomial', [0.1] * 8),
        ('equidistant', [0.1] * 4),  # with zeros OpenCV still treats it as a fisheye
        ('kannala_brandt_of_a_vendor', [0.1] * 4),
        ('', []),
    ],
)
def test_a_rectified_camera_is_described_as_a_common_pinhole(model, d):
    received = info_of(7, distortion_model=model, d=d)
    camera = camera_from_info(received, 64, 48, rectified=True)
    ours = info_from_camera(camera, received.header)
    assert (ours.distortion_model, list(ours.d)) == ('plumb_bob', [0.0] * 5)


def test_image_buffer_is_written_in_place_and_follows_the_size():
    buffer = ImageBuffer('32FC1')
    buffer.pixels(2, 3)[:] = np.arange(6).reshape(2, 3)
    data = buffer.message.data
    np.testing.assert_array_equal(depth_of(buffer.message), [[0, 1, 2], [3, 4, 5]])
    buffer.pixels(2, 3)[0, 0] = 9.0
    assert buffer.message.data is data and depth_of(buffer.message)[0, 0] == 9.0
    buffer.pixels(4, 5)[:] = 1.0
    assert len(buffer.message.data) == 4 * 5 * 4 and buffer.message.step == 20
    buffer.pixels(5, 4)  # same number of bytes, another shape
    assert (buffer.message.height, buffer.message.width, buffer.message.step) == (5, 4, 16)


def test_cloud_buffer_is_written_in_place_and_follows_the_size():
    buffer = CloudBuffer()
    for height, width in ((2, 3), (5, 4)):
        points = np.random.default_rng(1).random((height, width, 4), np.float32)
        buffer.points(height, width)[:] = points
        np.testing.assert_array_equal(points_of(buffer.message), points)
