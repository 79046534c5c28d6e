# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of the check: build, prove and time an engine, time torch and the node.

`sections` defines their order. Results are saved after every section, so that an interrupted
check loses none.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import Contract
from dmd_ros.core.preprocess import network_size
from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime import engine_cache
from dmd_ros.runtime.engine_file import StoredEngine
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtBackend
from train.gpu import report, rough_use
from train.gpu.report import Row, clock
from train.gpu.torch_child import TorchChild

LIMIT_S = 540
# Reserved for writing, and for work that cannot be stopped halfway.
RESERVE_S = 15.0
VGA = (480, 640)
FIRST_STEPS, MORE_STEPS = (1,), (2, 4)
# Longest wait for torch to compile.
TORCH_S = 150.0


@dataclass
class Check:
    """Settings, the results so far, and the time limit."""

    engines: Path
    out: Path
    torch_python: str = sys.executable
    limit_s: float = LIMIT_S
    level: int = 3
    rows: list[Row] = field(default_factory=list)
    proofs: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()
        self.about |= report.machine()
        self._lock = threading.Lock()
        self.end = self.started + self.limit_s - RESERVE_S

    def late(self) -> bool:
        """Return whether it is too late to start anything new."""
        return time.monotonic() > self.end

    def say(self, text: str) -> None:
        """Print with the time since the start."""
        print(f'[{time.monotonic() - self.started:5.1f}] {text}', flush=True)

    def save(self) -> None:
        """Write the results so far."""
        with self._lock:
            report.write(self.out, self.about, self.rows, self.proofs)

    def request(
        self, model: Path, precision: str, samples: int, any_size: bool = False
    ) -> tuple[BuildRequest, Contract]:
        """Return the request for an engine for VGA or any pictures, and the model's contract."""
        contract = OrtBackend(model, 'cpu').contract
        size = None if any_size else network_size(*VGA, contract)
        request = BuildRequest(
            model, precision, size, samples, folder=self.engines, optimization_level=self.level
        )
        return request, contract

    def section(self, model: str, what: str, work: Callable[[], object], **about: Any) -> None:
        """Run a section in isolation: an exception becomes a row of the table."""
        if self.late():
            self.rows.append(Row(model, what, note='not run: no time left', **about))
            self.save()
            return
        self.say(f'{model}: {what} {about or ""}')
        try:
            work()
        except Exception as error:  # a failing section must not stop the others
            if not isinstance(error, (BackendError, ImportError)):
                traceback.print_exc()
            note = f'not run: {type(error).__name__}: {error}'.replace('\n', ' ')
            self.say(note)
            self.rows.append(Row(model, what, note=note[:400], **about))
        finally:
            self.save()


def tensorrt(
    check: Check,
    model: str,
    path: Path,
    precision: str,
    samples: int,
    all_steps: Sequence[int] = FIRST_STEPS,
    any_size: bool = False,
) -> None:
    """Build and prove one engine; time the sampler with and without its CUDA graph."""
    request, contract = check.request(path, precision, samples, any_size)
    size = network_size(*VGA, contract)
    model += ', any size' * any_size
    engine, proof = proved(check, model, request, contract, check.say)
    for use_graph in (True, False):
        backend = engine_cache.start(engine, request, contract, check.say, use_graph)
        try:
            if use_graph and all_steps == FIRST_STEPS:
                held = backend.memory_bytes.items()
                memory = ', '.join(f'{name} {size / 2**20:.1f}' for name, size in held)
                check.proofs.append(proof | {'gpu_memory_mib': memory})
            for steps in all_steps:
                row = Row(model, '', precision, samples, steps)
                check.rows.append(_time_sampler(row, backend, use_graph, size))
                if use_graph:
                    check.rows.append(_time_frame(row, contract, backend, 'TensorRT'))
                check.save()
        finally:
            backend.close()


def proved(
    check: Check, model: str, request: BuildRequest, contract: Contract, log: Callable[[str], None]
) -> tuple[StoredEngine, dict[str, Any]]:
    """Return the engine, built if necessary, and its row of the table of proofs."""
    started = time.monotonic()
    engine = engine_cache.engine_for(request, contract, log, check.late)
    proof = {
        'model': model,
        'precision': request.precision,
        'samples': request.samples,
        'build_and_proof_s': round(time.monotonic() - started, 1),
        'gpu_memory_mib': '',
        'proof': engine.proof['text'],
    }
    return engine, proof


def _time_sampler(row: Row, backend: Any, use_graph: bool, size: tuple[int, int]) -> Row:
    """Fill a row with the sampler's times."""
    random = np.random.default_rng(0)
    rgb = random.standard_normal((1, 3, *size), np.float32)
    noises = random.standard_normal((5, row.samples, 1, *size), np.float32)
    noises.flags.writeable = False
    noise, fresh = noises[0], list(noises[1:])  # the same arrays: fixed noise stays on the GPU
    times = diffusion.trailing_times(row.steps)

    def once() -> None:
        backend.sample(rgb, 0.5, noise, iter(fresh), times, 'ddpm')

    p50, p95 = clock(once, 0.5)
    what = 'sampler, TensorRT ' + ('with CUDA graph' if use_graph else 'step by step')
    return replace(row, what=what, p50=p50, p95=p95, device=1e3 * backend.device_seconds())


def _time_frame(row: Row, contract: Contract, backend: Any, name: str) -> Row:
    """Time one VGA picture to metres, both in host memory, through the robot's estimator."""
    picture = np.random.default_rng(0).integers(0, 255, (*VGA, 3), np.uint8)
    camera = Camera(500.0, 500.0, 319.5, 239.5, VGA[1], VGA[0])
    estimator = DepthEstimator(contract, backend, steps=row.steps, samples=row.samples)
    p50, p95 = clock(partial(estimator, picture, camera), 0.5)
    return replace(row, what=f'VGA frame to depth, {name}', p50=p50, p95=p95)


def onnxruntime_cuda(check: Check, model: str, path: Path) -> None:
    """Time ONNX Runtime's CUDA provider."""
    backend = OrtBackend(path, 'cuda')
    try:
        for steps in (*FIRST_STEPS, *MORE_STEPS):
            row = Row(model, '', 'fp32', 1, steps)
            check.rows.append(_time_frame(row, backend.contract, backend, 'ONNX Runtime CUDA'))
    finally:
        backend.close()


def node_over_dds(check: Check, model: str, path: Path) -> None:
    """Time the demo with TensorRT: the sample bag through the real node."""
    if importlib.util.find_spec('rclpy') is None:
        raise BackendError('rclpy is not installed')
    request, _ = check.request(path, 'fp16', 1)
    out = check.out / 'node'
    words = [sys.executable, '-m', 'dmd_ros.ros.demo', '--model', str(path), '--out', str(out)]
    words += ['--backend', 'tensorrt', '--device', 'cuda', '-p', 'precision:=fp16']
    words += ['-p', 'engine_size:={}x{}'.format(*request.size)]
    words += ['-p', f'engine_cache_dir:={check.engines}']
    left = max(1.0, check.end - time.monotonic())
    # A script's background job ignores SIGINT; the demo would inherit that and never stop.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors='replace'
    ) as demo:
        try:
            stderr = demo.communicate(timeout=left)[1]
        except subprocess.TimeoutExpired:
            # SIGKILL would leave the demo's node running on the GPU.
            demo.send_signal(signal.SIGINT)
            demo.wait()  # unlike communicate(), not for others that hold its stderr
            raise BackendError(f'not done in {left:.0f} s') from None
    if demo.returncode:
        last = (stderr.strip().splitlines() or ['no error message'])[-1]
        raise BackendError(f'the demo ended with status {demo.returncode}: {last}')
    latency = json.loads((out / 'demo.json').read_text())['latency_ms']
    for what, ms in latency.items():
        row = Row(model, f'sample bag over DDS, {what}', 'fp16', p50=ms['p50'], p95=ms['p95'])
        check.rows.append(row)


def used_roughly(check: Check, model: str, path: Path, checks: rough_use.Checks) -> None:
    """Run each of these checks on the fp16 engine and add a row for it."""
    request, contract = check.request(path, 'fp16', 1)
    for what, work in checks:

        def once(what: str = what, work: Any = work) -> None:
            result = work(request, contract, check.end)
            note = result if result.startswith(rough_use.NOT_TRIED) else f'passed: {result}'
            check.say(note)
            check.rows.append(Row(model, what, 'fp16', note=note))

        check.section(model, what, once, precision='fp16')


def measure_torch(check: Check, child: TorchChild) -> None:
    """Add the rows of a child that has compiled in the meantime."""
    rows, about = child.measure(min(check.end, time.monotonic() + TORCH_S))
    check.rows += rows
    check.about |= about
