# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import cv2
import numpy as np
import pytest

from dmd_ros.eval import flicker

SIZE = (120, 160)


def texture(seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), np.uint8)
    return cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def shifted(image, dx, fill=0):
    out = np.roll(image, dx, axis=1)
    out[:, :dx] = fill
    return out


def plane(metres):
    return np.full(SIZE, metres, np.float32)


def test_a_still_scene_with_still_depth_does_not_flicker():
    change = flicker.tracked_change((texture(), texture()), (plane(2), plane(2)))
    assert change.predicted == 0
    assert change.points >= flicker.MIN_POINTS
    assert math.isnan(change.truth)


def test_a_change_of_ten_percent_is_measured_as_that():
    change = flicker.tracked_change((texture(), texture()), (plane(2), plane(2.2)))
    assert change.predicted == pytest.approx(math.log(1.1), abs=1e-5)


def test_points_are_tracked_through_the_picture():
    # Depth differs between columns, and moves with the texture, so that no point changes.
    ramp = np.tile(np.linspace(1, 5, SIZE[1], dtype=np.float32), (SIZE[0], 1))
    pictures = (texture(), shifted(texture(), 6))
    assert flicker.tracked_change(pictures, (ramp, shifted(ramp, 6))).predicted < 0.005
    assert flicker.tracked_change(pictures, (ramp, ramp)).predicted > 0.03


def test_motion_cancels_out_of_the_ratio_to_truth():
    # Driving towards a wall: truth decreases by 5 %, the estimate is 30 % too large in both.
    change = flicker.tracked_change(
        (texture(), texture()), (plane(2.6), plane(2.47)), (plane(2), plane(1.9))
    )
    assert change.predicted == pytest.approx(math.log(2.6 / 2.47), abs=1e-5)
    assert change.truth == pytest.approx(math.log(2 / 1.9), abs=1e-5)
    assert change.of_ratio == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize('hole', [np.nan, np.inf, -np.inf])
def test_points_without_an_estimate_do_not_count(hole):
    half = plane(2)
    half[:, 80:] = hole
    whole = flicker.tracked_change((texture(), texture()), (plane(2), plane(2)))
    for depths in ((half, plane(2)), (plane(2), half)):
        change = flicker.tracked_change((texture(), texture()), depths)
        assert change.predicted == 0
        assert change.points < whole.points


@pytest.mark.parametrize(
    'second', [np.zeros((*SIZE, 3), np.uint8), np.zeros((50, 60, 3), np.uint8)]
)
def test_the_change_is_nan_without_points_to_track(second):
    depth = np.full(second.shape[:2], 2, np.float32)
    change = flicker.tracked_change((np.zeros((*SIZE, 3), np.uint8), second), (plane(2), depth))
    assert math.isnan(change.predicted)
    assert change.points == 0


def test_points_hidden_in_the_second_picture_are_mostly_dropped():
    # Another texture hides them; a few tracks return by chance (without the check, 40 %).
    second = texture()
    second[:, 80:] = texture(seed=1)[:, 80:]
    start, there = flicker.tracked_points(texture(), second)
    assert len(start) == len(there) > flicker.MIN_POINTS
    assert (start[:, 0] > 90).mean() < 0.1


def test_depth_is_looked_up_at_the_nearest_pixel():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
    inside = np.array([[1.6, 0.4], [0.4, 1.6], [-0.4, 0.0], [3.4, 2.4]], np.float32)
    np.testing.assert_array_equal(flicker.depths_at(depth, inside), [3, 9, 1, 12])
    outside = np.array([[-0.6, 0.0], [3.6, 0.0], [0.0, -0.6], [0.0, 2.6]], np.float32)
    assert np.isnan(flicker.depths_at(depth, outside)).all()


@pytest.mark.parametrize(('known', 'enough'), [(19, False), (20, True)])
def test_a_median_needs_twenty_points(known, enough):
    start, there = flicker.tracked_points(texture(), texture())
    np.testing.assert_array_equal(start, there)
    first = np.full(SIZE, np.nan, np.float32)
    columns, rows = np.rint(start[:known]).astype(int).T
    first[rows, columns] = 3.0
    change = flicker.tracked_change((texture(), texture()), (first, plane(3.3)))
    assert change.points == known
    expected = math.log(1.1) if enough else math.nan
    assert change.predicted == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_summary_is_over_pairs():
    pairs = [flicker.Change(v, math.nan, math.nan, 99) for v in (0.1, 0.2, math.nan, 0.3)]
    summary = flicker.summarise(pairs)
    assert summary['pairs'] == 3
    assert summary['predicted_median'] == pytest.approx(0.2)
    assert math.isnan(summary['truth_median'])


def test_points_tracked_in_a_reduced_picture_are_scaled_back():
    small = texture()
    large, moved = (
        cv2.resize(picture, (1920, 1440), interpolation=cv2.INTER_CUBIC)
        for picture in (small, shifted(small, 5))
    )
    start, there = flicker.tracked_points(large, moved)
    assert len(start) >= flicker.MIN_POINTS
    np.testing.assert_allclose(np.median(there - start, axis=0), [60, 0], atol=0.5)
    assert start[:, 0].max() > 1500 and start[:, 1].max() > 1200  # all over the full picture
    # Depth at the exact pixels of a point is found there.
    ramp = np.tile(np.linspace(1, 5, 1920, dtype=np.float32), (1440, 1))
    change = flicker.tracked_change((large, moved), (ramp, shifted(ramp, 60)))
    assert change.predicted < 0.002
