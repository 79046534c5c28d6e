# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of backend, device and precision, with one sentence that explains the choice.

`look_around` gathers facts about this machine; `decide` is a pure function of them.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dmd_ros.runtime import cuda_driver, trt_versions
from dmd_ros.runtime.errors import BackendError

BACKENDS = ('auto', 'tensorrt', 'onnxruntime')
CUDA_PROVIDER = 'CUDAExecutionProvider'
# Linux's names, on x86 and ARM, of instructions that sum products of int8.
_CPUINFO, _ABILITIES = Path('/proc/cpuinfo'), re.compile(r'(flags|Features)\s*:')
_FAST_IN_INT8 = {'avx512_vnni', 'avx_vnni', 'asimddp'}
# Libraries that TensorRT's module is linked against; some Jetson containers lack the last one.
_LIBRARIES = ('libnvinfer', 'libnvonnxparser', 'libcudnn', 'libcublas', 'libnvdla')


@dataclass(frozen=True)
class Facts:
    """Capabilities of this machine. A problem is a sentence, or '' if there is none.

    tensorrt: version.
    gpus: names, in CUDA's order. gpu_problem: why there are none.
    providers: execution providers of ONNX Runtime.
    """

    tensorrt: str = ''
    tensorrt_problem: str = ''
    gpus: tuple[str, ...] = ()
    gpu_problem: str = ''
    providers: tuple[str, ...] = ()
    onnxruntime_problem: str = ''


@dataclass(frozen=True)
class Choice:
    """backend: 'tensorrt' or 'onnxruntime'. gpu: number, or None for the CPU. why: for the log."""

    backend: str
    gpu: int | None
    precision: str
    why: str


def parse_device(device: str) -> int | None:
    """Parse 'cpu' as None, 'cuda' as 0, 'cuda:1' as 1; raises `BackendError`."""
    match = re.fullmatch(r'cuda(?::(\d+))?', device)
    if match:
        return int(match[1] or 0)
    if device != 'cpu':
        raise BackendError(f'device {device!r}; allowed: auto, cpu, cuda, cuda:0, cuda:1, ...')
    return None


def decide(backend: str, device: str, precision: str, facts: Facts) -> Choice:
    """Choose; raises `BackendError` if the request cannot be fulfilled.

    backend: one of `BACKENDS`. device: 'auto', 'cpu', 'cuda' or 'cuda:<number>'. precision:
    'auto' (fp16 on TensorRT, fp32 on ONNX Runtime) or one of `trt_versions.PRECISIONS`.
    """
    if backend not in BACKENDS:
        raise BackendError(f'backend {backend!r}; allowed: {", ".join(BACKENDS)}')
    precisions = ('auto', *trt_versions.PRECISIONS)
    if precision not in precisions:
        raise BackendError(f'precision {precision!r}; allowed: {", ".join(precisions)}')
    gpu = 0 if device == 'auto' else parse_device(device)
    taken = 'fp16' if precision == 'auto' else precision
    no_tensorrt = _why_not_tensorrt(gpu, taken, facts)
    if backend == 'tensorrt' and no_tensorrt:
        raise BackendError(f'backend tensorrt cannot be used: {no_tensorrt}')
    if backend != 'onnxruntime' and gpu is not None and not no_tensorrt:
        why = f'TensorRT {facts.tensorrt}, {taken}, on GPU {gpu} ({facts.gpus[gpu]})'
        return Choice('tensorrt', gpu, taken, why)
    return without_tensorrt(device, precision, facts, no_tensorrt if backend == 'auto' else '')


def _why_not_tensorrt(gpu: int | None, precision: str, facts: Facts) -> str:
    if gpu is None:
        return 'it needs a GPU, but device is cpu'
    if not facts.gpus:
        why = f'{facts.gpu_problem}; ' if facts.gpu_problem else ''
        return (
            f'no NVIDIA GPU or driver was found ({why}check nvidia-smi and CUDA_VISIBLE_DEVICES; '
            'a container needs --gpus all)'
        )
    if facts.tensorrt_problem:
        return facts.tensorrt_problem
    if gpu >= len(facts.gpus):
        return f'there is no GPU {gpu}, only {len(facts.gpus)} ({", ".join(facts.gpus)})'
    try:
        trt_versions.check_precision(precision, trt_versions.dialect(facts.tensorrt))
    except BackendError as error:
        return str(error)
    return ''


def without_tensorrt(device: str, precision: str, facts: Facts, no_tensorrt: str) -> Choice:
    """Choose ONNX Runtime; raises `BackendError` if it cannot fulfil the request.

    no_tensorrt: why TensorRT is not used.
    """
    passed_over = f'; TensorRT not used: {no_tensorrt}' if no_tensorrt else ''
    if facts.onnxruntime_problem:
        raise BackendError(facts.onnxruntime_problem + passed_over)
    if precision not in ('auto', 'fp32'):
        raise BackendError(
            f'ONNX Runtime computes in fp32, but precision is {precision}; set precision to auto '
            f'or fp32, or use TensorRT{passed_over}'
        )
    has_cuda = CUDA_PROVIDER in facts.providers
    if device == 'auto':
        gpu = 0 if has_cuda and facts.gpus else None
        if gpu is None and not has_cuda:
            passed_over += f'; CUDA not used: this ONNX Runtime has no {CUDA_PROVIDER}'
        elif gpu is None:
            passed_over += '; CUDA not used: no NVIDIA GPU was found'
    else:
        gpu = parse_device(device)
    if gpu:
        raise BackendError(
            f'the ONNX Runtime backend uses only the first GPU, but device is {device}; set '
            f'CUDA_VISIBLE_DEVICES={gpu} and device to cuda{passed_over}'
        )
    place = 'the CPU' if gpu is None else f'GPU {gpu}'
    return Choice('onnxruntime', gpu, 'fp32', f'ONNX Runtime, fp32, on {place}{passed_over}')


def look_around(backend: str = 'auto', device: str = 'auto') -> Facts:
    """Gather the facts; anything missing becomes a sentence with the fix.

    Importing TensorRT takes seconds and memory, so it is skipped where it is not needed.
    """
    tensorrt = tensorrt_problem = onnxruntime_problem = ''
    providers: tuple[str, ...] = ()
    gpus, gpu_problem = ((), '') if device == 'cpu' else cuda_driver.look()
    if backend != 'onnxruntime' and gpus:
        try:
            tensorrt = tensorrt_module().version()
        except BackendError as error:
            tensorrt_problem = str(error)
    try:
        from dmd_ros.runtime import ort_backend

        providers = ort_backend.available_providers()
    except ImportError as error:
        onnxruntime_problem = explain_import(error)
    return Facts(tensorrt, tensorrt_problem, gpus, gpu_problem, providers, onnxruntime_problem)


def is_slow_in_int8() -> bool:
    """Return whether Linux lists the CPU's features and none of them accelerates int8."""
    try:
        lines = _CPUINFO.read_text(errors='replace').splitlines()
    except OSError:
        return False
    listed = [line.partition(':')[2].split() for line in lines if _ABILITIES.match(line)]
    return bool(listed) and not _FAST_IN_INT8 & set(listed[0])


def tensorrt_module() -> ModuleType:
    """Import the TensorRT backend; raises `BackendError` that says what to install."""
    try:
        return importlib.import_module('dmd_ros.runtime.trt_backend')
    except (ImportError, OSError) as error:  # a missing library may raise either
        raise BackendError(explain_import(error)) from None


def explain_import(error: Exception) -> str:
    """Explain a failed import of a backend's library: what is missing and how to install it.

    Raises `KeyboardInterrupt` if the import was interrupted.
    """
    if isinstance(error.__cause__, KeyboardInterrupt):  # pybind11 wraps it in an ImportError
        raise KeyboardInterrupt from None
    text = ' '.join(str(error).split())  # some messages, e.g. NumPy's, have many lines
    if 'libcuda.so' in text:
        return f'no NVIDIA driver was found ({text}); install it, or give the container --gpus all'
    module = (getattr(error, 'name', None) or '').split('.')[0]
    is_tensorrt = module.startswith('tensorrt')  # its wheels also have tensorrt_bindings
    if any(name in text for name in _LIBRARIES) or (is_tensorrt and '.so' in text):
        return (
            f'TensorRT is installed without the libraries it needs ({text}); install them in the '
            'same version: pip install "dmd_ros[cpu,gpu]", on a Jetson apt install nvidia-jetpack'
        )
    if module == 'pycuda' or 'pycuda' in text:
        return (
            f'pycuda cannot be imported ({text}); install it where nvcc is on the PATH: '
            'pip install "dmd_ros[cpu,gpu]"'
        )
    if is_tensorrt or 'tensorrt' in text:
        return (
            f'TensorRT cannot be imported ({text}); install it: pip install "dmd_ros[cpu,gpu]". '
            'On a Jetson it is part of JetPack (python3-libnvinfer), and a virtual environment '
            'sees it only if created with --system-site-packages'
        )
    if module == 'onnxruntime' or 'onnxruntime' in text:
        # Not dmd_ros[cpu]: pip does not see OpenCV from apt, and would add its own with NumPy 2.
        advice = 'install it: pip install onnxruntime'
        if not isinstance(error, ModuleNotFoundError):
            advice = 'it is installed but does not load: is memory short? Otherwise reinstall it'
        return f'ONNX Runtime cannot be imported ({text}); {advice}'
    return f'{module or "a module"} cannot be imported ({text}); install it with pip'
