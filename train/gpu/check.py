# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sections of the check: engines built, proved and timed, each a row of the table.

First comes the shipped model, then the presets with random weights and without ray directions:
time does not depend on weights, and the proof is as strict as for trained ones. Whatever is found
is on disk after every section: a check that is cut short has lost nothing.
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
from concurrent.futures import ThreadPoolExecutor
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
from dmd_ros.loading import find_model
from dmd_ros.runtime import engine_cache
from dmd_ros.runtime.engine_file import StoredEngine
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtBackend
from train.gpu import report, rough_use
from train.gpu.report import Row, clock
from train.gpu.torch_child import TorchChild, export_presets

LIMIT_S = 540
# Kept back for writing, and for what cannot be stopped halfway.
RESERVE_S = 15.0
VGA = (480, 640)
FIRST_STEPS, MORE_STEPS = (1,), (2, 4)
# Longest wait for torch to compile.
TORCH_S = 150.0
# (preset, precision, samples), the most wanted first: time may run out.
ENGINES = (
    ('nano', 'fp16', 1),
    ('small', 'fp16', 1),
    ('base', 'fp16', 1),
    ('nano', 'fp32', 1),
    ('nano', 'fp16', 8),
    ('small', 'fp16', 8),
    ('base', 'fp16', 8),
)


@dataclass
class Check:
    """What is wanted, the rows so far, and the time that is left."""

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
        """Whether nothing new may begin."""
        return time.monotonic() > self.end

    def say(self, text: str) -> None:
        """Print with the time since the start."""
        print(f'[{time.monotonic() - self.started:5.1f}] {text}', flush=True)

    def save(self) -> None:
        """Write what there is so far."""
        with self._lock:
            report.write(self.out, self.about, self.rows, self.proofs)

    def request(self, model: Path, precision: str, samples: int) -> tuple[BuildRequest, Contract]:
        """Ask for an engine for VGA pictures -> the request, the model's contract."""
        contract = OrtBackend(model, 'cpu').contract
        size = network_size(*VGA, contract)
        request = BuildRequest(
            model, precision, size, samples, folder=self.engines, optimization_level=self.level
        )
        return request, contract

    def section(self, model: str, what: str, work: Callable[[], object], **about: Any) -> None:
        """Run a section on its own: whatever it throws is a row of the table."""
        if self.late():
            self.rows.append(Row(model, what, note='not run: no time left', **about))
            self.save()
            return
        self.say(f'{model}: {what} {about or ""}')
        try:
            work()
        except Exception as error:  # a section that fails must not take the others with it
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
) -> None:
    """Build and prove one engine; time the sampler with and without its CUDA graph."""
    request, contract = check.request(path, precision, samples)
    engine, proof = _proved(check, model, request, contract, check.say)
    for use_graph in (True, False):
        backend = engine_cache.start(engine, request, contract, check.say, use_graph)
        try:
            if use_graph and all_steps == FIRST_STEPS:
                held = backend.memory_bytes.items()
                memory = ', '.join(f'{name} {size / 2**20:.1f}' for name, size in held)
                check.proofs.append(proof | {'gpu_memory_mib': memory})
            for steps in all_steps:
                row = Row(model, '', precision, samples, steps)
                check.rows.append(_time_sampler(row, backend, use_graph, request.size))
                if use_graph:
                    check.rows.append(_time_frame(row, contract, backend, 'TensorRT'))
                check.save()
        finally:
            backend.close()


def _proved(
    check: Check, model: str, request: BuildRequest, contract: Contract, log: Callable[[str], None]
) -> tuple[StoredEngine, dict[str, Any]]:
    """Have the engine, built first if need be, and its row of the table of proofs."""
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
    noise, fresh = noises[0], list(noises[1:])  # the very same arrays: fixed noise stays there
    times = diffusion.trailing_times(row.steps)

    def once() -> None:
        backend.sample(rgb, 0.5, noise, iter(fresh), times, 'ddpm')

    p50, p95 = clock(once, 0.5)
    what = 'sampler, TensorRT ' + ('with CUDA graph' if use_graph else 'step by step')
    return replace(row, what=what, p50=p50, p95=p95, device=1e3 * backend.device_seconds())


def _time_frame(row: Row, contract: Contract, backend: Any, name: str) -> Row:
    """One VGA picture in host memory to metres in host memory, through the robot's estimator."""
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
    """Time the demo, the sample bag through the real node, with TensorRT."""
    if importlib.util.find_spec('rclpy') is None:
        raise BackendError('rclpy is not installed')
    request, _ = check.request(path, 'fp16', 1)
    out = check.out / 'node'
    words = [sys.executable, '-m', 'dmd_ros.ros.demo', '--model', str(path), '--out', str(out)]
    words += ['--backend', 'tensorrt', '--device', 'cuda', '-p', 'precision:=fp16']
    words += ['-p', 'engine_size:={}x{}'.format(*request.size)]
    words += ['-p', f'engine_cache_dir:={check.engines}']
    left = max(1.0, check.end - time.monotonic())
    # A script's background job ignores SIGINT, and so would the demo, which could not be stopped.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors='replace'
    ) as demo:
        try:
            said = demo.communicate(timeout=left)[1]
        except subprocess.TimeoutExpired:
            # Killed, the demo would leave its node behind, on the GPU.
            demo.send_signal(signal.SIGINT)
            demo.wait()  # not for whoever holds its stderr besides
            raise BackendError(f'not done in {left:.0f} s') from None
    if demo.returncode:
        last = (said.strip().splitlines() or ['without a word'])[-1]
        raise BackendError(f'the demo ended with status {demo.returncode}: {last}')
    latency = json.loads((out / 'demo.json').read_text())['latency_ms']
    for what, ms in latency.items():
        row = Row(model, f'sample bag over DDS, {what}', 'fp16', p50=ms['p50'], p95=ms['p95'])
        check.rows.append(row)


def used_roughly(check: Check, model: str, path: Path, checks: rough_use.Checks) -> None:
    """Each of these checks on the fp16 engine, as a row."""
    request, contract = check.request(path, 'fp16', 1)
    for what, work in checks:

        def once(what: str = what, work: Any = work) -> None:
            said = work(request, contract, check.end)
            note = said if said.startswith(rough_use.NOT_TRIED) else f'passed: {said}'
            check.say(note)
            check.rows.append(Row(model, what, 'fp16', note=note))

        check.section(model, what, once, precision='fp16')


def measure_torch(check: Check, child: TorchChild) -> None:
    """Take the rows of a child that has compiled meanwhile."""
    rows, about = child.measure(min(check.end, time.monotonic() + TORCH_S))
    check.rows += rows
    check.about |= about


def build_only(check: Check, model: Path | None, presets: Path | None, jobs: int) -> None:
    """Build and prove what `run` will load, the most wanted first, `jobs` at once; no times."""
    path = model or find_model(None)
    wanted = [(path.stem, path, *kind) for kind in (('fp16', 1), ('fp32', 1), ('fp16', 8))]
    models = _presets(check, presets)
    wanted += [(name, models[name], *kind) for name, *kind in ENGINES if name in models]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda engine: _build_section(check, *engine), wanted))


def _build_section(check: Check, model: str, path: Path, precision: str, samples: int) -> None:
    def work() -> None:
        request, contract = check.request(path, precision, samples)
        prefix = f'{model} {precision} {samples}: '
        _, proof = _proved(check, model, request, contract, lambda text: check.say(prefix + text))
        check.proofs.append(proof)
        check.say(f'{prefix}{proof["proof"]}')

    check.section(model, 'TensorRT engine', work, precision=precision, samples=samples)


def run(check: Check, model: Path | None, presets: Path | None) -> None:
    """Run every section, the most wanted first."""
    path = model or find_model(None)
    name = path.stem
    engine = partial(_engine_section, check)
    engine(name, path, 'fp16', 1)
    # Only now: nothing may run beside those times. It compiles while engines are used roughly.
    child = TorchChild(check.torch_python, str(path), ['fp16'], [1])
    try:
        used_roughly(check, name, path, rough_use.CHECKS)
        check.section(name, 'torch', partial(measure_torch, check, child))
    finally:
        child.stop()
    engine(name, path, 'fp32', 1)
    engine(name, path, 'fp16', 1, MORE_STEPS)
    engine(name, path, 'fp16', 8)
    check.section(name, 'node over DDS', partial(node_over_dds, check, name, path))
    models = _presets(check, presets)
    for preset, precision, samples in ENGINES:
        engine(preset, models.get(preset), precision, samples)
    used_roughly(check, name, path, rough_use.BUILDING_CHECKS)
    check.section(name, 'ONNX Runtime CUDA', partial(onnxruntime_cuda, check, name, path))
    for net in (str(path), 'nano', 'small', 'base'):
        check.section(Path(net).stem, 'torch, all', partial(_torch_alone, check, net))


def _torch_alone(check: Check, net: str) -> None:
    child = TorchChild(check.torch_python, net, ['fp16', 'bf16', 'fp32'], [1, 8])
    try:
        measure_torch(check, child)
    finally:
        child.stop()


def _presets(check: Check, folder: Path | None) -> dict[str, Path]:
    """ONNX files of the presets: from `folder`, else exported now by the Python with torch."""
    if folder is None:
        folder = check.engines / 'presets'
        export = partial(export_presets, check.torch_python, folder, check.end)
        check.section('presets', 'export', export)
    return {path.stem: path for path in folder.glob('*.onnx')}


def _engine_section(
    check: Check,
    model: str,
    path: Path | None,
    precision: str,
    samples: int,
    all_steps: Sequence[int] = FIRST_STEPS,
) -> None:
    def work() -> None:
        if path is None:
            raise BackendError(f'there is no ONNX file of {model}')
        tensorrt(check, model, path, precision, samples, all_steps)

    about = {'precision': precision, 'samples': samples, 'steps': all_steps[0]}
    check.section(model, 'TensorRT', work, **about)
