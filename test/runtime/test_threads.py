# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One estimator in several threads: no picture is estimated with the state of another.

`interleaved` tries every point in time: another thread processes its picture before one line of
the first thread, then before the next line, and so on.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import pytest
from floor_scene import floor_scene
from fov_oracle import write_fov_oracle
from oracle_model import CAMERA, CONTRACT, Noisy, grey_from_depth, write_oracle

from dmd_ros import Camera, DepthEstimator, Mount, load_estimator

T = TypeVar('T')
OURS = ('estimator.py', 'floor_scale.py', 'fov.py', 'noise.py')
# Longest wait for the other thread at a line, because it may wait for a lock of this thread.
PATIENCE_S = 0.05
MOUNT = Mount(1.0, 25.0)
FLOOR = floor_scene(CAMERA, MOUNT)


def interleaved(make: Callable[[], tuple[Callable[[], T], Callable[[], object]]]) -> Iterator[T]:
    """Yield what the first of the made calls gives, the second coming in at each of its lines."""
    for line in itertools.count():
        call, other = make()
        result, came = _interrupted(call, other, line)
        if not came:
            assert line > 20
            return
        yield result


def _interrupted(call: Callable[[], T], other: Callable[[], object], line: int) -> tuple[T, bool]:
    """Do `call`, and `other` in a thread before its n-th line in dmd_ros, if it has as many."""
    lines, failed = itertools.count(), list[BaseException]()

    def attempt() -> None:
        try:
            other()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=attempt)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        path = Path(frame.f_code.co_filename)
        if 'dmd_ros' not in path.parts or path.name not in OURS:
            return None
        if event == 'line' and next(lines) == line:
            thread.start()
            thread.join(PATIENCE_S)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(before)
    came = thread.ident is not None
    if came:
        thread.join()
    if failed:
        raise failed[0]
    return result, came


def lens(k1: float, height: int = 48) -> Camera:
    return Camera(50.0, 50.0, 31.5, height / 2 - 0.5, 64, height, 'plumb_bob', (k1, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ('mine', 'others'),
    [(lens(0.0), lens(0.0)), (lens(-0.3), lens(0.2)), (lens(0.0), lens(0.0, 96))],
    ids=['one camera', 'two lenses', 'two sizes'],
)
def test_depth_is_that_of_one_thread(mine: Camera, others: Camera) -> None:
    random = np.random.default_rng(0)
    picture, other = (
        random.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        for camera in (mine, others)
    )

    def made() -> DepthEstimator:
        return DepthEstimator(CONTRACT, Noisy(0.5), steps=4)

    def make() -> tuple[Callable, Callable]:
        shared = made()
        return (lambda: shared(picture, mine)), (lambda: shared(other, others))

    expected = made()(picture, mine)
    for found in interleaved(make):
        np.testing.assert_array_equal(found.rgb, expected.rgb)
        np.testing.assert_array_equal(found.depth, expected.depth)


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('models')
    return write_oracle(folder / 'oracle.onnx'), write_fov_oracle(folder / 'fov.onnx')


def test_without_a_memory_the_field_of_view_is_that_of_the_picture(models: tuple) -> None:
    model, fov_model = models
    estimator = load_estimator(model, 'onnxruntime', fov_source='estimate', fov_model=fov_model)
    dark, bright = (np.full((48, 64, 3), level, np.uint8) for level in (100, 150))
    expected, different = (estimator(picture).camera for picture in (dark, bright))
    assert expected != different
    for found in interleaved(lambda: ((lambda: estimator(dark)), (lambda: estimator(bright)))):
        assert found.camera == expected


@pytest.mark.parametrize('factor', [1.0, 0.8])
@pytest.mark.parametrize('size', [(128, 96), (160, 120)])
def test_without_a_memory_the_scale_by_the_floor_is_that_of_the_picture(
    models: tuple, factor: float, size: tuple[int, int]
) -> None:
    estimator = load_estimator(models[0], 'onnxruntime', mount=MOUNT)
    mine, others = grey_from_depth(FLOOR / 1.25), CAMERA.resized(*size)
    other = grey_from_depth(floor_scene(others, MOUNT) / factor)
    expected = estimator(mine, CAMERA)
    assert expected.floor is not None and expected.floor.seen

    def make() -> tuple[Callable, Callable]:
        return (lambda: estimator(mine, CAMERA)), (lambda: estimator(other, others))

    for found in interleaved(make):
        assert found.floor == expected.floor
        np.testing.assert_array_equal(found.depth, expected.depth)


def test_a_reset_and_another_mount_may_come_at_any_time(models: tuple) -> None:
    model, fov_model = models
    estimator = load_estimator(
        model,
        'onnxruntime',
        steps=3,
        fov_source='estimate',
        fov_model=fov_model,
        mount=MOUNT,
        floor_memory=5,
    )
    picture = grey_from_depth(FLOOR)
    expected = estimator(picture)

    def disturb() -> None:
        assert estimator.floor_scale is not None
        estimator.floor_scale = estimator.floor_scale.remounted(MOUNT, 5)
        estimator.reset()

    for found in interleaved(lambda: ((lambda: estimator(picture)), disturb)):
        assert found.camera == expected.camera
        np.testing.assert_array_equal(found.depth, expected.depth)
