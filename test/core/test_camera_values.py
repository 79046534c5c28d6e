# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of a camera: NumPy's numbers work like Python's, and anything else is refused."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from dmd_ros.core.camera import Camera, Rectifier
from dmd_ros.core.errors import CoreError


@pytest.mark.parametrize('shape', [(5,), (1, 5), (5, 1)])
@pytest.mark.parametrize('kind', [np.float64, np.float32])
def test_a_camera_accepts_the_results_of_opencv_s_calibration(shape: tuple, kind: type) -> None:
    k = np.array([[500, 0, 319.5], [0, 510, 239.5], [0, 0, 1]], kind)
    d = np.array([-0.25, 0.0625, 0, 0.5, 0], kind).reshape(shape)
    picture = np.zeros((480, 640), np.uint8)
    height, width = np.array(picture.shape, np.uint16)
    given = Camera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height, 'plumb_bob', d)
    lens = (-0.25, 0.0625, 0.0, 0.5, 0.0)
    plain = Camera(500.0, 510.0, 319.5, 239.5, 640, 480, 'plumb_bob', lens)
    assert given == plain and hash(given) == hash(plain) and repr(given) == repr(plain)
    assert json.loads(json.dumps(asdict(given)))['distortion'] == list(lens)
    assert Rectifier(given).source == replace(given, distortion=list(lens))


NAN = float('nan')


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ((NAN, 1, 0, 0, 4, 4), 'not finite'),
        ((1, 1, math.inf, 0, 4, 4), 'not finite'),
        ((0, 1, 0, 0, 4, 4), 'uncalibrated'),
        ((1, -1, 0, 0, 4, 4), 'must be > 0'),
        ((1, 0, 0, 0, 4, 4), 'must be > 0'),
        ((1, 1, 0, 0, 0, 4), '0x4 must be positive'),
        ((1, 1, 0, 0, 4, 0), '4x0 must be positive'),
        ((1, 1, 0, 0, 6.0, 4), '6.0 x 4 must be whole numbers'),
        ((1, 1, 0, 0, True, 4), 'True x 4 must be whole numbers'),
        (('520', 1, 0, 0, 4, 4), "fx='520' of a camera must be a number"),
        ((1, 1, None, 0, 4, 4), 'cx=None of a camera must be a number'),
        ((1, 1, 0, np.zeros(1), 4, 4), 'cy=array.* of a camera must be a number'),
        ((1, 1, 0, 0, 4, 4, ['plumb_bob'], (0.1,) * 5), r"model \['plumb_bob'\]; allowed"),
        ((1, 1, 0, 0, 4, 4, None), 'model None; allowed'),
        ((1, 1, 0, 0, 4, 4, 'plumb_bob', None), 'distortion=None must be the numeric'),
        ((1, 1, 0, 0, 4, 4, 'plumb_bob', ('0.1',) * 5), 'distortion=.* must be the numeric'),
        ((1, 1, 0, 0, 4, 4, '', np.zeros((1, 5))), 'without a distortion model'),
        ((1, 1, 0, 0, 4, 4, 'thin_prism', (0.1,)), "'thin_prism'; allowed: plumb_bob"),
        ((1, 1, 0, 0, 4, 4, 'equidistant', (0.1,)), 'equidistant has 1 coefficients, expected 4'),
        ((1, 1, 0, 0, 4, 4, 'plumb_bob', (0.1, 0, 0)), 'expected 4 or 5'),
        ((1, 1, 0, 0, 4, 4, 'plumb_bob', (NAN,) * 5), 'not finite'),
        ((1, 1, 0, 0, 4, 4, '', (0.1,)), 'without a distortion model'),
        # From drivers that send all pixels as one row, or do not initialise memory.
        ((500, 500, 0, 0, 640 * 480, 1), 'aspect ratio .*; allowed: up to 30000'),
        ((500, 500, 0, 0, 1, 640 * 480), 'aspect ratio .*; allowed: up to 30000'),
        ((500, 6.9e-310, 0, 0, 640, 480), 'aspect ratio .*; allowed: up to 30000'),
        ((6.9e-310, 500, 0, 0, 640, 480), 'aspect ratio .*; allowed: up to 30000'),
    ],
)
def test_impossible_cameras_are_refused(values: tuple, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        Camera(*values)


def test_an_empty_picture_is_not_reported_as_a_calibration_problem() -> None:
    camera = Camera(50, 50, 31.5, 23.5, 64, 48)
    for make in (lambda: camera.resized(0, 48), lambda: Camera.assumed(0.5, 64, 0)):
        with pytest.raises(CoreError, match=r'camera size (0x48|64x0) must be positive'):
            make()
