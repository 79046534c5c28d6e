# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import json

import cv2
import numpy as np
import pytest
from bag_factory import frames, write_bag
from oracle_model import grey_from_depth, write_oracle

from dmd_ros.eval import compare, replay
from dmd_ros.eval import frames as folder_of_frames
from dmd_ros.eval.options import run_command

DEPTHS = [np.full((48, 64), 2.0, np.float32), np.full((48, 64), 3.0, np.float32)]


@pytest.fixture
def result(tmp_path):
    """Replay two frames with the oracle; return (folder, content of results.json)."""
    model = write_oracle(tmp_path / 'm.onnx')
    bag = write_bag(tmp_path / 'bag', frames([grey_from_depth(d) for d in DEPTHS], DEPTHS))
    replay.main([str(bag), '--model', str(model), '--out', str(tmp_path / 'a'), '--quiet'])
    return tmp_path, json.loads((tmp_path / 'a' / 'results.json').read_text())


def rows_of(table):
    lines = [[c.strip() for c in line.strip('|').split('|')] for line in table.splitlines()]
    return {name: cells for name, *cells in lines}


def saved(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def test_figures_are_side_by_side_and_better_frames_are_counted(result, capsys):
    folder, first = result
    second = copy.deepcopy(first)
    second['settings']['steps'] = 2
    for frame, factor in zip(second['frames'], (0.5, 2.0), strict=True):
        frame['verdict']['score']['abs_rel'] = factor * 0.1
        frame['verdict']['median_scale'] = factor
    for frame in first['frames']:
        frame['verdict']['score']['abs_rel'] = 0.1
        frame['verdict']['median_scale'] = 0.8
    for results, figure in ((first, 1.0), (second, 2.0)):
        results['latency_ms']['total']['p50'] = figure
        results['flicker']['predicted_median'] = figure
    compare.main([saved(folder / 'x.json', first), saved(folder / 'y.json', second)])
    rows = rows_of(capsys.readouterr().out)
    assert rows['2 frames'] == ['first', 'second', 'second better in']
    assert rows['steps'] == ['1', '2', '']
    assert rows['AbsRel'] == ['0.100', '0.125', '1 of 2']
    assert rows['error of scale, ln'] == ['0.223', '0.693', '0 of 2']
    assert rows['delta1'][2] == '0 of 2'  # equal is not better
    for name in ('time per frame, p50 ms', 'flicker, median relative change'):
        assert rows[name] == ['1.000', '2.000', '-']
    assert {'AbsRel 1-2 m', 'AbsRel 2-4 m'} <= rows.keys()
    assert not {'model', 'seed'} & rows.keys()  # equal settings are left out


def test_figures_that_differ_by_rounding_are_equal(result):
    """Another version may sum in another order."""
    first, second = result[1], copy.deepcopy(result[1])
    for frame, sign in zip(second['frames'], (1, -1), strict=True):
        frame['verdict']['score']['abs_rel'] *= 1 + sign * 1e-12
        frame['verdict']['score']['delta1'] *= 1 + sign * 1e-12
    rows = rows_of(compare.compare(first, second))
    assert rows['AbsRel'][2] == rows['delta1'][2] == '0 of 2'


@pytest.mark.parametrize('same', [True, False])
def test_flicker_is_compared_only_over_the_same_images(result, same):
    """An interrupted replay has the same settings as a complete one."""
    first, second = result[1], copy.deepcopy(result[1])
    if not same:
        second['frames'].pop()
    assert ('flicker' in compare.compare(first, second)) is same


def test_only_frames_judged_in_both_results_count(result):
    first, second = result[1], copy.deepcopy(result[1])
    second['frames'][0]['verdict'] = None
    rows = rows_of(compare.compare(first, second))
    assert rows['AbsRel'][2] == '0 of 1' and '1 frames' in rows
    assert rows['AbsRel'][0] == f'{first["frames"][1]["verdict"]["score"]["abs_rel"]:.3f}'


def test_a_frame_where_one_result_lacks_a_figure_does_not_count(result):
    """A model without an estimate for a frame has no error there."""
    first, second = result[1], copy.deepcopy(result[1])
    second['frames'][0]['verdict']['score']['abs_rel'] = None
    assert rows_of(compare.compare(first, second))['AbsRel'][2] == '0 of 1'


def test_ranges_come_from_near_to_far(result):
    first = result[1]
    buckets = first['frames'][0]['verdict']['buckets']
    buckets |= dict.fromkeys(('20-80 m', '4-8 m'), next(iter(buckets.values())))
    rows = list(rows_of(compare.compare(first, first)))
    assert [name for name in rows if name.startswith('AbsRel') and name.endswith(' m')] == [
        f'AbsRel {name} m' for name in ('1-2', '2-4', '4-8', '20-80')
    ]


def test_folders_of_frames_are_compared_by_name(tmp_path, capsys):
    model, frame = write_oracle(tmp_path / 'm.onnx'), tmp_path / 'frames' / 'f'
    frame.mkdir(parents=True)
    cv2.imwrite(str(frame / 'rgb.png'), grey_from_depth(DEPTHS[0]))
    cv2.imwrite(str(frame / 'depth.png'), np.full((48, 64), 2000, np.uint16))
    meta = {'fx': 50, 'fy': 50, 'cx': 31.5, 'cy': 23.5, 'width': 64, 'height': 48}
    (frame / 'meta.json').write_text(json.dumps({**meta, 'scene': 'indoor'}))
    for out, steps in (('a', '1'), ('b', '2')):
        options = ['--model', str(model), '--out', str(tmp_path / out), '--steps', steps]
        folder_of_frames.main([str(tmp_path / 'frames'), '--quiet', *options])
    capsys.readouterr()
    compare.main([str(tmp_path / out / 'results.json') for out in 'ab'])
    assert rows_of(capsys.readouterr().out)['AbsRel'][2] in ('0 of 1', '1 of 1')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda r: r.update(bag='other'), 'the recording differs: bag and other'),
        (lambda r: r['topics'].update(image='/i'), 'the image topic differs'),
        (lambda r: r['topics'].update(depth='/d'), 'the depth topic differs'),
        (lambda r: r['settings'].update(truth_range_m=[0.1, 10.0]), 'the range of truth differs'),
        (lambda r: r.update(frames=[]), 'no frame was judged in all results'),
        (lambda r: r['frames'][1].update(verdict=None), 'same truth: are they of one recording'),
        (lambda r: r.pop('frames'), 'is not a results.json of'),
        (
            lambda r: r.pop('latency_ms'),
            "of this version (KeyError('latency_ms')); run the eval",
        ),
        (lambda r: r.update(topics=None), 'of this version'),
    ],
)
def test_results_that_cannot_be_compared_are_one_line(result, change, message, capsys):
    folder, first = result
    second = copy.deepcopy(first)
    first['frames'][0]['verdict']['best_const_m'] = 5.0  # another truth
    change(second)
    paths = [saved(folder / 'x.json', first), saved(folder / 'y.json', second)]
    assert run_command(lambda _: compare.main(paths)) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_read(tmp_path, capsys):
    assert run_command(lambda _: compare.main([str(tmp_path / 'no.json')] * 2)) == 2
    assert 'cannot read' in capsys.readouterr().err


def test_a_damaged_name_of_a_range_is_one_line(result, capsys):
    folder, content = result
    whole = folder / 'a' / 'results.json'
    name = next(iter(content['frames'][0]['verdict']['buckets']))
    damaged = chr(ord(name[0]) ^ 0x40) + name[1:]  # one bit
    broken = folder / 'x.json'
    broken.write_text(whole.read_text().replace(f'"{name}"', f'"{damaged}"'))
    assert run_command(lambda _: compare.main([str(broken), str(whole)])) == 2
    assert 'run the evaluations again' in capsys.readouterr().err
