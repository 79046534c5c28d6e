# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading frames; errors are tested in test_frames."""

import cv2
import numpy as np
import pytest
from frame_factory import slope, write_frame
from jpegs import with_exif_orientation

from dmd_ros.core.camera import Camera
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames, group_of, read_camera, read_frame

RED = np.full((48, 64, 3), (0, 0, 255), np.uint8)  # BGR, for OpenCV


def test_camera_and_colours_are_those_of_the_files(tmp_path):
    folder = write_frame(tmp_path / 'f', slope(), fx=60.0, fy=61.0, cx=30.0, cy=20.0)
    cv2.imwrite(str(folder / 'rgb.png'), RED)
    sample = read_frame(folder).sample
    assert sample.camera == Camera(fx=60.0, fy=61.0, cx=30.0, cy=20.0, width=64, height=48)
    assert (sample.rgb == (255, 0, 0)).all()


@pytest.mark.parametrize('name', ['rgb.jpg', 'rgb.jpeg'])
def test_a_photograph_is_not_turned_upright(tmp_path, name):
    """The intrinsics are those of the picture as it is stored."""
    folder = write_frame(tmp_path / 'f', slope())
    (folder / 'rgb.png').unlink()
    jpeg = cv2.imencode('.jpg', RED)[1].tobytes()
    (folder / name).write_bytes(with_exif_orientation(jpeg, 6))
    assert cv2.imread(str(folder / name)).shape == (64, 48, 3)
    assert read_frame(folder).sample.rgb.shape == (48, 64, 3)


def test_an_incomplete_photograph_is_refused(tmp_path):
    """OpenCV 4 fills the missing part with grey, which would be judged."""
    folder = write_frame(tmp_path / 'f', slope())
    (folder / 'rgb.png').unlink()
    noise = np.random.default_rng(0).integers(0, 256, RED.shape, np.uint8)
    jpeg = cv2.imencode('.jpg', noise)[1].tobytes()
    (folder / 'rgb.jpg').write_bytes(jpeg[: len(jpeg) // 2])
    with pytest.raises(EvalError, match=r'cannot decode .*rgb\.jpg'):
        read_frame(folder)


def test_unlabelled_pixels_are_nan(tmp_path):
    depth = slope()
    depth[:5] = np.nan
    truth = read_frame(write_frame(tmp_path / 'f', depth)).sample.depth
    np.testing.assert_array_equal(np.isnan(truth), np.isnan(depth))


@pytest.mark.parametrize('kind', [np.uint16, np.float32])
def test_points_are_added_to_the_nearest_pixel(tmp_path, kind):
    """Projected points have fractional coordinates; pixel centres are at whole numbers."""
    folder = write_frame(tmp_path / 'f', np.ones((48, 64), np.float32))
    u, v = np.array([2.6, 9.4, 63.0]), np.array([0.7, 5.0, 46.8])
    if kind is np.uint16:
        u, v = np.rint(u), np.rint(v)
    np.savez(folder / 'depth_full.npz', u=u.astype(kind), v=v.astype(kind), z=[70.0, 80.0, 90.0])
    truth = read_frame(folder).sample.depth
    assert (truth[1, 3], truth[5, 9], truth[47, 63]) == (70.0, 80.0, 90.0)
    assert np.count_nonzero(truth != 1.0) == 3


def test_projected_points_may_reach_to_the_size_of_the_picture(tmp_path):
    """A projection usually keeps 0 <= u < width, half a pixel beyond the edge of the last one."""
    folder = write_frame(tmp_path / 'f', np.ones((48, 64), np.float32))
    np.savez(folder / 'depth_full.npz', u=[63.9, 0.0], v=[2.0, 47.6], z=[70.0, 80.0])
    truth = read_frame(folder).sample.depth
    assert (truth[2, 63], truth[47, 0]) == (70.0, 80.0)
    np.savez(folder / 'depth_full.npz', u=[64.0], v=[2.0], z=[70.0])
    with pytest.raises(EvalError, match=r'must hold u, v'):
        read_frame(folder)


@pytest.mark.parametrize('name', ['rgb.png', 'depth.png'])
def test_either_picture_of_another_size_is_refused(tmp_path, name):
    folder = write_frame(tmp_path / 'f', slope())
    picture = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / name), picture[:40])
    with pytest.raises(EvalError, match=r'\(40, 64\).*rgb must have that size, and depth'):
        read_frame(folder)


def test_the_camera_is_read_without_the_pictures(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    camera = read_frame(folder).sample.camera
    for name in ('rgb.png', 'depth.png'):
        (folder / name).unlink()
    assert read_camera(folder) == camera
    (folder / 'meta.json').write_text('{"fx": 40.0}')
    with pytest.raises(EvalError, match=r"meta.json has no 'fy'; it must have the camera"):
        read_camera(folder)


def test_a_folder_of_frames_may_have_its_own_meta_json(tmp_path):
    frame = write_frame(tmp_path / 'f', slope())
    (tmp_path / 'meta.json').write_text('{}')
    assert find_frames(tmp_path) == [frame]


@pytest.mark.parametrize(
    ('meta', 'group'),
    [
        ({'scene': 'outdoor', 'group': 'city'}, 'outdoor'),  # not one of our groups
        ({'dataset': 'Tabletop'}, 'table top'),
        ({}, 'table top'),  # by its median depth, 1 m
    ],
)
def test_groups_of_unusual_frames(meta, group):
    depth = np.array([[1.0, 1.0, 9.0]], np.float32)
    assert group_of(meta, depth + 1.0 if 'dataset' in meta else depth) == group
