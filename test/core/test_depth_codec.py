# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres <-> code: the paper's formula in both directions, and the ends of the range."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_model import CONTRACT

from dmd_ros.core import depth_codec
from dmd_ros.core.errors import CoreError

LOG = replace(CONTRACT, depth_min_m=0.5, depth_max_m=80.0)
LINEAR = replace(LOG, depth_codec='linear')
FAR = replace(LINEAR, depth_min_m=20.0)
INF, NAN = np.inf, np.nan

ranges = st.tuples(st.floats(0.01, 2.0), st.floats(1.5, 500.0)).map(lambda p: (p[0], p[0] * p[1]))


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_the_papers_formula() -> None:
    for d in (0.5, 0.7, 3.0, 20.0, 80.0):
        expected = 2 * math.log(d / 0.5) / math.log(80 / 0.5) - 1
        assert depth_codec.encode(row(d), LOG)[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('contract', [LOG, LINEAR], ids=['log', 'linear'])
def test_the_ends_are_exact_and_everything_beyond_is_clipped(contract: object) -> None:
    code = depth_codec.encode(row(0.5, 80.0, 0.0, -3.0, 1e9, INF, -INF, NAN), contract)
    np.testing.assert_allclose(code, row(-1, 1, -1, -1, 1, 1, -1, NAN), rtol=0, atol=2e-7)
    assert np.nanmax(np.abs(code)) <= 1.0
    np.testing.assert_allclose(depth_codec.decode(code[:, :2], contract), row(0.5, 80.0), 1e-5)


@pytest.mark.parametrize('codec', ['log', 'linear'])
@pytest.mark.parametrize('ends', [(1.73, 282.2), (0.13, 22.7), (1.28, 105.0), (1.3, 323.0)])
def test_rounding_does_not_exceed_the_ends(ends: tuple[float, float], codec: str) -> None:
    contract = replace(LOG, depth_min_m=ends[0], depth_max_m=ends[1], depth_codec=codec)
    assert np.abs(depth_codec.encode(row(*ends), contract)).max() <= 1.0
    depth, (low, high) = depth_codec.decode(row(-1, 1), contract), row(*ends)[0]
    assert low <= depth.min() and depth.max() <= high


@given(ranges, st.sampled_from(['log', 'linear']), st.floats(0.0, 1.0))
def test_there_and_back(bounds: tuple[float, float], codec: str, share: float) -> None:
    contract = replace(LOG, depth_min_m=bounds[0], depth_max_m=bounds[1], depth_codec=codec)
    depth = row(bounds[0] + share * (bounds[1] - bounds[0]))
    back = depth_codec.decode(depth_codec.encode(depth, contract), contract)
    # A float32 code near 1 resolves 6e-8 of the range.
    np.testing.assert_allclose(back, depth, rtol=5e-6, atol=1e-6 * bounds[1])
    assert bounds[0] * (1 - 1e-6) <= back[0, 0] <= bounds[1] * (1 + 1e-6)


@given(st.floats(-0.9, 0.9))
def test_an_error_of_the_log_code_is_the_same_relative_error_everywhere(code: float) -> None:
    near, far = depth_codec.decode(row(code, code + 0.01), LOG)[0]
    assert far / near - 1 == pytest.approx(160 ** (0.01 / 2) - 1, abs=2e-6)
    assert far / near - 1 == pytest.approx(0.0257, abs=2e-4)  # the 2.6 % of DMD.md


def test_nan_survives_in_every_lane_of_a_vectorised_exp() -> None:
    for length in (1, 3, 4, 5, 8, 15, 16, 17, 33):
        for hole in range(length):
            code = np.full((1, length), 0.3, np.float32)
            code[0, hole] = NAN
            depth = depth_codec.decode(code, LOG)
            assert np.isnan(depth[0, hole])
            assert np.isfinite(np.delete(depth[0], hole)).all()


@pytest.mark.parametrize('shape', [(7,), (3, 5), (2, 1, 4, 6), (2, 1, 3, 700)])
@pytest.mark.parametrize('contract', [LOG, LINEAR], ids=['log', 'linear'])
def test_any_shape_and_the_input_is_left_alone(contract: object, shape: tuple) -> None:
    code = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    before = code.copy()
    depth = depth_codec.decode(code, contract)
    assert depth.shape == shape
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(code, before)
    flat = depth_codec.decode(code.reshape(1, -1), contract)
    np.testing.assert_allclose(depth.ravel(), flat[0], rtol=1e-6)


def test_a_view_with_gaps_decodes_like_its_copy() -> None:
    code = np.random.default_rng(0).uniform(-1, 1, (6, 10)).astype(np.float32)
    for view in (code[::2, ::3], code[:, ::-1], code.T):
        np.testing.assert_array_equal(
            depth_codec.decode(view, LOG), depth_codec.decode(view.copy(), LOG)
        )


def test_codes_at_the_ends_become_infinities() -> None:
    code = row(1.0, 0.981, 0.979, 0.0, -0.979, -0.981, -1.0, NAN)
    before = code.copy()
    depth = depth_codec.decode_frame(code, LOG)
    assert depth is code
    assert np.isposinf(depth[0, :2]).all()
    assert np.isfinite(depth[0, 2:5]).all()
    assert np.isneginf(depth[0, 5:7]).all()
    np.testing.assert_array_equal(depth[0, 2:5], depth_codec.decode(before, LOG)[0, 2:5])
    assert np.isnan(depth[0, 7])


@pytest.mark.parametrize('contract', [LOG, LINEAR], ids=['log', 'linear'])
@pytest.mark.parametrize(
    'codes',
    [(0.3, -0.3), (0.99, -0.3), (0.3, -0.99), (1.0, -1.0), (NAN, 0.0)],
    ids=['neither end', 'far', 'near', 'both', 'unknown'],
)
def test_the_coarse_code_tells_which_ends_to_search(contract: object, codes: tuple) -> None:
    """The result is the same as if every code were clipped and compared with both ends."""
    coarse = np.array([codes], np.float32)
    code = np.repeat(coarse, 4, axis=1)
    expected = depth_codec.decode(code, contract)
    too_close = -0.98 if contract is LOG else -1.0
    expected[code >= 0.98], expected[code <= too_close] = np.inf, -np.inf
    np.testing.assert_array_equal(depth_codec.decode_frame(code, contract, coarse), expected)


def test_decoding_into_memory_with_gaps_is_refused() -> None:
    code = np.zeros((4, 6), np.float32)[:, ::2]
    with pytest.raises(CoreError, match='contiguous'):
        depth_codec.decode_frame(code, LOG)


def test_the_end_margin_in_metres() -> None:
    """The last percent of the code: from 76 m on is 'beyond', up to 0.53 m is 'too close'."""
    far, near = depth_codec.decode(row(0.98, -0.98), LOG)[0]
    assert far == pytest.approx(76.04, abs=0.1)
    assert near == pytest.approx(0.526, abs=0.01)
    # For a linear code, 1 % of the smallest depth at the near end.
    code = depth_codec.encode(row(0.5045, 0.5055), LINEAR)
    assert np.isneginf(depth_codec.decode_frame(code, LINEAR)).tolist() == [[True, False]]


@pytest.mark.parametrize('contract', [LOG, LINEAR], ids=['log', 'linear'])
def test_near_depths_within_the_range_are_not_too_close(contract: object) -> None:
    """A percent of a linear code is 0.8 m: from 0.5 m on, a whole table would be lost."""
    depth = row(0.54, 0.7, 1.0, 1.3)
    code = depth_codec.encode(depth, contract)
    np.testing.assert_allclose(depth_codec.decode_frame(code, contract), depth, rtol=1e-5)
    closer = depth_codec.encode(row(0.0, 0.2, 0.5), contract)
    assert np.isneginf(depth_codec.decode_frame(closer, contract)).all()


@pytest.mark.parametrize('contract', [LOG, LINEAR, FAR], ids=['log', 'linear', 'from far on'])
@pytest.mark.parametrize('middle', [-0.5, 0.0, 0.6])
def test_relative_spread_is_that_of_decoded_samples(contract: object, middle: float) -> None:
    codes = np.random.default_rng(1).normal(middle, 0.004, (4000, 1, 1)).astype(np.float32)
    depth = depth_codec.decode(codes[:, 0], contract)
    expected = depth.std() / depth.mean()
    got = depth_codec.relative_std(codes.std(axis=0), codes.mean(axis=0), contract)
    assert got.dtype == np.float32
    assert got[0, 0] == pytest.approx(expected, rel=0.02)


def test_valid_means_finite_and_positive() -> None:
    got = depth_codec.valid(row(1.0, 0.0, -1.0, NAN, INF, -INF))
    assert got.tolist() == [[True, False, False, False, False, False]]
