# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import torch
from small_set import FAST, fast_config, losses_of, set_options
from torch._dynamo.testing import CompileCounter

from train import checkpoint, history, loop, processes
from train.command import memory_advice, run_command
from train.config import TrainConfig
from train.errors import TrainError
from train.loop import train
from train.processes import Processes
from train.run import main
from train.state import TrainState

ALONE = Processes(0, 1, torch.device('cpu'))
PLAIN = ('fov_scale_min=1', 'fov_scale_max=1', 'photometric=0', 'flip=false', 'centre_jitter=0')
ROOT = Path(__file__).parents[2]


# Away from t = 1, the loss includes the noise, which takes a network more than 60 steps to learn.
@pytest.mark.parametrize(
    ('stage', 'precision', 't1_fraction', 'share'),
    [
        ('diffusion', 'fp32', 0.0, 0.9),
        ('diffusion', 'fp32', 1.0, 0.4),
        ('diffusion', 'bf16', 1.0, 0.4),
        ('end_to_end', 'fp32', 0.0, 0.4),
    ],
)
def test_over_fits_a_few_samples(
    data: Path, tmp_path: Path, stage: str, precision: str, t1_fraction: float, share: float
) -> None:
    config = fast_config(data, *PLAIN, f'stage={stage}', 'total_samples=480', 'batch=8',
                         f'precision={precision}', f't1_fraction={t1_fraction}')  # fmt: skip
    train(tmp_path, config, ALONE)
    losses = list(losses_of(tmp_path).values())
    assert len(losses) == 60
    assert sum(losses[-5:]) < share * sum(losses[:5])


def test_killed_at_any_moment_and_resumed_gives_the_same_losses(
    data: Path, tmp_path: Path
) -> None:
    settings = ('total_samples=400', 'checkpoint_every=8', 'unroll=0.3')
    config = fast_config(data, *settings)
    train(tmp_path / 'unbroken', config, ALONE)
    run = tmp_path / 'killed'
    process = subprocess.Popen(_command(run, data, settings), cwd=ROOT, env=_environment())
    deadline = time.monotonic() + 60
    while not any(checkpoint.folder(run).glob('*.pt')) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = checkpoint.load_newest(run)
    assert state is not None
    assert state['clock'] < 400, 'finished before it was killed'
    train(run, config, ALONE, resume=True)
    assert losses_of(run) == losses_of(tmp_path / 'unbroken')
    ends = [checkpoint.load_newest(folder) for folder in (run, tmp_path / 'unbroken')]
    for name in ends[0]['ema']:
        assert torch.equal(ends[0]['ema'][name], ends[1]['ema'][name])


def test_two_runs_do_not_share_a_folder(data: Path, tmp_path: Path) -> None:
    command = _command(tmp_path, data, ('total_samples=1000000',))
    with subprocess.Popen(command, cwd=ROOT, env=_environment()) as first:
        try:
            deadline = time.monotonic() + 60
            # This file is written after config.json, which may be empty at first.
            while not (tmp_path / 'revision.txt').exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            before = (tmp_path / 'config.json').read_text()
            with pytest.raises(TrainError, match=f'another process trains in {tmp_path}'):
                train(tmp_path, fast_config(data, 'total_samples=4'), ALONE)
            assert (tmp_path / 'config.json').read_text() == before
        finally:
            first.kill()
    train(tmp_path, fast_config(data, 'total_samples=4'), ALONE)


def test_training_works_in_a_folder_without_locks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on some network file systems."""

    def lockf(*_: object) -> None:
        raise OSError(37, 'No locks available')

    monkeypatch.setattr('train.report.fcntl.lockf', lockf)
    train(tmp_path, fast_config(data, 'total_samples=4'), ALONE)
    assert f'{tmp_path} cannot be locked ([Errno 37] No locks available)' in caplog.text


def test_a_truncated_line_does_not_spoil_the_next(data: Path, tmp_path: Path) -> None:
    train(tmp_path, fast_config(data, 'total_samples=8'), ALONE)
    report = tmp_path / history.LOSSES
    report.write_bytes(report.read_bytes()[:-10])  # as after a full disk or a power failure
    train(tmp_path, fast_config(data, 'total_samples=16'), ALONE, resume=True)
    assert [line['clock'] for line in history.losses(tmp_path)] == [4, 12, 16]


def test_an_error_in_a_worker_keeps_its_traceback() -> None:
    def train() -> None:
        raise RuntimeError('Caught RuntimeError in DataLoader worker process 0.\nits traceback')

    with pytest.raises(RuntimeError, match='its traceback'):
        run_command(train)


def test_a_worker_that_dies_ends_the_run_with_advice(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*args: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()
        time.sleep(60)  # torch raises in here

    monkeypatch.setattr(loop, '_objective', lambda *_: killed)
    assert main(_command(tmp_path, data, ('workers=1',))[3:]) == 1
    assert '--resume, with fewer workers or a smaller batch' in capsys.readouterr().err


def test_two_processes_equal_one(data: Path, tmp_path: Path) -> None:
    settings = ('total_samples=32', 'clip=0.1', 't1_fraction=0.5')
    train(tmp_path / 'one', fast_config(data, *settings), ALONE)
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command = [*launcher, '--nproc-per-node=2', *_command(tmp_path / 'two', data, settings)[1:]]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True, timeout=120)
    one, two = losses_of(tmp_path / 'one'), losses_of(tmp_path / 'two')
    assert len(one) == 8
    assert two == pytest.approx(one, rel=1e-4)


def test_compiled_before_the_first_batch_in_every_run_of_a_process(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run compiles one graph per size regardless of earlier runs; its losses are the same."""
    graphs = CompileCounter()  # runs graphs unchanged
    compiled = torch.compile

    def counting(function, dynamic: bool, options: dict[str, bool]):
        return compiled(function, dynamic=dynamic, backend=graphs)

    monkeypatch.setattr(torch, 'compile', counting)
    settings = ('total_samples=12',)
    train(tmp_path / 'eager', fast_config(data, *settings), ALONE)
    for number in (1, 2):
        run = tmp_path / str(number)
        with torch._dynamo.config.patch(recompile_limit=1):
            train(run, fast_config(data, *settings, 'compile=true'), ALONE)
        assert graphs.frame_count == number
        assert losses_of(run) == pytest.approx(losses_of(tmp_path / 'eager'), rel=1e-4)


def test_products_use_a_type_that_the_processor_supports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, info = torch.device('cpu'), tmp_path / 'cpuinfo'
    monkeypatch.setattr(processes, '_CPUINFO', info)
    assert processes.product_type('auto', cpu) == torch.float32  # unknown
    for flags, expected in (
        ('flags\t\t: fpu avx2 avx512f avx512_vnni', torch.float32),
        ('flags\t\t: fpu avx2 avx512f avx512_bf16', torch.bfloat16),
        ('Features\t: fp asimd i8mm bf16 svebf16', torch.bfloat16),
    ):
        info.write_text(f'processor\t: 0\n{flags}\n')
        assert processes.product_type('auto', cpu) == expected
        assert processes.product_type('bf16', cpu) == torch.bfloat16
        assert processes.product_type('fp32', cpu) == torch.float32


def test_a_run_ends_by_the_clock(data: Path, tmp_path: Path) -> None:
    settings = ('total_samples=1000000000', 'minutes=0.01', 'schedule=constant', 'cooldown=0.5')
    train(tmp_path, fast_config(data, *settings), ALONE)
    state = checkpoint.find(tmp_path)
    assert 0.6 <= state['seconds'] < 30 and 0 < state['clock'] < 1_000_000
    rows = [json.loads(line) for line in (tmp_path / 'losses.jsonl').read_text().splitlines()]
    assert rows[-1]['lr'] == 0.0 < max(row['lr'] for row in rows)


def test_resume_with_other_settings_is_refused(
    data: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(tmp_path, fast_config(data, 'total_samples=8'), ALONE)
    with pytest.raises(TrainError, match=r'batch: 4 -> 8'):
        train(tmp_path, fast_config(data, 'total_samples=16', 'batch=8'), ALONE, resume=True)
    with pytest.raises(TrainError, match='already contains a run; add --resume'):
        train(tmp_path, fast_config(data, 'total_samples=16'), ALONE)
    again = ['--preset', 'micro', '--out', str(tmp_path), '--resume']
    assert main(again) == 1
    assert 'without --preset, train.run and train.fov read them' in capsys.readouterr().err
    # Without settings, those of the run are used, and it may be extended.
    assert main(['--out', str(tmp_path), '--resume', '--set', 'total_samples=16']) == 0
    assert max(losses_of(tmp_path)) == 16
    with caplog.at_level('INFO'):
        assert main(['--out', str(tmp_path), '--resume']) == 0
    assert 'nothing to do: the run is complete at 16 samples' in caplog.text


def test_starts_from_another_runs_weights(data: Path, tmp_path: Path) -> None:
    train(tmp_path / 'first', fast_config(data, 'total_samples=8'), ALONE)
    config = fast_config(data, 'total_samples=4', 'lr=1e-12', 'stage=end_to_end')
    train(tmp_path / 'second', config, ALONE, init=tmp_path / 'first')
    first, second = (checkpoint.find(tmp_path / name) for name in ('first', 'second'))
    for name, weight in first['ema'].items():
        assert torch.allclose(second['net'][name], weight, atol=1e-6)
    with pytest.raises(TrainError, match=r'weights of preset micro \(rays=False'):
        train(tmp_path / 'third', fast_config(data, 'rays=true'), ALONE, init=tmp_path / 'first')


def test_reports_due_between_two_steps_follow_the_second(data: Path, tmp_path: Path) -> None:
    train(tmp_path, fast_config(data, 'total_samples=16', 'log_every=6'), ALONE)
    assert list(losses_of(tmp_path)) == [8, 12, 16]


def test_the_time_left_is_limited_by_the_minutes(data: Path) -> None:
    config = fast_config(data, 'minutes=1')
    state = TrainState(loop.build_net(config), config, ALONE)
    for seconds, left in ((20.0, 40.0), (55.0, 5.0), (90.0, 0.0)):
        state.seconds = seconds
        assert (state.left(1000.0), state.left(0.0)) == (left, 0.0)


def test_non_finite_steps_are_skipped_and_stop_the_run_if_many(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, bad = loop._objective, {8, *range(12, 100, 8)}  # 13 of 25, never ten in a row

    def poisoned(model, device, config: TrainConfig):
        objective, clock = real(model, device, config), itertools.count(0, config.batch)

        def spoil(batch, unroll: bool):
            losses = objective(batch, unroll)
            if next(clock) in bad:
                losses.total.mul_(math.nan)
            return losses

        return spoil

    monkeypatch.setattr(loop, '_objective', poisoned)
    train(tmp_path / 'a', fast_config(data, 'total_samples=100'), ALONE)
    state = checkpoint.find(tmp_path / 'a')
    assert all(torch.isfinite(w).all() for w in state['net'].values())
    bad.update(range(1000))
    with pytest.raises(TrainError, match=r'10 steps in a row were not finite.*lower lr'):
        train(tmp_path / 'b', fast_config(data, 'total_samples=400'), ALONE)


def test_validates_through_the_shipped_estimator(data: Path, tmp_path: Path) -> None:
    settings = (f'validation=folder:{data}', 'validation_frames=3', 'validate_every=8')
    train(tmp_path, fast_config(data, 'total_samples=16', *settings), ALONE)
    text = (tmp_path / 'losses.jsonl').read_text()
    assert text.count('validation/abs_rel') == 2
    assert (tmp_path / 'config.json').is_file()
    assert (tmp_path / 'revision.txt').read_text().strip()
    assert list((tmp_path / 'tensorboard').iterdir())


def test_out_of_memory_advises_what_to_lower(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')

    monkeypatch.setattr(loop, '_objective', lambda *_: full)
    arguments = _command(tmp_path / 'r', data, ())[3:]
    assert main(arguments) == 1
    assert 'lower batch (now 4) or sizes (now 32x32)' in capsys.readouterr().err
    assert main([*arguments, '--set', 'worlds_on=device']) == 1
    assert 'lower store_parts (now 240), batch (now 4)' in capsys.readouterr().err


@pytest.mark.parametrize(
    'met',
    [
        MemoryError(),  # Python's own has no message
        cv2.error('(-4:Insufficient memory) Failed to allocate 30000000000 bytes'),
        RuntimeError('Caught MemoryError in DataLoader worker process 0.'),
    ],
)
def test_the_advice_is_the_same_for_all_memory_errors(data: Path, met: Exception) -> None:
    with (
        pytest.raises(TrainError, match=r'out of memory \(.*[Mm]emory.*lower batch \(now 4\)'),
        memory_advice(fast_config(data), 'preset'),
    ):
        raise met


def test_an_impossible_size_is_found_by_a_dry_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ('sizes=16000000x16000000',)
    assert main([*_command(tmp_path / 'run', data, size)[3:], '--dry-run']) == 1
    assert 'lower batch (now 4) or sizes (now 16000000x16000000)' in capsys.readouterr().err


def test_dry_run_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    assert main([*_command(run, data, ())[3:], '--dry-run']) == 0
    output = capsys.readouterr().out
    assert 'first batch: 4 x (32, 32)' in output and 'compiled' not in output
    assert not run.exists()


def test_dry_run_checks_everything_that_the_run_would_open(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    train(run, fast_config(data, 'total_samples=4'), ALONE)
    dry = [*_command(tmp_path / 'new', data, ())[3:], '--dry-run']
    assert main([*dry, '--init', str(run)]) == 0
    assert 'nothing was trained, nothing written to' in capsys.readouterr().out
    again = ['--out', str(run), '--resume', '--dry-run']
    assert main(again) == 0
    for command, message in (
        ([*dry, '--init', str(run), '--set', 'rays=true'], 'do not fit this network'),
        ([*dry, '--init', '/nowhere'], '/nowhere contains no checkpoint'),
        ([*dry, '--init', 'dmd_worlds'], 'dmd_worlds.onnx: weights of preset tiny'),
        ([*dry, '--init', 'dmd_wolrds'], 'not a file or folder, and no shipped model'),
        ([*dry, '--set', 'validation=folder:/nowhere'], '/nowhere does not exist'),
        ([*dry, '--set', 'validation=worlds,worlds'], 'worlds are endless; use them alone'),
        ([*again, '--set', 'batch=8'], 'batch: 4 -> 8'),
    ):
        assert main(command) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize('place', ['workers', 'device'])
def test_a_wrong_folder_of_materials_is_not_taken_for_broken_samples(
    data: Path, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = (f'sources=folder:{data}@3,worlds@1', f'worlds_on={place}')
    run = tmp_path / 'run'
    command = _command(run, data, settings)
    assert main([*command[3:], '--assets', str(tmp_path)]) == 1
    facts = tmp_path / 'textures' / 'licences.json'
    said = capsys.readouterr().err
    assert said.startswith(f'error: {facts} not found; --assets expects DIR')
    assert not run.exists()


def test_a_wrong_validation_is_refused_before_the_compilation(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_for_minutes(*_: object) -> None:
        raise AssertionError('compiled')

    monkeypatch.setattr(loop, '_warm_up', compile_for_minutes)
    config = fast_config(data, 'total_samples=4', 'compile=true', 'validation=folder:/nowhere')
    with pytest.raises(TrainError, match='/nowhere does not exist'):
        train(tmp_path / 'run', config, ALONE)


def _command(run: Path, data: Path, settings: tuple[str, ...]) -> list[str]:
    command = [sys.executable, '-m', 'train.run', '--out', str(run), '--preset', 'micro']
    return [*command, *set_options(f'sources=folder:{data}', *FAST, *settings)]


def _environment() -> dict[str, str]:
    return {**os.environ, 'OMP_NUM_THREADS': '1'}
