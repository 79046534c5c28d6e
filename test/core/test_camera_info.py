# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CameraInfo -> Camera: ROI, binning, P or K, scaled streams, and invalid messages."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_infos import D, K, P, info

from dmd_ros.core.camera import rectified_pixels
from dmd_ros.core.camera_info import (
    camera_from_info,
    info_size,
    rectified_turn_deg,
    same_frame,
)
from dmd_ros.core.errors import CoreError


def test_raw_image_takes_k_with_d() -> None:
    camera = camera_from_info(info(), 640, 480, rectified=False)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 505, 310, 250)
    assert (camera.distortion_model, camera.distortion) == ('plumb_bob', D)


def test_rectified_image_takes_p_without_d() -> None:
    camera = camera_from_info(info(), 640, 480, rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (450, 455, 320, 240)
    assert not camera.is_distorted


def test_rectified_image_of_an_ideal_lens_may_leave_p_empty() -> None:
    camera = camera_from_info(info(p=np.zeros(12), d=[]), 640, 480, rectified=True)
    assert camera.fx == 500


def test_rectified_image_of_a_distorted_lens_needs_p() -> None:
    with pytest.raises(CoreError, match='p is empty though the lens is distorted'):
        camera_from_info(info(p=np.zeros(12)), 640, 480, rectified=True)


@given(st.floats(0.0, 179.0), st.tuples(*[st.floats(-1.0, 1.0)] * 3))
def test_the_turn_of_a_rectification_is_the_angle_of_r(degrees, axis) -> None:
    axis = np.array(axis) if np.linalg.norm(axis) > 0.1 else np.array((0.0, 0.0, 1.0))
    turn = np.radians(degrees) * axis / np.linalg.norm(axis)
    r = cv2.Rodrigues(turn)[0].reshape(-1)
    assert rectified_turn_deg(info(r=r)) == pytest.approx(degrees, abs=1e-6)
    rough = rectified_turn_deg(info(r=np.round(r, 6)))  # as a file has it
    assert rough == pytest.approx(degrees, abs=1e-3)


def test_an_unset_r_means_no_rotation() -> None:
    assert rectified_turn_deg(info(r=np.zeros(9))) == 0.0


def test_ros1_names_are_upper_case() -> None:
    old = info()
    old.K, old.D, old.P = old.k, old.d, old.p
    del old.k, old.d, old.p
    assert camera_from_info(old, 640, 480, False) == camera_from_info(info(), 640, 480, False)


def test_roi_is_subtracted_before_binning_divides() -> None:
    cut = info(
        roi={'x_offset': 100, 'y_offset': 60, 'width': 400, 'height': 300},
        binning_x=2,
        binning_y=3,
    )
    assert info_size(cut) == (200, 100)
    camera = camera_from_info(cut, 200, 100, rectified=False)
    assert (camera.width, camera.height) == (200, 100)
    assert (camera.fx, camera.fy) == (250, 505 / 3)
    assert (camera.cx, camera.cy) == ((310 - 100) / 2, (250 - 60) / 3)


def test_roi_holds_for_p_as_well() -> None:
    cut = info(roi={'x_offset': 100, 'y_offset': 60, 'width': 400, 'height': 300})
    camera = camera_from_info(cut, 400, 300, rectified=True)
    assert (camera.cx, camera.cy) == (220, 180)


@pytest.mark.parametrize('binning', [0, 1])
def test_all_zero_roi_and_binning_mean_the_full_picture(binning: int) -> None:
    full = info(binning_x=binning, binning_y=binning)
    assert info_size(full) == (640, 480)
    assert camera_from_info(full, 640, 480, False).width == 640


def test_roi_with_only_an_offset_extends_to_the_border() -> None:
    cut = info(roi={'x_offset': 40, 'y_offset': 30})
    assert info_size(cut) == (600, 450)
    assert camera_from_info(cut, 600, 450, False).cx == 270


@given(st.integers(1, 4), st.sampled_from([(640, 480), (320, 240), (1280, 960), (160, 120)]))
def test_scaled_streams_scale_the_camera(binning: int, size: tuple[int, int]) -> None:
    described = info(binning_x=binning, binning_y=binning)
    camera = camera_from_info(described, *size, rectified=False)
    assert (camera.width, camera.height) == size
    whole = camera_from_info(described, *info_size(described), rectified=False)
    # The ray through the picture's middle is the same one.
    middle, scaled_middle = (whole.width - 1) / 2, (camera.width - 1) / 2
    assert (scaled_middle - camera.cx) / camera.fx == pytest.approx((middle - whole.cx) / whole.fx)


def test_one_pixel_of_rounding_is_tolerated() -> None:
    assert camera_from_info(info(), 80, 59, False).height == 59
    assert camera_from_info(info(), 1280, 956, False).height == 956  # rows to a multiple of 4


@pytest.mark.parametrize('model', ['', 'plumb_bob', 'whatever'])
@pytest.mark.parametrize('d', [[], [0.0] * 5])
def test_no_coefficients_mean_an_ideal_lens(model: str, d: list[float]) -> None:
    camera = camera_from_info(info(distortion_model=model, d=d), 640, 480, False)
    assert (camera.distortion_model, camera.distortion) == ('', ())


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial'])
@pytest.mark.parametrize('number', [4, 5, 8, 12, 14])
def test_the_lens_model_follows_from_the_number_of_coefficients(model: str, number: int) -> None:
    """As image_geometry reads them; Orbbec's driver sends eight as plumb_bob."""
    d = [-0.3, 0.1, 0.001, 0.002, 0.01, 0.1, 0.05, 0.01, *[1e-3] * 6][:number]
    lens = camera_from_info(info(distortion_model=model, d=d), 640, 480, False)
    rays = np.array([[[0.3, -0.2, 1.0]], [[-0.4, 0.25, 1.0]]])
    pixels = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), lens.matrix, np.array(d))[0][:, 0]
    expected = rays[:, 0, :2] * (K[0], K[4]) + (K[2], K[5])
    np.testing.assert_allclose(rectified_pixels(lens, pixels), expected, atol=0.05)


NAN = float('nan')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': np.zeros(9)}, 'not calibrated'),
        ({'k': np.array([NAN, *K[1:]])}, 'not finite'),
        ({'k': np.array(K[:4])}, 'has 4 values, 9 are expected'),
        ({'d': [NAN] * 5}, 'camera_info.d has a value that is not finite'),
        ({'d': [float('inf'), 0, 0, 0, 0]}, 'not finite'),
        ({'distortion_model': 'fov'}, "unknown distortion model 'fov'; allowed: plumb_bob"),
        ({'d': [0.1, 0.2]}, 'plumb_bob has 2 coefficients'),
        ({'width': 0, 'height': 0}, '0x0 must be positive'),
        ({'width': 640, 'height': 360}, 'another aspect'),
        ({'width': 640, 'height': 512}, 'another aspect'),
        ({'width': 640, 'height': 488}, 'another aspect'),
        ({'roi': {'x_offset': 600, 'width': 100, 'height': 480}}, 'roi'),
        ({'roi': {'x_offset': 640}}, 'roi'),
        ({'binning_x': 1000, 'binning_y': 1000}, 'must be positive'),
    ],
)
def test_bad_infos_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        camera_from_info(info(**changes), 640, 480, rectified=False)


def test_nan_in_p_is_refused_for_a_rectified_image() -> None:
    with pytest.raises(CoreError, match='not finite'):
        camera_from_info(info(p=np.array([NAN, *P[1:]])), 640, 480, rectified=True)


@pytest.mark.parametrize('size', [(0, 480), (640, 0), (0, 0)])
def test_an_empty_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CoreError, match='must be > 0'):
        camera_from_info(info(), *size, rectified=False)


def test_the_received_message_is_not_modified() -> None:
    message = info(roi={'x_offset': 100, 'width': 400, 'height': 300}, binning_x=2, binning_y=2)
    before = (message.k.tolist(), list(message.d), message.p.tolist(), vars(message.roi).copy())
    camera_from_info(message, 200, 150, rectified=False)
    after = (message.k.tolist(), list(message.d), message.p.tolist(), vars(message.roi).copy())
    assert before == after


def test_same_camera_as_image_geometry() -> None:
    """Oracle, where installed: ROS's own interpretation of ROI and binning."""
    models = pytest.importorskip('image_geometry')
    messages = pytest.importorskip('sensor_msgs.msg')
    message = messages.CameraInfo(width=640, height=480, distortion_model='plumb_bob')
    message.k, message.d = K, D
    message.p = (*P[:3], 0.0, *P[4:])
    message.roi.x_offset, message.roi.y_offset = 100, 60
    message.roi.width, message.roi.height = 400, 300
    message.binning_x = message.binning_y = 2
    model = models.PinholeCameraModel()
    # Jazzy and older use camel-case names.
    read = getattr(model, 'from_camera_info', None) or model.fromCameraInfo
    read(message)
    project = getattr(model, 'project_3d_to_pixel', None) or model.project3dToPixel
    ours = camera_from_info(message, 200, 150, rectified=True)
    for x, y, z in ((0.4, -0.3, 2.5), (-1.0, 0.7, 4.0)):
        expected = (ours.fx * x / z + ours.cx, ours.fy * y / z + ours.cy)
        assert project((x, y, z)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('one', 'other', 'same'),
    [('cam', 'cam', True), ('/cam', 'cam', True), ('', 'cam', True), ('cam', 'camera', False)],
)
def test_frames_of_one_camera(one: str, other: str, same: bool) -> None:
    assert same_frame(one, other) is same_frame(other, one) is same
