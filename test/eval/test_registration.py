# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from dmd_ros.core.camera import Camera, Rectifier, fold_radius
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.registration import on_grid_of

CAMERA = Camera(fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48)


def numbered(height, width):
    return np.arange(height * width, dtype=np.float32).reshape(height, width)


def test_equal_grids_are_left_alone():
    estimate = numbered(48, 64)
    assert on_grid_of(estimate, numbered(48, 64), CAMERA) is estimate


@pytest.mark.parametrize('factor', [2, 4])
def test_other_sizes_take_the_nearest_pixel_without_interpolation(factor):
    estimate = numbered(48, 64)
    small = on_grid_of(estimate, numbered(48 // factor, 64 // factor), CAMERA)
    assert small.shape == (48 // factor, 64 // factor)
    assert np.isin(small, estimate).all()
    # The centre of the small pixel is between the centres of the large ones.
    assert small[0, 0] in estimate[:factor, :factor]
    large = on_grid_of(estimate, numbered(48 * factor, 64 * factor), CAMERA)
    np.testing.assert_array_equal(large, np.kron(estimate, np.ones((factor, factor), np.float32)))


def test_the_nearest_pixel_is_found_by_its_centre():
    estimate = numbered(48, 66)
    third = on_grid_of(estimate, numbered(16, 22), replace(CAMERA, width=66))
    np.testing.assert_array_equal(third, estimate[1::3, 1::3])


@pytest.mark.parametrize('width', [66, 100])
def test_another_aspect_ratio_is_another_view(width):
    with pytest.raises(EvalError, match=rf'{width}x48, the image 64x48.*register the depth'):
        on_grid_of(numbered(48, 64), numbered(48, width), CAMERA)


def test_a_rounded_size_is_the_same_view():
    assert on_grid_of(numbered(48, 64), numbered(16, 21), CAMERA).shape == (16, 21)


@pytest.mark.parametrize(
    ('model', 'coefficients'),
    [('plumb_bob', (-0.25, 0.08, 0.0, 0.0, 0.0)), ('equidistant', (0.02, 0.0, 0.0, 0.0))],
)
def test_an_estimate_on_rectified_pixels_finds_the_truth_on_distorted_ones(model, coefficients):
    camera = Camera(
        fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48,
        distortion_model=model, distortion=coefficients,
    )  # fmt: skip
    # A ramp of depth as the distorted camera measures it ...
    truth = np.tile(np.linspace(1, 2, 64, dtype=np.float32), (48, 1))
    # ... and as it looks after rectification (8 bits are enough to compare).
    grey = np.rint((truth - 1) * 255).astype(np.uint8)
    rectifier = Rectifier(camera)
    rectified = rectifier(np.repeat(grey[..., None], 3, axis=2))[..., 0].astype(np.float32)
    rectified[~rectifier.inside] = np.nan
    back = on_grid_of(rectified, truth, camera)
    known = np.isfinite(back)
    assert known[8:-8, 8:-8].all()
    # Half a pixel of the ramp is 0.008.
    np.testing.assert_allclose(back[known] / 255 + 1, truth[known], atol=0.015)
    assert np.nanmax(np.abs(rectified / 255 + 1 - truth)) > 0.04


def test_pixels_of_a_wide_lens_are_mapped_and_those_beyond_it_are_nan():
    camera = Camera(350, 350, 319.5, 239.5, 640, 480, 'plumb_bob', (-0.32, 0.11, 0, 0, -0.017))
    # The lens as a table of radii, up to 0.99 focal lengths.
    r = np.linspace(0, fold_radius(camera), 5001)
    k1, k2, _, _, k3 = camera.distortion
    bent = r * (1 + k1 * r**2 + k2 * r**4 + k3 * r**6)
    v, u = np.mgrid[: camera.height, : camera.width]
    seen = np.hypot(u - camera.cx, v - camera.cy) / camera.fx
    column = camera.cx + (u - camera.cx) * np.interp(seen, bent, r) / seen
    # Each value of the estimate is its column number; each pixel gets the nearest one.
    estimate = np.tile(np.arange(640, dtype=np.float32), (480, 1))
    got = on_grid_of(estimate, estimate, camera)
    known = np.isfinite(got)
    assert known.mean() > 0.6
    assert np.abs(got - column)[known].max() < 0.55
    assert np.isin(got[known], estimate).all()  # nothing between two of them
    assert (seen > 1.0).any() and not known[seen > 1.0].any()
