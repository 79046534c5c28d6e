# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_set import camera, plane_sample

from dmd_ros.core.camera import Camera
from dmd_ros.core.preprocess import View, cut_rgb, full_view, outside, prepare, prepare_depth
from dmd_ros.core.records import RawSample
from train.augment import draw_view, fill_outside, scale_range
from train.config import TrainConfig, make_config
from train.example import assemble, make_example
from train.photometric import draw_photometric, jpeg, photometric, photometric_batch

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
def test_a_metric_plane_is_the_same_plane_in_every_drawn_view(
    seed: int, fy: float, size: tuple[int, int], slope: tuple[float, float]
) -> None:
    """Each labelled pixel of the drawn camera lies on the same plane, in the same metres."""
    cam = Camera(fy * 1.01, fy, 127.0, 97.0, 256, 192)
    # Plane n . X = 1 with X = depth (ray_x, ray_y, 1), mirrored along x with the view.
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
def test_pixels_outside_the_picture_are_unlabelled_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = plane_sample(0)
    view = draw_view(rng, raw.camera, (32, 32), CONFIG)
    unseen = outside(view)
    assert np.isnan(prepare_depth(raw.depth, view)[unseen]).all()
    filled = fill_outside(rng, cut_rgb(raw.rgb, view), view)
    if unseen.sum() > 50:
        assert 30 < filled[unseen].std() < 100


@given(seed=st.integers(0, 10**6))
def test_noise_leaves_pixels_inside_the_picture_unchanged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = plane_sample(0)
    view = draw_view(rng, raw.camera, (32, 32), CONFIG)
    filled = fill_outside(rng, cut_rgb(np.full_like(raw.rgb, 200), view), view)
    assert (filled[~outside(view)] == 200).all()


@given(seed=st.integers(0, 10**6), fy=st.floats(10, 300))
def test_field_of_view_stays_in_the_contracts_range_if_possible(seed: int, fy: float) -> None:
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


def test_a_lens_out_of_range_gets_the_scale_that_comes_closest() -> None:
    narrow, wide = 0.1 * CONFIG.tan_half_vfov_min, 10.0 * CONFIG.tan_half_vfov_max
    assert scale_range(narrow, CONFIG) == (CONFIG.fov_scale_max, CONFIG.fov_scale_max)
    assert scale_range(wide, CONFIG) == (CONFIG.fov_scale_min, CONFIG.fov_scale_min)


def test_range_holds_for_cropped_rows_and_non_square_pixels() -> None:
    """The lens of the window counts, its rows divided by fy: a tangent of 0.4 at scale 1."""
    cam = Camera(500.0, 250.0, 199.5, 399.5, 400, 800)
    settings = {'fov_scale_min': 0.5, 'fov_scale_max': 2.0}
    config = replace(PLAIN, tan_half_vfov_min=0.5, tan_half_vfov_max=0.6, **settings)
    tans = [view.camera.tan_half_vfov for view in _views(cam, (32, 32), config, 50)]
    assert 0.499 < min(tans) < 0.51 and 0.59 < max(tans) < 0.601


@pytest.mark.parametrize(('width', 'height'), [(400, 200), (200, 400)])
def test_at_scale_one_the_window_is_the_largest_centred_one(width: int, height: int) -> None:
    (view,) = _views(camera(width, height), (32, 32), PLAIN, 1)
    assert (view.crop_width, view.crop_height) == (200, 200)
    assert (view.left, view.top) == ((width - 200) / 2, (height - 200) / 2)


def test_draws_fill_the_ranges_of_the_config() -> None:
    cam = camera(640, 480, 500.0)  # every scale stays in the contract's range
    views = _views(cam, (48, 64), CONFIG, 1000)
    scale = np.log([view.crop_height / 480 for view in views])
    _assert_uniform(scale, np.log(CONFIG.fov_scale_min), np.log(CONFIG.fov_scale_max))
    aspect = np.log([view.crop_width / view.crop_height * 0.75 for view in views])
    _assert_uniform(aspect, -CONFIG.aspect_jitter, CONFIG.aspect_jitter)
    for off in (
        [(view.left - (640 - view.crop_width) / 2) / view.crop_width for view in views],
        [(view.top - (480 - view.crop_height) / 2) / view.crop_height for view in views],
    ):
        _assert_uniform(np.array(off), -CONFIG.centre_jitter, CONFIG.centre_jitter)
    assert np.mean([view.flip for view in views]) == pytest.approx(0.5, abs=0.05)
    assert not any(view.flip for view in _views(cam, (48, 64), replace(CONFIG, flip=False), 50))


def _views(cam: Camera, size: tuple[int, int], config: TrainConfig, count: int) -> list[View]:
    return [draw_view(np.random.default_rng(seed), cam, size, config) for seed in range(count)]


def _assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    """Tolerate the rounding of windows to whole pixels, and chance."""
    shares = np.quantile((values - low) / (high - low), [0.0, 0.25, 0.5, 0.75, 1.0])
    assert shares == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0], abs=0.05)


def test_noise_beyond_the_picture_covers_the_grey_levels() -> None:
    cam = camera(64, 64)
    view = View(cam, 64 - 8, 0, 64, 64, 64, 64)
    black = np.zeros((64, 64, 3), np.uint8)
    noise = fill_outside(np.random.default_rng(0), black, view)[outside(view)]
    assert noise.mean() == pytest.approx(127.5, abs=2)
    assert noise.std() == pytest.approx(61, abs=2)  # 64 before clipping to 0..255


def test_without_augmentation_the_input_equals_the_robots_bit_for_bit() -> None:
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
    """Also with pixels twice as wide as high."""
    raw, cam = plane_sample(1), camera(width=40, height=40).resized(width, 40)
    raw = RawSample(raw.rgb[:, :width], raw.depth[:, :width], cam)
    config = replace(PLAIN, sizes='32x32')
    contract = config.contract()
    example = make_example(raw, (32, 32), 1.0, np.random.default_rng(0), config, contract)
    robots = prepare(raw.rgb, full_view(raw.camera, contract), contract)
    assert example.rgb.tobytes() == robots[0].tobytes()


def test_photometric_changes_colours_mildly_and_only_if_enabled() -> None:
    rgb = plane_sample(0).rgb
    assert photometric(np.random.default_rng(0), rgb, 0.0) is rgb
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert photometric_batch(np.random.default_rng(0), images, 0.0, torch.Generator()) is images
    shifts = [
        np.abs(photometric(np.random.default_rng(s), rgb, 1.0).astype(float) - rgb).mean()
        for s in range(20)
    ]
    assert 2 < np.mean(shifts) < 50


def test_photometric_draws_match_the_documented_shares_and_ranges() -> None:
    draw = draw_photometric(np.random.default_rng(0), 4000, 1.0)
    for values, share, low, high in (
        (draw.grey, 0.15, 0.3, 1.0), (draw.blur, 0.3, 0.3, 1.2),
        (draw.noise, 0.5, 1.0, 8.0), (draw.jpeg, 0.3, 35, 94),
    ):  # fmt: skip
        assert (values > 0).mean() == pytest.approx(share, abs=0.02)
        found = values[values > 0]
        assert found.min() == pytest.approx(low, rel=0.03)
        assert found.max() == pytest.approx(high, rel=0.03)
    still = draw_photometric(np.random.default_rng(0), 100, 0.0)
    assert (still.table == np.arange(256)[:, None]).all()
    assert not (still.blur.any() or still.noise.any() or still.jpeg.any())


def test_photometric_varies_gain_white_gamma_and_contrast() -> None:
    """Compare standard deviations, to first order."""
    table = draw_photometric(np.random.default_rng(0), 4000, 0.5).table.astype(float)
    assert (table[:, 255][table[:, 128] > 170] == 255).all()  # over-exposed is white
    low, middle, high = (np.log(table[:, level]) for level in (64, 128, 192))
    gamma, contrast, gain, white = 0.075, 0.05, 0.1, 0.03
    ratio = np.hypot(gamma * np.log(3), contrast * (0.25 / 0.75 + 1.0))
    assert (high - low).std() == pytest.approx(ratio, rel=0.05)
    level = np.sqrt(gain**2 + white**2 + (gamma * np.log(2)) ** 2)
    assert middle.std() == pytest.approx(level, rel=0.05)
    assert (middle[:, 0] - middle[:, 2]).std() == pytest.approx(white * 2**0.5, rel=0.05)


def test_photometric_compresses(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    draw = replace(draw_photometric(rng, 1, 0.0), grey=np.zeros(1), jpeg=np.array([40]))
    monkeypatch.setattr('train.photometric.draw_photometric', lambda *_: draw)
    rgb = rng.integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(photometric(rng, rgb, 1.0), jpeg(rgb, 40))


def test_jpeg_keeps_brightness_finer_than_colour() -> None:
    """Brightness as the eye perceives it: red counts more than blue."""
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    lost = jpeg(noisy, 90).astype(float) - noisy
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(lost @ luma).mean() < 0.3 * np.abs(lost @ luma[::-1]).mean()
