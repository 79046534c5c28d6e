# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry of registering another sensor's measurements to the pictures."""

import cv2
import numpy as np
import pytest
from bag_factory import pose
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.core.camera import Camera, rectified_pixels
from dmd_ros.eval.bags.sensor_truth import registered
from dmd_ros.eval.points import apply, depth_from_points, inverse

LENSES = [
    Camera(300, 305, 155.0, 122.0, 320, 240),
    Camera(250, 255, 160.0, 118.0, 320, 240, 'plumb_bob', (-0.25, 0.07, 1e-3, -5e-4, 0.0)),
    Camera(170, 170, 159.5, 119.5, 320, 240, 'equidistant', (0.01, -0.005, 0.0, 0.0)),
]


@given(
    lens=st.sampled_from(LENSES),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    shift=st.tuples(*[st.floats(-5, 5)] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_points_of_another_sensor_return_to_their_pixels(lens, turn, shift, seed):
    """Pixel -> ray -> point -> the other sensor's frame -> back: the same pixels and depths."""
    rng = np.random.default_rng(seed)
    pixels = np.unique(rng.integers((0, 0), (320, 240), (200, 2)), axis=0)
    places = rectified_pixels(lens, pixels) if lens.is_distorted else pixels
    known = np.isfinite(places).all(axis=1)
    pixels, places = pixels[known], places[known]
    z = rng.uniform(0.2, 50.0, len(pixels))
    rays = (places - (lens.cx, lens.cy)) / (lens.fx, lens.fy)
    points = np.insert(rays, 2, 1.0, axis=1) * z[:, None]
    matrix = pose(turn, shift)
    depth = depth_from_points(apply(matrix, apply(inverse(matrix), points)), lens)
    assert np.isfinite(depth).sum() == len(pixels)
    np.testing.assert_allclose(depth[pixels[:, 1], pixels[:, 0]], z, rtol=1e-5)


# The scenes below are seen by a colour camera at the origin, and a depth camera 6 cm beside it
# that is slightly rotated.
COLOUR = Camera(460, 460, 319.5, 179.5, 640, 360)
COLOUR_DEPTH = pose((0.01, np.radians(1.5), 0.005), (0.06, 0.003, 0.005))
ASLANT = np.array([0.9, 0.0, 0.44]) / np.linalg.norm([0.9, 0.0, 0.44])


def cast(camera, world_camera, planes):
    """Return depth along Z [H, W], float32, of the nearest of some planes, and its index.

    planes: normal, distance along it from the origin, and where (x, y) the plane ends or None.
    """
    v, u = np.mgrid[: camera.height, : camera.width]
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float64)
    if camera.is_distorted:
        pixels = rectified_pixels(camera, pixels)
    rays = (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    rays = np.insert(rays, 2, 1.0, axis=1) @ world_camera[:3, :3].T
    origin = world_camera[:3, 3]
    nearest = np.full(len(rays), np.inf)
    which = np.zeros(len(rays), int)
    for number, (normal, distance, ends) in enumerate(planes):
        z = (distance - normal @ origin) / (rays @ normal)
        seen = (z > 0) & (z < nearest)
        if ends is not None:
            (left, top), (right, bottom) = ends
            x, y, _ = (origin + z[:, None] * rays).T
            seen &= (x > left) & (x < right) & (y > top) & (y < bottom)
        nearest[seen], which[seen] = z[seen], number
    nearest[~np.isfinite(nearest)] = np.nan
    return nearest.reshape(u.shape).astype(np.float32), which.reshape(u.shape)


AHEAD = np.array([0.0, 0.0, 1.0])
WALL = (AHEAD, 4.0, None)
BOARD = (ASLANT, ASLANT @ (0.1, 0.0, 1.2), ((-0.05, -0.25), (0.25, 0.25)))
BOX = (AHEAD, 1.0, ((-0.4, -0.3), (-0.2, 0.3)))
SENSORS = {
    'of its kind': Camera(425, 425, 423.5, 239.5, 848, 480),
    'coarse': Camera(95, 95, 79.5, 59.5, 160, 120),
    'finer': Camera(800, 800, 639.5, 399.5, 1280, 800),
    'distorted': Camera(
        260, 260, 159.5, 119.5, 320, 240, 'rational_polynomial', (-0.2, 0.05, 0.0, 0.0, 0.0)
    ),
}


@pytest.mark.parametrize('sensor', SENSORS.values(), ids=SENSORS)
def test_a_wall_has_its_true_depth_and_no_holes(sensor):
    depth, _ = cast(sensor, COLOUR_DEPTH, [WALL])
    found = registered(depth, sensor, COLOUR_DEPTH, COLOUR)
    np.testing.assert_allclose(found[np.isfinite(found)], 4.0, atol=1e-3)
    v, u = np.nonzero(np.isfinite(found))
    # The border of a distorted sensor's view is curved.
    inside = found[v.min() + 30 : v.max() - 30, u.min() + 30 : u.max() - 30]
    assert inside.size > 100_000 and np.isfinite(inside).all()


@pytest.mark.parametrize('sensor', SENSORS.values(), ids=SENSORS)
def test_the_wall_does_not_show_through_the_object_in_front(sensor):
    planes = [WALL, BOARD, BOX]
    truth, which = cast(COLOUR, np.eye(4), planes)
    depth, _ = cast(sensor, COLOUR_DEPTH, planes)
    found = registered(depth, sensor, COLOUR_DEPTH, COLOUR)
    kernel = np.ones((9, 9), np.uint8)  # away from edges, which a coarse sensor cannot locate
    for number in (1, 2):
        inner = cv2.erode((which == number).astype(np.uint8), kernel) > 0
        assert inner.sum() > 8_000
        assert np.isfinite(found[inner]).all()
        assert (np.abs(found[inner] / truth[inner] - 1.0) < 0.05).all()


def test_points_that_the_colour_camera_does_not_see_are_left_out():
    """They are behind it, outside of its picture, too near, or not measured."""
    sensor = SENSORS['coarse']
    depth = np.full((120, 160), 2.0, np.float32)
    back = pose((0.0, np.pi, 0.0), (0.0, 0.0, 0.0))
    assert np.isnan(registered(depth, sensor, back, COLOUR)).all()
    aside = pose((0.0, 0.0, 0.0), (9.0, 0.0, 0.0))
    assert np.isnan(registered(depth, sensor, aside, COLOUR)).all()
    into = pose((0.0, 0.0, 0.0), (0.0, 0.0, -1.95))
    assert np.isnan(registered(depth, sensor, into, COLOUR)).all()
    for nothing in (np.nan, np.inf, -np.inf):
        blind = np.full((120, 160), nothing, np.float32)
        assert np.isnan(registered(blind, sensor, COLOUR_DEPTH, COLOUR)).all()
