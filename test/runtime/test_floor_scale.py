# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth scaled by the floor: frame by frame, and with a memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from floor_scene import floor_scene
from oracle_model import CAMERA, grey_from_depth, write_oracle

from dmd_ros import Mount, load_estimator
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import FloorReading
from dmd_ros.estimator import DepthEstimator
from dmd_ros.floor_scale import FloorScale

MOUNT = Mount(1.0, 25.0)
TRUE = floor_scene(CAMERA, MOUNT)
WALL = np.full_like(TRUE, 3.0)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_oracle(tmp_path_factory.mktemp('model') / 'oracle.onnx')


def load(model: Path, **settings: object) -> DepthEstimator:
    return load_estimator(model, backend='onnxruntime', threads=1, **settings)


def off_by(factor: float) -> np.ndarray:
    """Return a picture for which the oracle estimates the true depth divided by `factor`."""
    return grey_from_depth(TRUE / factor)


def test_depth_and_coarse_depth_are_metric_and_the_reading_reports_it(model: Path) -> None:
    plain = load(model)(off_by(1.25), CAMERA)
    assert plain.floor is None and 'floor' not in plain.timings
    frame = load(model, mount=MOUNT)(off_by(1.25), CAMERA)
    assert frame.floor is not None and frame.floor.seen
    assert frame.floor.scale == pytest.approx(1.25, rel=0.02)
    assert 'floor' in frame.timings
    for scaled, before in ((frame.depth, plain.depth), (frame.coarse, plain.coarse)):
        np.testing.assert_allclose(scaled, before * np.float32(frame.floor.scale), rtol=1e-6)
    assert np.median(np.abs(frame.depth - TRUE) / TRUE) < 0.03


def test_depth_beyond_the_range_stays_beyond_it(model: Path) -> None:
    picture = off_by(1.25)
    picture[:10] = 255
    frame = load(model, mount=MOUNT)(picture, CAMERA)
    assert np.isposinf(frame.depth[:8]).all() and frame.floor is not None and frame.floor.seen


def test_depth_beyond_the_range_is_not_the_floor(model: Path) -> None:
    # A flat floor, 90 m below a camera whose model has a range of 80 m.
    frame = load(model, mount=Mount(90.0, 90.0))(np.full((96, 128, 3), 255, np.uint8), CAMERA)
    assert np.isposinf(frame.depth).all()
    assert frame.floor == FloorReading(None, False) and frame.floor.factor == 1.0


def test_without_a_floor_depth_is_not_scaled(model: Path) -> None:
    picture = grey_from_depth(WALL)
    plain, frame = (load(model, mount=m)(picture, CAMERA) for m in (None, MOUNT))
    np.testing.assert_array_equal(frame.depth, plain.depth)
    assert frame.floor is not None and (frame.floor.scale, frame.floor.seen) == (None, False)


def test_the_memory_holds_while_the_floor_is_hidden_until_it_is_reset(model: Path) -> None:
    estimator = load(model, mount=MOUNT, floor_memory=5)
    scales = [estimator(off_by(f), CAMERA).floor.scale for f in (1.2, 1.25, 0.9)]
    np.testing.assert_allclose(scales, (1.2, 1.225, 1.2), rtol=0.02)
    hidden = estimator(grey_from_depth(WALL), CAMERA)
    assert not hidden.floor.seen and hidden.floor.scale == scales[-1]
    assert np.median(hidden.depth) == pytest.approx(3.0 * scales[-1], rel=0.03)
    estimator.reset()
    assert estimator(grey_from_depth(WALL), CAMERA).floor.scale is None


def test_without_a_memory_pictures_are_independent(model: Path) -> None:
    estimator = load(model, mount=MOUNT)
    assert estimator(off_by(1.2), CAMERA).floor.scale == pytest.approx(1.2, rel=0.02)
    assert estimator(grey_from_depth(WALL), CAMERA).floor.scale is None
    assert estimator(off_by(0.8), CAMERA).floor.scale == pytest.approx(0.8, rel=0.02)


def test_a_picture_of_another_size_clears_the_memory(model: Path) -> None:
    estimator = load(model, mount=MOUNT, floor_memory=9)
    estimator(off_by(1.4), CAMERA)
    larger = CAMERA.resized(256, 192)
    frame = estimator(grey_from_depth(floor_scene(larger, MOUNT) / 0.8), larger)
    assert frame.floor.scale == pytest.approx(0.8, rel=0.02)


def test_turning_the_camera_keeps_the_memory_and_raising_it_does_not(
    model,
) -> None:
    estimator = load(model)
    frame = estimator(off_by(1.3), CAMERA)
    scale = FloorScale(MOUNT, 5)
    known = scale(frame.coarse, frame.view).scale
    wall = estimator(grey_from_depth(WALL), CAMERA)
    turned = scale.remounted(Mount(1.0, 10.0, 3.0), 4)
    assert turned(wall.coarse, wall.view).scale == known
    assert scale.remounted(Mount(1.1, 25.0), 5)(wall.coarse, wall.view).scale is None


def test_reset_also_clears_the_memory_of_a_turned_camera(model) -> None:
    estimator = load(model)
    frame, wall = estimator(off_by(1.3), CAMERA), estimator(grey_from_depth(WALL), CAMERA)
    scale = FloorScale(MOUNT, 5)
    scale(frame.coarse, frame.view)
    # A time jump while the parameter is set.
    turned = scale.remounted(Mount(1.0, 10.0), 5)
    scale.reset()
    assert turned(wall.coarse, wall.view).scale is None
    scale(frame.coarse, frame.view)
    other = CAMERA.resized(256, 192)
    picture = estimator(grey_from_depth(np.full((192, 256), 3.0, np.float32)), other)
    turned = scale.remounted(Mount(1.0, 10.0), 5)
    assert turned(picture.coarse, picture.view).scale is None


def test_a_smaller_memory_keeps_the_newest_scales(model: Path) -> None:
    scale, estimator = FloorScale(MOUNT, 5), load(model)
    for factor in (0.8, 0.8, 0.8, 1.3):
        frame = estimator(off_by(factor), CAMERA)
        scale(frame.coarse, frame.view)
    wall = estimator(grey_from_depth(WALL), CAMERA)
    found = scale.remounted(Mount(1.0, 24.0), 2)(wall.coarse, wall.view).scale
    assert found == pytest.approx((0.8 + 1.3) / 2, rel=0.02)


@pytest.mark.parametrize('memory', [0, -3, 1.5, True])
def test_a_memory_of_zero_pictures_is_refused(model: Path, memory: object) -> None:
    with pytest.raises(
        CoreError, match=r'floor_memory=.* must be a whole number of pictures >= 1'
    ):
        load(model, mount=MOUNT, floor_memory=memory)


def test_a_bare_height_is_not_accepted_as_a_mount(model: Path) -> None:
    with pytest.raises(CoreError, match=r'mount is float; pass a dmd_ros\.Mount'):
        load(model, mount=0.42)
