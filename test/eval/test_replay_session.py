# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of single frames, with an oracle that reads its estimate from the picture."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA
from oracle_model import CONTRACT, Noisy, grey_from_depth, write_oracle

from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import replay_report
from dmd_ros.eval.bags.reader import BagFrame
from dmd_ros.eval.estimates import ModelDepth
from dmd_ros.eval.judge import Limits
from dmd_ros.eval.replay_session import ReplaySession
from dmd_ros.loading import load_estimator

BARREL = replace(CAMERA, distortion=(-0.4, 0.1, 0.0, 0.0, 0.0), distortion_model='plumb_bob')
RAMP = np.tile(np.geomspace(1.0, 9.0, 64, dtype=np.float32), (48, 1))  # metres


@pytest.fixture(scope='module')
def estimator(tmp_path_factory):
    path = write_oracle(tmp_path_factory.mktemp('model') / 'm.onnx')
    return load_estimator(str(path), device='cpu', threads=1)


def frame(depth, truth=None, camera=CAMERA, stamp=1):
    return BagFrame(0, stamp, stamp, 'camera', grey_from_depth(depth), camera, truth, {})


def test_a_replay_resets_its_estimator():
    blending = DepthEstimator(CONTRACT, Noisy(), temporal='blend')
    first, second = (
        ReplaySession(ModelDepth(blending), Limits(), set()).step(frame(RAMP))[1].depth
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_truth_of_a_distorted_picture_is_found_in_the_rectified_estimate(estimator):
    session = ReplaySession(ModelDepth(estimator), Limits(), {1})
    for stamp in (1, 2):
        result, _ = session.step(frame(RAMP, RAMP, BARREL, stamp))
    assert result.verdict.score.abs_rel < 0.02
    # The sheet shows this estimate, beside the picture as it was recorded.
    row = replay_report.row('camera', session.kept[0])
    np.testing.assert_array_equal(row.truth_m, RAMP)
    np.testing.assert_array_equal(row.rgb, grey_from_depth(RAMP))


def test_depth_too_close_for_the_model_is_judged_as_its_near_end(estimator):
    half = np.full((48, 64), -np.inf, np.float32)
    half[24:] = 2.0
    truth = np.where(np.isinf(half), np.float32(0.2), half)
    result, _ = ReplaySession(ModelDepth(estimator), Limits(), set()).step(frame(half, truth))
    assert result.coverage == pytest.approx(0.5, abs=0.05)  # of numbers
    assert result.verdict.score.coverage == 1.0
    assert result.verdict.buckets['0-1 m'].abs_rel == pytest.approx(0.5, abs=0.05)  # 0.1 m


def test_truth_outside_the_limits_is_not_judged(estimator):
    result, _ = ReplaySession(ModelDepth(estimator), Limits(1.5, 3.0), set()).step(
        frame(RAMP, RAMP)
    )
    assert result.verdict.score.pixels == np.count_nonzero((RAMP > 1.5) & (RAMP < 3.0))


def test_the_cloud_follows_the_camera(estimator):
    session = ReplaySession(ModelDepth(estimator), Limits(), set())
    flat = np.full((48, 64), 2.0, np.float32)
    for stamp, camera in enumerate((CAMERA, replace(CAMERA, fx=100.0))):
        _, estimate = session.step(frame(flat, camera=camera, stamp=stamp))
        x = (np.arange(64) - camera.cx) / camera.fx * estimate.depth
        np.testing.assert_allclose(estimate.points[..., 0], x, rtol=1e-5)


@pytest.mark.parametrize(('camera', 'of_truth'), [(CAMERA, math.log(1.1)), (BARREL, math.nan)])
def test_flicker_is_tracked_in_rectified_pictures_and_so_not_in_distorted_truth(
    estimator, camera, of_truth
):
    noise = np.random.default_rng(0).integers(60, 160, (30, 40, 3), np.uint8)
    picture = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    plane = np.full((120, 160), 2.0, np.float32)
    session = ReplaySession(ModelDepth(estimator), Limits(), set())
    for stamp, factor in ((1, 1.0), (2, 1.1)):
        rgb = picture + np.uint8(5 * (stamp - 1))  # brighter is farther
        step = frame(plane, np.float32(factor) * plane, camera.resized(160, 120), stamp)
        result, _ = session.step(replace(step, rgb=rgb))
    # 255 grey levels span the logarithm of the model's range.
    expected = 5 / 255 * math.log(CONTRACT.depth_max_m / CONTRACT.depth_min_m)
    assert result.flicker.predicted == pytest.approx(expected, rel=0.05)
    assert result.flicker.truth == pytest.approx(of_truth, rel=1e-4, nan_ok=True)
