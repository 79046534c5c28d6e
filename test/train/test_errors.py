# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from small_set import set_options, write_set

from train.command import run_command
from train.errors import in_one_line

ROOT = Path(__file__).parents[2]
OUT = ('--out', 'unused.onnx')


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt  # not a signal: handlers left by other tests ignore it for a while


@pytest.mark.parametrize(
    ('command', 'work', 'arguments'),
    [
        ('quantize', 'quantize', ('dmd_worlds', *OUT)),
        ('export', 'export', ('run', *OUT)),
        ('fov.export', 'export', ('run', *OUT)),
        ('evaluate', 'load_estimator', ('dmd_worlds',)),
        ('fov.evaluate', 'load_camera_source', ()),
        ('stage0.compare', 'compare', ('--out', 'unused')),
        ('stage0.sheet', 'load', ('run', '--out', 'unused.png')),
        ('worlds.cache', 'write_cache', ('--frames', '1', '--out', 'unused')),
        ('worlds.sheet', '_pictures', ('--out', 'unused.png')),
        ('worlds.statistics', 'table', ()),
        ('worlds.bench', '_rate', ()),
        ('sample_bag', 'write_bag', ('unused',)),
    ],
)
def test_ctrl_c_ends_a_command_in_one_line(
    command: str,
    work: str,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = import_module(f'train.{command}')
    monkeypatch.setattr(module, work, interrupted)
    monkeypatch.chdir(tmp_path)
    assert module.main([*arguments]) == 130
    assert 'interrupted\n' in capsys.readouterr().err


def test_ctrl_c_within_numba_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise SystemError('a dispatcher returned with an exception set') from KeyboardInterrupt()

    assert in_one_line(work) == run_command(work) == 130
    assert capsys.readouterr().err == 'interrupted\nstopped; continue with --resume\n'


def test_other_system_errors_are_not_taken_for_ctrl_c() -> None:
    def work() -> None:
        raise SystemError('broken') from ValueError('cause')

    with pytest.raises(SystemError, match='broken'):
        in_one_line(work)


@pytest.mark.skipif(sys.platform != 'linux', reason='uses /proc')
@pytest.mark.parametrize(
    ('command', 'number'),
    [
        (('cache', '--out', 'worlds'), signal.SIGINT),
        (('cache', '--out', 'worlds'), signal.SIGTERM),
        (('bench',), signal.SIGINT),
    ],
    ids=['cache', 'cache-SIGTERM', 'bench'],
)
def test_ctrl_c_ends_workers_that_have_just_started_silently(
    command: tuple[str, ...], number: int, tmp_path: Path
) -> None:
    name, *more = command
    with subprocess.Popen(
        [sys.executable, '-m', f'train.worlds.{name}', *more, '--frames', '1', '--workers', '2'],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        children = Path('/proc', str(process.pid), 'task', str(process.pid), 'children')
        while (
            len(children.read_text().split()) < 3
        ):  # the workers, and a process of multiprocessing
            time.sleep(0.01)
        time.sleep(0.2)  # they are importing now; the exact moment does not matter
        os.killpg(process.pid, number)
        errors = process.communicate(timeout=20)[1]
    assert process.returncode == 128 + number
    assert 'interrupted' in errors and 'Traceback' not in errors


def test_ctrl_c_does_not_wait_for_unused_batches(tmp_path: Path) -> None:
    settings = (f'sources=folder:{write_set(tmp_path / "set")}', 'sizes=64x64', 'batch=4',
                'threads=1', 'workers=2', 'log_every=4')  # fmt: skip
    with subprocess.Popen(
        [sys.executable, '-m', 'train.run', '--preset', 'nano', '--out', 'run',
         *set_options(*settings)],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if '20/' in line:  # by now, the workers have filled their queues
                break
        os.killpg(process.pid, signal.SIGINT)
        began = time.perf_counter()
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and errors == 'stopped; continue with --resume\n'
    assert time.perf_counter() - began < 5.0  # torch would wait as long for each worker


@pytest.mark.skipif(sys.platform != 'linux', reason='uses /proc')
def test_rendering_workers_die_with_their_killed_command(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'train.worlds.cache',
            '--out',
            'worlds',
            '--frames',
            '1',
            '--workers',
            '1',
        ],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        stderr=subprocess.PIPE,  # its child processes hold it open, too
        start_new_session=True,
    )
    children = Path('/proc', str(process.pid), 'task', str(process.pid), 'children')
    while process.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.01)
    process.kill()
    try:
        process.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
