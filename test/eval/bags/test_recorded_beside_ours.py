# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge another model's recorded estimates and our model on one bag, and compare them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import frames, merge_bags, storage_file, write_bag
from oracle_model import grey_from_depth, write_oracle
from recorded_factory import RAMP, THEIRS, estimates, failure, judged, recording

from dmd_ros.eval import compare
from dmd_ros.eval.options import run_command

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / 'test' / 'data' / 'sample_bag'


@pytest.fixture(scope='module')
def ours(tmp_path_factory):
    """Run the shipped model on every third image of the sample bag; return (out, results)."""
    out = tmp_path_factory.mktemp('ours') / 'out'
    return out, judged(SAMPLE, out, '--stride', '3')


def command(*argv):
    words = [sys.executable, '-m', *map(str, argv)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def columns(table):
    """Return the cells of a Markdown table by the name of their row."""
    lines = [[c.strip() for c in line.split('|')[1:-1]] for line in table.splitlines() if line]
    return {name: cells for name, *cells in lines}


def test_our_depth_as_recorded_estimates_has_the_figures_of_the_model(ours, tmp_path):
    out, direct = ours
    sample = ('/image/compressed', '/camera_info', '/depth/truth/compressed')
    bag = merge_bags(
        tmp_path / 'bag',
        {
            SAMPLE: {topic: topic for topic in sample},
            out / 'depth': {'/depth/image': THEIRS, '/depth/camera_info': '/theirs/camera_info'},
        },
    )
    theirs = tmp_path / 'theirs'
    done = command('dmd_ros.eval.replay', bag, '--estimate-topic', THEIRS, '--out', theirs)
    found = json.loads((theirs / 'results.json').read_text())
    for part in ('frames', 'total', 'flicker', 'topics'):
        assert found[part] == direct[part], part
    assert direct['total']['frames'] == 10
    reason = f'no estimate on {THEIRS} is stamped within 0.02 s of it'
    assert found['images_skipped'] == {reason: 20} and found['images_chosen'] == 30
    assert found['latency_ms'] == {} and found['warnings'] == []
    assert 'model' not in found['settings'] and found['settings']['estimate_topic'] == THEIRS
    assert f'warning: 20 image(s) skipped: {reason}' in done.stderr
    assert '| AbsRel ' in done.stdout and 'p50' not in done.stdout
    assert done.stdout.endswith(f'written: {theirs}/results.json, sheet.png, cloud.png\n')
    assert {path.name for path in theirs.iterdir()} == {'results.json', 'sheet.png', 'cloud.png'}
    # As for a model, the sheet has six rows: images without an estimate are left out.
    heights = [cv2.imread(str(o / 'sheet.png')).shape[0] for o in (out, theirs)]
    assert heights[0] == heights[1]


def test_a_model_is_compared_with_recorded_estimates(ours, tmp_path):
    sample = ('/image/compressed', '/camera_info', '/depth/truth/compressed')
    source = {SAMPLE: {t: t for t in sample}, ours[0] / 'depth': {'/depth/image': THEIRS}}
    bag = merge_bags(tmp_path / 'bag', source)
    limited = ('--depth-topic', sample[2], '--limit', '4', '--steps', '2')
    judged(bag, tmp_path / 'ours', *limited)
    judged(bag, tmp_path / 'theirs', '--estimate-topic', THEIRS)
    paths = [tmp_path / name / 'results.json' for name in ('theirs', 'ours')]
    rows = columns(command('dmd_ros.eval.compare', *paths).stdout)
    assert rows['2 frames'] == ['first', 'second', 'second better in']
    assert rows['model'] == [THEIRS, 'dmd_worlds', '']
    assert rows['frames judged'] == ['10 of 30', '4 of 4', '-']
    assert rows['AbsRel'][2].endswith(' of 2') and rows['AbsRel'][0] != rows['AbsRel'][1]
    assert rows['time per frame, p50 ms'][0] == '-' != rows['time per frame, p50 ms'][1]
    assert not {'steps', 'seed', 'estimate_range_m'} & rows.keys()  # settings of only one result


def test_estimates_may_be_in_another_bag(ours, tmp_path, monkeypatch):
    out, direct = ours
    monkeypatch.chdir(out.parent)
    found = judged(SAMPLE, tmp_path / 'out', '--estimates', 'out/depth')
    assert (found['frames'], found['total']) == (direct['frames'], direct['total'])
    assert found['settings']['estimates'] == 'out/depth'
    assert found['settings']['estimate_topic'] == '/depth/image'


def test_estimates_are_not_overwritten_by_their_results(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', frames([grey_from_depth(RAMP)], [RAMP]))
    judged(bag, tmp_path / 'out', '--model', str(write_oracle(tmp_path / 'm.onnx')))
    theirs = tmp_path / 'out' / 'depth'
    argv = [bag, '--out', tmp_path / 'out', '--estimates', theirs, '--overwrite']
    assert 'would be overwritten' in failure(argv, capsys)
    assert storage_file(theirs).exists()


def test_three_results_are_compared_in_one_table(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', recording(3))
    paths = []
    for name, factors in (('a', (1.1,) * 3), ('b', (1.2, 1.0, 1.2)), ('c', (2.0, 2.0))):
        theirs = write_bag(tmp_path / name, estimates(*(RAMP * np.float32(f) for f in factors)))
        judged(bag, tmp_path / f'out_{name}', '--estimates', str(theirs))
        paths.append(str(tmp_path / f'out_{name}' / 'results.json'))
    capsys.readouterr()
    compare.main(paths)
    table = columns(capsys.readouterr().out)
    assert table['2 frames'] == [
        'first', 'second', 'second better in', 'third', 'third better in'
    ]  # fmt: skip
    names = [f'{THEIRS} of {tmp_path / name}' for name in 'abc']
    assert table['model'] == [*names[:2], '', names[2], '']
    assert table['AbsRel'] == ['0.100', '0.100', '1 of 2', '1.000', '0 of 2']
    assert table['frames judged'] == ['3 of 3', '3 of 3', '-', '2 of 3', '-']
    assert run_command(lambda _: compare.main(paths * 3)) == 2
    assert '9 results are too many' in capsys.readouterr().err
