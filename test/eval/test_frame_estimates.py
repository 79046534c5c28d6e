# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judging existing estimates of a folder of labelled frames, as files."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_factory import slope, write_frame
from oracle_model import write_oracle

from dmd_ros import Camera, load_estimator
from dmd_ros.eval import compare, frames
from dmd_ros.eval.frame_folder import find_frames, read_frame
from dmd_ros.eval.options import run_command

NAMES = ('desk', 'room', 'street')


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'frames'
    write_frame(root / 'desk', slope(0.5, 1.2))
    write_frame(root / 'room', slope(2, 6))
    write_frame(root / 'street', slope(5, 60), scene='outdoor')
    return root


def millimetres(depth):
    return cv2.imencode('.png', np.rint(1000 * depth).astype(np.uint16))[1].tobytes()


def save(path, depth):
    """Write depth as an array or a png, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, depth)
    else:
        path.write_bytes(millimetres(depth))


def argv(folder, estimates, out, *options):
    return [*map(str, (folder, '--estimates', estimates, '--out', out)), '--quiet', *options]


def judged(folder, estimates, out, *options):
    frames.main(argv(folder, estimates, out, *options))
    return json.loads((out / 'results.json').read_text())


def test_our_own_depth_as_files_has_the_figures_of_the_model(folder, tmp_path):
    model = str(write_oracle(tmp_path / 'm.onnx'))
    direct = tmp_path / 'direct'
    frames.main([str(folder), '--model', model, '--out', str(direct), '--quiet'])
    estimator = load_estimator(model, device='cpu')
    for path in find_frames(folder):
        sample = read_frame(path).sample
        save(tmp_path / 'theirs' / f'{path.name}.npy', estimator(sample.rgb, sample.camera).depth)
    words = [sys.executable, '-m', 'dmd_ros.eval.frames']
    words += argv(folder, tmp_path / 'theirs', tmp_path / 'out')
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'p50' not in done.stdout and '| table top |' in done.stdout
    first, second = (
        json.loads((out / 'results.json').read_text()) for out in (direct, tmp_path / 'out')
    )
    for part in ('frames', 'groups', 'frames_left_out', 'frames_in_folder'):
        assert first[part] == second[part], part
    assert second['latency_ms'] == {} and 'model' not in second['settings']
    assert second['settings']['estimates'] == str(tmp_path / 'theirs')
    title = (tmp_path / 'out' / 'results.md').read_text().splitlines()[0]
    assert title == f'# {tmp_path / "theirs"}'
    for left in (direct, tmp_path / 'out'):
        assert cv2.imread(str(left / 'sheet.png')).shape[1] > 1700
    table = compare.compare(first, second)
    assert '| AbsRel ' in table and f'oracle | {tmp_path / "theirs"} |' in table


@pytest.mark.parametrize('name', ['{}.npy', '{}.png', '{}/depth.png', '{}/depth.npy'])
def test_files_of_every_name_are_read(folder, tmp_path, name):
    for frame in NAMES:
        truth = read_frame(folder / frame).sample.depth
        save(tmp_path / 'theirs' / name.format(frame), truth)
    found = judged(folder, tmp_path / 'theirs', tmp_path / 'out')
    assert found['groups']['total']['score']['abs_rel'] < 1e-3
    assert found['groups']['total']['frames'] == 3


def test_missing_depth_lowers_coverage_and_not_accuracy(folder, tmp_path):
    """It is NaN or 0 in an array, 0 in a png."""
    for frame, suffix, nothing in zip(NAMES, ('npy', 'npy', 'png'), (np.nan, 0, 0), strict=True):
        depth = read_frame(folder / frame).sample.depth.copy()
        depth[:12] = nothing
        save(tmp_path / 'theirs' / f'{frame}.{suffix}', depth)
    for frame in judged(folder, tmp_path / 'theirs', tmp_path / 'out')['frames']:
        assert frame['score']['coverage'] == 0.75
        assert frame['score']['abs_rel'] < 1e-3


def test_infinity_is_judged_as_the_far_end_of_the_given_range(folder, tmp_path, capsys):
    for frame in NAMES:
        depth = read_frame(folder / frame).sample.depth.copy()
        if frame == 'street':
            depth[depth > 40] = np.inf
        save(tmp_path / 'theirs' / f'{frame}.npy', depth)
    truth = slope(5, 60)
    for far, options in ((80.0, ()), (50.0, ('--estimate-range', '0.3', '50'))):
        found = judged(folder, tmp_path / 'theirs', tmp_path / f'{far:g}', *options)
        error = np.where(truth > 40, np.abs(far - truth) / truth, 0).mean()
        assert found['frames'][2]['score']['abs_rel'] == pytest.approx(error, abs=1e-3)
        assert found['frames'][2]['score']['coverage'] == 1.0
        (said,) = found['warnings'] or ['']
        assert said.startswith('1 of 3 frames: the estimate has infinities, judged as') != bool(
            options
        )


def test_beyond_is_as_far_in_any_unit(folder, tmp_path):
    scaled = []
    for unit in (1, 1000):
        for frame in NAMES:
            depth = read_frame(folder / frame).sample.depth
            depth = unit * np.where(depth > 40, np.float32(np.inf), depth)
            save(tmp_path / f'{unit}' / f'{frame}.npy', depth)
        found = judged(folder, tmp_path / f'{unit}', tmp_path / f'out{unit}')
        scaled.append([frame['scaled']['abs_rel'] for frame in found['frames']])
    assert scaled[1] == pytest.approx(scaled[0], rel=1e-4, abs=1e-6)


def test_a_smaller_estimate_of_the_same_view_is_judged(tmp_path):
    blocks = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((16, 16))).astype(np.float32)
    write_frame(tmp_path / 'frames' / 'f', blocks)
    save(tmp_path / 'theirs' / 'f.npy', np.ascontiguousarray(blocks[::2, ::2]))
    found = judged(tmp_path / 'frames', tmp_path / 'theirs', tmp_path / 'out')
    assert found['frames'][0]['score']['abs_rel'] < 1e-6


@pytest.mark.parametrize('unit', [0.1, 1000.0])
def test_an_error_of_scale_leaves_the_scaled_score_intact(folder, tmp_path, unit):
    """For example, a model whose output is not in metres."""
    for frame in NAMES:
        save(tmp_path / 'theirs' / f'{frame}.npy', read_frame(folder / frame).sample.depth * unit)
    total = judged(folder, tmp_path / 'theirs', tmp_path / 'out')['groups']['total']
    assert total['score']['abs_rel'] > 0.8
    assert total['scaled']['abs_rel'] < 1e-3 and total['median_scale'] == pytest.approx(1 / unit)


def test_inverse_depth_gives_a_warning(folder, tmp_path):
    for frame in NAMES:
        save(tmp_path / 'theirs' / f'{frame}.npy', 1 / read_frame(folder / frame).sample.depth)
    (warning,) = judged(folder, tmp_path / 'theirs', tmp_path / 'out')['warnings']
    assert warning.startswith('in 3 of 3 judged frames the estimate falls where the truth rises')


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (lambda f: f.unlink(), 'has none of room.npy, room.png, room/depth.npy'),
        (lambda f: save(f.with_suffix('.png'), slope()), 'has room.png and room.npy'),
        (
            lambda f: save(f.parent / 'room' / 'depth.png', slope()),
            'has more than one of room.npy',
        ),
        (lambda f: f.write_bytes(b'no array'), 'cannot read'),
        (lambda f: np.save(f, np.full((48, 64), 2000, np.uint16)), 'float metres'),
        (lambda f: np.save(f, slope()[None]), '(1, 48, 64)'),
        (lambda f: np.save(f, slope()[:24]), 'the estimate is 64x24, the image 64x48'),
        (lambda f: np.save(f, np.array([{}], object)), 'cannot read'),
    ],
)
def test_a_frame_without_an_estimate_is_left_out_with_a_warning(
    folder, tmp_path, spoil, reason, capsys
):
    for frame in NAMES:
        save(tmp_path / 'theirs' / f'{frame}.npy', read_frame(folder / frame).sample.depth)
    spoil(tmp_path / 'theirs' / 'room.npy')
    words = argv(folder, tmp_path / 'theirs', tmp_path / 'out')
    assert run_command(lambda _: frames.main(words)) == 2
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert [frame['name'] for frame in results['frames']] == ['desk', 'street']
    assert list(results['frames_left_out']) == ['room']
    assert reason in results['frames_left_out']['room']
    said = capsys.readouterr()
    assert 'left out, 1 of 3 frames' in said.out and 'warning: room is left out: ' in said.err
    assert said.err.splitlines()[-1].startswith(
        f'error: 1 of 3 frames of {folder} cannot be read, or have no readable estimate'
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--estimates', 'none'), 'none is not a folder'),
        (('--estimates', 'FRAMES'), 'holds the ground truth'),
        (('--estimates', '.', '--steps', '2'), '--steps: for a model, and none is run'),
        (('--estimates', '.', '--mirror'), '--mirror: for a model, and none is run'),
        (('--estimate-range', '1', '9'), '--estimate-range: for existing estimates'),
        (('--estimates', '.', '--estimate-range', '9', '1'), 'must be 0 < NEAR < FAR'),
        (('--estimates', '.', '--max-depth', 'inf'), 'give --estimate-range NEAR FAR'),
    ],
)
def test_bad_options_are_one_line(folder, tmp_path, options, message, capsys):
    words = [str(folder), '--out', str(tmp_path / 'out'), '--quiet']
    words += [str(folder) if option == 'FRAMES' else option for option in options]
    assert run_command(lambda _: frames.main(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error and 'Traceback' not in error


def test_the_ground_truth_is_refused_as_an_estimate(folder, tmp_path, capsys):
    """Both as the folder of a single frame, and as the depth of all frames."""
    flat = tmp_path / 'flat'
    for name in NAMES:
        save(flat / 'depth' / f'{name}.png', slope())
        (flat / 'rgb').mkdir(exist_ok=True)
        cv2.imwrite(str(flat / 'rgb' / f'{name}.png'), np.zeros((48, 64, 3), np.uint8))
    camera = Camera(60.0, 60.0, 31.5, 23.5, 64, 48)
    meta = {k: getattr(camera, k) for k in ('fx', 'fy', 'cx', 'cy', 'width', 'height')}
    (flat / 'meta.json').write_text(json.dumps(meta))
    for frames_in, estimates in ((folder / 'room', folder), (flat, flat / 'depth')):
        words = argv(frames_in, estimates, tmp_path / 'out')
        assert run_command(lambda _, words=words: frames.main(words)) == 2
        assert 'holds the ground truth' in capsys.readouterr().err
