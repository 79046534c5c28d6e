# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_factory import META, slope, write_frame
from jpegs import png_chunk

from dmd_ros.eval import frames, judge
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames, group_of, read_frame
from dmd_ros.eval.options import run_command

SHARED = Path(os.environ.get('DMD_SHARED', Path(__file__).parents[2].parent / 'shared'))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'frames'
    write_frame(root / 'room', slope(2, 6))
    write_frame(root / 'desk', slope(0.5, 1.2), slope(0.5, 1.2) * 2)
    write_frame(root / 'street', slope(5, 75), scene='outdoor')
    return root


def run(folder, out, model, *options):
    frames.main([str(folder), '--model', model, '--out', str(out), '--quiet', *options])
    return json.loads((out / 'results.json').read_text())


def test_the_scale_error_of_the_oracle_is_found(folder, tmp_path, model, capsys):
    results = run(folder, tmp_path / 'out', model)
    groups = results['groups']
    assert list(groups) == ['indoor', 'table top', 'outdoor', 'total']
    by_name = {f['name']: f for f in results['frames']}
    assert by_name['room']['score']['abs_rel'] < 0.02
    assert by_name['street']['score']['delta1'] > 0.99
    assert by_name['street']['score']['coverage'] == 1.0
    desk = by_name['desk']
    assert desk['score']['abs_rel'] == pytest.approx(1.0, abs=0.03)
    assert desk['median_scale'] == pytest.approx(0.5, rel=0.03)
    assert desk['scaled']['abs_rel'] < 0.02
    assert groups['total']['frames'] == 3
    assert groups['total']['beats_best_const'] == 2
    means = np.mean([f['score']['abs_rel'] for f in results['frames']])
    assert groups['total']['score']['abs_rel'] == pytest.approx(means)
    table = (tmp_path / 'out' / 'results.md').read_text()
    assert '| table top |' in table
    assert 'best_const in 2 of 3 frames' in table
    assert 'AbsRel' in capsys.readouterr().out
    sheet = cv2.imread(str(tmp_path / 'out' / 'sheet.png'))
    assert sheet.shape[1] > 1700


def test_baselines_are_computed_beside_the_model(folder, tmp_path, model):
    results = run(folder, tmp_path / 'out', model)
    for frame in results['frames']:
        truth = read_frame(folder / frame['name']).sample.depth.astype(np.float64)
        const = 15.0 if frame['name'] == 'street' else 2.5
        assert frame['const_m'] == const
        assert frame['const']['abs_rel'] == pytest.approx(np.mean(np.abs(const - truth) / truth))
        others = [np.mean(np.abs(c - truth) / truth) for c in np.geomspace(0.3, 79, 300)]
        assert frame['best_const']['abs_rel'] <= min(others) + 1e-6


def test_two_runs_differ_only_in_time(folder, tmp_path, model):
    options = ('--steps', '3', '--samples', '2')
    first = run(folder, tmp_path / 'a', model, *options)
    second = run(folder, tmp_path / 'b', model, *options)
    first.pop('latency_ms'), second.pop('latency_ms')
    assert first == second
    assert (tmp_path / 'a/results.md').read_text() == (tmp_path / 'b/results.md').read_text()
    assert (tmp_path / 'a/sheet.png').read_bytes() == (tmp_path / 'b/sheet.png').read_bytes()


def test_mirroring_averages_both_views(folder, tmp_path, model):
    write_frame(folder / 'aside', np.tile(np.geomspace(1, 9, 64, dtype=np.float32), (48, 1)))
    plain, mirrored = (
        run(folder, tmp_path / n, model, *o) for n, o in (('a', ()), ('b', ['--mirror']))
    )
    for a, b in zip(plain['frames'], mirrored['frames'], strict=True):
        assert b['score']['abs_rel'] == pytest.approx(a['score']['abs_rel'], abs=0.01)
    assert mirrored['settings']['mirror']


def test_range_of_truth_is_an_option(folder, tmp_path, model):
    results = run(folder, tmp_path / 'out', model, '--max-depth', '10')
    street = next(f for f in results['frames'] if f['name'] == 'street')
    assert list(street['buckets']) == ['4-8 m', '8-20 m']
    results = run(folder, tmp_path / 'near', model, '--max-depth', '3')
    assert results['frames_left_out'] == {'street': 'it has no depth between 0.001 and 3 m'}


def test_each_column_of_the_table_has_its_figure():
    noise = np.random.default_rng(0).uniform(0.7, 1.9, (48, 64)).astype(np.float32)
    v = judge.judge(noise * slope(), slope(), name='f', group='outdoor')
    table = frames.summary_table([v], judge.by_group([v], frames.GROUPS))
    wanted = [
        v.score.abs_rel, v.score.delta1, v.score.rmse, v.score.log10, v.score.silog,
        v.median_scale, v.scaled.abs_rel, v.scaled.delta1,
        v.const.abs_rel, v.const.delta1, v.best_const.abs_rel, v.best_const.delta1,
    ]  # fmt: skip
    assert len(set(wanted)) == len(wanted)
    for name in ('f', 'outdoor', 'total'):
        row = next(line for line in table.splitlines() if line.startswith(f'| {name} '))
        assert row.strip('| ').split()[2::2] == ['1', *(f'{value:.3f}' for value in wanted)]


def test_returns_beyond_the_png_are_read(tmp_path):
    frame = read_frame(write_frame(tmp_path / 'f', slope(30, 79), scene='outdoor'))
    np.testing.assert_allclose(frame.sample.depth, slope(30, 79), atol=6e-4)


@pytest.mark.parametrize(
    ('meta', 'metres', 'group'),
    [
        ({'scene': 'outdoor'}, 1.0, 'outdoor'),
        ({'scene': 'indoor'}, 3.0, 'indoor'),
        ({'scene': 'indoor'}, 1.0, 'table top'),
        ({'scene': 'indoor', 'dataset': 'robot demo (table-top)'}, 3.0, 'table top'),
        ({'scene': 'table_top'}, 3.0, 'table top'),
        ({'scene': 'indoor', 'group': 'indoor'}, 1.0, 'indoor'),
        ({}, np.nan, 'indoor'),
    ],
)
def test_groups(meta, metres, group):
    assert group_of(meta, np.full((4, 4), metres, np.float32)) == group


HUGE = b'\x89PNG\r\n\x1a\n' + b''.join(
    [
        png_chunk(b'IHDR', struct.pack('>IIBBBBB', 70_000, 70_000, 16, 0, 0, 0, 0)),
        png_chunk(b'IEND', b''),
    ]
)


def spoil(folder, name):
    files = {
        'no meta': lambda: (folder / 'meta.json').write_text('{'),
        'list meta': lambda: (folder / 'meta.json').write_text('[]'),
        'no fx': lambda: (folder / 'meta.json').write_text('{"scene": "indoor"}'),
        'bad fx': lambda: (folder / 'meta.json').write_text(json.dumps({**META, 'fx': 0})),
        'text fx': lambda: (folder / 'meta.json').write_text(json.dumps({**META, 'fx': 'x'})),
        'size': lambda: (folder / 'meta.json').write_text(json.dumps({**META, 'width': 65})),
        'no rgb': lambda: (folder / 'rgb.png').unlink(),
        'bad rgb': lambda: (folder / 'rgb.png').write_bytes(b'no picture'),
        'huge rgb': lambda: (folder / 'rgb.png').write_bytes(HUGE),
        'unreadable rgb': lambda: (
            (folder / 'rgb.png').unlink()  # unreadable like a bad disk, even for root
            or (folder / 'rgb.png').symlink_to('/proc/self/mem')
        ),
        'no depth': lambda: (folder / 'depth.png').unlink(),
        'huge depth': lambda: (folder / 'depth.png').write_bytes(HUGE),
        'bad depth': lambda: cv2.imwrite(str(folder / 'depth.png'), np.zeros((48, 64), np.uint8)),
        'bad npz': lambda: np.savez(folder / 'depth_full.npz', u=[1]),
        'far npz': lambda: np.savez(folder / 'depth_full.npz', u=[999], v=[0], z=[70.0]),
        'nan npz': lambda: np.savez(folder / 'depth_full.npz', u=[np.nan], v=[0], z=[70.0]),
        'negative npz': lambda: np.savez(folder / 'depth_full.npz', u=[-1], v=[0], z=[70.0]),
        'cut npz': lambda: (folder / 'depth_full.npz').write_bytes(b'PK\3\4'),
        'empty npz': lambda: (folder / 'depth_full.npz').touch(),
        'half a row': lambda: (folder / 'meta.json').write_text(
            json.dumps({**META, 'height': 48.5})
        ),
        'endless width': lambda: (folder / 'meta.json').write_text(
            json.dumps({**META, 'width': np.inf})
        ),
    }
    files[name]()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('no meta', r'cannot read .*meta\.json'),
        ('list meta', r'meta\.json must hold a JSON object, not list'),
        ('no fx', r"meta\.json has no 'fx'; it must have the camera"),
        ('bad fx', r'meta\.json: focal lengths'),
        ('text fx', r'meta\.json: could not convert'),
        ('size', r'meta\.json says \(48, 65\)'),
        ('no rgb', r'none of rgb\.png, rgb\.jpg'),
        ('bad rgb', r'cannot decode .*rgb\.png'),
        ('huge rgb', r'cannot decode .*rgb\.png'),
        ('unreadable rgb', r'cannot read .*rgb\.png'),
        ('no depth', r'has none of depth\.png, depth\.npy'),
        ('huge depth', r'depth\.png must be a readable 16-bit'),
        ('bad depth', r'depth\.png must be a readable 16-bit .*: it has 1 channel\(s\) of 8 bits'),
        ('bad npz', r'depth_full\.npz must hold u, v'),
        ('far npz', r'depth_full\.npz must hold u, v'),
        ('nan npz', r'depth_full\.npz must hold u, v .* invalid value'),
        ('negative npz', r'depth_full\.npz must hold u, v'),
        ('cut npz', r'depth_full\.npz must hold u, v'),
        ('empty npz', r'depth_full\.npz must hold u, v'),
        ('half a row', r'meta\.json: height=48\.5 is not a whole number of pixels'),
        ('endless width', r'meta\.json: width=inf is not a whole number of pixels'),
    ],
)
def test_the_error_of_a_bad_frame_names_the_file(tmp_path, name, message):
    folder = write_frame(tmp_path / 'f', slope())
    spoil(folder, name)
    with pytest.raises(EvalError, match=message):
        read_frame(folder)


def test_folders_without_frames(tmp_path):
    with pytest.raises(EvalError, match='is not a folder'):
        find_frames(tmp_path / 'none')
    with pytest.raises(EvalError, match='there is no frame to evaluate'):
        find_frames(tmp_path)


def test_a_single_frame_folder_is_accepted(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    assert find_frames(folder) == [folder]


def test_the_name_of_a_folder_need_not_be_valid_text(tmp_path, model, capsys):
    """Archives of other systems contain such names; OpenCV ends the process at such a path."""
    name = os.fsdecode(b'caf\xe9')
    write_frame(tmp_path / 'frames' / 'f', slope()).rename(tmp_path / 'frames' / name)
    results = run(tmp_path / 'frames', tmp_path / 'out', model)
    assert [frame['name'] for frame in results['frames']] == [name]
    assert r'| caf\udce9 ' in capsys.readouterr().out


def test_a_wrong_baseline_in_meta_is_reported(tmp_path, model):
    stated = {'const': 2.5, 'absrel_const': 0.1, 'best_const': 1.0}
    write_frame(tmp_path / 'frames' / 'f', slope(), baseline=stated)
    results = run(tmp_path / 'frames', tmp_path / 'out', model)
    assert 'meta.json states' in results['warnings'][0]
    assert 'absrel_const 0.1 (own: ' in results['warnings'][0]


def test_a_baseline_that_is_not_a_number_gives_a_warning(tmp_path, model):
    stated = {'const': 'near', 'absrel_const': None, 'best_const': 'x'}
    write_frame(tmp_path / 'frames' / 'f', slope(), baseline=stated)
    (warning,) = run(tmp_path / 'frames', tmp_path / 'out', model)['warnings']
    assert 'best_const x (own: ' in warning


def test_const_is_that_of_the_group_in_any_spelling(tmp_path, model):
    write_frame(tmp_path / 'frames' / 'a', slope(5, 75), scene='Outdoor')
    write_frame(tmp_path / 'frames' / 'b', slope(5, 75), group='outdoor')
    found = run(tmp_path / 'frames', tmp_path / 'out', model)['frames']
    assert [(f['group'], f['const_m']) for f in found] == [('outdoor', 15.0)] * 2


def test_a_frame_without_truth_is_left_out_with_a_warning(folder, tmp_path, model, capsys):
    write_frame(folder / 'void', np.full((48, 64), np.nan, np.float32))
    results = run(folder, tmp_path / 'out', model)
    assert results['groups']['total']['frames'] == len(results['frames']) == 3
    assert results['warnings'] == ['void is left out: it has no depth between 0.001 and 80 m']
    argv = [str(folder / 'void'), '--model', model, '--out', str(tmp_path / 'o'), '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 2
    assert 'was judged: void is left out' in capsys.readouterr().err


def test_bad_frames_do_not_stop_the_others_and_are_listed_in_all_outputs(
    folder, tmp_path, model, capsys
):
    good = run(folder, tmp_path / 'good', model)
    for name in ('no meta', 'bad depth', 'cut npz', 'meta gone'):
        write_frame(folder / name, slope())
        if name != 'meta gone':
            spoil(folder / name, name)
    (folder / 'meta gone' / 'meta.json').unlink()
    write_frame(folder / 'void', np.full((48, 64), np.nan, np.float32))
    argv = [str(folder), '--model', model, '--out', str(tmp_path / 'out'), '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 2
    said = capsys.readouterr()
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert (results['frames'], results['groups']) == (good['frames'], good['groups'])
    assert (good['frames_in_folder'], good['frames_left_out']) == (3, {})
    assert results['frames_in_folder'] == 8
    left = results['frames_left_out']
    assert list(left) == ['bad depth', 'cut npz', 'meta gone', 'no meta', 'void']
    assert 'cannot read' in left['meta gone'] and 'must be a readable 16-bit' in left['bad depth']
    table = (tmp_path / 'out' / 'results.md').read_text()
    assert 'left out, 5 of 8 frames' in table
    assert 'left out' not in (tmp_path / 'good' / 'results.md').read_text()
    for name, reason in left.items():
        assert f'warning: {name} is left out: {reason}\n' in said.err
        assert f'| {name} ' in table and reason in table
    assert said.err.splitlines()[-1].startswith(f'error: 4 of 8 frames of {folder} cannot be read')
    assert (tmp_path / 'out' / 'sheet.png').is_file()


def test_the_error_has_all_reasons_if_every_frame_is_bad(tmp_path, model, capsys):
    for name in ('no fx', 'no rgb'):
        spoil(write_frame(tmp_path / 'frames' / name, slope()), name)
    argv = [str(tmp_path / 'frames'), '--model', model, '--out', str(tmp_path / 'o'), '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 2
    error = capsys.readouterr().err
    assert 'no fx is left out: ' in error and 'has none of rgb.png' in error
    assert not list((tmp_path / 'o').iterdir())


def test_a_camera_outside_the_range_of_the_model_gives_a_warning(tmp_path, model):
    write_frame(tmp_path / 'frames' / 'f', slope(), fy=900.0)
    results = run(tmp_path / 'frames', tmp_path / 'out', model)
    assert results['warnings'][0].startswith('f: the camera has tan(vfov/2) = ')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--min-depth', '5', '--max-depth', '2'], '0 <= min < max'),
        (['--model', 'none.onnx'], 'does not exist'),
    ],
)
def test_errors_reach_the_user_as_one_line(folder, tmp_path, model, options, message, capsys):
    argv = [str(folder), '--model', model, '--out', str(tmp_path / 'out'), '--quiet', *options]
    assert run_command(lambda _: frames.main(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert message in error
    assert 'Traceback' not in error


REAL = SHARED / 'real' / 'frames'


@pytest.mark.skipif(not REAL.is_dir(), reason='no real frames here')
def test_real_frames_agree_with_the_baselines_in_their_meta():
    found = [read_frame(path) for path in find_frames(REAL)]
    assert [w for f in found if (w := judge.baseline_disagreement(f))] == []
    verdicts = [
        judge.judge(np.full_like(f.sample.depth, 3.0), f.sample.depth, group=f.group)
        for f in found
    ]
    summaries = judge.by_group(verdicts, ('indoor', 'table top', 'outdoor'))
    counts = {name: s.frames for name, s in summaries.items()}
    assert counts == {'indoor': 7, 'table top': 2, 'outdoor': 8, 'total': 17}
    # From the table in the folder's README, which covers only depth.png.
    for name, const, best in (
        ('indoor', 0.41, 0.30),
        ('table top', 1.50, 0.27),
        ('outdoor', 0.61, 0.37),
    ):
        assert summaries[name].const.abs_rel == pytest.approx(const, abs=0.01)
        assert summaries[name].best_const.abs_rel == pytest.approx(best, abs=0.01)
    # Any constant becomes the median after median scaling, because it has no structure.
    assert all(v.scaled.abs_rel >= v.best_const.abs_rel - 1e-9 for v in verdicts)


@pytest.mark.parametrize(('stream', 'status'), [('stdout', 0), ('stderr', 141)])
def test_a_pipe_that_closes_before_the_work_is_done_is_not_a_success(
    stream, status, folder, tmp_path, model
):
    """`| head` may close while the table is printed, `2>&1 | head` already before it."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [str(folder), '--model', model, '--out', str(tmp_path / 'out')]
    words = [sys.executable, '-m', 'dmd_ros.eval.frames', *argv]
    streams = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, stream: writer}
    env = {**os.environ, 'PYTHONUNBUFFERED': ''}  # the table is flushed at the end
    try:
        ended = subprocess.run(words, cwd=Path(__file__).parents[2], env=env, **streams)
    finally:
        os.close(writer)
    assert ended.returncode == status
    assert (tmp_path / 'out' / 'results.json').exists() == (status == 0)
