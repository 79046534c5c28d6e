# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cropping and scaling in both directions: no shift by fractions of a pixel, no overshoot."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracle_model import CONTRACT

from dmd_ros.core import preprocess
from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.preprocess import View

QVGA = replace(CONTRACT, train_sizes=((240, 320),))


def camera(width: int, height: int) -> Camera:
    return Camera(0.8 * width, 0.82 * width, 0.47 * width, 0.55 * height, width, height)


def column_ramp(width: int, height: int) -> np.ndarray:
    """Brightness = 2 x + 20 in pixel coordinates, in all channels."""
    ramp = (2 * np.arange(width) + 20).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()


@st.composite
def views(draw: st.DrawFn) -> View:
    width, height = draw(st.integers(20, 90)), draw(st.integers(20, 90))
    crop_width, crop_height = draw(st.integers(16, 120)), draw(st.integers(16, 120))
    left = draw(st.integers(-crop_width // 3, max(width - 2 * crop_width // 3, 1)))
    top = draw(st.integers(-crop_height // 3, max(height - 2 * crop_height // 3, 1)))
    return View(
        camera(width, height),
        left,
        top,
        crop_width,
        crop_height,
        draw(st.integers(16, 100)),
        draw(st.integers(16, 100)),
        draw(st.booleans()),
        draw(st.sampled_from(preprocess.ROTATIONS)),
    )


def directions(view: View) -> np.ndarray:
    """Rays of the network's picture in the frame of the source, without flip and rotation."""
    x, y = np.moveaxis(view.camera.rays().astype(np.float64), -1, 0)
    for _ in range(view.rotation // 90):
        x, y = y, -x
    return np.stack([-x if view.flip else x, y], axis=-1)


@given(views())
@example(View(camera(40, 30), -6, 2, 30, 24, 24, 30))  # beyond the left border alone
def test_a_plane_s_rays_and_depth_survive_any_view(view: View) -> None:
    """Depth of a slanted plane, cropped by nearest neighbour, is that of the virtual camera."""

    def plane(rays: np.ndarray) -> np.ndarray:
        return 4.0 / (0.05 * rays[..., 0] - 0.08 * rays[..., 1] + 1.0)

    source = plane(view.source.rays().astype(np.float64))
    depth = preprocess.prepare_depth(source.astype(np.float32), view)
    assert depth.shape == (view.height, view.width)
    seen = np.isfinite(depth)
    np.testing.assert_array_equal(seen, ~preprocess.outside(view))
    assume(seen.any())
    expected = plane(directions(view))[seen]
    # Nearest neighbour is off by up to half a pixel of the source in each direction.
    slope = sum(np.abs(g).max() for g in np.gradient(np.log(source)))
    assert np.abs(np.log(depth[seen]) - np.log(expected)).max() <= 0.55 * slope + 1e-5


@given(
    st.sampled_from([(160, 120), (90, 60), (64, 48), (80, 80)]),
    st.sampled_from([(32, 24), (48, 32), (64, 48), (40, 30), (100, 72)]),
)
def test_a_ramp_stays_the_ramp_at_pixel_centres(source: tuple, target: tuple) -> None:
    """A shift by a fraction of a pixel, a common bug of resizing, would appear as an offset."""
    width, height = min(source[0], 110), source[1]
    view = View(camera(width, height), 0, 0, width, height, target[1], target[0])
    small = preprocess.cut_rgb(column_ramp(width, height), view)[..., 0].astype(np.float64)
    centres = (np.arange(target[0]) + 0.5) * width / target[0] - 0.5
    inner = slice(3, -3)  # bilinear enlarging repeats the border
    np.testing.assert_allclose(small.mean(axis=0)[inner], 2 * centres[inner] + 20, atol=0.75)
    bias = (small.mean(axis=0) - 2 * centres - 20)[inner].mean()
    assert abs(bias) < 0.15  # 0.07 of a source pixel


def test_a_halved_ramp_is_not_shifted_either() -> None:
    view = View(camera(110 * 8, 480), 0, 0, 880, 480, 60, 110)
    ramp = np.repeat(column_ramp(110, 480), 8, axis=1)
    small = preprocess.cut_rgb(ramp, view)
    np.testing.assert_array_equal(small[..., 0], column_ramp(110, 60)[..., 0])


@pytest.mark.parametrize('size', [(1920, 1080), (1280, 720), (640, 480), (1226, 370), (333, 251)])
def test_shrinking_averages_what_each_pixel_covers(size: tuple[int, int]) -> None:
    """Compared with a single INTER_AREA; exact halving first may add a blur of half a pixel."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (size[1] // 7 + 1, size[0] // 7 + 1, 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    view = preprocess.full_view(camera(*size), QVGA)
    small = preprocess.cut_rgb(rgb, view).astype(np.float64)
    expected = cv2.resize(rgb, (view.width, view.height), interpolation=cv2.INTER_AREA)
    assert np.abs(small - expected).mean() < 4.0
    assert abs((small - expected).mean()) < 0.2  # halving rounds 0.5 up


@pytest.mark.parametrize(
    ('fx', 'fy', 'size'), [(1000, 125, (1280, 120)), (125, 1000, (120, 1280))]
)
def test_pixels_far_from_square_are_averaged_the_way_that_shrinks(
    fx: float, fy: float, size: tuple[int, int]
) -> None:
    """Binned by 8 along one axis: every fourth line is bright, every pixel covers four of them."""
    width, height = size
    lines = np.zeros((max(size), min(size), 3), np.uint8)
    lines[::4] = 200
    rgb = lines if height > width else np.ascontiguousarray(lines.transpose(1, 0, 2))
    view = preprocess.full_view(Camera(fx, fy, width / 2, height / 2, width, height), QVGA)
    assert {view.width, view.height} == {320, 240}
    np.testing.assert_array_equal(preprocess.cut_rgb(rgb, view), 50)


@pytest.mark.parametrize('tall', [False, True])
def test_pixels_far_from_square_are_interpolated_the_way_that_enlarges(tall: bool) -> None:
    """120 lines become 240 or 320: no step of a ramp is repeated, no two lines are averaged."""
    view = View(camera(1280, 120), 0, 0, 1280, 120, 240, 320)
    if tall:
        view = View(camera(120, 1280), 0, 0, 120, 1280, 240, 320)

    def cut(lines: np.ndarray) -> np.ndarray:
        rgb = np.repeat(np.repeat(lines[:, None, None], 1280, axis=1), 3, axis=2)
        small = preprocess.cut_rgb(rgb.swapaxes(0, 1) if tall else rgb, view).astype(int)
        return small.swapaxes(0, 1) if tall else small

    steps = np.diff(cut(np.arange(0, 240, 2, np.uint8)), axis=0)
    assert steps.min() == 0 and steps.max() == 1
    assert np.ptp(cut(np.tile(np.array([0, 200], np.uint8), 60))) > 150


@pytest.mark.parametrize('size', [(640, 480), (640, 360), (40, 170), (10, 5)])
def test_two_fifths_equals_inter_area(size: tuple[int, int]) -> None:
    """For any grey values, also in a window, and for rows that are not a multiple of the band."""
    width, height = size
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (height + 3, width + 4, 3), dtype=np.uint8)
    view = View(camera(width + 4, height + 3), 2, 1, *size, 2 * height // 5, 2 * width // 5)
    small = (view.width, view.height)
    expected = cv2.resize(rgb[1:-2, 2:-2], small, interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(preprocess.cut_rgb(rgb, view), expected)


@given(views())
def test_restore_never_overshoots_and_leaves_the_unseen_empty(view: View) -> None:
    code = np.random.default_rng(2).uniform(-1, 1, (view.height, view.width)).astype(np.float32)
    full = preprocess.restore(code, view)
    assert full.shape == (view.source.height, view.source.width)
    seen = np.isfinite(full)
    assert full[seen].min() >= code.min() - 1e-6
    assert full[seen].max() <= code.max() + 1e-6
    rows, columns = np.nonzero(seen)
    assert rows.min() == max(view.top, 0)
    assert columns.min() == max(view.left, 0)
    assert rows.max() == min(view.top + view.crop_height, view.source.height) - 1
    assert columns.max() == min(view.left + view.crop_width, view.source.width) - 1
    assert seen.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


@given(
    st.booleans(),
    st.sampled_from(preprocess.ROTATIONS),
    st.sampled_from([(64, 48), (40, 30), (96, 80), (128, 96), (200, 150)]),
)
def test_restore_inverts_the_cut_for_smooth_maps(
    flip: bool, rotation: int, size: tuple[int, int]
) -> None:
    """A function of the viewing direction, sampled by the virtual camera, is restored in place."""
    columns, rows = size if rotation % 180 == 0 else size[::-1]
    view = View(camera(160, 120), 12, 9, 128, 96, rows, columns, flip, rotation)

    def smooth(rays: np.ndarray) -> np.ndarray:
        x, y = np.moveaxis(rays, -1, 0)
        return (0.5 * np.sin(2 * x) + 0.4 * np.cos(y + x)).astype(np.float32)

    back = preprocess.restore(smooth(directions(view)), view)
    inside = (slice(9 + 4, 105 - 4), slice(12 + 4, 140 - 4))
    np.testing.assert_allclose(back[inside], smooth(view.source.rays())[inside], atol=1.5e-3)
    assert np.isnan(back[:9]).all()
    assert np.isnan(back[:, 140:]).all()


def test_restore_of_a_ramp_is_the_ramp() -> None:
    view = View(camera(160, 120), 0, 0, 160, 120, 30, 40)
    centres = (np.arange(40) + 0.5) * 4 - 0.5
    code = np.broadcast_to(centres.astype(np.float32) / 160, (30, 40)).copy()
    back = preprocess.restore(code, view)
    np.testing.assert_allclose(
        back[:, 2:-2], np.broadcast_to(np.arange(160) / 160, (120, 160))[:, 2:-2], atol=1e-5
    )


def test_restoring_keeps_holes_where_they_are() -> None:
    view = View(camera(40, 30), 0, 0, 40, 30, 30, 40)
    code = np.zeros((30, 40), np.float32)
    code[10, 20] = np.nan
    assert np.argwhere(np.isnan(preprocess.restore(code, view))).tolist() == [[10, 20]]


def test_a_map_of_another_size_is_refused() -> None:
    view = preprocess.full_view(camera(640, 480), QVGA)
    with pytest.raises(CoreError, match=r'map has shape \(3, 4\), not \(240, 320\)'):
        preprocess.restore(np.zeros((3, 4), np.float32), view)


def test_a_picture_of_another_size_is_refused() -> None:
    view = preprocess.full_view(camera(640, 480), QVGA)
    with pytest.raises(CoreError, match='picture is 320x240, its camera 640x480'):
        preprocess.prepare(np.zeros((240, 320, 3), np.uint8), view, QVGA)
    with pytest.raises(CoreError, match='picture is 320x240, its camera 640x480'):
        preprocess.prepare_depth(np.zeros((240, 320), np.float32), view)


def test_a_view_beside_the_picture_is_refused() -> None:
    view = View(camera(64, 48), 64, 0, 32, 24, 24, 32)
    with pytest.raises(CoreError, match='does not overlap the picture'):
        preprocess.cut_rgb(np.zeros((48, 64, 3), np.uint8), view)


def test_normalising_is_the_contract_s_formula() -> None:
    contract = replace(QVGA, rgb_mean=(0.1, 0.2, 0.3), rgb_std=(0.5, 0.25, 0.2))
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    expected = (rgb / 255.0 - contract.rgb_mean) / contract.rgb_std
    planes = preprocess.normalise(rgb, contract)
    assert planes.shape == (1, 3, 5, 7)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[0], expected.transpose(2, 0, 1), atol=1e-5)


def test_flipping_mirrors_picture_depth_and_camera_alike() -> None:
    source = camera(64, 48)
    plain = View(source, 0, 0, 64, 48, 24, 32)
    mirrored = replace(plain, flip=True)
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth = np.random.default_rng(0).uniform(1, 9, (48, 64)).astype(np.float32)
    np.testing.assert_array_equal(
        preprocess.cut_rgb(rgb, mirrored), preprocess.cut_rgb(rgb, plain)[:, ::-1]
    )
    small = preprocess.prepare_depth(depth, mirrored)
    np.testing.assert_array_equal(small, preprocess.prepare_depth(depth, plain)[:, ::-1])
    np.testing.assert_array_equal(
        preprocess.restore(small, mirrored), preprocess.restore(small[:, ::-1].copy(), plain)
    )
    assert mirrored.camera.rays()[0, 0, 0] == pytest.approx(-plain.camera.rays()[0, -1, 0])


@given(views())
def test_the_conditioning_value_scales_with_the_rows_seen(view: View) -> None:
    rows, focal = view.crop_height, view.source.fy
    if view.rotation % 180:
        rows, focal = view.crop_width, view.source.fx
    expected = rows / (2 * focal)
    assert view.camera.tan_half_vfov == pytest.approx(expected)


@given(views())
def test_uncropped_borders_repeat_the_edge_and_are_marked(view: View) -> None:
    white = np.full((view.source.height, view.source.width, 3), 255, np.uint8)
    assert (preprocess.cut_rgb(white, view) == 255).all()
    assert preprocess.outside(view).any() <= (not view.is_inside)


@given(st.integers(64, 4096), st.floats(0.4, 3.0))
def test_no_camera_is_squashed(width: int, aspect: float) -> None:
    height = max(32, round(width / aspect))
    h, w = preprocess.network_size(height, width, QVGA)
    assert h % QVGA.stride == 0
    assert w % QVGA.stride == 0
    assert (w / h) / (width / height) == pytest.approx(1.0, abs=0.06)
    assert 0.6 < h * w / (240 * 320) < 1.6


@pytest.mark.parametrize(
    ('trained', 'size', 'expected'),
    [
        ((240, 320), (640, 480), (240, 320)),
        ((240, 320), (320, 240), (240, 320)),
        ((240, 320), (480, 640), (320, 240)),
        ((240, 320), (1920, 1080), (208, 368)),  # 224x400 has the aspect, and is too large
        ((240, 320), (1226, 370), (160, 528)),
        ((192, 256), (1280, 800), (160, 256)),
        ((192, 256), (752, 480), (176, 272)),
    ],
)
def test_the_network_s_size_follows_aspect_and_area(
    trained: tuple, size: tuple, expected: tuple
) -> None:
    contract = replace(CONTRACT, train_sizes=(trained,))
    assert preprocess.network_size(size[1], size[0], contract) == expected


@pytest.mark.parametrize('size', [(1920, 1080), (1280, 720), (1280, 800), (752, 480), (1226, 370)])
def test_common_cameras_are_squashed_by_a_percent_at_most(size: tuple[int, int]) -> None:
    h, w = preprocess.network_size(size[1], size[0], QVGA)
    assert (w / h) / (size[0] / size[1]) == pytest.approx(1.0, abs=0.012)


@pytest.mark.parametrize('squash', [0.5, 0.75, 1.0, 4 / 3, 2.0])
@pytest.mark.parametrize('size', [(640, 480), (1280, 720), (480, 640)])
def test_the_network_s_pixels_are_square_whatever_the_camera_s_are(
    size: tuple[int, int], squash: float
) -> None:
    """binning_x alone halves the columns; the network gets the same picture as without binning."""
    whole = Camera.assumed(0.5, *size)
    view = preprocess.full_view(whole.resized(round(size[0] * squash), size[1]), QVGA)
    seen = preprocess.full_view(whole, QVGA)
    assert (view.height, view.width) == (seen.height, seen.width)
    assert view.camera.fx / view.camera.fy == pytest.approx(1.0, abs=0.012)


@pytest.mark.parametrize(('squash', 'kept'), [(0.975, True), (1.025, True), (0.9, False)])
def test_pixels_of_a_calibration_s_noise_count_as_square(squash: float, kept: bool) -> None:
    """A size other than 240x320 would fit 2.5 % better, but lose the exact scaling of VGA."""
    whole = Camera.assumed(0.5, 640, 480)
    view = preprocess.full_view(replace(whole, fx=whole.fx * squash), QVGA)
    seen = preprocess.full_view(whole, QVGA)
    assert ((view.height, view.width) == (seen.height, seen.width)) is kept


@pytest.mark.parametrize('size', [(1, 1), (3, 2000), (2000, 3), (17, 16)])
def test_extreme_pictures_get_a_valid_size(size: tuple[int, int]) -> None:
    h, w = preprocess.network_size(size[1], size[0], QVGA)
    assert min(h, w) >= QVGA.stride
