# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sections of the check, the most important first, because time may run out.

First comes the shipped model, then the presets with random weights and without ray directions:
run times do not depend on weights, and the proof is as strict as for trained ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from dmd_ros.runtime.errors import BackendError
from train.gpu import check as work
from train.gpu import rough_use
from train.gpu.check import FIRST_STEPS, MORE_STEPS, Check
from train.gpu.torch_child import TorchChild, export_presets

# Takes the check, the file of the model and the folder of the presets; see `run`.
Section = Callable[[Check, Path, Path | None], None]

# (precision, samples) of the shipped model's engines for one size.
SHIPPED = (('fp16', 1), ('fp32', 1), ('fp16', 8))
# (preset, precision, samples).
ENGINES = (
    ('nano', 'fp16', 1),
    ('small', 'fp16', 1),
    ('base', 'fp16', 1),
    ('nano', 'fp32', 1),
    ('nano', 'fp16', 8),
    ('small', 'fp16', 8),
    ('base', 'fp16', 8),
)


def _shipped(
    precision: str, samples: int, steps: Sequence[int] = FIRST_STEPS, any_size: bool = False
) -> Section:
    """Make the section of one engine of the shipped model."""

    def section(check: Check, path: Path, presets: Path | None) -> None:
        _engine(check, path.stem, path, precision, samples, steps, any_size)

    return section


def _rough_use_and_torch(check: Check, path: Path, presets: Path | None) -> None:
    # Not earlier, because nothing may run while the previous section is timed. It compiles during
    # the stress tests.
    child = TorchChild(check.torch_python, str(path), ['fp16'], [1])
    try:
        work.used_roughly(check, path.stem, path, rough_use.CHECKS)
        check.section(path.stem, 'torch', partial(work.measure_torch, check, child))
    finally:
        child.stop()


def _node(check: Check, path: Path, presets: Path | None) -> None:
    check.section(path.stem, 'node over DDS', partial(work.node_over_dds, check, path.stem, path))


def _presets(check: Check, path: Path, presets: Path | None) -> None:
    models = _preset_files(check, presets)
    for preset, precision, samples in ENGINES:
        _engine(check, preset, models.get(preset), precision, samples)


def _building(check: Check, path: Path, presets: Path | None) -> None:
    work.used_roughly(check, path.stem, path, rough_use.BUILDING_CHECKS)


def _onnxruntime(check: Check, path: Path, presets: Path | None) -> None:
    cuda = partial(work.onnxruntime_cuda, check, path.stem, path)
    check.section(path.stem, 'ONNX Runtime CUDA', cuda)


def _more_torch(check: Check, path: Path, presets: Path | None) -> None:
    for net in (str(path), 'nano', 'small', 'base'):
        check.section(Path(net).stem, 'torch, all', partial(_torch_alone, check, net))


SECTIONS: dict[str, Section] = {
    'shipped': _shipped('fp16', 1),
    'rough-use-and-torch': _rough_use_and_torch,
    'fp32': _shipped('fp32', 1),
    'steps': _shipped('fp16', 1, MORE_STEPS),
    'samples': _shipped('fp16', 8),
    'node': _node,
    'any-size': _shipped('fp16', 1, any_size=True),
    'presets': _presets,
    'building': _building,
    'onnxruntime': _onnxruntime,
    'more-torch': _more_torch,
}


def run(
    check: Check,
    model: Path,
    presets: Path | None,
    sections: Sequence[str] = tuple(SECTIONS),
) -> None:
    """Run sections of `SECTIONS` in the given order.

    presets: folder of presets exported by `with_torch`, None = export them when needed.
    """
    for name in sections:
        SECTIONS[name](check, model, presets)


def build_only(check: Check, model: Path, presets: Path | None, jobs: int) -> None:
    """Build and prove the engines of `run`, most important first, `jobs` at once, untimed."""
    wanted = [(model.stem, model, *kind) for kind in SHIPPED]
    models = _preset_files(check, presets)
    wanted += [(name, models[name], *kind) for name, *kind in ENGINES if name in models]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda engine: _build(check, *engine), wanted))


def _build(check: Check, model: str, path: Path, precision: str, samples: int) -> None:
    def build() -> None:
        request, contract = check.request(path, precision, samples)
        prefix = f'{model} {precision} {samples}: '
        _, proof = work.proved(
            check, model, request, contract, lambda text: check.say(prefix + text)
        )
        check.proofs.append(proof)
        check.say(f'{prefix}{proof["proof"]}')

    check.section(model, 'TensorRT engine', build, precision=precision, samples=samples)


def _engine(
    check: Check,
    model: str,
    path: Path | None,
    precision: str,
    samples: int,
    all_steps: Sequence[int] = FIRST_STEPS,
    any_size: bool = False,
) -> None:
    def measure() -> None:
        if path is None:
            raise BackendError(f'there is no ONNX file of {model}')
        work.tensorrt(check, model, path, precision, samples, all_steps, any_size)

    about = {'precision': precision, 'samples': samples, 'steps': all_steps[0]}
    check.section(model, 'TensorRT, any size' if any_size else 'TensorRT', measure, **about)


def _torch_alone(check: Check, net: str) -> None:
    child = TorchChild(check.torch_python, net, ['fp16', 'bf16', 'fp32'], [1, 8])
    try:
        work.measure_torch(check, child)
    finally:
        child.stop()


def _preset_files(check: Check, folder: Path | None) -> dict[str, Path]:
    """Return the ONNX files of the presets in `folder`, or export them with the torch Python."""
    if folder is None:
        folder = check.engines / 'presets'
        export = partial(export_presets, check.torch_python, folder, check.end)
        check.section('presets', 'export', export)
    return {path.stem: path for path in folder.glob('*.onnx')}
