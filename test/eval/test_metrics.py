# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dmd_ros.eval import baselines, judge, metrics

NAN, INF = math.nan, math.inf


def depth(*rows):
    return np.array(rows, np.float32)


def test_every_metric_against_values_computed_by_hand():
    # p / g: 2 / 1, 2 / 2, 2 / 4, 10 / 8
    s = metrics.score(depth([2, 2], [2, 10]), depth([1, 2], [4, 8]))
    ln2, ln54 = math.log(2), math.log(1.25)
    e = [ln2, 0.0, -ln2, ln54]
    assert s.abs_rel == pytest.approx((1 + 0 + 0.5 + 0.25) / 4)
    assert s.sq_rel == pytest.approx((1 / 1 + 0 + 4 / 4 + 4 / 8) / 4)
    assert s.rmse == pytest.approx(math.sqrt((1 + 0 + 4 + 4) / 4))
    assert s.rmse_log == pytest.approx(math.sqrt(sum(v * v for v in e) / 4))
    assert s.log10 == pytest.approx((2 * math.log10(2) + math.log10(1.25)) / 4)
    variance = sum(v * v for v in e) / 4 - (sum(e) / 4) ** 2
    assert s.silog == pytest.approx(100 * math.sqrt(variance))
    # 1.25 is not below 1.25; 2 is below 1.25^4 only, which no delta reaches.
    assert (s.delta1, s.delta2, s.delta3) == (0.25, 0.5, 0.5)
    assert (s.coverage, s.pixels, s.frames) == (1.0, 4, 1)


def test_a_perfect_estimate_has_no_error():
    g = depth([1, 2, 3])
    s = metrics.score(g, g)
    errors = (s.abs_rel, s.sq_rel, s.rmse, s.rmse_log, s.log10, s.silog)
    assert errors == (0, 0, 0, 0, 0, 0)
    assert (s.delta1, s.delta2, s.delta3, s.coverage) == (1, 1, 1, 1)


@pytest.mark.parametrize('g', [NAN, INF, -INF, 0.0, -1.0, 80.0, 81.0, 1e-3])
def test_truth_outside_the_open_range_is_not_judged(g):
    s = metrics.score(depth([1, 5]), depth([1, g]))
    assert s.pixels == 1
    assert s.abs_rel == 0


def test_pixels_outside_the_mask_are_not_valid():
    s = metrics.score(depth([1, 5]), depth([1, 1]), mask=np.array([[True, False]]))
    assert (s.pixels, s.abs_rel) == (1, 0)


def test_infinite_estimates_count_as_the_ends_of_the_range_of_the_model():
    p = metrics.settle(depth([INF, -INF, 3, NAN]), 0.5, 60.0)
    np.testing.assert_array_equal(p, depth([60, 0.5, 3, NAN]))
    s = metrics.score(p, depth([30, 1, 3, 1]))
    assert s.abs_rel == pytest.approx((1.0 + 0.5 + 0.0) / 3)


def test_missing_estimates_only_lower_coverage():
    s = metrics.score(depth([NAN, 2, NAN, 2]), depth([1, 1, 1, NAN]))
    assert s.coverage == pytest.approx(1 / 3)
    assert s.abs_rel == 1.0
    assert s.pixels == 1


def test_estimates_are_clamped_to_the_range_of_truth():
    s = metrics.score(depth([500, -3]), depth([40, 1]), min_m=0.5, max_m=80)
    assert s.abs_rel == pytest.approx((40 / 40 + 0.5 / 1) / 2)


def test_scores_are_nan_if_no_pixel_is_valid():
    s = metrics.score(depth([1, 1]), depth([NAN, NAN]))
    assert math.isnan(s.abs_rel)
    assert (s.pixels, s.frames) == (0, 0)
    none = metrics.score(depth([NAN, NAN]), depth([1, 1]))
    assert math.isnan(none.abs_rel)
    assert (none.coverage, none.frames) == (0.0, 1)


def test_mean_is_over_frames_not_pixels():
    one = metrics.score(depth([2]), depth([1]))
    four = metrics.score(depth([1, 1, 1, 1]), depth([1, 1, 1, 1]))
    mean = metrics.mean_score([one, four])
    assert mean.abs_rel == 0.5
    assert (mean.pixels, mean.frames) == (5, 2)


def test_mean_leaves_out_frames_without_truth_but_not_those_without_estimate():
    good = metrics.score(depth([2]), depth([1]))
    empty = metrics.score(depth([2]), depth([NAN]))
    silent = metrics.score(depth([NAN]), depth([1]))
    mean = metrics.mean_score([good, empty, silent])
    assert mean.abs_rel == 1.0
    assert (mean.coverage, mean.frames) == (0.5, 2)
    assert math.isnan(metrics.mean_score([]).abs_rel)


def test_buckets_split_by_true_depth_and_skip_those_with_few_pixels():
    g = np.concatenate([np.full(30, 0.5), np.full(30, 1.0), np.full(30, 3.0), np.full(5, 10.0)])
    p = np.concatenate([np.full(30, 1.0), np.full(30, 1.0), np.full(30, 6.0), np.full(5, 10.0)])
    buckets = metrics.score_buckets(p[None].astype(np.float32), g[None].astype(np.float32))
    assert list(buckets) == ['0-1 m', '2-4 m']
    assert buckets['0-1 m'].pixels == 60  # the upper bound belongs to the range
    assert buckets['0-1 m'].abs_rel == pytest.approx(0.5)
    assert buckets['2-4 m'].abs_rel == pytest.approx(1.0)


def test_mean_buckets_average_over_the_frames_that_have_the_range():
    a = metrics.score_buckets(
        np.full((1, 30), 1.5, np.float32), np.full((1, 30), 0.75, np.float32)
    )
    b = metrics.score_buckets(np.full((1, 30), 3.0, np.float32), np.full((1, 30), 3.0, np.float32))
    mean = metrics.mean_buckets([b, a, b])
    assert list(mean) == ['0-1 m', '2-4 m']
    assert mean['0-1 m'].frames == 1
    assert mean['2-4 m'].frames == 2


depths = arrays(np.float32, (6, 7), elements=st.floats(np.float32(0.01), 79, width=32))


@given(p=depths, g=depths)
def test_bounds_and_symmetries(p, g):
    s = metrics.score(p, g)
    assert 0 <= s.delta1 <= s.delta2 <= s.delta3 <= 1
    assert min(s.abs_rel, s.sq_rel, s.rmse, s.rmse_log, s.log10, s.silog) >= 0
    assert s.silog <= 100 * s.rmse_log + 1e-6
    # delta and the logarithmic errors are symmetric in prediction and truth.
    t = metrics.score(g, p)
    assert (t.delta1, t.delta2) == (s.delta1, s.delta2)
    assert t.log10 == pytest.approx(s.log10)


@given(g=depths, factor=st.floats(0.5, 2.0))
def test_silog_and_median_scaling_ignore_a_common_factor(g, factor):
    g = np.clip(g, 0.1, 30)
    p = (g * np.float32(factor)).astype(np.float32)
    assert metrics.score(p, g).silog == pytest.approx(0.0, abs=0.1)
    scale = metrics.median_scale(p, g)
    assert scale == pytest.approx(1 / factor, rel=1e-4)
    assert metrics.score(p * np.float32(scale), g).abs_rel == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize('unit', [1000.0, 255.0, 1e-3])
def test_median_scale_of_an_estimate_in_another_unit(unit):
    """Millimetres, for example, are beyond the range of truth and must not be clamped to 80 m."""
    g = np.geomspace(0.5, 9, 12, dtype=np.float32).reshape(3, 4)
    p = np.float32(unit) * g
    assert metrics.median_scale(p, g) == pytest.approx(1 / unit, rel=1e-5)
    assert metrics.correlation(p, g) == pytest.approx(1.0)
    assert metrics.correlation(np.float32(unit) / g, g) == pytest.approx(-1.0)
    verdict = judge.judge(p, g)
    assert verdict.scaled.abs_rel == pytest.approx(0.0, abs=1e-5) and verdict.score.abs_rel > 0.9


@given(g=arrays(np.float32, st.integers(1, 40), elements=st.floats(np.float32(0.1), 70, width=32)))
def test_best_const_beats_every_other_constant(g):
    best = baselines.best_const(g)

    def abs_rel(c):
        return np.mean(np.abs(c - g.astype(np.float64)) / g)

    others = [*g.astype(np.float64), *np.linspace(0.1, 70, 50)]
    assert all(abs_rel(best) <= abs_rel(c) + 1e-9 for c in others)


def test_best_const_is_nan_without_valid_truth():
    assert math.isnan(baselines.best_const(np.empty(0, np.float32)))


def test_correlation_depends_on_direction_not_on_scale():
    g = np.geomspace(1, 9, 12, dtype=np.float32).reshape(3, 4)
    hole = np.where(g > 5, np.float32(NAN), 2 * g)
    for p, expected in ((3 * g, 1.0), (np.sqrt(g), 1.0), (hole, 1.0), (1 / g, -1.0)):
        assert metrics.correlation(p, g) == pytest.approx(expected)
    up_and_down = depth([1, 2, 2, 1])
    assert metrics.correlation(depth([1, 2, 1, 2]), up_and_down) == pytest.approx(0.0)


@pytest.mark.parametrize(('p', 'g'), [(2.0, 3.0), (NAN, 3.0), (2.0, NAN)])
def test_correlation_is_nan_if_either_is_constant(p, g):
    noise = np.linspace(0.999, 1.001, 40, dtype=np.float32)[None]
    assert math.isnan(metrics.correlation(p * noise, g * noise[:, ::-1]))
