# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command for videos, from the command line to its output files."""

import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from floor_scene import floor_scene
from fov_oracle import tan_of
from frame_factory import slope
from oracle_model import grey_from_depth
from rosbags.highlevel import AnyReader
from video_factory import frames_of, turn, widen, write_video

from dmd_ros.core.camera import Camera, tan_half_from_degrees
from dmd_ros.core.floor import Mount
from dmd_ros.eval import replay, video
from dmd_ros.eval.options import run_command
from dmd_ros.eval.output.canvas import depth_colours

ROOT = Path(__file__).parents[2]
DEPTHS = [slope(1.0, 3.0 + i) for i in range(6)]
CALIBRATION = (
    'image_width: 128\nimage_height: 96\ncamera_matrix: {data: [120, 0, 63.5, 0, 120, 47.5, 0,'
    ' 0, 1]}\ndistortion_model: plumb_bob\ndistortion_coefficients: {data: [0.3, 0, 0, 0, 0]}'
)


@pytest.fixture
def model(models):
    return [*models[0], '--vfov', '40']


def film(path, depths=DEPTHS, fps=10.0):
    """Write a video for which the oracle estimates these depths."""
    return write_video(path, [grey_from_depth(depth) for depth in depths], fps)


def run(out, *words):
    video.main([*map(str, words), '--out', str(out)])
    return json.loads((out / 'video.json').read_text())


def tell(*words):
    """Run the command like `python -m`; return the exit status."""
    return run_command(lambda _: video.main([*map(str, words)]))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def depths_in(out):
    return [np.load(path) for path in sorted((out / 'depth').glob('*.npy'))]


def test_depth_of_a_video_is_estimated_frame_by_frame(tmp_path, model, capsys):
    path, out = film(tmp_path / 'in' / 'a.mkv'), tmp_path / 'out'
    results = run(out, path, '--depth', 'npy', *model)
    assert names(out) == ['depth', 'depth.mp4', 'video.json']
    assert names(out / 'depth') == [f'{i:06d}.npy' for i in range(6)]
    np.testing.assert_allclose(depths_in(out), DEPTHS, rtol=0.03)
    assert [results[f'frames_{key}'] for key in ('by_header', 'read', 'skipped', 'estimated')] == [
        6, 6, 0, 6,
    ]  # fmt: skip
    medians = [float(np.median(depth)) for depth in depths_in(out)]
    assert [frame['median_m'] for frame in results['frames']] == pytest.approx(medians)
    assert results['median_m'] == pytest.approx(statistics.median(medians))
    assert [frame['stamp_ns'] for frame in results['frames']] == [10**8 * i for i in range(6)]
    assert (results['fov_source'], results['fov_why']) == ('fixed', '--vfov')
    assert results['vfov_deg'] == pytest.approx(40.0)
    assert results['warnings'] == [] and results['settings']['temporal'] == 'fixed'
    assert set(results['latency_ms']) == {
        'decode', 'prepare', 'denoise', 'sample', 'restore', 'total',
    }  # fmt: skip
    said = capsys.readouterr().out
    assert f'written: {out}/depth.mp4 (MPEG-4 Part 2, 6 frames of 1336x672, 10 a second)' in said


def test_the_film_shows_the_frames_and_their_depth_in_fixed_colours(tmp_path, model):
    metres = (1.5, 6.0, 3.0)
    path = film(tmp_path / 'a.mkv', [np.full((48, 64), m, np.float32) for m in metres], fps=12.5)
    scale = ('--color-near', 1, '--color-far', 9)
    results = run(tmp_path / 'out', path, *scale, *model)
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'depth.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == results['film']['fps'] == 12.5
    pictures = frames_of(tmp_path / 'out' / 'depth.mp4')
    assert len(pictures) == results['film']['frames'] == 3
    for picture, depth_m in zip(pictures, metres, strict=True):
        assert picture.shape == (results['film']['height'], results['film']['width'], 3)
        depth = np.full((48, 64), depth_m, np.float32)
        wanted = depth_colours(depth, 1, 9)[0, 0]
        np.testing.assert_allclose(picture[300, 1000].astype(int), wanted, atol=16)
        np.testing.assert_allclose(picture[300, 300], grey_from_depth(depth)[0, 0], atol=8)


def test_depth_as_millimetres(tmp_path, model):
    path = film(tmp_path / 'a.mkv', DEPTHS[:2])
    run(tmp_path / 'out', path, '--depth', 'png', *model)
    assert names(tmp_path / 'out' / 'depth') == ['000000.png', '000001.png']
    read = cv2.imread(str(tmp_path / 'out' / 'depth' / '000001.png'), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16
    np.testing.assert_allclose(read / 1000, DEPTHS[1], rtol=0.03)


def test_frames_are_chosen_and_keep_their_numbers(tmp_path, model):
    path = film(tmp_path / 'a.mkv')
    chosen = ('--start', 0.1, '--end', 0.6, '--stride', 2, '--limit', 2)
    results = run(tmp_path / 'out', path, *chosen, '--depth', 'npy', *model)
    assert names(tmp_path / 'out' / 'depth') == ['000001.npy', '000003.npy']
    np.testing.assert_allclose(depths_in(tmp_path / 'out'), [DEPTHS[1], DEPTHS[3]], rtol=0.03)
    assert (results['frames_read'], results['frames_skipped']) == (4, 2)
    assert results['film']['fps'] == 5.0 and results['warnings'] == []  # the original speed


def test_a_replay_of_the_bag_has_the_figures_of_the_video(tmp_path, model):
    path = film(tmp_path / 'a.mkv')
    results = run(tmp_path / 'out', path, '--bag', '--depth', 'npy', *model)
    with AnyReader([tmp_path / 'out' / 'bag']) as bag:
        counts = {connection.topic: connection.msgcount for connection in bag.connections}
        messages = [
            (c.topic, stamp, bag.deserialize(raw, c.msgtype)) for c, stamp, raw in bag.messages()
        ]
    topics = ('/image', '/camera_info', '/depth/image', '/depth/camera_info', '/points')
    assert counts == dict.fromkeys(topics, 6)
    pixels = [m.data.size for _, _, m in messages if hasattr(m, 'data')]
    assert sum(pixels) == 11 * 6 * 48 * 64  # bytes per pixel, as in the help
    for topic, stamp, message in messages:
        assert message.header.frame_id == 'camera'
        assert stamp == message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if topic == '/depth/image':
            depth = message.data.view('<f4').reshape(48, 64)
            np.testing.assert_array_equal(depth, depths_in(tmp_path / 'out')[stamp // 10**8])
        elif topic == '/points':
            assert (message.height, message.width) == (24, 32)
    model_alone = [word for word in model if word not in ('--vfov', '40')]
    replay.main([str(tmp_path / 'out' / 'bag'), '--out', str(tmp_path / 'again'), *model_alone])
    again = json.loads((tmp_path / 'again' / 'results.json').read_text())
    assert again['frames'] == results['frames'] and again['flicker'] == results['flicker']
    assert again['total'] is None  # our own estimate is not ground truth


def test_an_estimated_field_of_view_is_the_median_over_the_frames_so_far(tmp_path, models, capsys):
    depths = [np.full((48, 64), m, np.float32) for m in (1.0, 20.0, 2.0, 2.0)]
    results = run(tmp_path / 'out', film(tmp_path / 'a.mkv', depths), *models[0], *models[1])
    each = [tan_of(grey_from_depth(depth).mean()) for depth in depths]
    wanted = [statistics.median(each[: i + 1]) for i in range(4)]
    found = [frame['tan_half_vfov'] for frame in results['frames']]
    assert found == pytest.approx(wanted, abs=0.01)
    assert max(each) - min(each) > 0.1  # otherwise the test could not fail
    assert tan_half_from_degrees(results['vfov_deg']) == pytest.approx(found[-1])
    assert results['fov_source'] == 'estimate' and 'fov' in results['latency_ms']
    said = capsys.readouterr()
    assert 'estimated (median over the newest 31 frames)' in said.out
    assert 'warning: the field of view is estimated' in said.err


def test_the_scale_by_the_floor_is_kept_when_the_floor_is_hidden(tmp_path, model):
    camera, mount = Camera.assumed(tan_half_from_degrees(40), 64, 48), Mount(0.42, 22.0)
    true = [
        floor_scene(camera, mount, wall) for wall in (3.0, 2.5, 0.3)
    ]  # last: it hides the floor
    path = film(tmp_path / 'a.mkv', [depth / 1.3 for depth in true])
    height = ('--camera-height', 0.42, '--camera-pitch', 22)
    results = run(tmp_path / 'out', path, *height, '--depth', 'npy', *model)
    floors = [frame['floor'] for frame in results['frames']]
    assert [floor['seen'] for floor in floors] == [True, True, False]
    assert [floor['scale'] for floor in floors] == pytest.approx([1.3] * 3, rel=0.03)
    last = depths_in(tmp_path / 'out')[2]
    np.testing.assert_allclose(last[:, 20:], true[2][:, 20:], rtol=0.06)  # the wall
    assert results['floor']['seen'] == 2 and results['floor']['scaled'] == 3


def test_a_video_with_a_rotation_is_estimated_upright(tmp_path, model):
    path = write_video(tmp_path / 'a.mp4', [np.rot90(grey_from_depth(d)) for d in DEPTHS[:2]])
    results = run(tmp_path / 'out', turn(path, 90), '--depth', 'npy', *model)
    assert results['turned_deg'] == 90
    np.testing.assert_allclose(depths_in(tmp_path / 'out'), DEPTHS[:2], rtol=0.25)  # lossy
    assert np.median(np.abs(np.log(depths_in(tmp_path / 'out')[0] / DEPTHS[0]))) < 0.1


def test_frames_of_a_calibrated_lens_are_rectified(tmp_path, models):
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    path = film(tmp_path / 'a.mkv')
    words = ('--calibration', tmp_path / 'camera.yaml', '--bag', '--depth', 'npy')
    results = run(tmp_path / 'out', path, *words, *models[0])
    assert results['fov_source'] == 'calibration'
    known = np.isfinite(depths_in(tmp_path / 'out')[0])
    assert not known[0, 0] and known[24, 32]  # the lens shows nothing there
    with AnyReader([tmp_path / 'out' / 'bag']) as bag:
        of_info = [c for c in bag.connections if c.topic == '/camera_info']
        info = next(bag.deserialize(raw, c.msgtype) for c, _, raw in bag.messages(of_info))
    assert info.k[0] == 60.0 and not info.d.any()  # of the picture beside it


def test_pixels_become_square_unless_a_calibration_is_given(tmp_path, models):
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    path = widen(film(tmp_path / 'a.mp4', DEPTHS[:2]), 3, 2)
    words = (path, '--depth', 'npy', *models[0])
    results = run(tmp_path / 'out', *words, '--vfov', 40)
    assert results['widened'] == 1.5
    assert [depth.shape for depth in depths_in(tmp_path / 'out')] == [(48, 96)] * 2
    results = run(tmp_path / 'stored', *words, '--calibration', tmp_path / 'camera.yaml')
    assert results['widened'] == 1.0
    assert [depth.shape for depth in depths_in(tmp_path / 'stored')] == [(48, 64)] * 2


def test_the_results_are_the_same_in_every_run(tmp_path, models):
    path = film(tmp_path / 'a.mkv')
    words = ('--depth', 'png', *models[0], *models[1])
    first, second = (run(tmp_path / out, path, *words) for out in ('first', 'second'))
    for results in (first, second):
        del results['latency_ms']
    assert first == second
    for name in ('depth.mp4', 'depth/000003.png'):
        assert (tmp_path / 'first' / name).read_bytes() == (
            tmp_path / 'second' / name
        ).read_bytes()


def test_an_incomplete_video_is_processed_up_to_its_end(tmp_path, model, capfd):
    data = film(tmp_path / 'a.mkv', DEPTHS * 4).read_bytes()
    (tmp_path / 'a.mkv').write_bytes(data[: len(data) // 2])
    assert tell(tmp_path / 'a.mkv', '--out', tmp_path / 'out', *model) == 0
    results = json.loads((tmp_path / 'out' / 'video.json').read_text())
    done = results['frames_estimated']
    assert 3 < done < 20 and len(frames_of(tmp_path / 'out' / 'depth.mp4')) == done
    (warning,) = results['warnings']
    assert warning.startswith(f'{done} frames were read, of 24 in the header')
    assert f'warning: {warning}' in capfd.readouterr().err


@pytest.mark.parametrize('stale', ['depth.mp4', 'video.json', 'depth/000000.png', 'bag/bag.mcap'])
def test_an_earlier_run_is_kept_unless_overwrite_is_given(tmp_path, model, stale, capsys):
    path, out = film(tmp_path / 'a.mkv'), tmp_path / 'out'
    (out / stale).parent.mkdir(parents=True)
    (out / stale).write_text('mine')
    if stale.startswith('depth/'):  # like after a run that was killed
        (out / 'depth.mp4').touch()
    words = (path, '--out', out, *model)
    assert tell(*words) == 2
    assert 'exists already; choose another --out, or give --overwrite' in capsys.readouterr().err
    assert (out / stale).read_text() == 'mine'
    assert tell(*words, '--vfov', 200, '--overwrite') == 2  # a typo
    assert (out / stale).read_text() == 'mine'
    assert tell(*words, '--overwrite') == 0
    assert names(out) == ['depth.mp4', 'video.json']


# The last one: a phone with a LiDAR saves depth like that beside its rgb.mp4.
@pytest.mark.parametrize('foreign', ['depth/notes.txt', 'bag/other.mcap', 'depth/000000.png'])
def test_files_of_other_programs_are_never_removed(tmp_path, model, foreign, capsys):
    path, out = film(tmp_path / 'a.mkv'), tmp_path / 'out'
    (out / foreign).parent.mkdir(parents=True)
    (out / foreign).touch()
    assert tell(path, '--out', out, '--overwrite', *model) == 2
    assert f'{out / foreign} is not from an earlier run' in capsys.readouterr().err
    assert (out / foreign).exists()


def test_the_video_itself_is_never_replaced(tmp_path, model, capsys):
    path = film(tmp_path / 'depth.mp4')
    data = path.read_bytes()
    assert tell(path, '--out', tmp_path, '--overwrite', *model) == 2
    assert 'would be overwritten; choose another --out' in capsys.readouterr().err
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['none.mp4'], r'none\.mp4 does not exist; give the file of a video'),
        (['bad.mp4'], r'bad\.mp4 cannot be read as a video \(moov atom not found\)'),
        (
            ['begun.mkv'],
            r'no frame of the 6 in its header could be read from begun',
        ),
        (['a.mkv', '--start', '9'], r'a\.mkv ends before --start 9 s: it has 6 frames, 0\.60 s'),
        (
            ['a.mkv', '--start', '.12', '--end', '.18'],
            r'no frame of a\.mkv begins between',
        ),
        (['a.mkv', '--start', '2', '--end', '2'], r'--start 2 and --end 2 leave no frame'),
        (['a.mkv', '--fps', '0'], r'0 frames per second; allowed: 0\.1 to 480; give --fps'),
        (['a.mkv', '--color-near', '9', '--color-far', '2'], '0 < near < far'),
        (['a.mkv', '--model', 'none.onnx'], r'none\.onnx does not exist'),
        (['a.mkv', '--calibration', 'bad.mp4'], r'bad\.mp4 has no image_width'),
        (
            ['a.mkv', '--calibration', 'wide.yaml'],
            r'yaml: it describes 128x40, the image is 64x48',
        ),
        (['turned.mp4', '--calibration', 'wide.yaml'], 'its metadata turn it by 180 degrees, and'),
        (['a.mkv', '--out', 'a.mkv/out'], 'Not a directory'),
        (['a.mkv', '--fov-model', 'none.onnx'], r'none\.onnx does not exist'),
    ],
)
def test_errors_reach_the_user_as_one_line(tmp_path, models, words, message, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = film(tmp_path / 'a.mkv').read_bytes()
    (tmp_path / 'begun.mkv').write_bytes(data[: data.index(b'\x1fC\xb6u') + 40])  # a cluster
    turn(film(tmp_path / 'turned.mp4'), 180)
    (tmp_path / 'bad.mp4').write_text('no video')
    (tmp_path / 'wide.yaml').write_text(CALIBRATION.replace('height: 96', 'height: 40'))
    before = names(tmp_path)
    assert tell(*models[0], *words) == 2
    assert names(tmp_path) == before
    error = capfd.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
    assert re.search(message, error)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            ['--depth', 'npy'],
            r"cannot write into {out}: .*File too large: '{out}/depth/000000\.npy'",
        ),
        ([], r'cannot write {out}/depth\.mp4: it holds 0 of 6 frames; is the disk full\?'),
    ],
)
def test_a_full_disk_ends_the_command_without_incomplete_files(tmp_path, model, words, message):
    """A limit on file size acts on the writer like a full disk."""
    path, out = film(tmp_path / 'a.mkv'), tmp_path / 'out'
    command = [sys.executable, '-m', 'dmd_ros.eval.video', str(path), '--out', str(out)]
    done = subprocess.run(
        [*command, *words, *model],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)),
    )
    assert done.returncode == 2
    assert re.search(f'error: {message.format(out=out)}\n$', done.stderr), done.stderr
    assert names(out) == []


def test_ctrl_c_keeps_the_results_so_far(tmp_path, model):
    path, out, count = film(tmp_path / 'a.mkv', DEPTHS * 100), tmp_path / 'out', 600
    words = [sys.executable, '-m', 'dmd_ros.eval.video', str(path), '--out', str(out), '--bag']
    command = [*words, '--depth', 'npy', *model]
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not (out / 'depth' / '000002.npy').exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and error.endswith('interrupted\n')
    results = json.loads((out / 'video.json').read_text())
    done = results['frames_estimated']
    assert 3 <= done < count
    assert results['warnings'] == [
        f'interrupted after {done} frames: all results are of those alone'
    ]
    assert len(frames_of(out / 'depth.mp4')) == len(names(out / 'depth')) == done
    with AnyReader([out / 'bag']) as bag:
        assert {connection.msgcount for connection in bag.connections} == {done}


def test_from_the_command_line_with_the_shipped_models(tmp_path):
    """As in the README, with the progress bar."""
    film(tmp_path / 'drive.mp4', [slope(1.0, 6.0)] * 3)
    command = [sys.executable, '-m', 'dmd_ros.eval.video', 'drive.mp4']
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / 'out' / 'video' / 'video.json').read_text())
    assert (results['settings']['model'], results['fov_source']) == ('dmd_worlds', 'estimate')
    assert results['frames_estimated'] == 3
    assert '3/3' in done.stderr and 'out/video/depth.mp4 (MPEG-4 Part 2, 3 frames' in done.stdout
