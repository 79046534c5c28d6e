# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flying pixels: all pixels of an edge are marked, and none of a plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle_model import CONTRACT

from dmd_ros.core import depth_codec, edges, preprocess
from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.preprocess import View

THRESHOLD = 0.15
# (columns, rows) of pictures: enlarged by odd, even and fractional factors, unscaled, and shrunk.
SIZES = ((320, 240), (256, 192), (310, 230), (64, 48), (32, 24))


def view_of(width: int, height: int) -> View:
    camera = Camera(width * 0.8, width * 0.8, width / 2 - 0.5, height / 2 - 0.5, width, height)
    return View(camera, 0, 0, width, height, 48, 64)


def upsampled(coarse: np.ndarray, view: View) -> np.ndarray:
    """Up-sample depth [h, w] to the picture's size like the robot."""
    code = depth_codec.encode(coarse.astype(np.float32), CONTRACT)
    return depth_codec.decode(preprocess.restore(code, view), CONTRACT)


def as_estimated(coarse: np.ndarray) -> np.ndarray:
    """Encode and decode depth, with the rounding of the code."""
    code = depth_codec.encode(coarse.astype(np.float32), CONTRACT)
    return depth_codec.decode(code, CONTRACT)


slopes = st.floats(-0.999, 0.999)


@given(slopes, slopes, st.floats(-2.0, 2.0), st.sampled_from(SIZES))
def test_no_point_of_a_plane_is_removed_at_any_slant(
    across: float, down: float, log_near: float, size: tuple[int, int]
) -> None:
    """From facing the camera to nearly parallel to the line of sight."""
    v, u = np.mgrid[-1:1:48j, -1:1:64j]
    share = 0.5 * (abs(across) + abs(down))
    assume(share < 0.999)
    inverse = 1 + across * u * 0.5 + down * v * 0.5
    inverse = (inverse / inverse.max()) / np.exp(log_near)
    coarse = 1 / inverse
    # Beyond the model's range there is no plane.
    assume(coarse.min() >= CONTRACT.depth_min_m and coarse.max() <= CONTRACT.depth_max_m)
    view = view_of(*size)
    assert not edges.flying_pixels(as_estimated(coarse), view, THRESHOLD).any()


@pytest.mark.parametrize('height_m', [0.1, 0.3, 1.2])
def test_a_floor_seen_from_a_small_robot_is_kept_to_the_horizon(height_m: float) -> None:
    """At a distance of 50 m, the step of one pixel is several metres."""
    row = np.arange(48)[:, None] + np.zeros((1, 64))
    with np.errstate(divide='ignore'):
        floor = height_m * 50.0 / np.maximum(row - 12.3, 0)
    sky = floor > CONTRACT.depth_max_m
    coarse = as_estimated(np.minimum(floor, CONTRACT.depth_max_m))
    marked = edges.flying_pixels(coarse, view_of(64, 48), THRESHOLD)
    assert (coarse[~sky].max() > 7.0) and not marked[~sky].any()
    # When enlarged, the single gap between floor and sky may tear, but not the floor.
    first = np.flatnonzero(~sky[:, 0])[0]
    marked = edges.flying_pixels(coarse, view_of(320, 240), THRESHOLD)
    assert not marked[5 * first + 2 :].any()


@given(
    st.floats(0.2, 20.0),
    st.floats(1.0 + 1.2 * THRESHOLD, 4.0),
    st.integers(2, 62),
    st.floats(-1.5, 1.5),
    st.sampled_from(SIZES[:3]),
)
def test_every_pixel_between_two_depths_is_removed_and_no_other(
    near: float, ratio: float, place: int, lean: float, size: tuple[int, int]
) -> None:
    v, u = np.mgrid[:48, :64]
    coarse = np.where(u - lean * (v - 24) < place, near, near * ratio)
    view = view_of(*size)
    depth = upsampled(coarse, view)
    marked = edges.flying_pixels(as_estimated(coarse), view, THRESHOLD)
    hanging = (depth > near * 1.001) & (depth < near * ratio / 1.001)
    assert marked[hanging].all()
    # Pixels more than two network pixels away from the edge are kept.
    y, x = np.mgrid[: size[1], : size[0]]
    x, y = (x + 0.5) * 64 / size[0] - 0.5, (y + 0.5) * 48 / size[1] - 0.5
    far_off = np.abs(x - lean * (y - 24) - place + 0.5) > (2 + 2 * abs(lean))
    assert not marked[far_off].any()


@given(st.floats(0.5, 5.0), st.floats(1.3, 12.0), st.sampled_from(['depth', 'log', 'inverse']))
def test_an_edge_smeared_over_one_pixel_is_an_edge(near: float, ratio: float, mean: str) -> None:
    """Networks blur edges; the pixel in between is not a surface, whatever its depth."""
    far = near * ratio
    between = {
        'depth': 0.5 * (near + far),
        'log': np.sqrt(near * far),
        'inverse': 2.0 / (1.0 / near + 1.0 / far),
    }[mean]
    coarse = np.full((48, 64), near)
    coarse[:, 30], coarse[:, 31:] = between, far
    assume(min(between / near, far / between) > 1 + 1.2 * THRESHOLD)
    for size in SIZES[:4]:
        view = view_of(*size)
        depth = upsampled(coarse, view)
        marked = edges.flying_pixels(as_estimated(coarse), view, THRESHOLD)
        hanging = (depth > near * 1.001) & (depth < far / 1.001)
        assert hanging.any() and marked[hanging].all()


@given(st.floats(-0.3, 1.0), st.floats(-0.3, 1.0), st.floats(4.0, 59.0))
def test_a_corner_between_two_walls_tears_one_gap_at_most(
    one: float, other: float, place: float
) -> None:
    """For convex and concave corners, however steep the walls."""
    u = np.arange(64) + np.zeros((48, 1))
    inverse = 0.2 * (1 + np.where(u < place, one * (place - u), other * (u - place)))
    assume(inverse.min() > 1 / CONTRACT.depth_max_m and inverse.max() < 1 / CONTRACT.depth_min_m)
    marked = edges.flying_pixels(as_estimated(1 / inverse), view_of(320, 240), THRESHOLD)
    x = (np.arange(320) + 0.5) / 5 - 0.5
    assert not marked[:, np.floor(x) != np.floor(place)].any()


@pytest.mark.parametrize('turned', [False, True])
def test_pixels_that_are_not_interpolated_across_the_edge_are_kept(turned: bool) -> None:
    """If enlarged five times, every fifth pixel is one of the network's pixels."""
    coarse = np.full((64, 64), 2.0)
    coarse[:, 32:] = 5.0
    camera = Camera(300.0, 300.0, 159.5, 159.5, 320, 320)
    view = View(camera, 0, 0, 320, 320, 64, 64)
    marked = edges.flying_pixels(as_estimated(coarse.T if turned else coarse), view, THRESHOLD)
    expected = np.zeros((320, 320), bool)
    expected[:, 5 * 31 + 3 : 5 * 32 + 2] = True
    np.testing.assert_array_equal(marked, expected.T if turned else expected)


@pytest.mark.parametrize(
    'steps', [(1.1 * THRESHOLD, 0.65 * THRESHOLD), (1.0, 0.7)], ids=['hardly steep', 'very steep']
)
def test_a_steep_surface_that_is_estimated_with_noise_is_kept(steps: tuple[float, float]) -> None:
    """Its steps of inverse depth alternate, by just less than the tolerated difference."""
    inverse = np.concatenate([[1.0], 1.0 + np.cumsum(np.tile(steps, 5))])[None]
    assert not edges.torn(inverse, THRESHOLD).any()
    assert not edges.torn(inverse[:, ::-1], THRESHOLD).any()


@pytest.mark.parametrize(('share', 'is_edge'), [(0.95, False), (1.05, True)])
def test_the_threshold_is_relative_to_the_nearer_depth(share: float, is_edge: bool) -> None:
    coarse = np.full((48, 64), 3.0)
    coarse[:, 32:] = 3.0 * (1 + share * THRESHOLD)
    marked = edges.flying_pixels(as_estimated(coarse), view_of(320, 240), THRESHOLD)
    assert marked.any() == is_edge


@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (2, 3), (3, 1), (4, 4)])
def test_flat_pictures_too_small_to_detect_a_plane_are_kept(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 2.0, np.float32)
    assert edges.torn(1 / flat, 0.1).shape == (shape[0], shape[1] - 1)
    assert not edges.torn(1 / flat, 0.1).any()
    steps = 1 / np.geomspace(1.0, 100.0, shape[1])[None].repeat(shape[0], 0)
    assert edges.torn(steps, 0.1).all()


def test_an_unknown_depth_is_not_an_edge_and_gives_no_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    """It is NaN in the depth image, like all pixels interpolated from it."""
    coarse = np.full((48, 64), 3.0, np.float32)
    coarse[20:25, 20:25] = np.nan
    assert not edges.flying_pixels(coarse, view_of(320, 240), THRESHOLD).any()
    assert not recwarn.list


def test_a_mirrored_or_turned_view_marks_its_pixels_and_a_window_its_own() -> None:
    random = np.random.default_rng(3)
    coarse = random.choice([1.0, 1.02, 3.0], (48, 64)).astype(np.float32)
    view = view_of(320, 240)
    whole = edges.flying_pixels(coarse, view, THRESHOLD)
    flipped = View(view.source, 0, 0, 320, 240, 48, 64, flip=True)
    np.testing.assert_array_equal(
        edges.flying_pixels(np.ascontiguousarray(coarse[:, ::-1]), flipped, THRESHOLD), whole
    )
    turned = View(view.source, 0, 0, 320, 240, 64, 48, rotation=90)
    clockwise = np.ascontiguousarray(np.rot90(coarse, -1))
    np.testing.assert_array_equal(edges.flying_pixels(clockwise, turned, THRESHOLD), whole)
    beyond = View(view.source, -40, 30, 320, 240, 48, 64)
    marked = edges.flying_pixels(coarse, beyond, THRESHOLD)
    np.testing.assert_array_equal(marked[30:, :280], whole[:210, 40:])
    assert not marked[:30].any() and not marked[:, 280:].any()


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(CoreError, match=r'map has shape \(10, 10\), not \(48, 64\)'):
        edges.flying_pixels(np.ones((10, 10), np.float32), view_of(64, 48), THRESHOLD)
