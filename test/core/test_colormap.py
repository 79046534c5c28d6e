# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours on a fixed scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.core.colormap import BEYOND_RGB, NAN_RGB, TOO_CLOSE_RGB, colorize
from dmd_ros.core.errors import CoreError

INF, NAN = np.inf, np.nan


def colour(*values: float) -> list[list[int]]:
    return colorize(np.array([values], np.float32), 0.5, 20.0)[0].tolist()


@given(
    st.floats(0.05, 200.0),
    st.lists(st.sampled_from([0.1, 1.0, 80.0, NAN, INF, -INF]), min_size=1, max_size=9),
)
def test_a_distance_has_one_colour_whatever_else_is_in_the_frame(
    metres: float, others: list[float]
) -> None:
    assert colour(metres, *others)[0] == colour(metres)[0]


def test_near_is_red_and_far_is_blue() -> None:
    near, middle, far = colour(0.55, 1.0, 18.0)
    assert near[0] > max(near[1], near[2])
    assert middle[1] > min(middle)
    assert far[2] > far[0]


def test_beyond_the_scale_the_end_colours_stay() -> None:
    assert colour(0.1) == colour(0.5)
    assert colour(100.0) == colour(20.0)


def test_depths_that_are_not_distances_have_their_own_colours() -> None:
    assert colour(NAN, -INF, INF) == [list(NAN_RGB), list(TOO_CLOSE_RGB), list(BEYOND_RGB)]
    distances = colour(*np.geomspace(0.1, 100, 300))
    for special in (NAN_RGB, TOO_CLOSE_RGB, BEYOND_RGB):
        assert list(special) not in distances


def test_colours_change_monotonically_with_inverse_depth() -> None:
    """Equal steps of 1 / depth span about the same number of colours."""
    inverse = np.linspace(1 / 20.0, 1 / 0.5, 1001)
    row = np.array(colour(*(1 / inverse)))
    changes = np.flatnonzero((np.diff(row, axis=0) != 0).any(axis=1))
    assert len(changes) > 200
    assert changes[0] < 10 and changes[-1] > 990  # from one end of the scale to the other
    assert np.diff(changes).max() <= 10


def test_the_input_is_left_alone_and_sizes_are_kept() -> None:
    depth = np.array([[NAN, 1.0], [INF, -INF], [0.0, -2.0]], np.float32)
    before = depth.copy()
    picture = colorize(depth, 0.5, 20.0)
    assert (picture.shape, picture.dtype) == ((3, 2, 3), np.uint8)
    np.testing.assert_array_equal(depth, before)


@pytest.mark.parametrize(('near', 'far'), [(0.0, 10.0), (5.0, 5.0), (10.0, 1.0), (NAN, 1.0)])
def test_a_scale_without_extent_is_refused(near: float, far: float) -> None:
    with pytest.raises(CoreError, match='0 < near < far'):
        colorize(np.ones((2, 2), np.float32), near, far)


@pytest.mark.parametrize('layout', [np.rot90, np.asfortranarray, np.fliplr, lambda d: d[:, ::2]])
def test_depth_may_have_any_memory_layout(layout) -> None:
    depth = np.geomspace(0.1, 90.0, 96).astype(np.float32).reshape(8, 12)
    depth[2, 3:6] = NAN, INF, -INF
    np.testing.assert_array_equal(
        colorize(layout(depth), 0.5, 20.0), layout(colorize(depth, 0.5, 20.0))
    )
