# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth scaled by the floor in every evaluation: from --camera-height, or from a bag's TF."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import CAMERA, T0, Item, frames, write_bag
from floor_scene import floor_scene
from frame_factory import META, write_frame
from oracle_model import grey_from_depth, write_oracle
from video_factory import write_video

from dmd_ros.core.camera import Camera
from dmd_ros.core.floor import Mount
from dmd_ros.eval import frames as frames_command
from dmd_ros.eval import pictures, replay, video
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.options import run_command
from dmd_ros.eval.points import transform

MOUNT = Mount(0.42, 22.0, -3.0)
HEIGHT = ['--camera-height', '0.42', '--camera-pitch', '22', '--camera-roll', '-3']
FACTOR = 1.3
GREY = np.full((48, 64, 3), 90, np.uint8)
# An optical frame (x right, y down, z ahead) in that of its body (x ahead, y left, z up).
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = write_oracle(tmp_path_factory.mktemp('model') / 'm.onnx')
    return ['--model', str(path), '--quiet']


def truths(camera: Camera = CAMERA) -> list[np.ndarray]:
    """Return scenes with a wall that comes nearer, and finally hides the floor."""
    return [floor_scene(camera, MOUNT, wall) for wall in (3.0, 2.5, 2.0, 0.3)]


def tf_of(pitch_deg: float, roll_deg: float, height_m: float) -> list[tuple]:
    """Return the transforms of a typical URDF: footprint - base - camera body - optical frame."""
    turn = np.eye(3)
    for vector in ((0.0, pitch_deg, 0.0), (roll_deg, 0.0, 0.0)):
        turn = turn @ cv2.Rodrigues(np.radians(vector))[0]
    yawed = cv2.Rodrigues(np.radians((0.0, 0.0, 70.0)))[0]
    return [
        ('base_footprint', 'base_link', transform(np.eye(3), (0.0, 0.0, 0.1))),
        ('base_link', 'camera_link', transform(yawed @ turn, (0.2, 0.3, height_m - 0.1))),
        ('camera_link', 'camera', transform(OPTICAL, (0.0, 0.0, 0.0))),
    ]


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    true = truths()
    items = frames([grey_from_depth(d / FACTOR) for d in true], true)
    tf = Item('/tf_static', T0, tf_of(22.0, -3.0, 0.42), 'tf', logged_ns=T0 - 1)
    return write_bag(tmp_path_factory.mktemp('bag') / 'bag', [tf, *items])


def replayed(bag: Path, out: Path, *options: str) -> dict:
    replay.main([str(bag), '--out', str(out), '--no-points', *options])
    return json.loads((out / 'results.json').read_text())


@pytest.mark.parametrize('how', [HEIGHT, ['--floor-frame', 'base_footprint']])
def test_a_replay_is_scaled_and_holds_the_scale_where_the_floor_is_hidden(
    bag, tmp_path, model, how, capsys
) -> None:
    before = replayed(bag, tmp_path / 'before', *model)
    assert before['floor'] is None and before['settings']['mount'] is None
    assert before['total']['score']['abs_rel'] == pytest.approx(1 - 1 / FACTOR, abs=0.02)
    capsys.readouterr()
    after = replayed(bag, tmp_path / 'after', *model, *how)
    assert after['total']['score']['abs_rel'] < 0.03
    assert after['floor'] == {
        'seen': 3, 'scaled': 4, 'scale_median': pytest.approx(FACTOR, rel=0.02)
    }  # fmt: skip
    assert [f['floor']['seen'] for f in after['frames']] == [True, True, True, False]
    mount = after['settings']['mount']
    assert mount['height_m'] == pytest.approx(0.42)
    assert mount['pitch_deg'] == pytest.approx(22.0)
    said = capsys.readouterr()
    # In the form of the node's parameters.
    line = 'floor: camera_height:=0.420 camera_pitch_deg:=22.00 camera_roll_deg:=-3.00'
    assert line in said.out
    assert '| images that show the floor' in said.out
    assert not said.err


def test_images_before_the_first_floor_keep_the_scale_of_the_model(bag, tmp_path, model) -> None:
    results = replayed(bag, tmp_path / 'out', *model, '--camera-height', '4.2')
    assert results['floor'] == {'seen': 0, 'scaled': 0, 'scale_median': None}
    assert any(
        w.startswith('4 of 4: no floor is seen where it should be for the height, pitch and roll')
        for w in results['warnings']
    )


def test_frames_are_scaled_each_for_itself(tmp_path, model, capsys) -> None:
    camera = Camera(*(META[k] for k in ('fx', 'fy', 'cx', 'cy', 'width', 'height')))
    for index, depth in enumerate(truths(camera)):
        write_frame(tmp_path / 'frames' / f'f{index}', depth, depth / FACTOR)
    out = tmp_path / 'out'
    frames_command.main([str(tmp_path / 'frames'), '--out', str(out), *model, *HEIGHT])
    results = json.loads((out / 'results.json').read_text())
    errors = [f['score']['abs_rel'] for f in results['frames']]
    assert max(errors[:3]) < 0.03
    assert errors[3] == pytest.approx(1 - 1 / FACTOR, abs=0.03)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith('warning: 1 of 4: no floor is seen') and warning.endswith('(f3)')
    assert results['frames_without_floor'] == ['f3']
    table = (out / 'results.md').read_text()
    assert '| no floor seen, 1 of 4 frames |' in table and '| f3   ' in table.split('no floor')[1]


@pytest.mark.parametrize('what', ['frames', 'bag'])
def test_depth_beyond_the_range_is_judged_as_its_scaled_far_end(tmp_path, model, what) -> None:
    """The oracle predicts depth up to 80 m; scaled by the floor, up to 80 m times the factor."""
    camera = Camera(*(META[k] for k in ('fx', 'fy', 'cx', 'cy', 'width', 'height')))
    camera = CAMERA if what == 'bag' else camera
    true = floor_scene(camera, MOUNT)
    sky = slice(0, camera.height // 6)
    said, true[sky] = true / FACTOR, 80.0 * FACTOR
    said[sky] = 1000.0
    limit = ['--max-depth', '200', *HEIGHT, *model]
    out = tmp_path / 'out'
    if what == 'bag':
        path = write_bag(tmp_path / 'bag', frames([grey_from_depth(said)], [true]))
        verdict = replayed(path, out, *limit)['total']
    else:
        write_frame(tmp_path / 'frames' / 'f', true, said)
        frames_command.main([str(tmp_path / 'frames'), '--out', str(out), *limit])
        (verdict,) = json.loads((out / 'results.json').read_text())['frames']
    assert verdict['score']['abs_rel'] < 0.03


def test_a_photograph_is_scaled_and_the_json_records_it(tmp_path, model, capsys) -> None:
    depth = floor_scene(CAMERA, MOUNT)
    cv2.imwrite(str(tmp_path / 'p.png'), grey_from_depth(depth / FACTOR))
    cv2.imwrite(str(tmp_path / 'wall.png'), grey_from_depth(np.full_like(depth, 2.0)))
    out = tmp_path / 'out'
    names = [str(tmp_path / 'p.png'), str(tmp_path / 'wall.png')]
    pictures.main([*names, '--focal-px', '50', '--out', str(out), *model, *HEIGHT])
    made = np.load(out / 'p.npy')
    assert np.median(np.abs(made - depth) / depth) < 0.03
    first, second = json.loads((out / 'pictures.json').read_text())['pictures']
    assert first['floor'] == {'scale': pytest.approx(FACTOR, rel=0.02), 'seen': True}
    assert second['floor'] == {'scale': None, 'seen': False}
    assert 'warning: 1 of 2: no floor is seen' in capsys.readouterr().err


@pytest.mark.parametrize('what', ['replay', 'frames', 'pictures', 'video'])
@pytest.mark.parametrize(('roll', 'contradicts'), [('0', True), ('88', False)])
def test_a_roll_that_contradicts_the_rotation_gives_one_warning(
    bag, tmp_path, model, what, roll, contradicts, capsys
) -> None:
    write_frame(tmp_path / 'frames' / 'f', floor_scene(CAMERA, MOUNT))
    picture = tmp_path / 'frames' / 'f' / 'rgb.png'
    run, given = {
        'replay': (replay.main, [bag]),
        'frames': (frames_command.main, [tmp_path / 'frames']),
        'pictures': (pictures.main, [picture, '--focal-px', '50']),
        'video': (video.main, [write_video(tmp_path / 'v.mp4', [GREY] * 3), '--vfov', '50']),
    }[what]
    words = [*given, '--out', tmp_path / 'out', *model, '--image-rotation', '90']
    run([*map(str, words), '--camera-height', '0.42', '--camera-roll', roll])
    said = capsys.readouterr().err
    assert said.count('image_rotation is 90, which implies a roll of about 90') == contradicts
    name = {'pictures': 'pictures.json', 'video': 'video.json'}.get(what, 'results.json')
    warnings = json.loads((tmp_path / 'out' / name).read_text())['warnings']
    assert sum('the roll of the camera is 0 degrees' in w for w in warnings) == contradicts


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--camera-pitch', '20'], 'need --camera-height'),
        (['--camera-height', '0'], 'a camera 0.0 m above the floor; allowed: above 0'),
        (['--camera-height', '1', '--floor-frame', 'base_footprint'], 'give one'),
        (['--floor-frame', 'map'], "links the frames 'camera' and 'map'"),
        (
            ['--floor-frame', 'camera'],
            "a camera 0.0 m above .*images are in 'camera'",
        ),
    ],
)
def test_unusable_floor_options_are_one_line(bag, tmp_path, model, options, message) -> None:
    words = [str(bag), '--out', str(tmp_path / 'out'), *model, *options]
    with pytest.raises((EvalError, ValueError), match=message):
        replay.main(words)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('frame_id', 'message'),
    [
        ('', 'base_footprint: the images have no frame_id'),
        # The name that simulators use.
        (
            'camera_link',
            r'looks up by 68 .* --camera-height 0.420 --camera-pitch 22.00 --camera-roll -3.00 i',
        ),
    ],
)
def test_a_frame_that_is_not_the_optical_one_is_detected(
    tmp_path, model, frame_id, message
) -> None:
    true = truths()[:1]
    items = frames([grey_from_depth(true[0])], true)
    named = [replace(item, frame_id=frame_id) for item in items]
    tf = Item('/tf_static', T0, tf_of(22.0, -3.0, 0.42), 'tf', logged_ns=T0 - 1)
    path = write_bag(tmp_path / 'bag', [tf, *named])
    words = [str(path), '--out', str(tmp_path / 'out'), *model, '--floor-frame', 'base_footprint']
    with pytest.raises(EvalError, match=message):
        replay.main(words)


def test_mirror_with_a_camera_height_is_refused(tmp_path, model, capsys) -> None:
    write_frame(tmp_path / 'frames' / 'f', floor_scene(CAMERA, MOUNT))
    words = [str(tmp_path / 'frames'), '--mirror', *model, *HEIGHT]
    assert run_command(lambda _: frames_command.main(words)) == 2
    assert capsys.readouterr().err == (
        'error: --mirror and --camera-height cannot be combined: the mirrored estimate has '
        'another scale; give one\n'
    )


def test_recorded_estimates_are_not_scaled(bag, tmp_path) -> None:
    words = [str(bag), '--out', str(tmp_path / 'out'), '--estimate-topic', '/camera/depth/image']
    with pytest.raises(EvalError, match=r'--camera-height.*: for a model, and none is run'):
        replay.main([*words, *HEIGHT])
