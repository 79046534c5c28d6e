# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of other sensors, on the pixels of the pictures of a bag."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, KINDS, T0, Item, frames, pose, write_bag

from dmd_ros.core.camera import Camera
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.points import apply, inverse

SAMPLE = Path(__file__).parents[2] / 'data' / 'sample_bag'
LIDAR, DEPTH_INFO = '/lidar/points', '/camera/depth/camera_info'
GREY = np.full((48, 64, 3), 90, np.uint8)


# x_camera = M x_lidar, via the camera's mount.
LINK_OPTICAL = pose((1.2, -1.2, 1.2), (0.0, 0.02, 0.0))
LINK_LIDAR = pose((0.02, 0.1, -0.3), (-0.1, 0.05, 0.2))
OPTICAL_LIDAR = inverse(LINK_OPTICAL) @ LINK_LIDAR
MOUNTS = [('camera_link', 'camera', LINK_OPTICAL), ('camera_link', 'lidar', LINK_LIDAR)]


def tf(links=MOUNTS, topic='/tf_static'):
    return Item(topic, T0, links, 'tf', logged_ns=T0 - 1)


def points_of(depth, camera):
    """Back-project depth on the grid of a pinhole camera; points [N, 3]."""
    v, u = np.nonzero(np.isfinite(depth))
    rays = camera.resized(depth.shape[1], depth.shape[0]).rays()[v, u].astype(np.float64)
    return np.insert(rays, 2, 1.0, axis=1) * depth[v, u, None]


def read(path, depth=None, choose=None, **options):
    with Bag(path) as bag:
        reader = BagReader(bag, topics.choose(bag, depth=depth, **(choose or {})), **options)
        return list(reader), reader


def sample(count=2):
    """Return the first frames of the sample bag, and their messages as items to write."""
    with Bag(SAMPLE) as bag:
        reader = BagReader(bag, topics.choose(bag), limit=count)
        found = list(reader)
    items = []
    for frame in found:
        jpeg = cv2.imencode('.jpg', frame.rgb[..., ::-1])[1].tobytes()
        items.append(Item(IMAGE, frame.stamp_ns, jpeg, 'bytes', logged_ns=frame.logged_ns))
        items.append(Item(INFO, frame.stamp_ns, frame.camera, 'info', logged_ns=frame.logged_ns))
    return found, items


@pytest.mark.parametrize('kind', ['mcap', 'ros1'])
def test_points_of_a_lidar_are_projected_to_their_pixels(tmp_path, kind):
    found, items = sample()
    for frame in found:
        points = apply(inverse(OPTICAL_LIDAR), points_of(frame.truth_m, frame.camera))
        at = {'stamp_ns': frame.stamp_ns + 15_000_000, 'logged_ns': frame.logged_ns + 9}
        items.append(Item(LIDAR, content=points, kind='cloud', frame_id='lidar', **at))
    path = write_bag(tmp_path / 'bag', [tf(), *items], kind)
    judged, reader = read(path, LIDAR)
    for frame, truth in zip(judged, found, strict=True):
        v, u = np.nonzero(~np.isnan(frame.truth_m))
        assert frame.truth_m.shape == (480, 640) and len(v) == truth.truth_m.size
        expected = truth.truth_m[v // 2, u // 2]
        np.testing.assert_allclose(frame.truth_m[v, u], expected, atol=1e-3)
        assert (frame.truth_m.dtype, frame.truth_frame_id) == (np.float32, 'camera')
    assert reader.truth.how == ['/lidar/points, projected by /tf_static']
    assert reader.bag.warnings == []
    # It is used only if given: it may be an estimate.
    judged, reader = read(path)
    assert {frame.truth_m is None for frame in judged} == {True}
    assert 'name it with --depth-topic: /lidar/points' in reader.bag.warnings[0]


@pytest.mark.parametrize('degrees', [0, 90, 180, 270])
def test_depth_of_another_camera_is_registered_to_its_pixels(tmp_path, degrees):
    """The depth camera sees a part of the picture, from the same place, in any rotation."""
    found, items = sample(1)
    (frame,) = found
    part = frame.camera.resized(320, 240).cropped(41, 30, 200, 160).turned(degrees)
    depth = np.ascontiguousarray(np.rot90(frame.truth_m[30:190, 41:241], -degrees // 90))
    turn = pose((0.0, 0.0, np.radians(degrees)), (0.0, 0.0, 0.0))
    at = {'stamp_ns': frame.stamp_ns, 'logged_ns': frame.logged_ns, 'frame_id': 'depth_optical'}
    items.append(Item(DEPTH, content=depth, kind='depth32', **at))
    items.append(Item(DEPTH_INFO, content=part, kind='info', **at))
    # Any two links whose product is the inverse rotation.
    links = [
        ('camera_link', 'camera', LINK_OPTICAL),
        ('camera_link', 'depth_optical', LINK_OPTICAL @ inverse(turn)),
    ]
    (judged,), reader = read(write_bag(tmp_path / 'bag', [tf(links), *items]))
    expected = np.full((480, 640), np.nan, np.float32)
    expected[60:380, 82:482] = np.repeat(np.repeat(frame.truth_m[30:190, 41:241], 2, 0), 2, 1)
    assert (np.isnan(judged.truth_m) == np.isnan(expected)).all()
    np.testing.assert_allclose(judged.truth_m, expected, atol=1e-3)
    assert judged.truth_frame_id == 'camera'
    assert reader.truth.how == [f'{DEPTH}, registered by /tf_static and {DEPTH_INFO}']
    (said,) = reader.bag.warnings
    assert said == (
        f"depth of {DEPTH} is in frame 'depth_optical', the images in 'camera'; it was registered "
        f'to them by /tf_static and {DEPTH_INFO} (--depth-as-is would not)'
    )


def cloud(points=((2.0, 0.0, 0.0),), frame_id='lidar', at=0, **extra):
    points = np.asarray(points, float).reshape(-1, 3)
    return Item(LIDAR, T0 + at, points, 'cloud', frame_id=frame_id, extra=extra)


@pytest.mark.parametrize(
    ('items', 'said'),
    [
        ([cloud()], "'camera', and there is no tf_static in bag .*; record /tf_static with"),
        ([cloud(), tf(MOUNTS[:1])], "no static transform links the frames 'lidar' and 'camera'"),
        ([cloud(), tf(MOUNTS[:1]), tf(MOUNTS[1:], '/tf')], "'camera' are linked only by /tf "),
        ([cloud(fields=[]), tf()], 'cloud has no field x of FLOAT32'),
    ],
)
def test_points_that_cannot_be_projected_are_refused_at_once(tmp_path, items, said):
    path = write_bag(tmp_path / 'bag', [*items, *frames([GREY])])
    with Bag(path) as bag, pytest.raises(EvalError, match=said):
        BagReader(bag, topics.choose(bag, depth=LIDAR))


def test_depth_as_is_is_refused_for_points(tmp_path):
    path = write_bag(tmp_path / 'bag', [tf(), cloud(), *frames([GREY])])
    with pytest.raises(EvalError, match=r'/lidar/points has points.* leave --depth-as-is out'):
        read(path, LIDAR, depth_as_is=True)


def test_clouds_without_a_usable_point_give_warnings(tmp_path):
    ahead, behind = apply(inverse(OPTICAL_LIDAR), np.array([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0]]))
    items = frames([GREY] * 5)
    for i, points in enumerate([ahead, [], behind, ahead, ahead]):
        items.append(cloud(points, at=i * 100_000_000))
    items[-2].frame_id, items[-1].extra = 'radar', {'width': 7}
    found, reader = read(write_bag(tmp_path / 'bag', [tf(), *items]), LIDAR)
    first, empty, unseen, unknown, broken = (frame.truth_m for frame in found)
    assert np.nanmax(first) == pytest.approx(2.0, abs=1e-6) and np.isfinite(first).sum() == 1
    assert np.isnan(empty).all() and np.isnan(unseen).all()
    assert unknown is None and broken is None
    nowhere, no_link, too_few = reader.bag.warnings
    assert 'no point in its picture' in nowhere and 'optical frame: x right, y down' in nowhere
    assert "1 depth message(s) left out: no static transform links the frames 'radar'" in no_link
    assert 'cloud of 7x1 points with point_step 16' in too_few


def test_the_second_camera_of_a_stereo_pair_gives_a_warning(tmp_path):
    """Some drivers give both cameras the frame_id of the first; P alone cannot decide it."""
    p = np.hstack([CAMERA.matrix, [[-6.0], [0.0], [0.0]]]).reshape(-1)
    image, info = frames([GREY])
    right = [image, replace(info, extra={'p': p})]
    own = [replace(DEPTH_MAP, frame_id='camera'), replace(OWN_INFO, frame_id='camera')]
    path = write_bag(tmp_path / 'bag', [*right, cloud(frame_id='camera'), *own])
    _, reader = read(path, LIDAR)
    (said,) = [warning for warning in reader.bag.warnings if 'stereo pair' in warning]
    assert said.startswith(f'P of {INFO} has Tx or Ty') and "'camera' is assumed to be" in said
    # Depth that needs no registration gives no warning.
    _, reader = read(path, DEPTH)
    assert not any('stereo pair' in warning for warning in reader.bag.warnings)


def test_rectified_images_that_are_rotated_give_a_warning(tmp_path):
    """Their frame_id may be that before or after rotation: 17 pixels for 2 degrees at fx 500."""
    image, info = frames([GREY])
    for degrees, rectified, said in ((2.0, True, 1), (2.0, False, 0), (0.01, True, 0)):
        r = cv2.Rodrigues(np.radians((0.0, degrees, 0.0)))[0].reshape(-1)
        items = [image, replace(info, extra={'r': r}), cloud(frame_id='camera')]
        _, reader = read(
            write_bag(tmp_path / f'{degrees}{rectified}', items), LIDAR, rectified=rectified
        )
        found = [w for w in reader.bag.warnings if w.startswith(f'R of {INFO} rotates the rect')]
        assert len(found) == said and all('by 2 degrees' in warning for warning in found)


def test_the_mounts_are_those_of_the_robot_with_the_camera(tmp_path):
    other = [('camera', 'lidar', pose((0.0, 0.0, 0.0), (0.5, 0.0, 0.0)))]
    mine = [('camera', 'lidar', np.eye(4))]
    items = [tf(mine, '/camera/tf_static'), tf(other, '/other/tf_static')]
    path = write_bag(tmp_path / 'bag', [*items, *frames([GREY]), cloud((0.0, 0.0, 3.0))])
    (frame,), _ = read(path, LIDAR)
    assert np.argwhere(np.isfinite(frame.truth_m)).tolist() == [[24, 32]]


def test_points_in_the_frame_of_the_images_need_no_transform(tmp_path):
    items = [tf(), *frames([GREY]), cloud((0.0, 0.0, 3.0), frame_id='camera')]
    (frame,), reader = read(write_bag(tmp_path / 'bag', items), LIDAR)
    assert np.argwhere(np.isfinite(frame.truth_m)).tolist() == [[24, 32]]
    assert reader.truth.how == ['/lidar/points, projected']


OTHER = Camera(40, 40, 29.5, 19.5, 60, 40)
DEPTH_MAP = Item(DEPTH, T0, np.full((40, 60), 2.0, np.float32), 'depth32', frame_id='ir')
OWN_INFO = Item(DEPTH_INFO, T0, OTHER, 'info', frame_id='ir')
IR = [('camera', 'ir', np.eye(4))]


@pytest.mark.parametrize(
    ('items', 'missing'),
    [
        ([tf(IR)], r'no camera_info beside /camera/depth/image; .* --depth-info-topic'),
        (
            [OWN_INFO],
            r"frames 'ir' and 'camera', and there is no tf_static in bag .*; record",
        ),
        (
            [OWN_INFO, tf(IR, '/tf')],
            r"'ir' and 'camera' are linked only by /tf \('camera' - 'ir'",
        ),
        ([replace(OWN_INFO, frame_id='x'), tf(IR)], r"frame_id 'ir' .* with --depth-info-topic"),
        (
            [replace(OWN_INFO, content=replace(OTHER, width=90)), tf(IR)],
            'camera_info describes 90x40, the image is 60x40 with another aspect',
        ),
    ],
)
def test_the_warning_of_depth_that_cannot_be_registered_has_the_reason(tmp_path, items, missing):
    path = write_bag(tmp_path / 'bag', [*items, DEPTH_MAP, *frames([GREY])])
    (frame,), reader = read(path)
    assert (frame.truth_m.shape, frame.truth_frame_id) == ((40, 60), 'ir')
    (warning,) = reader.bag.warnings
    assert warning.startswith(
        f"depth of {DEPTH} is in frame 'ir', the images in 'camera': unless both are the same "
        'camera, errors mean nothing. It is not registered: '
    )
    assert re.search(missing, warning)
    assert reader.truth.how == [f'{DEPTH}, as it is']


@pytest.mark.parametrize('slashed', [IMAGE, INFO, DEPTH])
def test_a_leading_slash_of_ros_1_does_not_change_a_frame(tmp_path, slashed):
    items = [
        replace(item, frame_id='/camera') if item.topic == slashed else item
        for item in frames([GREY], [np.full((48, 64), 2.0, np.float32)])
    ]
    (frame,), reader = read(write_bag(tmp_path / 'bag', items, 'ros1'))
    assert frame.truth_m.shape == (48, 64) and reader.bag.warnings == []


def test_the_warning_of_depth_without_a_frame_has_no_useless_advice(tmp_path):
    depth = replace(DEPTH_MAP, frame_id='')
    _, reader = read(write_bag(tmp_path / 'bag', [tf(IR), OWN_INFO, depth, *frames([GREY])]))
    (said,) = reader.bag.warnings
    assert "is in frame ''" in said and said.endswith('errors mean nothing')


def test_depth_that_may_be_registered_already_gives_a_warning(tmp_path):
    """Its camera_info is that of the pictures, but its frame_id that of the depth camera."""
    aside = [('camera', 'ir', pose((0.0, 0.0, 0.0), (0.02, 0.0, 0.0)))]
    depth = replace(DEPTH_MAP, content=np.full((48, 64), 2.0, np.float32))
    bent = replace(CAMERA, distortion_model='plumb_bob', distortion=(-0.1, 0.0, 0.0, 0.0, 0.0))
    items = [replace(OWN_INFO, content=CAMERA), depth, *frames([GREY], camera=bent)]
    _, reader = read(write_bag(tmp_path / 'bag', [tf(aside), *items]))
    registered_, twice = reader.bag.warnings
    assert 'it was registered to them by /tf_static' in registered_
    assert twice.startswith(f'{DEPTH_INFO}, of the depth, equals the camera of the images')
    # If both cameras are at one place, registration changes nothing.
    _, reader = read(write_bag(tmp_path / 'same', [tf(IR), *items]))
    assert len(reader.bag.warnings) == 1


@pytest.mark.parametrize(('focal', 'warned'), [(50.2, False), (60.0, True)])
def test_depth_of_another_view_in_the_same_frame_gives_a_warning(tmp_path, focal, warned):
    """For example, simulated cameras on one link."""
    camera = replace(CAMERA.resized(32, 24), fx=focal / 2)
    depth = replace(DEPTH_MAP, content=np.ones((24, 32), np.float32), frame_id='camera')
    info = replace(OWN_INFO, content=camera, frame_id='camera')
    items = [depth, info, *frames([GREY])]
    (frame,), reader = read(write_bag(tmp_path / 'bag', items))
    assert frame.truth_m.shape == (24, 32)
    assert len(reader.bag.warnings) == warned
    if warned:
        (said,) = reader.bag.warnings
        assert said.startswith(f'{DEPTH_INFO}, of the depth, has fx = 60, cx = 31.5 at the size')
        _, reader = read(tmp_path / 'bag', depth_as_is=True)
        assert reader.bag.warnings == []


def test_rectified_depth_with_distorted_pictures_gives_a_warning(tmp_path):
    """For example, depth of a ZED, which is rectified, recorded with the raw picture."""
    bent = replace(CAMERA, distortion_model='plumb_bob', distortion=(-0.1, 0.0, 0.0, 0.0, 0.0))
    depth = replace(DEPTH_MAP, content=np.ones((48, 64), np.float32), frame_id='camera')
    for name, camera, warned in (('straight', CAMERA, True), ('bent', bent, False)):
        info = replace(OWN_INFO, content=camera, frame_id='camera')
        items = [depth, info, *frames([GREY], camera=bent)]
        _, reader = read(write_bag(tmp_path / name, items))
        found = ['has no distortion, but that' in w for w in reader.bag.warnings]
        assert found == [True] * warned


def test_depth_projected_beside_the_picture_gives_a_hint_at_the_axes(tmp_path):
    """The pictures' frame has x ahead, as in some simulators; a map without depth gives none."""
    axes = [('camera', 'ir', inverse(pose((1.2, -1.2, 1.2), (0.0, 0.0, 0.0))))]
    for name, metres, hinted in (('far', 2.0, True), ('blind', np.nan, False)):
        depth = replace(DEPTH_MAP, content=np.full((40, 60), metres, np.float32))
        path = write_bag(tmp_path / name, [tf(axes), OWN_INFO, depth, *frames([GREY])])
        (frame,), reader = read(path)
        assert np.isnan(frame.truth_m).all()
        hints = [w for w in reader.bag.warnings if 'optical frame: x right, y down' in w]
        assert len(hints) == hinted


def test_depth_is_used_as_it_is_with_depth_as_is(tmp_path):
    path = write_bag(tmp_path / 'bag', [tf(IR), OWN_INFO, DEPTH_MAP, *frames([GREY])])
    (frame,), reader = read(path)
    assert frame.truth_m.shape == (48, 64)
    (frame,), reader = read(path, depth_as_is=True)
    assert (frame.truth_m.shape, reader.truth.how) == ((40, 60), [f'{DEPTH}, as it is'])
    assert reader.bag.warnings[0].endswith('errors mean nothing')


@pytest.mark.parametrize('kind', KINDS)
def test_transforms_are_looked_up_while_the_bag_is_read(tmp_path, kind):
    """The pictures are noise, so that the bag has many chunks; the transforms are in the last."""
    rng, items = np.random.default_rng(0), []
    for i in range(12):
        at = {'stamp_ns': T0 + i * 100_000_000}
        noise = rng.integers(0, 255, (480, 640, 3), np.uint8)
        items += [
            Item(IMAGE, content=noise, kind='image', **at),
            Item(INFO, content=CAMERA.resized(640, 480), kind='info', **at),
            replace(OWN_INFO, **at),
            replace(DEPTH_MAP, content=DEPTH_MAP.content + i, **at),
        ]
    path = write_bag(tmp_path / 'bag', [*items, replace(tf(IR), logged_ns=T0 + 10**10)], kind)
    found, reader = read(path)
    assert [float(f.truth_m[240, 320]) for f in found] == list(range(2, 14))
    assert len(reader.bag.warnings) == 1


def test_the_info_of_depth_may_be_in_another_namespace(tmp_path):
    items = [tf(IR), replace(OWN_INFO, topic='/ir/camera_info'), DEPTH_MAP, *frames([GREY])]
    path = write_bag(tmp_path / 'bag', items)
    choose = {'camera_info': INFO, 'depth_info': '/ir/camera_info'}
    (frame,), reader = read(path, choose=choose)
    assert reader.truth.how == [f'{DEPTH}, registered by /tf_static and /ir/camera_info']
    np.testing.assert_allclose(frame.truth_m[24, 20:40], 2.0)
    with pytest.raises(EvalError, match='has no topic /nowhere'):
        read(path, choose={'camera_info': INFO, 'depth_info': '/nowhere'})
