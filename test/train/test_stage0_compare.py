# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The comparison of depth from stage 0 with depth from scratch, on a few small frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_set import plane_sample, write_shard

from train import checkpoint
from train.stage0.compare import main


@pytest.fixture(scope='module')
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('compare')
    write_shard(folder / 'data' / 'train', [plane_sample(i) for i in range(8)])
    write_shard(folder / 'data' / 'held_out', [plane_sample(100 + i) for i in range(4)])
    return folder


def _arguments(out: Path, seeds: int) -> list[str]:
    return ['--out', str(out), '--preset', 'micro', '--size', '32x32', '--frames', '8', '--batch',
            '8', '--stage0-samples', '64', '--samples', '64', '--seeds', str(seeds)]  # fmt: skip


def test_both_are_trained_and_judged_alike(out, capsys):
    assert main(_arguments(out, 1)) == 0
    (row,) = json.loads((out / 'compare.json').read_text())
    runs = {name: checkpoint.find(out / 'runs' / f'{name}-depth-0')
            for name in ('scratch', 'stage0')}  # fmt: skip
    assert runs['scratch']['config'] == runs['stage0']['config']
    assert runs['scratch']['clock'] == runs['stage0']['clock'] == 64
    for key in ('training loss', 'loss', 'one-step L1', 'AbsRel'):
        assert 0 < row[f'scratch {key}'] != row[f'stage0 {key}'] > 0
    text = (out / 'compare.md').read_text()
    change = 100 * (row['stage0 loss'] / row['scratch loss'] - 1)
    assert f'{change:+.1f} %' in text
    # A second seed continues from existing parts; the first row does not change.
    made = (out / 'runs' / 'stage0' / 'checkpoints' / '000000000064.pt').stat().st_mtime_ns
    assert main(_arguments(out, 2)) == 0
    first, second = json.loads((out / 'compare.json').read_text())
    assert first == row and second['scratch loss'] != row['scratch loss']
    again = (out / 'runs' / 'stage0' / 'checkpoints' / '000000000064.pt').stat().st_mtime_ns
    assert again == made
    assert 'of 2' in (out / 'compare.md').read_text()
    # Parts made with other settings are refused.
    for option, other in (('--size', '48x64'), ('--samples', '32'), ('--preset', 'nano')):
        assert main([*_arguments(out, 2), option, other]) == 1
        assert 'choose another --out, or delete the folder' in capsys.readouterr().err
    assert json.loads((out / 'compare.json').read_text()) == [first, second]


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--size', 'large', "--size: 'large' is not HEIGHTxWIDTH"),
        ('--seeds', '0', '--seeds: 0 must be >= 1'),
    ],
)
def test_invalid_options(option, value, message, capsys):
    with pytest.raises(SystemExit):
        main(['--out', 'unused', option, value])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (['--preset', 'huge'], "preset 'huge' is unknown"),
        (['--size', '50x64'], 'size 50x64 is impossible'),
    ],
)
def test_invalid_training_settings_are_refused_before_rendering(wrong, message, tmp_path, capsys):
    assert main(['--out', str(tmp_path / 'out'), *wrong]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_an_invalid_folder_is_refused_in_one_line(tmp_path, capsys):
    out = tmp_path / 'file'
    out.touch()
    assert main(_arguments(out, 1)) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('error: ') and str(out) in printed and printed.count('\n') == 1
