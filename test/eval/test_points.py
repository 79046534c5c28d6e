# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projected points, and depths of a distorted picture moved to the rectified one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from dmd_ros.eval import points

WIDE = Camera(175, 175, 159.5, 119.5, 320, 240, 'plumb_bob', (-0.32, 0.11, 0, 0, -0.017))


# On ARM, NaN cast to an integer is pixel 0.
@pytest.mark.filterwarnings('error')
def test_labels_beyond_the_lens_model_are_left_out() -> None:
    """The model ends at 0.99 focal lengths, but the driver has depth in the corners beyond."""
    v, u = (c.ravel() for c in np.mgrid[: WIDE.height, : WIDE.width])
    radius = np.hypot(u - WIDE.cx, v - WIDE.cy) / WIDE.fx
    z = np.where(radius > 1.0, 9.0, 2.0)
    sample = points.rectified(np.zeros((240, 320, 3), np.uint8), WIDE, u, v, z)
    labels = sample.depth[~np.isnan(sample.depth)]
    assert (z == 9.0).sum() > 1000 and len(labels) > 30000
    assert (labels == 2.0).all()
    assert not sample.camera.is_distorted


def test_points_beside_the_picture_do_not_wrap_to_another_row() -> None:
    u = np.array([-0.6, -0.4, 3.4, 3.6, 1.0, 1.0, 1.0, 1.0])
    v = np.array([1.0, 1.0, 1.0, 1.0, -0.6, -0.4, 2.4, 2.6])
    depth = points.depth_from_pixels(u, v, np.arange(1.0, 9.0), height=3, width=4)
    assert np.argwhere(~np.isnan(depth)).tolist() == [[0, 1], [1, 0], [1, 3], [2, 1]]
    assert depth[~np.isnan(depth)].tolist() == [6.0, 2.0, 3.0, 7.0]


@pytest.mark.filterwarnings('error')
def test_points_that_are_not_in_the_picture_are_left_out() -> None:
    """They are behind the camera, beside the picture, beyond the lens model, or extremely far."""
    nowhere = [[0, 0, -2.0], [0, 0, 0.0], [9, 0, 1.0], [-5, 0, 1.0], [1e30, 0, 1.0], [0, 1e30, 1]]
    seen = [[0.0, 0.0, 2.0], [0.0, 0.0, 3.0]]  # the nearer one hides the other
    for camera in (WIDE, WIDE.rectified()):
        depth = points.depth_from_points(np.array(nowhere + seen), camera)
        assert np.argwhere(~np.isnan(depth)).tolist() == [[120, 160]]
        assert depth[120, 160] == 2.0
        assert np.isnan(points.depth_from_points(np.empty((0, 3)), camera)).all()


def test_points_fall_on_the_distorted_pixels_of_a_distorted_camera() -> None:
    """The reference is OpenCV's projection with distortion."""
    truth = np.random.default_rng(0).uniform((-0.5, -0.5, 1), (0.5, 0.5, 1), (50, 3)) * 3.0
    k, d, zero = WIDE.matrix, np.array(WIDE.distortion), np.zeros(3)
    places = np.rint(cv2.projectPoints(truth, zero, zero, k, d)[0][:, 0]).astype(int)
    depth = points.depth_from_points(truth, WIDE)
    assert sorted(map(tuple, np.argwhere(~np.isnan(depth))[:, ::-1])) == sorted(
        set(map(tuple, places))
    )
    straight = points.depth_from_points(truth, WIDE.rectified())
    assert (np.isnan(straight) != np.isnan(depth)).any()


def test_the_rotation_of_a_quaternion_is_that_of_its_axis_and_angle() -> None:
    turn = np.array([0.3, -0.5, 0.7])
    angle = np.linalg.norm(turn)
    xyz = np.sin(angle / 2) * turn / angle
    found = points.rotation_from_quaternion(3 * np.cos(angle / 2), *(3 * xyz))
    np.testing.assert_allclose(found, cv2.Rodrigues(turn)[0], atol=1e-12)
