# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pickle
import resource
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from train import checkpoint
from train.errors import TrainError


def _state(clock: int) -> dict[str, Any]:
    state: dict[str, Any] = dict.fromkeys(checkpoint.KEYS - {'format'}, 0)
    return {**state, 'clock': clock, 'net': {'w': torch.arange(5000) + clock}}


def test_the_newest_intact_one_is_read_and_old_ones_are_removed(tmp_path: Path) -> None:
    for clock in (10, 20, 30):
        checkpoint.save(tmp_path, _state(clock), keep=2)
    names = sorted(path.name for path in checkpoint.folder(tmp_path).iterdir())
    assert names == ['000000000020.pt', '000000000030.pt']
    state = checkpoint.load_newest(tmp_path)
    assert state is not None
    assert state['clock'] == 30
    assert torch.equal(state['net']['w'], torch.arange(5000) + 30)


@pytest.mark.parametrize('damage', ['cut', 'flip', 'empty', 'pickle'])
def test_a_damaged_newest_one_is_skipped_with_a_warning(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.save(tmp_path, _state(10), keep=3)
    newest = checkpoint.save(tmp_path, _state(20), keep=3)
    data = bytearray(newest.read_bytes())
    if damage == 'flip':
        data[len(data) // 2] ^= 0xFF
    newest.write_bytes(
        {
            'cut': data[: len(data) // 2],
            'flip': data,
            'empty': b'',
            'pickle': pickle.dumps(Path('/')),
        }[damage]
    )
    state = checkpoint.load_newest(tmp_path)
    assert state is not None
    assert state['clock'] == 10
    assert '000000000020.pt is damaged' in caplog.text


def test_a_damaged_newer_one_does_not_count_as_kept(tmp_path: Path) -> None:
    """A run resumes from the previous one, with smaller intervals between checkpoints."""
    checkpoint.save(tmp_path, _state(10), keep=2)
    checkpoint.save(tmp_path, _state(20), keep=2).write_bytes(b'x')
    checkpoint.save(tmp_path, _state(12), keep=1)
    state = checkpoint.load_newest(tmp_path)
    assert state is not None
    assert state['clock'] == 12


def test_only_damaged_ones_are_an_error_but_none_is_not(tmp_path: Path) -> None:
    assert checkpoint.load_newest(tmp_path) is None
    checkpoint.save(tmp_path, _state(1), keep=1).write_bytes(b'x')
    with pytest.raises(TrainError, match='all 1 checkpoints'):
        checkpoint.load_newest(tmp_path)
    (checkpoint.folder(tmp_path) / '000000000099.pt').symlink_to(tmp_path / 'gone.pt')
    with pytest.raises(TrainError, match='all 2 checkpoints'):
        checkpoint.load_newest(tmp_path)
    with pytest.raises(TrainError, match='contains no checkpoint'):
        checkpoint.find(tmp_path / 'elsewhere')


def test_one_replaced_by_a_running_trainer_is_not_reported_as_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.save(tmp_path, _state(10), keep=1)
    load = checkpoint.load

    def replaced_before_it_is_opened(path: Path) -> dict[str, Any]:
        if path.stem.endswith('10'):
            checkpoint.save(tmp_path, _state(20), keep=1)
        return load(path)

    monkeypatch.setattr(checkpoint, 'load', replaced_before_it_is_opened)
    assert checkpoint.find(tmp_path)['clock'] == 20
    assert not caplog.text


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / 'owned'),)

    path = checkpoint.folder(tmp_path) / '000000000001.pt'
    path.parent.mkdir(parents=True)
    torch.save({**_state(1), 'format': 1, 'broken': Evil()}, path)
    with pytest.raises(TrainError, match='damaged'):
        checkpoint.load(path)
    assert not (tmp_path / 'owned').exists()


def test_another_file_is_not_called_a_damaged_checkpoint(tmp_path: Path) -> None:
    for name in ('model.onnx', '000000000001.zip'):
        path = tmp_path / name
        path.write_bytes(b'x')
        with pytest.raises(TrainError, match=f'{name} is not a checkpoint; specify the folder'):
            checkpoint.find(path)


@pytest.mark.parametrize('other', [{'weights': 1}, [1], {**_state(1), 'format': 2}])
def test_other_formats_are_refused(tmp_path: Path, other: object) -> None:
    torch.save(other, tmp_path / 'a.pt')
    with pytest.raises(TrainError, match='not a checkpoint of this version'):
        checkpoint.load(tmp_path / 'a.pt')


def test_missing_space_is_reported_before_training_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(checkpoint.shutil, 'disk_usage', lambda path: usage(1, 1, 14_999))
    with pytest.raises(TrainError, match='no space for a checkpoint'):
        checkpoint.check_space(tmp_path / 'not' / 'yet', 10_000)


@pytest.mark.parametrize('room', [10, 20_000])  # torch raises different errors
def test_a_failed_write_leaves_the_old_ones(tmp_path: Path, room: int) -> None:
    checkpoint.save(tmp_path, _state(10), keep=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(TrainError, match=r'cannot write checkpoint .*free disk space'):
            checkpoint.save(tmp_path, _state(20), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in checkpoint.folder(tmp_path).iterdir()] == ['000000000010.pt']
