# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noise from frame to frame, and from step to step, with a denoiser that returns the noise."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_model import CAMERA, CONTRACT, Noisy, grey

from dmd_ros.core import diffusion
from dmd_ros.core.camera import Camera
from dmd_ros.estimator import BLEND, DepthEstimator


def depths(frames: int = 2, gain: float = 0.2, **settings: object) -> list[np.ndarray]:
    estimator = DepthEstimator(CONTRACT, Noisy(gain), **settings)  # type: ignore[arg-type]
    return [estimator(grey(), CAMERA).depth for _ in range(frames)]


@pytest.mark.parametrize('sampler', diffusion.SAMPLERS)
@pytest.mark.parametrize('steps', [1, 3])
def test_fixed_noise_is_the_same_in_every_frame_and_run(steps: int, sampler: str) -> None:
    one, two = depths(steps=steps, sampler=sampler)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, depths(1, steps=steps, sampler=sampler)[0])
    other = depths(1, steps=steps, sampler=sampler, seed=1)[0]
    assert not np.array_equal(one, other)


@pytest.mark.parametrize('temporal', ['fixed', 'random', 'blend'])
def test_the_noise_of_the_steps_is_fresh(temporal: str) -> None:
    """A backend with its own sampler receives the noise: repeated parts would not be Gaussian."""
    handed: list[np.ndarray] = []

    class Device(Noisy):
        def sample(self, picture, tan_half_vfov, noise, fresh, times, sampler) -> np.ndarray:
            handed.extend((noise, next(fresh), next(fresh)))
            return 0 * noise

    DepthEstimator(CONTRACT, Device(), steps=3, temporal=temporal)(grey(), CAMERA)
    assert np.abs(np.corrcoef([z.ravel() for z in handed]) - np.eye(3)).max() < 0.1


def test_random_noise_differs_between_frames_but_not_between_runs() -> None:
    one, two = depths(temporal='random', steps=2)
    assert not np.array_equal(one, two)
    again = depths(temporal='random', steps=2)
    np.testing.assert_array_equal(one, again[0])
    np.testing.assert_array_equal(two, again[1])


def test_reset_restarts_the_noise() -> None:
    for temporal in ('fixed', 'random', 'blend'):
        estimator = DepthEstimator(CONTRACT, Noisy(), temporal=temporal)
        first = estimator(grey(), CAMERA).depth
        estimator(grey(), CAMERA)
        estimator.reset()
        np.testing.assert_array_equal(estimator(grey(), CAMERA).depth, first)


def test_blend_starts_from_nine_tenths_noise_and_one_tenth_previous_code() -> None:
    noisy = Noisy()
    estimator = DepthEstimator(CONTRACT, noisy, temporal='blend')
    estimator(grey(), CAMERA)
    estimator(grey(), CAMERA)
    first, second = (feeds['z'] for feeds in noisy.feeds)
    previous = np.clip(0.2 * first, -1, 1)
    assert BLEND == 0.1
    np.testing.assert_allclose(second, 0.9 * first + 0.1 * previous, atol=1e-6)


@pytest.mark.parametrize('temporal', ['fixed', 'random', 'blend'])
def test_a_frame_of_nan_does_not_spoil_the_next(temporal: str) -> None:
    noisy = Noisy()
    estimator = DepthEstimator(CONTRACT, noisy, temporal=temporal)
    shares = []
    spoiled = np.full((48, 64), 0.2, np.float32)
    spoiled[:, :32] = np.nan
    for gain in (0.2, spoiled, 0.2):
        noisy.gain = gain
        shares.append(float(np.isnan(estimator(grey(), CAMERA).depth).mean()))
    assert shares[0] == shares[2] == 0.0 and shares[1] > 0.4


@pytest.mark.parametrize('temporal', ['fixed', 'random', 'blend'])
def test_another_picture_size_is_supported(temporal: str) -> None:
    estimator = DepthEstimator(CONTRACT, Noisy(), temporal=temporal)
    wide = Camera(100, 100, 95.5, 31.5, 192, 64)
    for camera in (CAMERA, wide, CAMERA):
        frame = estimator(grey(camera), camera)
        assert frame.depth.shape == (camera.height, camera.width)
