# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.gpu_check --out out/gpu`: TensorRT built, proved and timed on this GPU.

Writes gpu.json and gpu.md with device, driver and versions, and ends within nine minutes. What
cannot run, for want of a library or of time, is in the table with the reason. The networks have
random weights: time does not depend on them; the proof is as strict as for trained ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import Contract
from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime import cuda_driver, engine_build, proof
from dmd_ros.runtime.engine_cache import BuildRequest
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtBackend
from train import gpu_report
from train.gpu_report import Row

LIMIT_S = 9 * 60.0
# Kept back for writing, and for what cannot be stopped halfway.
RESERVE_S = 25.0
SIZE = (192, 256)
STEPS = (1, 2, 4)
# (preset, precision, samples), the most wanted first: time may run out.
ENGINES = (
    ('tiny', 'fp16', 1),
    ('tiny', 'fp32', 1),
    ('nano', 'fp16', 1),
    ('tiny', 'fp16', 8),
    ('small', 'fp16', 1),
    ('base', 'fp16', 1),
    ('nano', 'fp32', 1),
    ('nano', 'fp16', 8),
    ('small', 'fp16', 8),
    ('base', 'fp16', 8),
)
PRESETS = ('nano', 'tiny', 'small', 'base')


class Check:
    """The rows so far, and the time that is left."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`."""
        self.folder, self.rows = folder, list[Row]()
        self.proofs: list[dict[str, Any]] = []
        self.end = time.monotonic() + LIMIT_S - RESERVE_S

    def late(self) -> bool:
        """Whether nothing new may begin."""
        return time.monotonic() > self.end

    def section(self, model: str, what: str, work: Callable[[], object], **about: Any) -> None:
        """Run a section on its own: whatever it throws is a row of the table."""
        if self.late():
            self.rows.append(Row(model, what, note='not run: no time left', **about))
            return
        print(f'{model}: {what} {about or ""}', flush=True)
        try:
            work()
        except Exception as error:  # a section that fails must not take the others with it
            if not isinstance(error, (BackendError, ImportError)):
                traceback.print_exc()
            note = f'not run: {type(error).__name__}: {error}'.replace('\n', ' ')
            self.rows.append(Row(model, what, note=note[:400], **about))


def clock(run: Callable[[], object], seconds: float = 1.0) -> tuple[float, float]:
    """Median and 95th percentile of a call, milliseconds, after a warm-up."""
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


def export_presets(check: Check) -> Iterator[tuple[str, Path]]:
    """Write every preset with random weights; needs torch."""
    import onnx
    import torch
    from onnx import helper

    from dmd_ros.core.contract import METADATA_KEY
    from dmd_ros.runtime.backend import OUTPUT
    from dmd_ros.runtime.model_file import GOLDEN_KEY, golden_to_metadata
    from train import export
    from train.config import TrainConfig
    from train.torch_backend import TorchBackend

    for name in PRESETS:
        contract = TrainConfig(preset=name).contract()
        net = random_net(name)
        proto = onnx.load_from_string(export.trace(net, contract))
        feeds = export.random_feeds(contract, 1, 2, 3, seed=0)
        with torch.no_grad():
            golden = golden_to_metadata(feeds, {OUTPUT: TorchBackend(net).run(feeds)[OUTPUT]})
        helper.set_model_props(proto, {METADATA_KEY: contract.to_json(), GOLDEN_KEY: golden})
        path = check.folder / f'{name}.onnx'
        onnx.save(proto, path)
        yield name, path


def random_net(name: str) -> Any:
    """Build a preset whose zero-initialised layers are random too: else it says nothing."""
    import torch

    from train.presets import preset
    from train.unet import UNet

    torch.manual_seed(0)
    net = UNet(preset(name).net).eval()
    for parameter in net.parameters():
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.02)
    return net


def tensorrt(check: Check, model: str, path: Path, precision: str, samples: int) -> None:
    """Build and prove one engine; time the sampler with and without its CUDA graph."""
    contract = OrtBackend(path, 'cpu').contract
    request = BuildRequest(path, precision, SIZE, samples, folder=check.folder / 'engines')
    started = time.monotonic()
    for use_graph in (True, False):
        lines: list[str] = []
        backend = engine_build.load(request, contract, lines.append, check.late, use_graph)
        if use_graph:
            text = [line for line in lines if 'proved' in line][-1].split(': ', 1)[1]
            seconds = time.monotonic() - started
            held = backend.memory_bytes.items()
            memory = ', '.join(f'{name} {size / 2**20:.1f}' for name, size in held)
            check.proofs.append(
                {'model': model, 'precision': precision, 'samples': samples, 'proof': text}
                | {'build_and_proof_s': round(seconds, 1), 'gpu_memory_mib': memory}
            )
        try:
            _time_sampler(check, model, precision, samples, backend, use_graph)
            if use_graph:
                _time_frame(check, model, precision, samples, contract, backend, 'TensorRT')
        finally:
            backend.close()


def _time_sampler(
    check: Check, model: str, precision: str, samples: int, backend: Any, use_graph: bool
) -> None:
    random = np.random.default_rng(0)
    rgb = random.standard_normal((1, 3, *SIZE), np.float32)
    noises = random.standard_normal((5, samples, 1, *SIZE), np.float32)
    noises.flags.writeable = False
    noise, fresh = noises[0], list(noises[1:])
    for steps in STEPS:
        times = diffusion.trailing_times(steps)
        p50, p95 = clock(partial(_sample_once, backend, rgb, noise, fresh, times))
        device = 1e3 * backend.device_seconds()
        what = 'sampler, TensorRT ' + ('with CUDA graph' if use_graph else 'step by step')
        check.rows.append(Row(model, what, precision, samples, steps, p50, p95, device))


def _sample_once(backend: Any, rgb: Any, noise: Any, fresh: list[Any], times: Any) -> None:
    backend.sample(rgb, 0.5, noise, iter(fresh), times, 'ddpm')


def _time_frame(
    check: Check,
    model: str,
    precision: str,
    samples: int,
    contract: Contract,
    backend: Any,
    name: str,
) -> None:
    """One VGA picture in host memory to metres in host memory, through the robot's estimator."""
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    camera = Camera(500.0, 500.0, 319.5, 239.5, 640, 480)
    for steps in STEPS:
        estimator = DepthEstimator(contract, backend, steps=steps, samples=samples)
        p50, p95 = clock(partial(estimator, picture, camera))
        check.rows.append(
            Row(model, f'VGA frame to depth, {name}', precision, samples, steps, p50, p95)
        )


def onnxruntime_cuda(check: Check, model: str, path: Path) -> None:
    """Time ONNX Runtime's CUDA provider."""
    backend = OrtBackend(path, 'cuda')
    try:
        _time_frame(check, model, 'fp32', 1, backend.contract, backend, 'ONNX Runtime CUDA')
    finally:
        backend.close()


def torch_on_gpu(check: Check, model: str, compiled: bool) -> None:
    """Time the network in torch, as the trainer has it: fp32, and fp16 by autocast."""
    import torch

    if not torch.cuda.is_available():
        raise BackendError('this torch has no CUDA')
    net = random_net(model).cuda()
    run: Any = torch.compile(net) if compiled else net
    what = 'network, torch ' + ('compiled' if compiled else 'eager')
    for samples in (1, 8):
        feeds = proof.random_feeds(
            np.random.default_rng(0), _contract(model), (samples, *SIZE), 1.0
        )
        tensors = [torch.as_tensor(feeds[n]).cuda() for n in ('rgb', 'z', 't', 'tan_half_vfov')]
        for precision in ('fp16', 'fp32'):

            def once(tensors: Any = tensors, precision: str = precision) -> None:
                with (
                    torch.no_grad(),
                    torch.autocast('cuda', torch.float16, enabled=precision == 'fp16'),
                ):
                    run(*tensors)
                torch.cuda.synchronize()

            if check.late():
                raise BackendError('no time left')
            p50, p95 = clock(once)
            check.rows.append(Row(model, what, precision, samples, 1, p50, p95))


def _contract(name: str) -> Contract:
    from train.config import TrainConfig

    return TrainConfig(preset=name).contract()


def run(check: Check, model: Path | None) -> None:
    """Run every section, the most wanted first."""
    models: dict[str, Path] = {}
    if model is not None:
        models[model.stem] = model
    else:
        check.section('presets', 'export', lambda: models.update(export_presets(check)))
    for name, precision, samples in ENGINES:
        for stem, path in models.items():
            if stem == name or model is not None:
                check.section(
                    stem,
                    'TensorRT',
                    partial(tensorrt, check, stem, path, precision, samples),
                    precision=precision,
                    samples=samples,
                )
        if (name, precision, samples) == ENGINES[0] and model is None:
            _torch_sections(check, ('tiny',))
    for stem, path in models.items():
        check.section(stem, 'ONNX Runtime CUDA', partial(onnxruntime_cuda, check, stem, path))
    if model is None:
        _torch_sections(check, ('nano', 'small', 'base'))
    note = 'not run here: start the node with backend:=tensorrt and read latency in /diagnostics'
    check.rows.append(Row('any', 'node over DDS', note=note))


def _torch_sections(check: Check, names: tuple[str, ...]) -> None:
    for name in names:
        for compiled in (False, True):
            what = 'torch ' + ('compiled' if compiled else 'eager')
            check.section(name, what, partial(torch_on_gpu, check, name, compiled))


def main(argv: list[str] | None = None) -> int:
    """Run all sections; the exit status is 0 if TensorRT ran, 1 if not, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog='python -m train.gpu_check', description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('out/gpu'), help='default: %(default)s')
    parser.add_argument('--model', type=Path, help='.onnx file, instead of all presets')
    options = parser.parse_args(argv)
    if not cuda_driver.gpus():
        print('gpu-check needs an NVIDIA GPU: no driver or no GPU was found; check nvidia-smi')
        return 2
    with tempfile.TemporaryDirectory() as folder:
        check = Check(Path(folder))
        try:
            run(check, options.model)
        finally:
            gpu_report.write(options.out, check.rows, check.proofs)
            print(f'written: {options.out}/gpu.md, gpu.json', flush=True)
    return 0 if check.proofs else 1


if __name__ == '__main__':
    sys.exit(main())
