# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera geometry, compared with OpenCV's own projection, and in round trips."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.core.camera import Camera, Rectifier, fold_radius, pixels_of_rays, rectified_pixels
from dmd_ros.core.errors import CoreError

focal = st.floats(50, 2000)
size = st.integers(8, 500)
offset = st.floats(-0.3, 1.3)


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    width, height = draw(size), draw(size)
    return Camera(
        draw(focal), draw(focal), draw(offset) * width, draw(offset) * height, width, height
    )


def numbers(camera: Camera) -> list[float]:
    return [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """OpenCV's projection of [N, 3] points, pixels [N, 2]."""
    zero = np.zeros(3)
    k, d = camera.matrix, np.array(camera.distortion or (0.0,) * 4)
    if camera.distortion_model == 'equidistant':
        return cv2.fisheye.projectPoints(points[None], zero, zero, k, d)[0][0]
    return cv2.projectPoints(points, zero, zero, k, d)[0][:, 0]


@given(cameras(), size, size)
def test_resizing_there_and_back_is_the_same_camera(camera: Camera, w: int, h: int) -> None:
    back = camera.resized(w, h).resized(camera.width, camera.height)
    assert numbers(back) == pytest.approx(numbers(camera), rel=1e-9, abs=1e-9)


@given(cameras(), size, size)
def test_resizing_keeps_field_of_view_and_corners(camera: Camera, w: int, h: int) -> None:
    scaled = camera.resized(w, h)
    assert scaled.tan_half_vfov == pytest.approx(camera.tan_half_vfov)
    # The picture's edges are half a pixel outside the centres of its outer pixels.
    for before, after in ((-0.5, -0.5), (camera.width - 0.5, w - 0.5)):
        assert (before - camera.cx) / camera.fx == pytest.approx((after - scaled.cx) / scaled.fx)
    for before, after in ((-0.5, -0.5), (camera.height - 0.5, h - 0.5)):
        assert (before - camera.cy) / camera.fy == pytest.approx((after - scaled.cy) / scaled.fy)


@given(cameras(), st.integers(-50, 50), st.integers(-50, 50), size, size)
def test_cropping_keeps_rays(camera: Camera, left: int, top: int, w: int, h: int) -> None:
    cropped = camera.cropped(left, top, w, h)
    assert (0 - cropped.cx) / cropped.fx == pytest.approx((left - camera.cx) / camera.fx)
    assert (0 - cropped.cy) / cropped.fy == pytest.approx((top - camera.cy) / camera.fy)
    assert cropped.cropped(-left, -top, camera.width, camera.height).cx == pytest.approx(camera.cx)


def test_plain_scaling_of_the_principal_point_would_be_centimetres_off() -> None:
    camera = Camera(500, 500, 319.5, 239.5, 640, 480)
    quarter = camera.resized(160, 120)
    assert quarter.cx == pytest.approx(79.5)
    lateral = abs(quarter.cx - camera.cx / 4) / quarter.fx * 10.0
    assert lateral == pytest.approx(0.03, abs=0.001)  # at 10 m


@given(cameras())
def test_flipping_twice_is_the_same_camera(camera: Camera) -> None:
    assert numbers(camera.flipped().flipped()) == pytest.approx(numbers(camera))
    # A pixel and its mirror image look to opposite sides.
    mirrored = camera.flipped()
    x = camera.width - 1 - 3.0
    assert (x - mirrored.cx) / mirrored.fx == pytest.approx(-(3.0 - camera.cx) / camera.fx)


@given(cameras())
def test_turning_a_picture_turns_what_each_pixel_looks_at(camera: Camera) -> None:
    turned = camera.turned(90)
    assert (turned.width, turned.height) == (camera.height, camera.width)
    # Clockwise: pixel (3, 2) moves to column height - 1 - 2 of row 3.
    x = ((camera.height - 1 - 2.0) - turned.cx) / turned.fx
    y = (3.0 - turned.cy) / turned.fy
    assert x == pytest.approx(-(2.0 - camera.cy) / camera.fy)
    assert y == pytest.approx((3.0 - camera.cx) / camera.fx)
    assert numbers(turned.turned(270)) == pytest.approx(numbers(camera))
    assert numbers(turned.turned(90)) == pytest.approx(numbers(camera.turned(-180)))


@pytest.mark.parametrize('degrees', [45, 90.0, '90'])
def test_a_picture_is_turned_only_by_right_angles(degrees: object) -> None:
    with pytest.raises(CoreError, match=f'degrees={degrees!r} must be a multiple of 90'):
        Camera(50, 50, 31.5, 23.5, 64, 48).turned(degrees)  # type: ignore[arg-type]


@given(cameras(), st.integers(0, 4), st.integers(0, 4))
def test_binning_divides_as_image_geometry_does(camera: Camera, bx: int, by: int) -> None:
    binned = camera.binned(bx, by)
    nx, ny = max(bx, 1), max(by, 1)
    assert numbers(binned) == pytest.approx(
        [
            camera.fx / nx,
            camera.fy / ny,
            camera.cx / nx,
            camera.cy / ny,
            camera.width // nx,
            camera.height // ny,
        ]
    )


@given(cameras())
def test_opencv_projects_the_rays_back_to_their_pixels(camera: Camera) -> None:
    rays = camera.rays()
    assert rays.shape == (camera.height, camera.width, 2)
    assert rays.dtype == np.float32
    pixels = [(0, 0), (camera.height - 1, camera.width - 1), (camera.height // 2, 3)]
    points = np.array([[*rays[y, x], 1.0] for y, x in pixels], np.float64) * 7.0
    expected = [(x, y) for y, x in pixels]
    np.testing.assert_allclose(project(camera, points), expected, atol=2e-3)


def test_tan_half_vfov_of_a_centred_and_of_a_shifted_camera() -> None:
    camera = Camera(400, 300, 319.5, 239.5, 640, 480)
    assert camera.tan_half_vfov == pytest.approx(0.8)
    assert math.degrees(2 * math.atan(camera.tan_half_vfov)) == pytest.approx(77.32, abs=0.01)
    shifted = Camera(400, 300, 319.5, 99.5, 640, 480)
    up, down = (shifted.cy + 0.5) / shifted.fy, (480 - 0.5 - shifted.cy) / shifted.fy
    assert shifted.tan_half_vfov == pytest.approx((up + down) / 2)


def test_an_assumed_camera_has_a_centred_principal_point() -> None:
    camera = Camera.assumed(0.5, 640, 480)
    assert numbers(camera) == [480, 480, 319.5, 239.5, 640, 480]
    assert camera.tan_half_vfov == 0.5


DISTORTED = [
    Camera(300, 305, 170, 110, 320, 240, 'plumb_bob', (-0.28, 0.07, 1e-3, -5e-4, 0.0)),
    Camera(300, 305, 150, 130, 320, 240, 'plumb_bob', (0.12, -0.05, 1e-3, 2e-3)),
    Camera(
        250,
        252,
        161,
        118,
        320,
        240,
        'rational_polynomial',
        (0.6, -2.1, 4e-4, -3e-4, 1.4, 0.5, -1.9, 1.3),
    ),
    Camera(160, 161, 150, 125, 320, 240, 'equidistant', (0.01, -0.004, 0.002, -3e-4)),
    Camera(160, 161, 150, 125, 320, 240, 'equidistant', (0.0, 0.0, 0.0, 0.0)),
]


def undistorted(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """OpenCV's mapping of distorted pixels [N, 2] to those of the pinhole camera with this K."""
    d = np.array(camera.distortion)
    if camera.distortion_model == 'equidistant':
        return cv2.fisheye.undistortPoints(pixels[None], camera.matrix, d, P=camera.matrix)[0]
    return cv2.undistortPoints(pixels[:, None], camera.matrix, d, P=camera.matrix)[:, 0]


@pytest.mark.parametrize('camera', DISTORTED, ids=lambda c: f'{c.distortion_model}{c.cx}')
def test_rectified_blobs_are_where_opencv_undistorts_them_to(camera: Camera) -> None:
    """Blobs painted into the distorted picture are found at undistortPoints' pixels."""
    yy, xx = np.mgrid[0 : camera.height, 0 : camera.width]
    for centre in ((camera.cx + 60, camera.cy - 40), (camera.cx - 50, camera.cy + 30)):
        blob = np.exp(-((xx - centre[0]) ** 2 + (yy - centre[1]) ** 2) / (2 * 3.0**2))
        picture = np.repeat((255 * blob)[..., None], 3, axis=2).round().astype(np.uint8)
        out = Rectifier(camera)(picture)[..., 0].astype(np.float64)
        found = np.array([(out * xx).sum(), (out * yy).sum()]) / out.sum()
        (expected,) = undistorted(camera, np.array([centre], np.float64))
        np.testing.assert_allclose(found, expected, atol=0.35)  # a blob is bent, too


@pytest.mark.parametrize('camera', DISTORTED, ids=lambda c: f'{c.distortion_model}{c.cx}')
def test_rectified_pixels_come_from_where_opencv_projects_their_rays(camera: Camera) -> None:
    """A rectified picture of its own pixel coordinates contains the projections of the rays."""
    yy, xx = np.mgrid[0 : camera.height, 0 : camera.width]
    coordinates = np.stack([xx * 0.5, yy, 0 * xx], axis=-1).astype(np.uint8)
    rectifier = Rectifier(camera)
    out = rectifier(coordinates)
    rays = rectifier.camera.rays()
    ys, xs = np.nonzero(rectifier.inside)
    keep = slice(None, None, 997)
    points = np.concatenate([rays[ys, xs], np.ones((len(ys), 1), np.float32)], axis=1)[keep]
    expected = project(camera, points.astype(np.float64))
    got = out[ys[keep], xs[keep], :2].astype(np.float64) * (2.0, 1.0)
    inner = (expected > 2).all(axis=1) & (expected < (317, 237)).all(axis=1)
    assert inner.sum() > 20
    np.testing.assert_allclose(got[inner], expected[inner], atol=1.6)


# 85 degrees wide; its polynomial folds back before it reaches the corners of the sensor.
WIDE = Camera(350, 350, 319.5, 239.5, 640, 480, 'plumb_bob', (-0.32, 0.11, 0.0, 0.0, -0.017))


@pytest.mark.parametrize('camera', [*DISTORTED, WIDE], ids=lambda c: f'{c.distortion_model}{c.cx}')
def test_pixels_go_back_to_where_the_rectifier_shows_them(camera: Camera) -> None:
    """To a hundredth of a pixel, also for pixels that the lens maps to the corners."""
    rectifier = Rectifier(camera)
    y, x = np.nonzero(rectifier.inside)
    rays = rectifier.camera.rays()[y, x]
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1).astype(np.float64)
    back = rectified_pixels(camera, project(camera, points))
    np.testing.assert_allclose(back, np.stack([x, y], axis=1), atol=0.02)


def test_pixels_outside_the_lens_model_are_nan() -> None:
    v, u = np.mgrid[: WIDE.height, : WIDE.width]
    r = np.linspace(0.0, fold_radius(WIDE), 1000)
    axis = np.stack([r, 0 * r, np.ones_like(r)], axis=1)
    reach = project(WIDE, axis)[:, 0].max() - WIDE.cx
    radius = np.hypot(u - WIDE.cx, v - WIDE.cy)
    places = rectified_pixels(WIDE, np.stack([u, v], axis=-1).reshape(-1, 2))
    found = ~np.isnan(places).any(axis=1).reshape(u.shape)
    assert (radius > reach + 2).mean() > 0.01
    assert not found[radius > reach + 2].any()
    assert found[radius < reach - 2].all()
    assert rectified_pixels(WIDE, np.empty((0, 2))).shape == (0, 2)


def test_pixels_beyond_a_fold_are_nan() -> None:
    """This polynomial folds back at r = 1 and rises again: its values there are not shown."""
    lens = (-0.6, 0.16, 0.0, 0.0, 0.0)
    camera = Camera(100, 100, 159.5, 119.5, 320, 240, 'plumb_bob', lens)
    v, u = np.mgrid[:240, :320]
    places = rectified_pixels(camera, np.stack([u, v], axis=-1).reshape(-1, 2))
    found = places[~np.isnan(places[:, 0])]
    assert len(found) > 5000
    assert np.hypot(*(found - (camera.cx, camera.cy)).T).max() <= 100.1


@pytest.mark.parametrize('camera', [*DISTORTED, WIDE], ids=lambda c: f'{c.distortion_model}{c.cx}')
def test_rays_project_to_the_pixels_they_were_found_from(camera: Camera) -> None:
    v, u = np.mgrid[: camera.height : 7, : camera.width : 7]
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
    places = rectified_pixels(camera, pixels)
    known = ~np.isnan(places[:, 0])
    rays = (places[known] - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    assert known.mean() > 0.9
    np.testing.assert_allclose(pixels_of_rays(camera, rays), pixels[known], atol=1.0)
    assert np.abs(pixels_of_rays(camera, rays) - pixels[known]).mean() < 0.02


def test_rays_beyond_the_lens_model_are_nan() -> None:
    fold = fold_radius(WIDE)
    rays = np.array([[0.0, 0.0], [0.0, fold - 0.01], [fold + 0.01, 0.0], [-5.0, 5.0], [1e9, 0.0]])
    found = pixels_of_rays(WIDE, rays)
    np.testing.assert_allclose(found[0], (WIDE.cx, WIDE.cy))
    assert np.isnan(found).all(axis=1).tolist() == [False, False, True, True, True]
    assert pixels_of_rays(WIDE, np.empty((0, 2))).shape == (0, 2)


def test_rays_of_a_pinhole_camera_are_its_own_inverse() -> None:
    camera = Camera(50, 60, 31.5, 20.0, 64, 48)
    v, u = np.mgrid[:48, :64]
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(rectified_pixels(camera, pixels), pixels)
    found = pixels_of_rays(camera, camera.rays().reshape(-1, 2))
    np.testing.assert_allclose(found, pixels, atol=1e-4)


@pytest.mark.parametrize('camera', DISTORTED, ids=lambda c: f'{c.distortion_model}{c.cx}')
def test_depth_is_rectified_by_the_nearest_pixel_and_not_mixed(camera: Camera) -> None:
    rectifier = Rectifier(camera)
    yy, xx = np.mgrid[0 : camera.height, 0 : camera.width]
    for axis, own in enumerate((xx, yy)):
        out = rectifier.nearest(own.astype(np.float32))
        np.testing.assert_array_equal(np.isnan(out), ~rectifier.inside)
        ys, xs = np.nonzero(rectifier.inside)
        rays = rectifier.camera.rays()[ys, xs]
        points = np.concatenate([rays, np.ones((len(ys), 1))], axis=1).astype(np.float64)
        expected = project(camera, points)[:, axis]
        np.testing.assert_allclose(out[ys, xs], expected, atol=0.5 + 1 / 32)
        np.testing.assert_array_equal(out[ys, xs], np.rint(out[ys, xs]))


@pytest.mark.parametrize('camera', DISTORTED[2:4], ids=lambda c: c.distortion_model)
def test_pixels_without_light_are_outside(camera: Camera) -> None:
    rectifier = Rectifier(camera)
    rays = rectifier.camera.rays().reshape(-1, 2)
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1).astype(np.float64)
    u, v = project(camera, points).reshape(camera.height, camera.width, 2).transpose(2, 0, 1)
    lit = (u > -0.4) & (u < camera.width - 0.6) & (v > -0.4) & (v < camera.height - 0.6)
    dark = (u < -0.6) | (u > camera.width - 0.4) | (v < -0.6) | (v > camera.height - 0.4)
    assert rectifier.inside[lit].all()
    assert not rectifier.inside[dark].any()
    # There, the network sees the repeated border, not a black frame.
    assert (rectifier(np.full((camera.height, camera.width, 3), 200, np.uint8)) == 200).all()
    np.testing.assert_array_equal(rectifier.outside_index, np.flatnonzero(~rectifier.inside))


def test_the_far_side_of_a_folding_polynomial_is_outside() -> None:
    """r (1 - 0.4 r^2) folds back at r = sqrt(1 / 1.2); farther out it repeats the centre."""
    camera = Camera(100, 100, 159.5, 119.5, 320, 240, 'plumb_bob', (-0.4, 0.0, 0.0, 0.0, 0.0))
    assert fold_radius(camera) == pytest.approx(math.sqrt(1 / 1.2), abs=1e-3)
    rectifier = Rectifier(camera)
    radius = np.hypot(*np.moveaxis(rectifier.camera.rays(), -1, 0))
    assert not rectifier.inside[radius > 0.92].any()
    assert rectifier.inside[radius < 0.9].all()


@pytest.mark.parametrize(
    ('model', 'lens'),
    [
        ('plumb_bob', (-0.2, -0.04, 0.0, 0.0, -0.01)),
        ('rational_polynomial', (-0.1, -0.02, 0.0, 0.0, -0.01, 0.2, 0.04, 0.02)),
        ('equidistant', (-0.05, -0.03, -0.02, -0.02)),
    ],
)
def test_a_lens_folds_where_opencv_s_projection_turns_back(model: str, lens: tuple) -> None:
    """Every coefficient moves the fold closer to the axis."""
    camera = Camera(100, 100, 0, 0, 320, 240, model, lens)
    r = np.linspace(0.0, 4.0, 8001)
    places = project(camera, np.stack([r, 0 * r, np.ones_like(r)], axis=1))[:, 0]
    assert fold_radius(camera) == pytest.approx(r[np.argmax(places)], abs=1e-3)


@pytest.mark.parametrize('camera', DISTORTED[:2] + DISTORTED[3:])
def test_ordinary_lenses_do_not_fold_within_their_picture(camera: Camera) -> None:
    corner = math.hypot(camera.width / camera.fx, camera.height / camera.fy)
    assert fold_radius(camera) > 0.6 * corner


def test_zero_coefficients_distort_only_a_fisheye() -> None:
    assert not Camera(1, 1, 0, 0, 4, 4, 'plumb_bob', (0.0,) * 5).is_distorted
    assert Camera(1, 1, 0, 0, 4, 4, 'equidistant', (0.0,) * 4).is_distorted


def test_coefficients_may_be_integers() -> None:
    camera = Camera(200, 200, 31.5, 23.5, 64, 48, 'equidistant', (0, 0, 0, 0))
    theta = math.atan(0.1)
    back = rectified_pixels(camera, np.array([[31.5 + 200 * theta, 23.5]]))
    np.testing.assert_allclose(back, [[31.5 + 200 * 0.1, 23.5]], atol=1e-3)


def test_methods_that_need_a_rectified_camera_refuse_others() -> None:
    with pytest.raises(CoreError, match='use rectified'):
        DISTORTED[0].rays()
    with pytest.raises(CoreError, match='use rectified'):
        DISTORTED[0].flipped()
    with pytest.raises(CoreError, match='turning changes the distortion'):
        DISTORTED[0].turned(180)
    with pytest.raises(CoreError, match='nothing to rectify'):
        Rectifier(DISTORTED[0].rectified())
