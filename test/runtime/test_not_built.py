# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines that cannot be built: recorded causes, retries, and disk space."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fake_tensorrt
import pytest
from oracle_model import CONTRACT

from dmd_ros.runtime import engine_cache, engine_store
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.engine_store import BuildRequest, Machine, spec_for
from dmd_ros.runtime.errors import BackendError, NotBuiltError, RefusedError
from dmd_ros.runtime.graphs import half_graph
from dmd_ros.runtime.shared_files import find_model

LOAD = """
import sys
from dmd_ros import load_estimator
wish = {'size': (48, 64), 'engine_cache_dir': sys.argv[2], 'force_rebuild': len(sys.argv) > 3}
print('runs in', load_estimator(sys.argv[1], 'tensorrt', log=print, **wish).backend.precision)
"""
# A fault in a kernel of one precision, with TensorRT's own words; `builds` counts.
FAULT = """
import os
made = fake_tensorrt._Builder.build_serialized_network
def build(builder, network, config):
    half = any(flag.name == 'FP16' for flag in config.flags)
    with open(os.environ['BUILDS'], 'a') as builds:
        print('fp16' if half else 'fp32', file=builds)
    if half and 'MENDED' not in os.environ:
        print('[TRT] [W] CUDA lazy loading is not enabled: it reduces device memory usage')
        print('[TRT] [E] ' + os.environ.get('WORDS', 'No implementation for node /up.3/conv'))
        return None
    return made(builder, network, config)
fake_tensorrt._Builder.build_serialized_network = build
"""


class Robot:
    """Starts the estimator, each time in a separate process."""

    def __init__(self, request: BuildRequest, folder: Path) -> None:
        self.builds = folder / 'builds'
        self.words = [sys.executable, '-c', LOAD, str(request.model), str(request.cache)]
        self.env = fake_tensorrt.everywhere(folder, '8.6.1', FAULT) | {'BUILDS': str(self.builds)}

    def start(self, *more: str, **env: str) -> tuple[str, list[str], str]:
        """Return the precision in use, the precisions built for it, and the warning."""
        self.builds.write_text('')
        found = subprocess.run(
            [*self.words, *more], env=self.env | env, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        self.said = found.stdout
        return found.stdout.split()[-1], self.builds.read_text().split(), found.stderr


@pytest.fixture
def robot(request_: BuildRequest, tmp_path: Path) -> Robot:
    return Robot(request_, tmp_path)


def test_a_build_that_failed_is_not_tried_at_every_start(robot: Robot) -> None:
    runs, built, warning = robot.start()
    assert (runs, built) == ('fp32', ['fp16', 'fp32'])
    assert '(TensorRT: No implementation for node /up.3/conv)' in warning
    runs, built, warning = robot.start()
    assert (runs, built) == ('fp32', [])
    for words in ('could not be built before and is not tried again', '/up.3/conv', '.refused'):
        assert words in warning and words in robot.said  # who reads one of them knows
    assert 'try again with force_rebuild' in warning
    runs, built, _ = robot.start('force')
    assert (runs, built) == ('fp32', ['fp16', 'fp32'])
    assert robot.start('force', MENDED='1')[:2] == ('fp16', ['fp16'])
    assert robot.start() == ('fp16', [], '')


def test_a_build_that_ran_out_of_memory_is_tried_again(robot: Robot) -> None:
    words = '1: CUDA error 2 (out of memory) while allocating 12 bytes'
    assert robot.start(WORDS=words)[:2] == ('fp32', ['fp16', 'fp32'])
    assert robot.start(MENDED='1') == ('fp16', ['fp16'], '')


@pytest.fixture
def spec(request_: BuildRequest) -> EngineSpec:
    return spec_for(request_, CONTRACT, Machine('8.6.1', 'Orin', '8.7', '540'))


NOT_BUILT = 'echo "error: TensorRT could not build /cuda/disk.onnx"; exit 4'


@pytest.mark.parametrize(
    ('script', 'kind', 'remembered'),
    [
        (NOT_BUILT, NotBuiltError, True),
        ('ulimit -c 0; echo "[TRT] [E] in kernel"; kill -SEGV $$', NotBuiltError, True),
        # Our own lines contain file names.
        (f'echo "[   1.0 s] building /cuda/memory.onnx"; {NOT_BUILT}', NotBuiltError, True),
        ('ulimit -c 0; kill -BUS $$', NotBuiltError, False),
        ('ulimit -c 0; echo "what(): std::bad_alloc"; kill -ABRT $$', NotBuiltError, False),
        (f'echo "[TRT] [W] tactic 0 skipped: insufficient memory"; {NOT_BUILT}', NotBuiltError, 0),
        (f'echo "[TRT] [E] write: No space left on device"; {NOT_BUILT}', NotBuiltError, False),
        (f'echo "[TRT] [E] OutOfMemory (no further information)"; {NOT_BUILT}', NotBuiltError, 0),
        (f'echo "[TRT] [E] Cuda Runtime (driver shutting down)"; {NOT_BUILT}', NotBuiltError, 0),
        ('kill -KILL $$', BackendError, False),
        ('kill -TERM $$', BackendError, False),
        ('echo "error: the folder is full"; exit 1', BackendError, False),
        ('echo Traceback; exit 1', BackendError, False),
    ],
)
def test_temporary_causes_are_not_recorded(
    request_: BuildRequest,
    spec: EngineSpec,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    kind: type[BackendError],
    remembered: bool,
) -> None:
    request_.cache.mkdir()
    monkeypatch.setattr(engine_cache, 'command', lambda _: ['/bin/sh', '-c', script])
    with pytest.raises(BackendError) as first:
        engine_cache.fetch(request_, spec, print)
    assert first.type is kind
    assert bool(list(request_.cache.glob('*.refused'))) == bool(remembered)
    if remembered:
        again = pytest.raises(RefusedError, match='could not be built before')
        with again as second:
            engine_cache.fetch(request_, spec, print)
        assert str(first.value) in str(second.value)


def test_a_reason_that_cannot_be_recorded_is_still_reported(
    request_: BuildRequest, spec: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another precision must be tried."""
    said: list[str] = []

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(engine_cache, 'command', lambda _: ['/bin/sh', '-c', NOT_BUILT])
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(NotBuiltError, match='could not build'):
        engine_cache.fetch(request_, spec, said.append)
    assert 'cannot record for the next start' in said[-1] and 'No space left' in said[-1]


def test_a_note_applies_to_one_engine_only(
    request_: BuildRequest, spec: EngineSpec, tmp_path: Path
) -> None:
    """Another TensorRT version may succeed."""
    engine_store.remember_not_built(spec, tmp_path, 'm', print, 'no implementation')
    newer = spec_for(request_, CONTRACT, Machine('10.3.0', 'Orin', '8.7', '540'))
    assert engine_store.find(newer, tmp_path, 'm', print) is None
    (note,) = tmp_path.glob('*.refused')
    assert json.loads(note.read_text())['text'] == 'no implementation'
    note.unlink()
    assert engine_store.find(spec, tmp_path, 'm', print) is None


def test_a_disk_with_less_room_than_the_weights_is_refused(tmp_path: Path) -> None:
    weights = {kind: half_graph.weights_bytes(find_model(), kind) for kind in ('fp32', 'fp16')}
    assert 2**24 < 2 * weights['fp16'] == weights['fp32'] < 2**25  # the file has them in fp16
    engine_store.check_room(tmp_path, weights['fp16'])
    with pytest.raises(BackendError, match=r'room for [\d.]+ MiB, .* alone take [\d.]+ MiB'):
        engine_store.check_room(tmp_path, shutil.disk_usage(tmp_path).total + 1)


FULL = """
import shutil
shutil.disk_usage = lambda folder: shutil._ntuple_diskusage({total}, {total} - {free}, {free})
"""


@pytest.mark.parametrize(('total', 'free', 'fits'), [(9, 1, False), (9 << 30, 1 << 20, True),
                                                     (0, 0, True)])  # fmt: skip
def test_a_full_disk_is_found_before_minutes_of_building(
    request_: BuildRequest, tmp_path: Path, total: int, free: int, fits: bool
) -> None:
    more = FULL.format(total=total, free=free)
    env = fake_tensorrt.everywhere(tmp_path, '10.3.0', more)
    words = engine_cache.command(request_)
    words = [sys.executable, '-m', *words[words.index('dmd_ros.runtime.engine_cache') :]]
    found = subprocess.run(words, env=env, capture_output=True, text=True)
    if fits:
        assert found.returncode == 0, found.stdout
        return
    (error,) = found.stdout.splitlines()[-1:]
    assert found.returncode == 1 and error.startswith('error: the engine folder ')
    assert 'has room for 0.00 MiB' in error and 'alone take 0.00 MiB' in error
    assert 'set engine_cache_dir' in error and 'building' not in found.stdout
    assert [path.suffix for path in request_.cache.iterdir()] == ['.lock']
