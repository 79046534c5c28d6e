# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag as a dataset: pairing, distortion, and error messages that name the topic."""

from __future__ import annotations

import json
import os
import resource
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, Item
from bag_factory import write_bag as write_items
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.eval.bags.reader import BagFrame
from train.datasets.bag import labelled, write_frame
from train.datasets.registry import open_dataset
from train.errors import TrainError
from train.worlds.cache import WorldCache

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
HEIGHT, WIDTH = 48, 64


def header(stamp_ns: int):
    time = TYPES['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES['std_msgs/msg/Header'](stamp=time, frame_id='camera')


def image(stamp_ns: int, pixels: np.ndarray, encoding: str):
    return TYPES['sensor_msgs/msg/Image'](
        header=header(stamp_ns),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )


def info(stamp_ns: int, distortion: list[float]):
    k = [60.0, 0.0, 31.5, 0.0, 61.0, 23.5, 0.0, 0.0, 1.0]
    p = [60.0, 0.0, 31.5, 0.0, 0.0, 61.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header=header(stamp_ns),
        height=HEIGHT,
        width=WIDTH,
        distortion_model='plumb_bob',
        d=np.array(distortion),
        k=np.array(k),
        r=np.eye(3).ravel(),
        p=np.array(p),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def write_bag(path: Path, distortion: list[float], depth_size=(HEIGHT, WIDTH), extra=()) -> Path:
    """Write three pictures 100 ms apart; the second depth is 12 ms late, the third is missing."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            '/cam/color/image_raw': 'sensor_msgs/msg/Image',
            '/cam/color/camera_info': 'sensor_msgs/msg/CameraInfo',
            '/cam/aligned_depth_to_color/image_raw': 'sensor_msgs/msg/Image',
            **dict.fromkeys(extra, 'sensor_msgs/msg/Image'),
        }
        connections = {
            name: writer.add_connection(name, kind, typestore=STORE)
            for name, kind in topics.items()
        }

        def put(topic: str, stamp_ns: int, message) -> None:
            kind = topics[topic]
            writer.write(connections[topic], stamp_ns, STORE.serialize_cdr(message, kind))

        for number in range(3):
            stamp = 10**9 + number * 10**8
            rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            rgb[..., 0] = 50 * (number + 1)
            depth = np.full(depth_size, 1500 + number, np.uint16)
            depth[0, 0] = 0
            if number < 2:
                late = stamp + 12 * 10**6 * number
                put('/cam/aligned_depth_to_color/image_raw', late, image(late, depth, '16UC1'))
            put('/cam/color/camera_info', stamp, info(stamp, distortion))
            put('/cam/color/image_raw', stamp, image(stamp, rgb, 'rgb8'))
            for topic in extra:
                put(topic, stamp, image(stamp, rgb, 'rgb8'))
    return path


def test_pairs_become_frames(tmp_path):
    bag = write_bag(tmp_path / 'drive', [0.0] * 5)
    reader = open_dataset('bag', bag)
    assert len(reader) == 2
    second = reader.load(1)
    assert second.rgb[5, 5].tolist() == [100, 0, 0]
    assert second.depth[5, 5] == pytest.approx(1.501) and np.isnan(second.depth[0, 0])
    assert (second.camera.fx, second.camera.fy) == (60.0, 61.0)
    # A second opening reads the written frames, even without the bag.
    (tmp_path / 'drive').rename(tmp_path / 'gone')
    assert len(open_dataset('bag', bag)) == 2
    assert len(open_dataset('bag', tmp_path / 'gone', every=2)) == 1


def test_pictures_of_a_rotated_camera_are_turned_upright(tmp_path):
    bag = write_bag(tmp_path / 'drive', [0.0] * 5)
    plain = open_dataset('bag', bag).load(1)
    with pytest.raises(TrainError, match='image_rotation None, now 90'):
        open_dataset('bag', bag, image_rotation=90)
    reader = open_dataset('bag', bag, image_rotation=90, cache=tmp_path / 'upright')
    upright = reader.load(1)
    assert upright.camera == plain.camera.turned(90)
    np.testing.assert_array_equal(upright.rgb, np.rot90(plain.rgb, -1))
    np.testing.assert_array_equal(upright.depth, np.rot90(plain.depth, -1))
    assert np.isnan(upright.depth[0, -1])  # the unmeasured part is at the right now
    with pytest.raises(TrainError, match='image_rotation=45; allowed: 0, 90, 180, 270'):
        open_dataset('bag', bag, image_rotation=45)


def record(path: Path, stamps_ns, level: int = 0, depth_late_ns: int = 0) -> Path:
    """Write depths and pictures of the grey levels `level`, `level` + 1 ..., in this order."""
    items = []
    for i, stamp in enumerate(stamps_ns):
        rgb = np.full((48, 64, 3), level + i, np.uint8)
        depth = np.full((48, 64), 1.0 + i, np.float32)
        items += [
            Item(IMAGE, stamp, rgb, 'image', logged_ns=i),
            Item(INFO, stamp, CAMERA, 'info', logged_ns=i),
            Item(DEPTH, stamp + depth_late_ns, depth, 'depth32', logged_ns=i),
        ]
    return write_items(path, items)


def levels(reader) -> list[int]:
    return [int(reader.load(i).rgb[0, 0, 0]) for i in range(len(reader))]


def test_the_end_is_held_out_in_simulated_time_too(tmp_path):
    """Seconds 5 to 14 of a simulation: from 10, stamps have one more digit."""
    bag = record(tmp_path / 'sim', [second * 10**9 for second in range(5, 15)])
    assert levels(open_dataset('bag', bag, part='train')) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert levels(open_dataset('bag', bag, part='held_out')) == [8, 9]


def test_every_frame_of_a_looped_bag_is_used_and_the_same_end_held_out(tmp_path, capsys):
    bag = record(tmp_path / 'loop', [0, 1, 2, 3, 4] * 2)
    assert levels(open_dataset('bag', bag, part='train')) == [0, 5, 1, 6, 2, 7, 3, 8]
    assert levels(open_dataset('bag', bag, part='held_out')) == [4, 9]
    assert 'warning: 5 of 10 images repeat a stamp' in capsys.readouterr().err


def test_parallel_processes_write_the_frames_once(tmp_path, monkeypatch):
    """A second process opens the bag when the first has written half of its frames."""
    bag = record(tmp_path / 'bag', [1, 2])
    found = []
    second = threading.Thread(target=lambda: found.append(levels(open_dataset('bag', bag))))

    def writing(*arguments) -> None:
        if not second.ident:
            second.start()
            second.join(timeout=0.5)  # it waits for this one
        write_frame(*arguments)

    monkeypatch.setattr('train.datasets.bag.write_frame', writing)
    assert levels(open_dataset('bag', bag)) == [0, 1]
    second.join()
    assert found == [[0, 1]]


def test_no_process_waits_for_the_frames_of_another_bag(tmp_path, monkeypatch):
    """The other bag is in the same folder, and takes minutes."""
    ready, bag = record(tmp_path / 'ready', [1, 2]), record(tmp_path / 'bag', [1])
    open_dataset('bag', ready)
    found = []
    other = threading.Thread(target=lambda: found.append(levels(open_dataset('bag', ready))))

    def writing(*arguments) -> None:
        other.start()
        other.join(timeout=20.0)
        assert found == [[0, 1]]
        write_frame(*arguments)

    monkeypatch.setattr('train.datasets.bag.write_frame', writing)
    open_dataset('bag', bag)


def test_frames_of_another_recording_with_the_same_name_are_refused(tmp_path):
    bag = record(tmp_path / 'bag', [1, 2, 3])
    assert levels(open_dataset('bag', bag)) == [0, 1, 2]
    (file,) = bag.glob('*.mcap')
    written = file.stat().st_mtime
    shutil.rmtree(bag)
    record(bag, [1, 2, 3], level=7)  # as long as the other
    os.utime(file, (written, written + 60))
    with pytest.raises(TrainError, match=r'frames were made from another .*: changed .* Delete'):
        open_dataset('bag', bag)
    shutil.rmtree(bag)
    record(bag, [1, 2, 3, 4])
    os.utime(file, (written, written))
    with pytest.raises(TrainError, match=r'frames were made from another .*: bytes .* Delete'):
        open_dataset('bag', bag)


def test_a_tilde_in_a_source_is_the_home_folder(tmp_path, monkeypatch):
    """The shell does not expand a ~ within a source."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    record(tmp_path / 'drive', [1, 2])
    assert len(open_dataset('bag', '~/drive', cache='~/made')) == 2
    assert (tmp_path / 'made').is_dir() and not (tmp_path / '~').exists()
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    (tmp_path / 'list.txt').write_text('a.jpg\n')
    assert open_dataset('images', pictures, list_file='~/list.txt').index() == ['a.jpg']
    shard = tmp_path / 'in' / 'shard-00000'
    shard.mkdir(parents=True)
    for name, array in (('rgb', np.zeros((1, 4, 4, 3), np.uint8)), ('depth', np.ones((1, 4, 4))),
                        ('camera', np.ones((1, 4)))):  # fmt: skip
        np.save(shard / f'{name}.npy', array)
    assert len(WorldCache('~/in')) == 1


def test_frames_of_an_older_version_are_refused(tmp_path):
    """Their order differs, and so would the parts."""
    bag = record(tmp_path / 'bag', [1, 2, 3])
    open_dataset('bag', bag)
    origin = tmp_path / 'bag.frames' / 'origin.json'
    made = json.loads(origin.read_text())
    del made['layout']
    origin.write_text(json.dumps(made))
    with pytest.raises(TrainError, match=r'layout None, now 2\. Delete that folder'):
        open_dataset('bag', bag)


def test_frames_without_measured_depth_are_left_out(tmp_path, capsys):
    """From a covered camera, or during the first second after its start."""
    items = []
    for i in range(4):
        depth = np.full((48, 64), np.nan if i in (0, 3) else 1.0 + i, np.float32)
        rgb = np.full((48, 64, 3), i, np.uint8)
        items += [
            Item(IMAGE, i, rgb, 'image'),
            Item(INFO, i, CAMERA, 'info'),
            Item(DEPTH, i, depth, 'depth32'),
        ]
    assert levels(open_dataset('bag', write_items(tmp_path / 'some', items))) == [1, 2]
    assert '2 image(s) skipped: no pixel of its depth is measured' in capsys.readouterr().err
    blind = write_items(tmp_path / 'blind', [*items[:3], *items[9:]])
    with pytest.raises(TrainError, match='no labelled frame: no pixel of its depth is measured'):
        open_dataset('bag', blind)


def test_distortion_is_removed(tmp_path):
    lens = [-0.4, 0.1, 0.0, 0.0, 0.0]
    sample = open_dataset('bag', write_bag(tmp_path / 'bent', lens)).load(0)
    # The pixel at the left end of the middle row moves outward, out of the picture.
    k = np.array([[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1.0]])
    pixel = np.array([[[12.0, 23.0]]])
    u, v = cv2.undistortPoints(pixel, k, np.array(lens), P=k)[0, 0]
    assert u < 11.5
    assert sample.depth[round(v), round(u)] == pytest.approx(1.5)
    assert not sample.camera.is_distorted


def test_far_depth_is_kept(tmp_path):
    depth = np.full((4, 6), 70.25, np.float32)
    depth[0] = [np.nan, np.inf, 1.0, 65.535, 0.001, 80.5]
    sample = RawSample(np.zeros((4, 6, 3), np.uint8), depth, Camera(5, 5, 2.5, 1.5, 6, 4))
    write_frame(tmp_path / 'set' / 'one', sample, 'test')
    read = open_dataset('frames', tmp_path / 'set').load(0).depth
    expected = depth.copy()
    expected[0, 1] = np.nan  # the layout does not store sky
    np.testing.assert_allclose(read, expected, atol=1e-6)


def test_smaller_depth_labels_fewer_pixels(tmp_path):
    bag = write_bag(tmp_path / 'half', [0.0] * 5, depth_size=(24, 32))
    depth = open_dataset('bag', bag).load(0).depth
    assert np.count_nonzero(~np.isnan(depth)) == 24 * 32 - 1
    assert depth[2, 2] == pytest.approx(1.5) and np.isnan(depth[1, 1])


def test_smaller_depth_labels_the_centre_of_the_area_it_covers():
    truth = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    camera = Camera(10.0, 10.0, 4.0, 2.5, width=9, height=6)
    rgb = np.zeros((6, 9, 3), np.uint8)
    depth = labelled(BagFrame(0, 0, 0, '', rgb, camera, truth, {})).depth
    np.testing.assert_array_equal(depth[1::3, 1::3], truth)
    assert np.count_nonzero(np.isfinite(depth)) == truth.size


def test_ambiguity_and_bad_depth_are_explained(tmp_path):
    bag = write_bag(tmp_path / 'two', [0.0] * 5, extra=('/other/image_raw',))
    with pytest.raises(TrainError, match='several image topics; choose one with option image: /'):
        open_dataset('bag', bag)
    assert len(open_dataset('bag', bag, image='/cam/color/image_raw')) == 2
    with pytest.raises(TrainError, match=r'no topic /nothing; it has: /cam'):
        open_dataset('bag', bag, image='/nothing', cache=tmp_path / 'x')
    with pytest.raises(TrainError, match=r'within 0\.03 s .* \(see option depth_tolerance\)$'):
        open_dataset('bag', record(tmp_path / 'late', [1, 2], depth_late_ns=10**8))
    square = write_bag(tmp_path / 'square', [0.0] * 5, depth_size=(32, 32))
    with pytest.raises(TrainError, match=r'square: depth is 32x32, the picture 64x48.*registered'):
        open_dataset('bag', square)
    assert not (tmp_path / 'square.frames').exists()
    (tmp_path / 'text').write_text('no bag')
    with pytest.raises(TrainError, match='not a bag'):
        open_dataset('bag', tmp_path / 'text')


def test_a_frame_that_does_not_fit_on_the_disk_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    camera = Camera(60.0, 60.0, 31.5, 23.5, WIDTH, HEIGHT)
    sample = RawSample(noise, np.ones((HEIGHT, WIDTH), np.float32), camera)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large'):
            write_frame(tmp_path / 'frame', sample, 'bag')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
