# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, and SIGTERM as sent by systemd, Slurm and `docker stop`, end a run cleanly."""

from __future__ import annotations

import itertools
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_set import FAST, fast_config, set_options, write_set

from train import checkpoint
from train import interrupts as module
from train.command import run_command
from train.interrupts import Stops, stops
from train.loop import build_net, train
from train.processes import Processes
from train.state import TrainState

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
RUN = ('-m', 'train.run', '--preset', 'micro')
FOV = ('-m', 'train.fov', '--preset', 'micro')
TORCHRUN = ('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', *RUN)
ALONE = Processes(0, 1, torch.device('cpu'))
signals = pytest.mark.parametrize('number', module.STOPS, ids=lambda number: number.name)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stops]:
    """Handle every signal, even right after the last one."""
    monkeypatch.setattr(module, 'DEAF_S', -1.0)
    # A command that another test ran in this process may have left its handler.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    heard = Stops()
    with heard.heard():
        yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ('words', 'number'),
    [
        (RUN, signal.SIGINT),
        (RUN, signal.SIGTERM),
        (FOV, signal.SIGTERM),
        (TORCHRUN, signal.SIGTERM),
    ],
    ids=['run', 'run-SIGTERM', 'fov', 'torchrun'],
)
def test_a_stopped_run_keeps_its_last_step(
    words: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    """The signal is sent to all processes including workers, as by a terminal or Slurm."""
    settings = (f'sources=folder:{write_set(tmp_path / "set")}', *FAST, 'workers=1',
                'total_samples=1000000')  # fmt: skip
    with subprocess.Popen(
        [sys.executable, *words, '--out', 'run', *set_options(*settings)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        clock = _clock_when_it_runs(process.stdout)
        os.killpg(process.pid, number)
        out, errors = process.communicate(timeout=60)
    kept = checkpoint.find(tmp_path / 'run')
    assert kept['clock'] >= clock
    assert f'stopped at {kept["clock"]} samples; checkpoint written\n' in out
    if words is TORCHRUN:
        assert errors.count('stopped; continue with --resume\n') == 2
    else:
        assert process.returncode == 128 + number and errors == 'stopped; continue with --resume\n'


def _clock_when_it_runs(lines: Iterator[str]) -> int:
    for line in lines:
        if '/1000000 samples' in line and int(line.split('/')[0].split()[-1]) >= 40:
            return int(line.split('/')[0].split()[-1])
    raise AssertionError('it ended before')


@pytest.mark.parametrize(
    ('where', 'kept'),
    [
        ('train.example.normalise', 8),  # while waiting for data
        ('train.loop.diffusion_loss', 8),
        ('torch.optim.AdamW.step', 12),  # half a step would give neither
        ('train.ema.Ema.update', 12),
        ('train.checkpoint.os.fsync', 8),
    ],
)
def test_a_stopped_run_continues_as_if_not_interrupted(
    where: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fast_config(
        write_set(tmp_path / 'set'), 'total_samples=20', 'batch=4', 'checkpoint_every=8'
    )
    train(tmp_path / 'whole', config, ALONE)
    target, _, name = where.rpartition('.')
    owner = pkgutil.resolve_name(target)
    work, calls = getattr(owner, name), itertools.count(1)
    number = {'train.example.normalise': 10, 'train.checkpoint.os.fsync': 1}.get(where, 3)

    def stopped(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == number:
            signal.raise_signal(signal.SIGTERM)
        return work(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopped)
        assert run_command(lambda: train(tmp_path / 'cut', config, ALONE)) == 143
    assert checkpoint.find(tmp_path / 'cut')['clock'] == kept
    train(tmp_path / 'cut', config, ALONE, resume=True)
    whole, cut = (checkpoint.find(tmp_path / run) for run in ('whole', 'cut'))
    assert cut['clock'] == whole['clock'] == 20
    for key in ('net', 'ema'):
        assert all(torch.equal(cut[key][name], weight) for name, weight in whole[key].items())


@signals
def test_a_first_stop_is_deferred_while_held(number: int, heard: Stops) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), heard.held(), heard.held():
        signal.raise_signal(number)
        done = True
    assert done and not heard.again and heard.number == number


@signals
def test_a_second_stop_ends_at_once(number: int, heard: Stops) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), heard.held():
        signal.raise_signal(number)
        signal.raise_signal(number)
        done = True
    assert not done and heard.again


def test_the_same_stop_from_two_senders_counts_once() -> None:
    """Slurm and torchrun both send it, shortly after each other."""
    heard = Stops()
    with heard.heard(), pytest.raises(KeyboardInterrupt), heard.held():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert not heard.again


def test_a_second_stop_writes_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'DEAF_S', -1.0)
    config = fast_config(write_set(tmp_path / 'set'))
    state = TrainState(build_net(config), config, ALONE)
    state.clock = 4

    def work() -> None:
        with state.saved_if_stopped(tmp_path / 'run'), stops.held():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    assert run_command(work) == 128 + signal.SIGTERM
    assert not list(tmp_path.glob('run/checkpoints/*'))


def test_ctrl_c_stays_ignored_if_it_was_before() -> None:
    """As in a background job of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_command(lambda: signal.raise_signal(signal.SIGINT)) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_earlier_signal_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in module.STOPS]
    assert run_command(lambda: signal.raise_signal(signal.SIGTERM)) == 143
    assert [signal.getsignal(number) for number in module.STOPS] == before
