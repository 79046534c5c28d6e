# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that builds an engine, and its parent: errors, cancellation, progress."""

import contextlib
import dataclasses
import fcntl
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_tensorrt
import pytest

from dmd_ros.runtime import engine_cache
from dmd_ros.runtime.build_progress import BuildProgress
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.errors import BackendError, NotBuiltError, RefusedError, StaleError
from dmd_ros.runtime.shared_files import find_model


def child(script: str) -> list[str]:
    """Return a command that runs `script` in place of the engine command."""
    return ['/bin/sh', '-c', script]


def test_output_and_error_of_a_child_are_passed_on() -> None:
    words = child('echo building; echo "error: the sentence"; exit 1')
    said: list[str] = []
    with pytest.raises(BackendError, match=r'^the sentence$'):
        engine_cache.run_child(words, said.append, lambda: False)
    assert said == ['building']


@pytest.mark.parametrize(
    ('script', 'message'),
    [
        (
            'seq 5; echo Traceback >&2; exit 1',
            'ended with status 1; .* last lines: 4 / 5 / Traceback$',
        ),
        # A parser may print errors too, in any encoding: the command's own error comes last.
        (r'printf "error: \377\n"; echo "error: the sentence"; exit 1', '^the sentence$'),
    ],
)
def test_last_lines_of_a_child_are_reported(script: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        engine_cache.run_child(child(script), print, lambda: False)


@pytest.mark.parametrize(
    ('kind', 'status'), [(NotBuiltError, 4), (RefusedError, 3), (StaleError, 1), (BackendError, 1)]
)
def test_refusals_are_recognised_by_the_exit_status(
    kind: type[BackendError],
    status: int,
    request_: BuildRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the building command to its parent process."""

    def build(*_: object) -> None:
        raise kind('the sentence')

    monkeypatch.setattr(engine_cache, 'build', build)
    assert engine_cache.main(arguments(request_)) == status
    assert capsys.readouterr().out == 'error: the sentence\n'
    words = child(f'echo "error: the sentence"; exit {status}')
    with pytest.raises(BackendError, match=r'^the sentence$') as raised:
        engine_cache.run_child(words, print, lambda: False)
    assert raised.type is (BackendError if kind is StaleError else kind)


@pytest.mark.parametrize(
    ('killed_by', 'message', 'kind'),
    [
        ('KILL', r'SIGKILL \(out of memory\?\).*half way', BackendError),
        ('SEGV', 'SIGSEGV; .*half way', NotBuiltError),  # another precision may do
        ('ABRT', 'SIGABRT; .*half way', NotBuiltError),
    ],
)
def test_child_that_is_killed(killed_by: str, message: str, kind: type[BackendError]) -> None:
    words = child(f'ulimit -c 0; echo half way; kill -{killed_by} $$')
    with pytest.raises(BackendError, match=message) as raised:
        engine_cache.run_child(words, print, lambda: False)
    assert raised.type is kind


def test_child_that_does_not_start() -> None:
    with pytest.raises(BackendError, match=r'cannot be started .*/no/such/python'):
        engine_cache.run_child(['/no/such/python'], print, lambda: False)


@pytest.mark.parametrize('deaf', ['', 'trap "" TERM; '])
def test_child_is_stopped_at_once(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cache, '_STOP_S', 0.2)
    words = child(f'{deaf}echo started; exec sleep 60')
    said: list[str] = []
    started = time.monotonic()
    with pytest.raises(BackendError, match='cancelled'):
        engine_cache.run_child(words, said.append, lambda: bool(said))
    assert time.monotonic() - started < 5.0


def arguments(request: BuildRequest) -> list[str]:
    """The arguments that `main` receives."""
    words = engine_cache.command(request)
    return words[words.index('build') :]


def test_command_line_round_trip(request_: BuildRequest) -> None:
    asked = dataclasses.replace(request_, precision='bf16', samples=8, device=1, force=True)
    asked = dataclasses.replace(asked, workspace_mib=512, optimization_level=5)
    options = engine_cache._parser().parse_args(arguments(asked))
    assert engine_cache._request(options) == asked
    dynamic = dataclasses.replace(request_, size=None)
    options = engine_cache._parser().parse_args(arguments(dynamic))
    assert engine_cache._request(options) == dynamic
    usual = dataclasses.replace(request_, folder=None)
    options = engine_cache._parser().parse_args(arguments(usual))
    assert engine_cache._request(options).cache == usual.cache
    options = engine_cache._parser().parse_args(['build', '--model', str(asked.model)])
    assert engine_cache._request(options) == BuildRequest(asked.model)


@pytest.mark.parametrize('words', [[], ['--model', 'dmd_worlds_int8']], ids=str)
def test_the_command_takes_the_names_of_shipped_models(words: list[str]) -> None:
    options = engine_cache._parser().parse_args(['build', *words])
    assert engine_cache._request(options).model == find_model(words[-1] if words else None)


def test_a_model_by_its_name_is_built(request_: BuildRequest, tmp_path: Path) -> None:
    models = tmp_path / 'share' / 'dmd_ros' / 'models'
    models.mkdir(parents=True)
    shutil.copy(request_.model, models / 'mine.onnx')
    env = fake_tensorrt.everywhere(tmp_path, '8.6.1') | {'AMENT_PREFIX_PATH': str(tmp_path)}

    def build(name: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, '-m', 'dmd_ros.runtime.engine_cache', 'build', '--model', name]
        words += ['--size', '48x64', '--cache-dir', str(request_.cache)]
        return subprocess.run(words, env=env, capture_output=True, text=True)

    assert 'mine-fp16-48x64' in build('mine').stdout.splitlines()[-1]
    failed = build('nothing')
    assert failed.returncode == 1
    assert "error: no shipped model 'nothing'; looked for " in failed.stdout


def test_a_path_without_a_suffix_is_not_taken_for_a_model_name(
    request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(request_.model.parent)
    shutil.copy(request_.model, 'model')
    options = engine_cache._parser().parse_args(arguments(BuildRequest(Path('model'))))
    assert engine_cache._request(options).model == Path.cwd() / 'model'


ENDLESS = """
import hashlib, os, signal
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script's background job does
    signal.signal(signal.SIGINT, signal.default_int_handler)
def build(*_):
    print('in C, process', os.getpid(), flush=True)
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)  # an hour, and no signal ends it
fake_tensorrt._Builder.build_serialized_network = build
"""


def test_ctrl_c_ends_the_command_while_tensorrt_builds(
    request_: BuildRequest, tmp_path: Path
) -> None:
    env = fake_tensorrt.everywhere(tmp_path, '8.6.1', ENDLESS)
    words = engine_cache.command(request_)
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any('in C' in line for line in process.stdout)
        time.sleep(0.5)  # now it is
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == -signal.SIGINT
        finally:
            process.kill()


WHO_WANTS_AN_ENGINE = """
import sys
from pathlib import Path
from dmd_ros.runtime import engine_cache
from dmd_ros.runtime.engine_store import BuildRequest
request = BuildRequest(Path(sys.argv[1]), size=(48, 64), folder=Path(sys.argv[2]))
words = engine_cache.command(request)
engine_cache.run_child(words, lambda text: print(text, flush=True), lambda: False)
"""


def test_a_build_ends_when_its_parent_is_killed(request_: BuildRequest, tmp_path: Path) -> None:
    """Otherwise it would occupy the GPU for minutes, and block the next start with its lock."""
    env = fake_tensorrt.everywhere(tmp_path, '8.6.1', ENDLESS)
    words = [sys.executable, '-c', WHO_WANTS_AN_ENGINE, str(request_.model), str(request_.cache)]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        builder = next(int(line.split()[-1]) for line in node.stdout if 'in C' in line)
        node.kill()
    try:
        (lock,) = request_.cache.glob('*.lock')
        with lock.open() as stream:
            wait_for_lock(stream.fileno())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(builder, signal.SIGKILL)


def wait_for_lock(file: int) -> None:
    end = time.monotonic() + 10.0
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert time.monotonic() < end, 'the build goes on'
            time.sleep(0.02)


def test_progress_is_logged_periodically() -> None:
    said: queue.Queue[str] = queue.Queue()
    started = time.monotonic()
    with BuildProgress(said.put, period_s=0.05) as progress:
        progress.start('Building', 10)
        progress.start('Timing', 3)
        progress.step('Timing', 1)
        assert progress.text() == 'Building 0/10, Timing 2/3'
        # Earlier lines may be from an earlier state; now it is stable.
        while 'Timing 2/3' not in said.get(timeout=30):
            pass
        progress.finish('Timing')
        progress.finish('Building')
        assert 'no details' in progress.text()
    assert said.qsize() <= (time.monotonic() - started) / 0.05
