# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
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


def test_points_are_followed_through_the_picture():
    # Depth differs from column to column, and moves with the texture: no change of any point.
    ramp = np.tile(np.linspace(1, 5, SIZE[1], dtype=np.float32), (SIZE[0], 1))
    pictures = (texture(), shifted(texture(), 6))
    assert flicker.tracked_change(pictures, (ramp, shifted(ramp, 6))).predicted < 0.005
    assert flicker.tracked_change(pictures, (ramp, ramp)).predicted > 0.03


def test_motion_cancels_out_of_the_ratio_to_truth():
    # Driving towards a wall: truth shrinks by 5 %, the estimate is 30 % too large both times.
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
    change = flicker.tracked_change((texture(), texture()), (half, half))
    whole = flicker.tracked_change((texture(), texture()), (plane(2), plane(2)))
    assert change.predicted == 0
    assert change.points < whole.points


@pytest.mark.parametrize(
    'second', [np.zeros((*SIZE, 3), np.uint8), np.zeros((50, 60, 3), np.uint8)]
)
def test_nothing_to_follow_is_no_number(second):
    depth = np.full(second.shape[:2], 2, np.float32)
    change = flicker.tracked_change((np.zeros((*SIZE, 3), np.uint8), second), (plane(2), depth))
    assert math.isnan(change.predicted)
    assert change.points == 0


def test_what_is_hidden_in_the_second_picture_is_hardly_followed():
    # By something of another texture; a few points return by chance (without the check, 40 %).
    second = texture()
    second[:, 80:] = texture(seed=1)[:, 80:]
    start, there = flicker.tracked_points(texture(), second)
    assert len(start) == len(there) > flicker.MIN_POINTS
    assert (start[:, 0] > 90).mean() < 0.1


def test_depth_is_looked_up_at_the_nearest_pixel():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
    points = np.array([[1.6, 0.4], [0.4, 1.6], [-0.4, 0.0], [-0.6, 0.0]], np.float32)
    np.testing.assert_array_equal(flicker.depths_at(depth, points), [3, 9, 1, np.nan])


@pytest.mark.parametrize(('known', 'enough'), [(19, False), (20, True)])
def test_a_median_needs_twenty_points(known, enough):
    camera = Camera(fx=100, fy=100, cx=79.5, cy=59.5, width=160, height=120)
    first = np.full(SIZE, np.nan, np.float32)
    first[60, 50 : 50 + known] = 3.0
    change = flicker.warped_change(first, plane(3.3), camera, np.eye(4))
    assert change == pytest.approx(math.log(1.1) if enough else math.nan, abs=1e-6, nan_ok=True)


def test_warped_change_accounts_for_the_cameras_motion():
    camera = Camera(fx=100, fy=100, cx=79.5, cy=59.5, width=160, height=120)
    forward = np.eye(4)
    forward[2, 3] = -0.5  # half a metre towards the wall
    assert flicker.warped_change(plane(3), plane(2.5), camera, forward) < 1e-6
    wrong = flicker.warped_change(plane(3), plane(2.75), camera, forward)
    assert wrong == pytest.approx(math.log(2.75 / 2.5), abs=1e-5)
    # A new thing in front hides the wall: those points are occluded, not wrong.
    hidden = plane(2.5)
    hidden[:, 60:] = 1.0
    assert flicker.warped_change(plane(3), hidden, camera, forward) < 1e-6
    away = np.diag([1.0, 1.0, -1.0, 1.0])
    assert math.isnan(flicker.warped_change(plane(3), plane(3), camera, away))


SHARED = Path(os.environ.get('DMD_SHARED', Path(__file__).parents[2].parent / 'shared'))
SEQUENCE = SHARED / 'real' / 'sequence' / 'sevenscenes_redkitchen'


def camera_to_world(line):
    tx, ty, tz, x, y, z, w = map(float, line.split()[1:])
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = tx, ty, tz
    return pose


@pytest.mark.skipif(not SEQUENCE.is_dir(), reason='no real sequence here')
def test_a_real_sensor_hardly_flickers_once_its_poses_are_known():
    lines = (SEQUENCE / 'poses_tum.txt').read_text().splitlines()
    poses = [camera_to_world(line) for line in lines if not line.startswith('#')]
    camera = Camera(fx=528.05, fy=528.05, cx=321.56, cy=238.68, width=640, height=480)
    # A third of a second apart, so that the motion shows.
    first, second = (
        cv2.imread(str(SEQUENCE / 'depth' / f'{i:06d}.png'), cv2.IMREAD_UNCHANGED) for i in (0, 15)
    )
    first, second = (np.where(d > 0, d * 1e-3, np.nan).astype(np.float32) for d in (first, second))
    motion = np.linalg.inv(poses[15]) @ poses[0]
    known = flicker.warped_change(first, second, camera, motion)
    assumed_still = flicker.warped_change(first, second, camera, np.eye(4))
    assert known < 0.01
    assert known < 0.5 * assumed_still


def test_summary_is_over_pairs():
    pairs = [flicker.Change(v, math.nan, math.nan, 99) for v in (0.1, 0.2, math.nan, 0.3)]
    summary = flicker.summarise(pairs)
    assert summary['pairs'] == 3
    assert summary['predicted_median'] == pytest.approx(0.2)
    assert math.isnan(summary['truth_median'])
