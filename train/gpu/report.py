# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the results of the check as JSON and Markdown."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dmd_ros.eval.output.report import write_json
from dmd_ros.runtime import cuda_driver
from dmd_ros.runtime.engine_file import write_atomic

_PACKAGES = (
    *('tensorrt', 'pycuda', 'torch', 'onnxruntime-gpu', 'onnxruntime', 'onnx', 'numpy'),
    'opencv-python-headless',
)
_SMI = 'name,driver_version,memory.total,pstate,clocks.sm,temperature.gpu'


@dataclass(frozen=True)
class Row:
    """One line of the table.

    p50, p95: milliseconds of one call.
    device: milliseconds of one of many consecutive calls, without copies.
    """

    model: str
    what: str
    precision: str = ''
    samples: int = 1
    steps: int = 1
    p50: float | None = None
    p95: float | None = None
    device: float | None = None
    note: str = ''


def clock(run: Callable[[], object], seconds: float = 1.0) -> tuple[float, float]:
    """Return median and 95th percentile of a call in milliseconds, after a warm-up."""
    for _ in range(5):
        run()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 20 or (time.perf_counter() - started < seconds and len(times) < 2000):
        before = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - before))
    p50, p95 = np.percentile(times, (50, 95))
    return float(p50), float(p95)


def write(
    out: Path, about: Mapping[str, str], rows: Sequence[Row], proofs: Sequence[dict[str, Any]]
) -> None:
    """Write gpu.json and gpu.md into `out`, each whole or not at all. about: see `machine`."""
    found = {'machine': about, 'aims': aims(rows), 'proofs': proofs, 'rows': rows}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / 'gpu.json', found)
    write_atomic(out / 'gpu.md', markdown(about, rows, proofs).encode())


def machine() -> dict[str, str]:
    """Return the names of device and driver, and the versions."""
    about = {'gpus': ', '.join(cuda_driver.gpus()), 'python': platform.python_version()}
    try:
        command = ['nvidia-smi', f'--query-gpu={_SMI}', '--format=csv,noheader']
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        about['nvidia-smi'] = f'{_SMI}: {result.stdout.strip()}'
    except (OSError, subprocess.SubprocessError) as error:
        about['nvidia-smi'] = f'not available ({type(error).__name__})'
    for name in _PACKAGES:
        try:
            about[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            about[name] = _module_version(name) or 'not installed'
    return about


def _module_version(name: str) -> str:
    """Return the version of a module without Python package metadata (a Jetson's TensorRT)."""
    try:
        return str(__import__(name).__version__) if name.isidentifier() else ''
    except (ImportError, OSError, AttributeError):
        return ''


def aims(rows: Sequence[Row]) -> dict[str, str]:
    """Compare the rows of the first model (one sample, one step) with the project's aims."""
    model = rows[0].model if rows else ''

    def find(what: str, precision: str = 'fp16') -> Row | None:
        wanted = (model, what, precision, 1, 1)
        for r in rows:
            if (r.model, r.what, r.precision, r.samples, r.steps) == wanted and r.p50 is not None:
                return r
        return None

    graph = find('sampler, TensorRT with CUDA graph')
    frame = find('VGA frame to depth, TensorRT')
    eager, compiled = find('network, torch eager'), find('network, torch compiled')
    device = graph.device if graph else None
    verdicts = {
        'one step <= 0.6 ms on the device': _verdict(device, 0.6),
        'one frame end to end <= 3 ms': _verdict(frame.p50 if frame else None, 3.0),
    }
    for name, other, times in (('eager', eager, 3.0), ('compiled', compiled, 1.0)):
        limit = other.device / times if other and other.device else None
        text = f'>= {times:g} times as fast as torch {name} (fp16, device)'
        verdicts[text] = _verdict(device, limit) if limit else 'not measured'
    return verdicts


def _verdict(found: float | None, limit: float) -> str:
    if found is None:
        return 'not measured'
    return f'{"reached" if found <= limit else "MISSED"}: {found:.3f} ms, limit {limit:.3f} ms'


def markdown(
    about: Mapping[str, str], rows: Sequence[Row], proofs: Sequence[dict[str, Any]]
) -> str:
    """Format all results as tables."""
    presets = 'The presets have random weights and no ray directions.'
    lines = ['# GPU check', '', f'Made by `make gpu-check`. {presets}', '']
    lines += [f'- {name}: {value}' for name, value in about.items()]
    lines += ['', '## Aims', '']
    lines += [f'- {aim}: {verdict}' for aim, verdict in aims(rows).items()]
    lines += ['', '## Proofs', '', '| model | precision | samples | s | GPU MiB | proof |']
    lines += ['|---|---|---|---|---|---|']
    lines += [
        f'| {p["model"]} | {p["precision"]} | {p["samples"]} | {p["build_and_proof_s"]} '
        f'| {p["gpu_memory_mib"]} | {p["proof"]} |'
        for p in proofs
    ]
    lines += ['', '## Times', '', 'Milliseconds. p50, p95: one call until its result is there.']
    lines += ['Device: one of many consecutive calls, without copies.', '']
    lines += ['| model | what | precision | samples | steps | p50 | p95 | device | |']
    lines += ['|---|---|---|---|---|---|---|---|---|']
    lines += [
        f'| {r.model} | {r.what} | {r.precision} | {r.samples} | {r.steps} '
        f'| {_ms(r.p50)} | {_ms(r.p95)} | {_ms(r.device)} | {r.note} |'
        for r in rows
    ]
    return '\n'.join(lines) + '\n'


def _ms(value: float | None) -> str:
    return '' if value is None else f'{value:.3f}'
