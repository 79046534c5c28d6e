# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_set import camera, plane_sample

from dmd_ros.core.camera import Camera
from dmd_ros.core.preprocess import cut_rgb, full_view, outside, prepare, prepare_depth
from dmd_ros.core.records import RawSample
from train.augment import draw_view, fill_outside, scale_range
from train.config import make_config
from train.example import assemble, make_example
from train.photometric import jpeg, photometric

CONFIG = make_config('micro', ['sizes=32x32'])
PLAIN = make_config(
    'micro', ['sizes=32x40', 'fov_scale_min=1', 'fov_scale_max=1', 'photometric=0', 'flip=false',
              'aspect_jitter=0', 'centre_jitter=0'],
)  # fmt: skip


@given(
    seed=st.integers(0, 10**6),
    fy=st.floats(80, 400),
    size=st.sampled_from([(96, 128), (64, 208), (128, 96)]),
    slope=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.5, 0.5)),
)
def test_metric_plane_survives_every_draw(
    seed: int, fy: float, size: tuple[int, int], slope: tuple[float, float]
) -> None:
    """Each labelled pixel of the drawn camera lies on the same plane, in the same metres."""
    cam = Camera(fy * 1.01, fy, 127.0, 97.0, 256, 192)
    # Plane n . X = 1 with X = depth (ray_x, ray_y, 1), X mirrored along x where the view is.
    normal = np.array([*slope, 0.3])
    depth = _plane(normal, cam)
    view = draw_view(np.random.default_rng(seed), cam, size, CONFIG)
    small = prepare_depth(depth, view)
    mirrored = normal * ([-1, 1, 1] if view.flip else [1, 1, 1])
    expected = _plane(mirrored, view.camera)
    labelled = ~np.isnan(small) & ~np.isnan(expected)
    assert labelled.mean() > 0.1
    # Nearest neighbour shows the depth of a point up to one source or network pixel away.
    inverse_step = np.abs(normal[:2]).sum() * (1.5 / fy + 1.5 / view.camera.fy)
    error = np.abs(1.0 / small[labelled] - 1.0 / expected[labelled])
    assert error.max() <= inverse_step


def _plane(normal: np.ndarray, cam: Camera) -> np.ndarray:
    inverse = cam.rays() @ normal[:2] + normal[2]
    with np.errstate(divide='ignore'):
        depth = np.where(inverse > 0.02, 1.0 / inverse, np.nan)
    return depth.astype(np.float32)


@given(seed=st.integers(0, 10**6))
def test_outside_the_picture_nothing_is_labelled_and_noise_is_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = plane_sample(0)
    view = draw_view(rng, raw.camera, (32, 32), CONFIG)
    unseen = outside(view)
    assert np.isnan(prepare_depth(raw.depth, view)[unseen]).all()
    filled = fill_outside(rng, cut_rgb(raw.rgb, view), view)
    if unseen.sum() > 50:
        assert 30 < filled[unseen].std() < 100


@given(seed=st.integers(0, 10**6))
def test_what_the_camera_saw_keeps_its_colour_beside_the_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = plane_sample(0)
    view = draw_view(rng, raw.camera, (32, 32), CONFIG)
    filled = fill_outside(rng, cut_rgb(np.full_like(raw.rgb, 200), view), view)
    assert (filled[~outside(view)] == 200).all()


@given(seed=st.integers(0, 10**6), fy=st.floats(10, 300))
def test_field_of_view_stays_in_the_contracts_range_if_it_can(seed: int, fy: float) -> None:
    cam = camera(fy=fy)
    view = draw_view(np.random.default_rng(seed), cam, (32, 32), CONFIG)
    tan, own = view.camera.tan_half_vfov, cam.tan_half_vfov
    assert 0.75 < tan / own < 1.6
    scales = (CONFIG.fov_scale_min, CONFIG.fov_scale_max)
    narrow, wide = CONFIG.tan_half_vfov_min, CONFIG.tan_half_vfov_max
    if narrow <= scales[1] * own and scales[0] * own <= wide:
        assert 0.97 * narrow < tan < 1.03 * wide  # windows are whole pixels
    else:
        assert scale_range(own, CONFIG) in [(scale, scale) for scale in scales]


def test_no_augmentation_is_the_robots_input_bit_for_bit() -> None:
    raw = plane_sample(3)
    raw = RawSample(
        np.random.default_rng(0).integers(0, 256, raw.rgb.shape).astype(np.uint8),
        raw.depth,
        replace(raw.camera, width=48, height=40),
    )
    contract = PLAIN.contract()
    view = full_view(raw.camera, contract)
    size = (view.height, view.width)
    expected = prepare(raw.rgb, view, contract)[0]
    noise = np.zeros((1, *size), np.float32)
    example = assemble(cut_rgb(raw.rgb, view), raw, view, 1.0, noise, contract, 'nearest')
    assert example.rgb.tobytes() == expected.tobytes()
    assert example.tan_half_vfov == np.float32(view.camera.tan_half_vfov)


@pytest.mark.parametrize('width', [40, 20])
def test_a_draw_without_augmentation_is_the_full_view(width: int) -> None:
    """Of pixels twice as wide as high, too."""
    raw, cam = plane_sample(1), camera(width=40, height=40).resized(width, 40)
    raw = RawSample(raw.rgb[:, :width], raw.depth[:, :width], cam)
    config = replace(PLAIN, sizes='32x32')
    contract = config.contract()
    example = make_example(raw, (32, 32), 1.0, np.random.default_rng(0), config, contract)
    robots = prepare(raw.rgb, full_view(raw.camera, contract), contract)
    assert example.rgb.tobytes() == robots[0].tobytes()


def test_photometric_changes_colours_mildly_and_only_when_asked() -> None:
    rgb = plane_sample(0).rgb
    assert photometric(np.random.default_rng(0), rgb, 0.0) is rgb
    shifts = [
        np.abs(photometric(np.random.default_rng(s), rgb, 1.0).astype(float) - rgb).mean()
        for s in range(20)
    ]
    assert 2 < np.mean(shifts) < 50


def test_jpeg_keeps_brightness_finer_than_colour() -> None:
    """That of the eye, in which red counts more than blue."""
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    lost = jpeg(noisy, 90).astype(float) - noisy
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(lost @ luma).mean() < 0.3 * np.abs(lost @ luma[::-1]).mean()
