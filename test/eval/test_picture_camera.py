# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import argparse
import math
import re
from pathlib import Path

import pytest
import yaml
from fov_oracle import grey, tan_of, write_fov_oracle

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.picture_camera import PictureCameras, add_camera_options
from dmd_ros.eval.picture_file import Exif, Picture
from dmd_ros.runtime.errors import BackendError

# As camera_calibration writes it, and with an integer among floats, like camera_info_manager.
YAML = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [500.00000,   0.00000, 310.00000,
           0.00000, 505.00000, 250.00000,
           0.00000,   0.00000,   1.00000]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.300000, 0.100000, 1e-05, 0.002000, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [450, 0, 320, 0, 0, 455, 240, 0, 0, 0, 1, 0]
"""
D = (-0.3, 0.1, 1e-5, 0.002, 0.0)


def cameras(*words, rotation=0):
    parser = argparse.ArgumentParser()
    add_camera_options(parser)
    args = parser.parse_args([str(word) for word in words])
    return PictureCameras(argparse.Namespace(**vars(args), image_rotation=rotation))


def picture(width=64, height=48, level=128, **exif):
    return Picture(Path('a.jpg'), grey(level, height, width), Exif(**exif))


@pytest.fixture
def calibration(tmp_path):
    (tmp_path / 'camera.yaml').write_text(YAML)
    return tmp_path / 'camera.yaml'


@pytest.fixture
def fov_model(tmp_path):
    return write_fov_oracle(tmp_path / 'fov.onnx')


def test_a_focal_length_on_film_for_a_picture_of_its_shape():
    """A 50 mm lens on 36 x 24 mm: the only case in which all definitions agree."""
    wide, high = (
        cameras().of(picture(width, height, focal_35mm=50.0)).camera
        for width, height in ((360, 240), (240, 360))
    )
    assert wide.tan_half_vfov == pytest.approx(12 / 50)
    assert high.tan_half_vfov == pytest.approx(18 / 50)
    assert (wide.fx, wide.cx, wide.cy) == (500, 179.5, 119.5)


@pytest.mark.parametrize(('width', 'height'), [(400, 300), (640, 360), (300, 300), (300, 400)])
def test_pictures_of_other_shapes_have_the_same_diagonal(width, height):
    known = cameras().of(picture(width, height, focal_35mm=26.0))
    assert (known.source, known.why) == ('exif', 'EXIF (26 mm on 35 mm film)')
    tan_half_diagonal = math.hypot(width, height) / 2 / known.camera.fx
    assert tan_half_diagonal == pytest.approx(math.hypot(36, 24) / 2 / 26)


@pytest.mark.parametrize(
    ('exif', 'why'),
    [
        ({}, 'no FocalLengthIn35mmFilm in EXIF'),
        ({'focal_35mm': 26.0, 'size': (4032, 2268)}, 'cropped after EXIF .*from 4032x2268'),
        (
            {'focal_35mm': 55.0, 'zoom': 1.951},
            'digital zoom of 1.95, which the focal le',
        ),
    ],
)
def test_without_usable_exif_the_network_is_used_and_the_reason_given(exif, why, fov_model):
    source = cameras('--fov-model', fov_model)
    for level in (128, 200):  # each picture separately
        known = source.of(picture(level=level, **exif))
        assert known.source == 'estimate'
        assert re.search(why, known.why)
        assert known.camera.tan_half_vfov == pytest.approx(tan_of(level), abs=1e-3)
    source.close()


@pytest.mark.parametrize('size', [(4032, 3024), (3024, 4032), (4030, 3024), None])
def test_a_picture_that_was_scaled_or_turned_keeps_its_exif(size):
    assert cameras().of(picture(focal_35mm=26.0, size=size)).source == 'exif'


@pytest.mark.parametrize(('width', 'height', 'fits'), [(210, 90, True), (64, 16, False)])
@pytest.mark.parametrize('portrait', [False, True])
def test_the_focal_length_of_a_panorama_is_not_used(width, height, fits, portrait, fov_model):
    size = (height, width) if portrait else (width, height)
    source = cameras('--fov-model', fov_model)
    known = source.of(picture(*size, focal_35mm=26.0, size=size))
    source.close()
    assert known.source == ('exif' if fits else 'estimate')
    assert fits or known.why == f'estimated ({size[0]}x{size[1]} is a panorama or was cropped)'


def test_a_digital_zoom_of_about_one_does_not_matter():
    assert cameras().of(picture(focal_35mm=26.0, zoom=1.003)).source == 'exif'


def test_the_network_is_used_with_estimate_fov(fov_model):
    known = cameras('--estimate-fov', '--fov-model', fov_model).of(picture(focal_35mm=26.0))
    assert (known.source, known.why) == ('estimate', 'estimated (--estimate-fov)')


def test_the_network_gets_the_upright_picture(fov_model):
    lying = Picture(Path('a.jpg'), grey(128, 64, 48), Exif())
    known = cameras('--fov-model', fov_model, rotation=90).of(lying)
    # Upright, it is 64 x 48: the angle over its 48 rows is that over the picture's 48 columns.
    assert 48 / 2 / known.camera.fx == pytest.approx(tan_of(128), abs=1e-3)


@pytest.mark.parametrize(
    ('words', 'focal'), [(('--vfov', 90), 24.0), (('--focal-px', 55.5), 55.5)]
)
def test_options_override_exif(words, focal):
    known = cameras(*words).of(picture(focal_35mm=26.0))
    assert (known.source, known.why) == ('fixed', words[0])
    camera = known.camera
    assert (camera.fx, camera.fy) == (pytest.approx(focal),) * 2
    assert (camera.cx, camera.cy, camera.width, camera.height) == (31.5, 23.5, 64, 48)


def test_a_calibration_of_ros_is_read(calibration):
    known = cameras('--calibration', calibration).of(picture(640, 480, focal_35mm=26.0))
    assert known.camera == Camera(500, 505, 310, 250, 640, 480, 'plumb_bob', D)
    assert (known.source, known.why) == ('calibration', str(calibration))


def test_a_scaled_picture_has_a_scaled_camera(calibration):
    half = cameras('--calibration', calibration).of(picture(320, 240)).camera
    assert half == Camera(250, 252.5, 154.75, 124.75, 320, 240, 'plumb_bob', D)


def test_a_rectified_picture_has_the_projection_matrix(calibration):
    known = cameras('--calibration', calibration, '--rectified').of(picture(640, 480))
    assert known.camera == Camera(450, 455, 320, 240, 640, 480)


@pytest.mark.parametrize(
    ('shown', 'message'),
    [
        (
            picture(640, 360),
            r'camera\.yaml: it describes 640x480, .* another aspect; give the calibration of such',
        ),
        (picture(480, 640), 'another aspect'),
        (picture(640, 480, orientation=3), r'orientation 3\), .* give --vfov'),
    ],
)
def test_pictures_of_another_camera_are_refused(calibration, shown, message):
    with pytest.raises(CoreError, match=message):
        cameras('--calibration', calibration).of(shown)


def changed(**changes):
    content = {**yaml.safe_load(YAML), **changes}
    return yaml.safe_dump({key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('%YAML:1.0\n---\nK: !!opencv-matrix\n', 'cannot read .* as a calibration of ROS'),
        ('a: [', 'cannot read .* as a calibration of ROS'),
        ('\0', 'cannot read .* as a calibration of ROS'),
        ('cam0: {intrinsics: [1, 2, 3, 4]}', 'has no image_width, image_height, camera_matrix'),
        ('- 1', 'has no image_width'),
        (changed(camera_matrix=None), r'has no camera_matrix\.data; .* give --vfov'),
        (changed(camera_matrix={'data': [1, 2]}), r'camera_matrix has 2 values'),
        (
            changed(camera_matrix={'data': [0] * 9}),
            'camera_matrix.* is not calibrated; run camera_calibration, or give --vfov or --est',
        ),
        (
            changed(distortion_coefficients={'data': [float('nan')] * 5}),
            'distortion_coefficients has a value that is not finite',
        ),
        (changed(camera_matrix={'data': 5}), 'not iterable'),
        (changed(image_width='wide'), r'camera\.yaml: '),
        (changed(distortion_model='kannala'), "unknown distortion model 'kannala'"),
        (changed(distortion_coefficients={'data': [1, 2]}), 'plumb_bob has 2 coefficients'),
    ],
)
def test_a_bad_calibration_is_reported_before_any_picture(tmp_path, content, message):
    (tmp_path / 'camera.yaml').write_text(content)
    with pytest.raises((EvalError, CoreError), match=message):
        cameras('--calibration', tmp_path / 'camera.yaml')


def test_a_calibration_without_projection_matrix_refuses_rectified_pictures(tmp_path):
    (tmp_path / 'camera.yaml').write_text(changed(projection_matrix=None))
    said = 'projection_matrix is empty .* fill that in, or leave --rectified out'
    with pytest.raises(CoreError, match=said):
        cameras('--calibration', tmp_path / 'camera.yaml', '--rectified')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--calibration', 'none.yaml'], r'cannot read none\.yaml'),
        (['--rectified'], '--rectified needs --calibration'),
        (['--vfov', '190'], '190'),
        (['--vfov', '50', '--fov-model', 'x'], '--fov-model is for pictures whose'),
    ],
)
def test_contradictory_options_are_refused(words, message):
    with pytest.raises((EvalError, CoreError), match=message):
        cameras(*words)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--focal-px', '-5'], 'is not a focal length'),
        (['--focal-px', 'nan'], 'is not a focal length'),
        (['--focal-px', '5mm'], '5mm is not a focal length'),
        (['--vfov', '50', '--focal-px', '500'], 'not allowed with'),
    ],
)
def test_options_that_argparse_refuses(words, message, capsys):
    with pytest.raises(SystemExit):
        cameras(*words)
    assert message in capsys.readouterr().err


def test_the_network_is_loaded_only_if_needed(monkeypatch):
    """This is for the shipped one; one that is given is checked before any picture."""
    monkeypatch.setattr('dmd_ros.loading.DEFAULT_FOV_MODEL', '/no/such.onnx')
    source = cameras()
    assert source.of(picture(focal_35mm=26.0)).source == 'exif'
    for late_or_early in (lambda: source.of(picture()), lambda: cameras('--estimate-fov')):
        with pytest.raises(BackendError, match='does not exist'):
            late_or_early()
