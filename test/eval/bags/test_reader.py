# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, KINDS, T0, Item, frames, write_bag
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_ros.core.camera import Camera
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader

SHARED = Path(os.environ.get('DMD_SHARED', Path(__file__).parents[3].parent / 'shared'))
MS = 1_000_000


def grey(level):
    return np.full((48, 64, 3), level, np.uint8)


def metres(value):
    return np.full((48, 64), value, np.float32)


def read(path, depth=None, **options):
    """Return all frames of a bag, and its reader."""
    with Bag(path) as bag:
        reader = BagReader(bag, topics.choose(bag, depth=depth), **options)
        return list(reader), reader


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_bag_gives_the_same_frames(tmp_path, kind):
    items = frames([grey(10), grey(20), grey(30)], [metres(1), metres(2), metres(3)])
    found, reader = read(write_bag(tmp_path / 'bag', items, kind))
    assert [int(f.rgb[0, 0, 0]) for f in found] == [10, 20, 30]
    assert [float(f.truth_m[0, 0]) for f in found] == [1, 2, 3]
    assert [f.stamp_ns - T0 for f in found] == [0, 100 * MS, 200 * MS]
    assert {f.frame_id for f in found} == {'camera'}
    assert {f.camera for f in found} == {CAMERA}
    assert not reader.skipped
    assert not reader.bag.warnings


@pytest.mark.parametrize('kind', ['mcap', 'ros1'])
def test_pictures_may_be_compressed(tmp_path, kind):
    ramp = np.repeat(np.arange(64, dtype=np.uint16)[None] * 100, 48, axis=0)
    items = [
        Item('/c/image/compressed', T0, grey(77), 'png'),
        Item('/c/camera_info', T0, CAMERA, 'info'),
        Item('/c/depth/image/compressedDepth', T0, ramp, 'compressed_depth'),
    ]
    (frame,), _ = read(write_bag(tmp_path / 'bag', items, kind))
    assert (frame.rgb == 77).all()
    np.testing.assert_allclose(frame.truth_m[0, 1:], np.arange(1, 64) * 0.1, rtol=1e-6)
    assert np.isnan(frame.truth_m[0, 0])


def test_sixteen_bit_depth_is_millimetres(tmp_path):
    items = frames([grey(1)])
    items.append(Item(DEPTH, T0, np.full((48, 64), 1500, np.uint16), 'depth16'))
    (frame,), _ = read(write_bag(tmp_path / 'bag', items))
    assert frame.truth_m[0, 0] == pytest.approx(1.5)


def test_stride_and_limit(tmp_path):
    path = write_bag(tmp_path / 'bag', frames([grey(i) for i in range(10)]))
    assert [f.index for f in read(path, stride=3)[0]] == [0, 3, 6, 9]
    assert [f.index for f in read(path, stride=3, limit=2)[0]] == [0, 3]
    assert [int(f.rgb[0, 0, 0]) for f in read(path, stride=4)[0]] == [0, 4, 8]


def test_depth_is_paired_by_stamp_wherever_it_is_in_the_bag(tmp_path):
    items = frames([grey(i) for i in range(6)])
    # Recorded long after their images, and 3 ms off.
    items += [
        Item(
            DEPTH, T0 + i * 100 * MS + 3 * MS, metres(i + 1), 'depth32', logged_ns=T0 + 10**10 + i
        )
        for i in range(6)
    ]
    found, _ = read(write_bag(tmp_path / 'bag', items))
    assert [float(f.truth_m[0, 0]) for f in found] == [1, 2, 3, 4, 5, 6]


def test_depth_outside_the_tolerance_is_not_used(tmp_path):
    items = [*frames([grey(1)]), Item(DEPTH, T0 + 30 * MS, metres(1), 'depth32')]
    (frame,), reader = read(write_bag(tmp_path / 'bag', items))
    assert frame.truth_m is None
    assert 'there is no ground truth' in reader.bag.warnings[0]
    (frame,), _ = read(write_bag(tmp_path / 'b2', items), tolerance_s=0.05)
    assert frame.truth_m is not None


@pytest.mark.parametrize('times', [[0] * 6, [0, 1, 2, 0, 1, 2]], ids=['unstamped', 'looped'])
def test_images_with_repeated_stamps_get_their_depths_and_a_warning(tmp_path, times):
    items = []
    for i, time in enumerate(times):
        at = {'stamp_ns': time * 100 * MS, 'logged_ns': T0 + i * MS}
        items.append(Item(IMAGE, content=grey(i), kind='image', **at))
        items.append(Item(INFO, content=CAMERA, kind='info', **at))
        items.append(Item(DEPTH, content=metres(i + 1), kind='depth32', **at))
    path = write_bag(tmp_path / 'bag', items)
    for stride in (1, 2):
        found, reader = read(path, stride=stride)
        depths = [float(f.truth_m[0, 0]) for f in found]
        assert depths == [1, 2, 3, 4, 5, 6][::stride]
        assert f'{6 - len(set(times))} of 6 images repeat a stamp' in reader.bag.warnings[0]
    assert read(path, depth='none')[1].bag.warnings == []


def test_one_latched_info_serves_all_images_with_a_warning(tmp_path):
    items = [Item(INFO, 0, CAMERA, 'info', logged_ns=T0)]
    items += [Item(IMAGE, T0 + i * MS, grey(i), 'image') for i in range(3)]
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert len(found) == 3
    assert reader.inexact_infos == 3
    assert any(
        '3 of 3 images have no camera_info of equal stamp' in w for w in reader.bag.warnings
    )


def test_the_info_with_an_equal_stamp_is_used_or_else_the_nearest(tmp_path):
    def camera(f):
        return Camera(fx=f, fy=f, cx=31.5, cy=23.5, width=64, height=48)

    items = [Item(INFO, T0 + i * 100 * MS, camera(50.0 + i), 'info') for i in (0, 1, 2, 9)]
    items = [replace(i, logged_ns=2 * T0 - i.stamp_ns) for i in items]  # recorded in reverse
    items += [Item(IMAGE, T0 + ms * MS, grey(1), 'image') for ms in (0, 60, 100, 190, 600, 899)]
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert [f.camera.fx for f in found] == [50, 51, 51, 52, 59, 59]
    assert reader.inexact_infos == 4 and 'up to 0.3 s away' in reader.bag.warnings[0]


def test_an_info_is_found_without_a_search_of_the_whole_bag(tmp_path):
    class Unwalked(list):
        def __iter__(self):
            raise AssertionError('walked')

    items = [Item(INFO, T0 + i * MS, CAMERA, 'info') for i in range(4)]
    items += [Item(IMAGE, T0 + i * MS, grey(i), 'image') for i in range(4)]
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        reader = BagReader(bag, topics.choose(bag))
        reader._infos = {name: Unwalked(infos) for name, infos in reader._infos.items()}
        assert len(list(reader)) == 4
    assert reader.inexact_infos == 0


def test_info_of_another_frame_is_not_used(tmp_path):
    items = [
        Item(INFO, T0, CAMERA, 'info', frame_id='left'),
        Item(IMAGE, T0, grey(1), 'image', frame_id='right'),
    ]
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert not found
    (reason,) = reader.skipped
    assert "no camera_info with frame_id 'right'" in reason
    assert "['left']" in reason
    assert '--camera-info-topic' in reason


def test_an_empty_frame_id_matches_any(tmp_path):
    items = [Item(INFO, T0, CAMERA, 'info', frame_id=''), Item(IMAGE, T0, grey(1), 'image')]
    assert len(read(write_bag(tmp_path / 'bag', items))[0]) == 1


def test_an_image_without_a_frame_id_takes_the_nearest_info_of_all(tmp_path):
    items = [Item(INFO, T0, CAMERA, 'info', frame_id='left')]
    items += [Item(INFO, T0 + 50 * MS, replace(CAMERA, fx=60.0), 'info', frame_id='right')]
    items += [Item(IMAGE, T0 + k * MS, grey(1), 'image', frame_id='') for k in (1, 49)]
    found, _ = read(write_bag(tmp_path / 'bag', items))
    assert [f.camera.fx for f in found] == [50.0, 60.0]


def test_p_is_used_for_rectified_images(tmp_path):
    p = np.array([40.0, 0, 30, 0, 0, 41, 20, 0, 0, 0, 1, 0])
    bent = replace(CAMERA, distortion=(-0.2, 0.0, 0.0, 0.0, 0.0), distortion_model='plumb_bob')
    items = [Item(INFO, T0, bent, 'info', extra={'p': p}), Item(IMAGE, T0, grey(1), 'image')]
    path = write_bag(tmp_path / 'bag', items)
    assert read(path)[0][0].camera == bent
    assert read(path, rectified=True)[0][0].camera == Camera(40.0, 41.0, 30.0, 20.0, 64, 48)


def test_depths_that_cannot_be_read_lose_no_image_and_give_one_warning(tmp_path):
    items = frames([grey(i) for i in range(3)], [metres(i + 1) for i in range(3)])
    items[5].extra = items[8].extra = {'encoding': 'mono8'}
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert [f.truth_m is None for f in found] == [False, True, True]
    (warning,) = reader.bag.warnings
    assert warning.startswith('2 depth message(s) left out: ') and "'mono8'" in warning


def test_the_same_error_of_many_messages_gives_one_warning(tmp_path):
    """With an unknown codec, a recording of an hour would print 100,000 lines."""
    jpeg = cv2.imencode('.jpg', grey(9))[1].tobytes()
    items = [Item(INFO, T0, CAMERA, 'info')]
    for i in range(6):
        data = jpeg if i % 2 else jpeg[: -20 - i]
        items.append(Item(IMAGE, T0 + i * MS, data, 'bytes'))
        short, said = np.zeros((48, 64 + i), np.uint16), {'encoding': '32FC1'}
        items.append(Item(DEPTH, T0 + i * MS, short, 'depth16', extra=said))
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert [f.index for f in found] == [1, 3, 5]
    assert list(reader.skipped.values()) == [3]
    (warning,) = (w for w in reader.bag.warnings if 'depth' in w)
    assert warning.startswith('3 depth message(s) left out: step 1') and '32FC1' in warning


def test_equal_camera_infos_share_memory(tmp_path):
    def kept(name, count):
        items = [Item(INFO, T0 + i * MS, CAMERA, 'info') for i in range(count)]
        path = write_bag(tmp_path / name, [*items, Item(IMAGE, T0, grey(1), 'image')])
        with Bag(path) as bag:
            tracemalloc.start()
            reader = BagReader(bag, topics.choose(bag))
            memory = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            (frame,) = reader
        assert frame.camera == CAMERA
        return memory

    kept('once', 10)  # load modules and types first
    assert kept('many', 1010) - kept('few', 10) < 1000 * 400


def test_depth_of_another_frame_is_used_with_a_warning(tmp_path):
    items = [*frames([grey(1)]), Item(DEPTH, T0, metres(1), 'depth32', frame_id='ir')]
    (frame,), reader = read(write_bag(tmp_path / 'bag', items))
    assert frame.truth_m is not None
    assert "in frame 'ir', the images in 'camera'" in reader.bag.warnings[0]


def test_unusable_images_are_counted_and_the_others_read(tmp_path):
    jpeg = [
        Item(IMAGE, T0, grey(1), 'jpeg'),
        Item(IMAGE, T0 + MS, b'', 'bytes'),
        Item(IMAGE, T0 + 2 * MS, b'\xff\xd8 cut off', 'bytes'),
        Item(IMAGE, T0 + 3 * MS, grey(2), 'jpeg'),
        Item(INFO, T0, CAMERA, 'info'),
    ]
    found, reader = read(write_bag(tmp_path / 'bag', jpeg))
    assert [f.index for f in found] == [0, 3]
    assert sorted(reader.skipped.values()) == [1, 1]
    assert any('is empty' in reason for reason in reader.skipped)
    assert any('cut off' in reason for reason in reader.skipped)


def test_an_info_of_another_size_is_scaled_and_of_another_aspect_ratio_refused(tmp_path):
    big = Camera(fx=100.0, fy=100.0, cx=63.5, cy=47.5, width=128, height=96)
    items = [Item(INFO, T0, big, 'info'), Item(IMAGE, T0, grey(1), 'image')]
    (frame,), _ = read(write_bag(tmp_path / 'bag', items))
    assert frame.camera == CAMERA
    wide = Camera(fx=100.0, fy=100.0, cx=63.5, cy=23.5, width=128, height=48)
    items = [Item(INFO, T0, wide, 'info'), Item(IMAGE, T0, grey(1), 'image')]
    found, reader = read(write_bag(tmp_path / 'b2', items))
    assert not found
    assert 'another aspect' in next(iter(reader.skipped))


def test_an_uncalibrated_camera_gives_the_reason(tmp_path):
    items = [
        Item(INFO, T0, CAMERA, 'info', extra={'k': np.zeros(9)}),
        Item(IMAGE, T0, grey(1), 'image'),
    ]
    found, reader = read(write_bag(tmp_path / 'bag', items))
    assert not found
    assert 'not calibrated' in next(iter(reader.skipped))


@settings(max_examples=15)
@given(order=st.permutations(range(8)), late=st.integers(0, 10**9))
def test_no_frame_is_lost_whatever_the_order_of_recording(order, late):
    images = [Item(IMAGE, T0 + i * MS, grey(i), 'image', logged_ns=T0 + i) for i in range(8)]
    depths = [
        Item(DEPTH, T0 + i * MS, metres(i + 1), 'depth32', logged_ns=T0 + late + k)
        for k, i in enumerate(order)
    ]
    with tempfile.TemporaryDirectory() as folder:
        items = [Item(INFO, T0, CAMERA, 'info'), *images, *depths]
        items.sort(key=lambda item: item.logged_ns or 0)
        found, _ = read(write_bag(Path(folder) / 'bag', items), tolerance_s=1e-4)
    assert [f.index for f in found] == list(range(8))
    assert [float(f.truth_m[0, 0]) for f in found] == [i + 1 for i in range(8)]


FIDUCIALS = SHARED / 'real' / 'bags' / 'fiducials_raspicam'
KITCHEN = SHARED / 'real' / 'bags' / 'sevenscenes_repackaged'


@pytest.mark.skipif(not FIDUCIALS.is_dir(), reason='no real bags here')
@pytest.mark.parametrize('name', ['aruco_images.bag', 'ros2_mcap', 'ros2_sqlite3'])
def test_the_real_bag_without_equal_stamps_is_read(name):
    (frame,), reader = read(FIDUCIALS / name)
    assert frame.rgb.shape == (960, 1280, 3)
    assert frame.camera.distortion_model == 'plumb_bob'
    assert frame.camera.is_distorted
    assert frame.camera.fx == pytest.approx(1014.3, abs=0.1)
    assert 'no camera_info of equal stamp' in reader.bag.warnings[0]
    assert 'up to 0.462 s away' in reader.bag.warnings[0]


@pytest.mark.skipif(not KITCHEN.is_dir(), reason='no real bags here')
@pytest.mark.parametrize('name', ['ros2_mcap', 'ros2_sqlite3'])
def test_the_real_video_is_read_whole(name):
    found, reader = read(KITCHEN / name, stride=10)
    assert reader.images_in_bag == 30
    assert [f.index for f in found] == [0, 10, 20]
    assert not reader.bag.warnings
