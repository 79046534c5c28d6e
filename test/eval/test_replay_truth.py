# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay with the ground truth of a LiDAR, and of a depth camera beside the colour camera."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, T0, Item, frames, write_bag
from oracle_model import grey_from_depth, write_oracle

from dmd_ros.core.camera import Camera, rectified_pixels
from dmd_ros.eval import replay
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.bags.sensor_truth import registered
from dmd_ros.eval.options import run_command
from dmd_ros.eval.points import apply, inverse, transform

SAMPLE = Path(__file__).parents[1] / 'data' / 'sample_bag'
LIDAR, DEPTH_INFO = '/lidar/points', '/camera/depth/camera_info'
COUNT = 3
# The LiDAR is 10 cm above the camera; its x axis points ahead, z up.
AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
CAMERA_LIDAR = transform(AXES, (0.02, -0.1, -0.05))
CAMERA_IR = transform(cv2.Rodrigues(np.array([0.005, 0.01, 0.002]))[0], (0.015, 0.0, 0.002))
MOUNTS = [('camera', 'lidar', CAMERA_LIDAR), ('camera', 'ir', CAMERA_IR)]
IR = Camera(300, 300, 199.5, 149.5, 400, 300)


def points_of(depth, camera):
    """Back-project depth [H, W] of a camera, distorted or not; points [N, 3]."""
    v, u = np.nonzero(np.isfinite(depth))
    pixels = np.stack([u, v], axis=1).astype(float)
    if camera.is_distorted:
        pixels = rectified_pixels(camera, pixels)
    rays = (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    points = np.insert(rays, 2, 1.0, axis=1) * depth[v, u, None]
    return points[np.isfinite(points).all(axis=1)]


def tf(links=MOUNTS):
    return Item('/tf_static', T0, links, 'tf', logged_ns=1)


@pytest.fixture(scope='module')
def walk():
    """Return the first frames of the sample bag, with measurements of two other sensors."""
    with Bag(SAMPLE) as bag:
        found = list(BagReader(bag, topics.choose(bag), limit=COUNT))
    shots = {IMAGE: [tf()], DEPTH: [tf()], LIDAR: [tf()]}
    for frame in found:
        at = {'stamp_ns': frame.stamp_ns, 'logged_ns': frame.logged_ns}
        jpeg = cv2.imencode('.jpg', frame.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        both = [
            Item(IMAGE, content=jpeg.tobytes(), kind='bytes', **at),
            Item(INFO, content=frame.camera, kind='info', **at),
        ]
        coarse = frame.camera.resized(320, 240)
        aside = registered(frame.truth_m, coarse, inverse(CAMERA_IR), IR)
        lines = frame.truth_m.copy()
        lines[np.arange(240) % 8 > 0] = np.nan
        points = apply(inverse(CAMERA_LIDAR), points_of(lines, coarse))
        late = {**at, 'stamp_ns': frame.stamp_ns + 30_000_000}
        shots[IMAGE] += [*both, Item(DEPTH, content=frame.truth_m, kind='depth32', **at)]
        shots[DEPTH] += [
            *both,
            Item(DEPTH, content=aside, kind='depth32', frame_id='ir', **at),
            Item(DEPTH_INFO, content=IR, kind='info', frame_id='ir', **at),
        ]
        shots[LIDAR] += [
            *both,
            Item(LIDAR, content=points, kind='cloud', frame_id='lidar', **late),
        ]
    return shots


@pytest.fixture
def oracle(tmp_path):
    return ['--model', str(write_oracle(tmp_path / 'm.onnx'))]


def run(bag, out, *options):
    replay.main([str(bag), '--out', str(out), '--quiet', '--no-points', *options])
    return json.loads((out / 'results.json').read_text())


def test_other_sensors_give_the_same_verdict_as_registered_depth(walk, tmp_path, capsys):
    bags = {name: write_bag(tmp_path / name.split('/')[-1], walk[name]) for name in walk}
    expected = run(bags[IMAGE], tmp_path / 'registered')
    assert expected['settings']['ground_truth'] == f'{DEPTH}, as it is'
    beside = run(bags[DEPTH], tmp_path / 'beside')
    lidar = run(
        bags[LIDAR], tmp_path / 'lidar', '--depth-topic', LIDAR, '--depth-tolerance', '.05'
    )
    assert beside['topics']['depth_info'] == DEPTH_INFO
    assert beside['settings']['ground_truth'] == (
        f'{DEPTH}, registered by /tf_static and {DEPTH_INFO}'
    )
    assert lidar['settings']['ground_truth'] == f'{LIDAR}, projected by /tf_static'
    for results in (beside, lidar):
        total, same = results['total'], expected['total']
        assert total['frames'] == COUNT
        assert total['score']['abs_rel'] == pytest.approx(same['score']['abs_rel'], abs=0.004)
        assert total['median_scale'] == pytest.approx(same['median_scale'], abs=0.01)
        assert total['best_const']['abs_rel'] == pytest.approx(
            same['best_const']['abs_rel'], abs=0.02
        )
    assert lidar['warnings'] == []
    said = capsys.readouterr()
    assert 'it was registered to them by /tf_static' in said.err
    assert f'\nground truth: {LIDAR}, projected by /tf_static\n' in said.out
    assert (tmp_path / 'lidar' / 'sheet.png').is_file()


def test_recorded_estimates_are_judged_by_a_lidar_too(walk, tmp_path):
    """Registered truth, a tenth too far, serves as the estimate."""
    theirs = [
        replace(item, topic='/theirs/depth', content=np.float32(1.1) * item.content)
        for item in walk[IMAGE]
        if item.topic == DEPTH
    ]
    bag = write_bag(tmp_path / 'bag', [*walk[LIDAR], *theirs])
    truth = ('--depth-topic', LIDAR, '--depth-tolerance', '.05')
    found = run(bag, tmp_path / 'out', '--estimate-topic', '/theirs/depth', *truth)
    assert found['settings']['ground_truth'] == f'{LIDAR}, projected by /tf_static'
    assert found['total']['frames'] == COUNT and found['warnings'] == []
    assert found['total']['median_scale'] == pytest.approx(1 / 1.1, abs=0.01)
    assert found['total']['scaled']['abs_rel'] < 0.02


def test_points_are_ground_truth_only_with_depth_topic(walk, tmp_path, oracle):
    bag = write_bag(tmp_path / 'bag', walk[LIDAR])
    results = run(bag, tmp_path / 'out', *oracle)
    assert results['total'] is None and results['settings']['ground_truth'] is None
    (warning,) = results['warnings']
    assert warning == (
        'there is no depth image as ground truth; if one of these clouds was measured, not '
        f'estimated, name it with --depth-topic: {LIDAR}'
    )
    # 30 ms late: beyond the default tolerance, which suits depth images.
    results = run(bag, tmp_path / 'late', *oracle, '--depth-topic', LIDAR)
    said = 'is stamped within 0.02 s of an image (the nearest is 0.03 s away): there is no ground'
    assert said in results['warnings'][0]


BENT = replace(CAMERA, distortion_model='plumb_bob', distortion=(-0.2, 0.04, 0.0, 0.0, 0.0))


def slope(camera):
    """Return a bag for the oracle: a slope, and LiDAR points of each of its pixels."""
    depth = np.repeat(np.geomspace(1.0, 4.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    items = [tf(), *frames([grey_from_depth(depth)] * 2, camera=camera)]
    points = apply(inverse(CAMERA_LIDAR), points_of(depth, camera))
    for stamp in (T0, T0 + 100_000_000):
        items.append(Item(LIDAR, stamp, points, 'cloud', frame_id='lidar'))
    return items


@pytest.mark.parametrize('camera', [CAMERA, BENT], ids=['straight', 'bent'])
@pytest.mark.parametrize(
    'options',
    [
        [],
        ['--image-rotation', '180'],
        ['--image-rotation', '90'],
        ['--fov-source', 'fixed', '--vfov', '70'],
        ['--fov-source', 'fixed', '--vfov', '70', '--camera-info-topic', INFO],
    ],
    ids=['plain', 'upside down', 'on its side', 'fixed', 'fixed, info named'],
)
def test_points_find_their_pixels_whatever_camera_the_estimate_uses(
    tmp_path, oracle, camera, options
):
    """The oracle ignores the camera: it is right even with a wrong field of view."""
    bag = write_bag(tmp_path / 'bag', slope(camera))
    results = run(bag, tmp_path / 'out', *oracle, '--depth-topic', LIDAR, *options)
    assert results['total']['frames'] == 2
    assert results['total']['score']['abs_rel'] < 0.03
    assert results['total']['score']['pixels'] > 2 * 48 * 64 * 0.8  # rectified, corners are lost


@pytest.mark.parametrize(
    ('change', 'options', 'said'),
    [
        (lambda i: i.kind != 'tf', [], "'lidar' and 'camera', and there is no tf_static"),
        (
            lambda i: i.topic != INFO,
            ['--fov-source', 'fixed', '--vfov', '51'],
            'can be registered only with the camera_info of /camera/image_raw, and bag',
        ),
        (lambda i: True, ['--depth-info-topic', INFO], '/lidar/points is a cloud'),
    ],
)
def test_missing_inputs_of_a_lidar_are_one_line(tmp_path, oracle, change, options, said, capsys):
    bag = write_bag(tmp_path / 'bag', [item for item in slope(CAMERA) if change(item)])
    argv = [str(bag), *oracle, '--out', str(tmp_path / 'out'), '--depth-topic', LIDAR]
    assert run_command(lambda _: replay.main([*argv, *options])) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and said in error and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('options', [['--depth-topic', 'none'], []])
def test_depth_as_is_needs_a_depth_topic(tmp_path, oracle, options, capsys):
    bag = write_bag(tmp_path / 'bag', frames([np.zeros((48, 64, 3), np.uint8)]))
    argv = [str(bag), *oracle, '--out', str(tmp_path / 'out'), '--depth-as-is', *options]
    assert run_command(lambda _: replay.main(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: --depth-as-is needs a depth image, and there is none')
    assert not (tmp_path / 'out').exists()


def test_depth_as_it_is(walk, tmp_path, oracle):
    bag = write_bag(tmp_path / 'bag', walk[DEPTH])
    results = run(bag, tmp_path / 'out', *oracle, '--depth-as-is')
    assert results['settings']['ground_truth'] == f'{DEPTH}, as it is'
    assert 'unless both are the same camera, errors mean nothing' in results['warnings'][0]
