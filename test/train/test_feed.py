# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches made by another process: they are the same, and its end is noticed."""

from __future__ import annotations

import dataclasses
import multiprocessing
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from small_set import write_set

from train import feed
from train.config import TrainConfig, make_config
from train.errors import TrainError
from train.feed import Feed, FromProcess
from train.loss import Batch
from train.processes import Processes

ROOT = Path(__file__).parents[2]
TRAINER = """
import os, signal, torch
from train.config import make_config
from train.feed import FromProcess
from train.processes import Processes
config = make_config('micro', ['worlds_on=device', 'sizes=16x16', 'batch=4', 'workers=0'])
batches = FromProcess(config, Processes(0, 1, torch.device('cpu')), 0)
os.kill(os.getpid(), signal.SIGKILL)
"""
ALONE = Processes(0, 1, torch.device('cpu'))


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    data = write_set(tmp_path / 'set')
    return make_config('micro', [
        'worlds_on=device', 'sizes=16x16', 'batch=4', 'first_parts=1', 'store_parts=1',
        'workers=0', 'kinds=tabletop=1', 'reuse=2', f'sources=worlds@0.5,folder:{data}@0.5',
    ])  # fmt: skip


def test_its_batches_are_the_same(config: TrainConfig) -> None:
    batches = FromProcess(config, ALONE, 3)
    try:
        for (one, broken), (other, _) in islice(
            zip(Feed(config, ALONE).here(3), batches, strict=False), 3
        ):
            assert not broken
            for field in dataclasses.fields(Batch):
                mine, theirs = (getattr(b, field.name) for b in (one, other))
                assert torch.equal(mine, theirs), field.name
                assert mine.stride() == theirs.stride()
    finally:
        batches.close()
    assert not multiprocessing.active_children()


def test_its_error_arrives(config: TrainConfig) -> None:
    lost = dataclasses.replace(config, assets='/nowhere')
    with pytest.raises(TrainError, match=r'renders worlds failed: .*nowhere'):
        next(FromProcess(lost, ALONE, 0))


def test_its_death_is_noticed(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, '_PATIENCE_S', 0.2)
    batches = FromProcess(config, ALONE, 0)
    next(batches)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(TrainError, match='exit status -9'):
        list(islice(batches, 8))


def test_it_ends_if_deleted_before_its_first_batch(config: TrainConfig) -> None:
    batches = FromProcess(config, ALONE, 0)
    assert multiprocessing.active_children()
    del batches
    assert not multiprocessing.active_children()


def test_a_trainer_killed_while_it_starts_leaves_nothing_behind() -> None:
    # It also holds the pipe of its trainer's output, so this waits for both.
    killed = subprocess.run(
        [sys.executable, '-c', TRAINER], cwd=ROOT, stdout=subprocess.PIPE, timeout=60
    )
    assert killed.returncode == -9
