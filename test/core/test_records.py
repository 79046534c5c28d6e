# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in scripts: printed, compared, pickled and converted to points."""

from __future__ import annotations

import copy
import pickle

import cv2
import numpy as np
import pytest

from dmd_ros import Camera, DepthFrame
from dmd_ros.core.preprocess import View
from dmd_ros.core.records import FloorReading, RawSample

CAMERA = Camera(50.0, 60.0, 31.0, 20.0, 64, 48)  # a pixel lies on its axis


def frame(depth: np.ndarray) -> DepthFrame:
    view = View(CAMERA, 0, 0, 64, 48, 48, 64)
    rgb = np.zeros((48, 64, 3), np.uint8)
    return DepthFrame(depth, None, rgb, CAMERA, depth, view, floor=FloorReading(1.25, True))


def test_points_project_to_their_pixels_at_their_depth(recwarn: pytest.WarningsRecorder) -> None:
    depth = np.random.default_rng(0).uniform(0.2, 70.0, (48, 64)).astype(np.float32)
    depth[0, :3], depth[20, 31] = (np.nan, -np.inf, np.inf), np.inf
    points = frame(depth).points()
    assert points.shape == (48, 64, 3) and points.dtype == np.float32
    known = np.isfinite(depth)
    assert np.isnan(points[~known]).all() and known.sum() == depth.size - 4
    np.testing.assert_array_equal(points[known][:, 2], depth[known])
    zero = np.zeros(3)
    found = cv2.projectPoints(points[known].astype(float), zero, zero, CAMERA.matrix, None)[0]
    np.testing.assert_allclose(found[:, 0, ::-1], np.argwhere(known), atol=1e-3)
    assert not recwarn.list


def test_a_frame_is_printed_in_a_line() -> None:
    depth = np.full((48, 64), 2.5, np.float32)
    depth[:12], depth[-1] = np.nan, 40.0
    said = (
        f'DepthFrame(depth of 75% of the pixels, 2.5 to 40 m, camera={CAMERA}, '
        "fov_source='camera_info', floor=FloorReading(scale=1.25, seen=True))"
    )
    assert repr(frame(depth)) == said
    nothing = repr(frame(np.full((48, 64), np.nan, np.float32)))
    assert nothing.startswith(f'DepthFrame(depth of 0% of the pixels, camera={CAMERA}')


def test_frames_and_samples_compare_by_identity() -> None:
    depth = np.ones((48, 64), np.float32)
    one, other = frame(depth), frame(depth.copy())
    assert one != other and one in [other, one] and len({one, other}) == 2
    raw = RawSample(one.rgb, depth, CAMERA)
    assert raw != RawSample(one.rgb.copy(), depth.copy(), CAMERA) and {raw: 1}[raw] == 1


@pytest.mark.parametrize('way', [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_frame_can_be_pickled(way) -> None:
    one = frame(np.random.default_rng(0).uniform(1, 9, (48, 64)).astype(np.float32))
    other = way(one)
    np.testing.assert_array_equal(other.depth, one.depth)
    assert (other.camera, other.view, other.floor) == (one.camera, one.view, one.floor)
