# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stress tests of engines on a real GPU, in addition to proofs and times.

Every function takes the request for an engine of one size, returns a sentence about the result and
raises `BackendError` if that is wrong. `end` (of `time.monotonic`) is the deadline of builds and
processes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dmd_ros.core import diffusion, preprocess
from dmd_ros.core.contract import Contract
from dmd_ros.runtime import engine_cache, engine_file
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.errors import BackendError

_FRAMES = 100
# Start of a sentence that gives the reason for a test without result.
NOT_TRIED = 'not tried'
_LEAVE_OPEN = """
import sys
from pathlib import Path
from train.gpu import rough_use
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.ort_backend import OrtBackend
model, folder, *numbers = sys.argv[1:]
height, width, level = map(int, numbers)
request = BuildRequest(
    Path(model), size=(height, width), folder=Path(folder), optimization_level=level
)
contract = OrtBackend(request.model).contract
held = [rough_use.load(request, contract, float('inf')) for _ in range(2)]
print([rough_use.codes(b, request.size, 0).shape for b in held])
"""


def load(
    request: BuildRequest,
    contract: Contract,
    end: float,
    log: Callable[[str], None] = lambda _: None,
) -> Any:
    """Load an engine, built first if missing."""
    engine = engine_cache.engine_for(request, contract, log, lambda: time.monotonic() > end)
    return engine_cache.start(engine, request, contract, log)


def codes(backend: Any, size: tuple[int, int], seed: int) -> Any:
    """Return the depth codes of a random picture, two steps."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    noises = random.standard_normal((3, 1, 1, *size), np.float32)
    rgb = preprocess.normalise(picture, backend.contract)
    times = diffusion.trailing_times(2)
    return backend.sample(rgb, 0.5, noises[0], iter(noises[1:]), times, 'ddpm')


def several(request: BuildRequest, contract: Contract, end: float) -> str:
    """Run three estimators in one process, from three threads; close them in mixed order."""
    size = request.size
    before = memory_mib()
    backends = [load(request, contract, end) for _ in range(3)]
    expected = [codes(backends[0], size, seed) for seed in range(3)]
    held = memory_mib() - before
    wrong: list[int] = []

    def use(index: int) -> None:
        for _ in range(_FRAMES):
            if not np.array_equal(codes(backends[index], size, index), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=use, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in (1, 0):
        backends[index].close()
    last_is_right = np.array_equal(codes(backends[2], size, 2), expected[2])
    backends[2].close()
    backends[2].close()
    _must(not wrong, f'{len(wrong)} of {3 * _FRAMES} frames differ between threads')
    _must(last_is_right, 'closing two estimators changed the output of the third')
    _must_raise(lambda: codes(backends[0], size, 0), 'is closed')
    return f'{3 * _FRAMES} frames from 3 threads identical; GPU memory of the three {held} MiB'


def repeats(request: BuildRequest, contract: Contract, end: float) -> str:
    """Run a hundred equal frames with others in between."""
    size = request.size
    backend = load(request, contract, end)
    try:
        first = codes(backend, size, 0)
        for index in range(_FRAMES):
            codes(backend, size, 1 + index)
            same = np.array_equal(codes(backend, size, 0), first)
            _must(same, f'frame {index} differs from the first equal one')
    finally:
        backend.close()
    return f'{_FRAMES} equal frames identical, others in between'


def left_open(request: BuildRequest, contract: Contract, end: float) -> str:
    """End a process without closing its estimators."""
    height, width = request.size
    words = [str(request.model), str(request.cache), str(height), str(width)]
    words.append(str(request.optimization_level))
    result = _run([sys.executable, '-c', _LEAVE_OPEN, *words], end)
    printed = (result.stderr or result.stdout).strip()[-300:]
    _must(result.returncode == 0, f'status {result.returncode}: {printed}')
    _must('rror' not in result.stderr, f'it printed: {printed}')  # TensorRT may warn
    return 'two estimators left open: the process ends with status 0, without an error'


def command(request: BuildRequest, contract: Contract, end: float) -> str:
    """Run the build command, which finds the existing engine."""
    started = time.monotonic()
    result = _run(engine_cache.command(request), end)
    printed = result.stdout.strip().splitlines()
    _must(result.returncode == 0, ' / '.join(printed[-3:]))
    return f'{time.monotonic() - started:.1f} s; {printed[-1][:200]}'


def cancelled(request: BuildRequest, contract: Contract, end: float) -> str:
    """Cancel a running build."""
    end = min(end, time.monotonic() + 4.0)
    try:
        load(replace(request, force=True), contract, end).close()
        return f'{NOT_TRIED}: the build ended before it was cancelled'
    except BackendError as error:
        _must('cancelled' in str(error), f"expected an error with 'cancelled', got: {error}")
    late = time.monotonic() - end
    _must(late < 5.0, f'it took {late:.1f} s to stop')
    return f'a build stopped {late:.1f} s after it was cancelled'


def truncated(request: BuildRequest, contract: Contract, end: float) -> str:
    """Truncate an engine: this is reported, and it is rebuilt."""
    load(request, contract, end).close()
    engine = engine_cache.engine_for(request, contract, lambda _: None)
    whole = engine.path.read_bytes()
    engine.path.write_bytes(whole[: len(whole) * 2 // 3])
    _must_raise(lambda: engine_file.read(engine.path, engine.spec), 'truncated')
    lines: list[str] = []
    started = time.monotonic()
    load(request, contract, end, lines.append).close()
    _must(any('is truncated' in line for line in lines), 'the log does not report it as truncated')
    return f'reported, and rebuilt in {time.monotonic() - started:.0f} s (kernels timed before)'


Checks = tuple[tuple[str, Callable[[BuildRequest, Contract, float], str]], ...]
CHECKS: Checks = (
    ('several estimators, any order of closing', several),
    ('repeated frames', repeats),
    ('left open at the end', left_open),
    ('build command', command),
)
# Last, because these build engines, which takes long.
BUILDING_CHECKS: Checks = (
    ('build cancelled', cancelled),
    ('truncated engine', truncated),
)


def memory_mib() -> int:
    """Return the GPU memory in use by all processes, MiB; 0 if nvidia-smi does not report it."""
    words = ['nvidia-smi', '--query-gpu=memory.used', '--format=csv,noheader,nounits']
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
        return int(result.stdout.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def _run(words: list[str], end: float) -> subprocess.CompletedProcess[str]:
    left = max(1.0, end - time.monotonic())
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        raise BackendError(f'not done in {left:.0f} s') from None


def _must(right: bool, complaint: str) -> None:
    if not right:
        raise BackendError(complaint)


def _must_raise(call: Callable[[], object], word: str) -> None:
    try:
        call()
    except BackendError as error:
        _must(word in str(error), f'expected an error with {word!r}, got: {error}')
        return
    raise BackendError(f'expected an error with {word!r}, got none')
