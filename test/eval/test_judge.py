# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from oracle_model import CAMERA, CONTRACT, Noisy, grey

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import judge
from dmd_ros.eval.frame_folder import LabelledFrame
from dmd_ros.eval.judge import Limits

TRUTH = np.repeat(np.array([[1, 2, 4, 50]], np.float32), 20, axis=0)


def of_scale(scale, group=''):
    """Judge an estimate that is right except for a factor."""
    truth = np.array([[2, 4]], np.float32)
    return judge.judge(truth / np.float32(scale), truth, group=group)


def test_earlier_pictures_do_not_affect_an_estimate():
    estimator = DepthEstimator(CONTRACT, Noisy(), temporal='random')
    first, second = (judge.predict(estimator, grey(), CAMERA)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_turned_picture_is_mirrored_left_to_right_when_upright():
    camera = Camera(90.0, 100.0, 60.0, 45.0, 128, 96)
    upright = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    seen, depths = [], []
    for rotation in (0, 90, 180, 270):
        network = Noisy()
        estimator = DepthEstimator(CONTRACT, network, image_rotation=rotation)
        rgb, turned = np.rot90(upright, rotation // 90), camera.turned(-rotation)
        _, depth = judge.predict(estimator, np.ascontiguousarray(rgb), turned, mirror=True)
        seen.append([feeds['rgb'] for feeds in network.feeds])
        depths.append(np.rot90(depth, -rotation // 90))
    for rotation in (1, 2, 3):
        np.testing.assert_allclose(seen[rotation], seen[0], atol=0.01)
        np.testing.assert_allclose(depths[rotation], depths[0], rtol=1e-4)


def test_every_score_obeys_the_limits():
    depth = TRUTH * np.array([2, 2, 2, 0.1], np.float32)
    verdict = judge.judge(depth, TRUTH, Limits(1.5, 10.0), name='f', group='indoor')
    # Only 2 and 4 m are within the limits.
    assert (verdict.score.abs_rel, verdict.score.pixels) == (1.0, 40)
    assert list(verdict.buckets) == ['1-2 m', '2-4 m']
    assert (verdict.median_scale, verdict.scaled.abs_rel) == (0.5, 0.0)
    assert (verdict.const_m, verdict.const.abs_rel) == (2.5, (0.25 + 0.375) / 2)
    assert (verdict.best_const_m, verdict.best_const.abs_rel) == (2.0, 0.25)
    assert (verdict.name, verdict.group) == ('f', 'indoor')


def test_a_summary_has_the_mean_of_each_figure():
    total = judge.summarise([of_scale(1.0, 'indoor'), of_scale(2.0, 'indoor')])
    assert (total.frames, total.score.abs_rel, total.scaled.abs_rel) == (2, 0.25, 0.0)
    assert (total.const.abs_rel, total.best_const.abs_rel) == ((0.25 + 0.375) / 2, 0.25)


def test_the_spread_of_scale_is_a_factor_and_a_frame_without_estimate_has_none():
    silent = judge.judge(np.full_like(TRUTH, np.nan), TRUTH)
    total = judge.summarise([of_scale(1.0), of_scale(2.0), of_scale(8.0), silent])
    assert total.median_scale == 2.0
    # Their factors from the median are 2, 1 and 4, of which 2 is the geometric mean.
    assert total.median_scale_spread == pytest.approx(2.0)
    nothing = judge.summarise([silent])
    assert math.isnan(nothing.median_scale) and math.isnan(nothing.median_scale_spread)


def test_as_good_as_a_baseline_is_not_better():
    truth = np.array([[2, 4]], np.float32)
    best = judge.judge(np.full_like(truth, 2.0), truth, group='indoor')
    const = judge.judge(np.full_like(truth, 2.5), truth, group='indoor')
    between = judge.judge(np.full_like(truth, 2.2), truth, group='indoor')
    total = judge.summarise([best, const, between, of_scale(1.0)])
    assert (total.beats_const, total.beats_best_const) == (2, 1)
    assert judge.summarise([of_scale(1.0)]).beats_const is None  # no kind of scene given


def test_groups_have_only_their_own_frames_and_the_total_has_all():
    verdicts = [of_scale(2.0, 'outdoor'), of_scale(1.0, 'indoor'), of_scale(4.0)]
    found = judge.by_group(verdicts, ('indoor', 'table top', 'outdoor'))
    scales = {name: (s.frames, s.median_scale) for name, s in found.items()}
    assert scales == {'indoor': (1, 1.0), 'outdoor': (1, 2.0), 'total': (3, 2.0)}
    assert list(found) == ['indoor', 'outdoor', 'total']


# Of 20 and 40 m alone: the other depths of the frame are beyond what depth.png can hold.
BASELINE = {
    'const': 15.0, 'absrel_const': 0.4375, 'd1_const': 0.0,
    'best_const': 20.0, 'absrel_best_const': 0.25, 'd1_best_const': 0.5,
}  # fmt: skip


def disagreement(stated):
    depth = np.array([[20, 40, 70, 75, 78]], np.float32)
    sample = RawSample(np.zeros((1, 5, 3), np.uint8), depth, Camera(5.0, 5.0, 2.0, 0.0, 5, 1))
    frame = LabelledFrame('f', 'outdoor', sample, {'baseline': stated}, depth)
    return judge.baseline_disagreement(frame)


def test_baselines_in_meta_json_are_those_of_the_png_alone():
    assert disagreement(BASELINE) is None
    assert disagreement({'best_const': 20.001}) is None  # rounded; the others are not given


@pytest.mark.parametrize('key', sorted(BASELINE.keys() - {'const'}))
def test_each_baseline_that_differs_is_reported_with_our_own(key):
    said = disagreement({**BASELINE, key: BASELINE[key] + 0.01})
    assert said == f'f: meta.json states {key} {BASELINE[key] + 0.01} (own: {BASELINE[key]:.4f})'
