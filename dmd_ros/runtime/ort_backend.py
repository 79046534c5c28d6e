# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime backend; the only file that imports onnxruntime."""

from __future__ import annotations

import os
import threading
import time
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from dmd_ros.runtime.backend import (
    FOV_INPUT,
    FOV_OUTPUT,
    INPUTS,
    MAX_THREADS,
    OUTPUT,
    Feeds,
    Floats,
    Outputs,
)
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import (
    contract_from_metadata,
    fov_contract_from_metadata,
    is_int8,
)

_KINDS = {'tensor(float)': np.dtype(np.float32), 'tensor(float16)': np.dtype(np.float16)}
# Linux lists here which processors are hyper-threads of one core.
_SIBLINGS = '/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list'
_THREADS_END_S = 1.0
_PROVIDERS = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider'}


class _OrtNetwork:
    """A network on ONNX Runtime, on exactly the requested device.

    model: path of an ONNX file.
    device: 'cpu' or 'cuda'.
    threads: CPU threads, 0 = all cores that this process may use.
    Raises `BackendError` if the file is not such a network or the device is not available.
    """

    name = 'onnxruntime'
    # Set by subclasses: kind and exporter for messages, and the names of the tensors.
    kind = ''
    inputs: tuple[str, ...] = ()
    output = ''
    exporter = ''

    def __init__(self, model: Path, device: str = 'cpu', threads: int = 0) -> None:
        """Load and check the model."""
        self._session: ort.InferenceSession | None = _open(Path(model), _provider(device), threads)
        # ONNX Runtime silently falls back to the CPU if a provider fails to start: check.
        granted = self._session.get_providers()[0]
        if granted != _PROVIDERS[device]:
            raise BackendError(
                f'requested {_PROVIDERS[device]} of ONNX Runtime, got {granted}; check the driver '
                'and the CUDA libraries, or set device to cpu'
            )
        self.device = device
        self.precision = 'int8 (fp32 elsewhere)' if is_int8(Path(model)) else 'fp32'
        self._check_tensors(self._session, model)
        self.metadata = _metadata(self._session, model)

    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate once; raises `BackendError` if the model rejects these feeds."""
        session = self._session  # another thread may close it
        if session is None:
            raise BackendError('this ONNX Runtime backend is closed; load the model again')
        try:
            (result,) = session.run([self.output], dict(feeds))
        except Exception as error:  # its classes share no public base
            shapes = {name: value.shape for name, value in feeds.items()}
            raise BackendError(f'ONNX Runtime cannot evaluate {shapes}: {error}') from None
        return {self.output: result}

    def close(self) -> None:
        """Drop the session; closing twice is harmless."""
        self._session = None

    def _check_tensors(self, session: ort.InferenceSession, model: Path) -> None:
        inputs = {i.name for i in session.get_inputs()}
        kinds = {i.name: i.type for i in (*session.get_inputs(), *session.get_outputs())}
        outputs = {o.name for o in session.get_outputs()}
        if inputs != set(self.inputs) or self.output not in outputs:
            raise BackendError(
                f'{model} is not a {self.kind}: inputs {sorted(inputs)}, outputs '
                f'{sorted(outputs)}; expected {list(self.inputs)} and {self.output!r}. Export it '
                f'with {self.exporter}'
            )
        names = (*self.inputs, self.output)
        wrong = {name: kinds[name] for name in names if kinds[name] != 'tensor(float)'}
        if wrong:
            raise BackendError(
                f'{model} has tensors that are not float32: {wrong}; export it with '
                f'{self.exporter}'
            )


class OrtConditions:
    """Computes the inputs of an engine that depend on time and field of view only.

    See `condition_graph`.
    """

    def __init__(self, graph: bytes) -> None:
        """Load a serialised ONNX graph; raises `BackendError` if it is invalid."""
        try:
            self._session = _session(graph, 1, _PROVIDERS['cpu'])
        except Exception as error:  # the parser's classes share no public base
            raise BackendError(
                f'the conditions of an engine cannot be loaded ({error}); build it again'
            ) from None
        self._names = [o.name for o in self._session.get_outputs()]
        self.kinds = {o.name: _KINDS[o.type] for o in self._session.get_outputs()}

    def __call__(self, t: Floats, tan_half_vfov: Floats) -> dict[str, NDArray[Any]]:
        """Return tensors, float32 or float16, by name, for t [B] and tan_half_vfov [B]."""
        try:
            made = self._session.run(None, {'t': t, 'tan_half_vfov': tan_half_vfov})
        except Exception as error:  # its classes share no public base
            raise BackendError(f'ONNX Runtime cannot evaluate conditions: {error}') from None
        return dict(zip(self._names, made, strict=True))


class OrtBackend(_OrtNetwork):
    """A denoiser."""

    kind, inputs, output = 'DMD denoiser', INPUTS, OUTPUT
    exporter = 'train.export'

    def __init__(self, model: Path, device: str = 'cpu', threads: int = 0) -> None:
        """Load the model and its contract."""
        super().__init__(model, device, threads)
        self.contract = contract_from_metadata(self.metadata, str(model))


class OrtFovBackend(_OrtNetwork):
    """A field-of-view network."""

    kind, inputs, output = 'field-of-view model', (FOV_INPUT,), FOV_OUTPUT
    exporter = 'train.fov.export'

    def __init__(self, model: Path, device: str = 'cpu', threads: int = 0) -> None:
        """Load the model and its contract."""
        super().__init__(model, device, threads)
        self.contract = fov_contract_from_metadata(self.metadata, str(model))


def available_providers() -> tuple[str, ...]:
    """Return the execution providers of this ONNX Runtime."""
    return tuple(ort.get_available_providers())


def _provider(device: str) -> str:
    if device not in _PROVIDERS:
        raise BackendError(f'device {device!r} of ONNX Runtime; allowed: {", ".join(_PROVIDERS)}')
    provider = _PROVIDERS[device]
    if provider not in available_providers():
        raise BackendError(
            f'this ONNX Runtime {ort.__version__} has no {provider} (it has '
            f'{", ".join(available_providers())}); install onnxruntime-gpu, or set device to cpu'
        )
    return provider


def _open(model: Path, provider: str, threads: int) -> ort.InferenceSession:
    if not os.path.isfile(model):
        raise BackendError(
            f'model file {model} does not exist, or is not accessible; specify the path of an '
            '.onnx file'
        )
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if not whole or not 0 <= threads <= MAX_THREADS:
        raise BackendError(
            f'threads={threads!r} must be a whole number from 0 (all cores) to {MAX_THREADS}'
        )
    threads = int(threads) or usable_cores()
    _try_threads(threads)
    try:
        return _session(str(model), threads, provider)
    except Exception as error:  # the parser's classes share no public base
        if isinstance(error, MemoryError) or 'bad_alloc' in str(error):
            raise BackendError(
                f'there is not enough memory to load {model} ({error}); stop other processes, '
                'or use a smaller model'
            ) from None
        if provider != _PROVIDERS['cpu']:
            raise BackendError(
                f'ONNX Runtime cannot load {model} with {provider} ({error}); check the driver '
                'and the CUDA libraries, or set device to cpu'
            ) from None
        raise BackendError(
            f'{model} is not a model that ONNX Runtime can load ({error}); it may be truncated: '
            'copy or export it again'
        ) from None


def _metadata(session: ort.InferenceSession, model: Path) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise BackendError(
            f'{model} has metadata that is not text ({error.reason}), so it is damaged: copy or '
            'export it again'
        ) from None


def _session(model: str | bytes, threads: int, provider: str) -> ort.InferenceSession:
    """Load a model, by path or as bytes; a failing provider is an error, here and later.

    By default ONNX Runtime would fall back to the CPU, even during a run, and only print that.
    """
    session = ort.InferenceSession(
        model, _options(threads), providers=[provider], enable_fallback=0
    )
    session.disable_fallback()  # for runs, in versions without the argument
    return session


def _try_threads(count: int) -> None:
    """Raise `BackendError` if `count` threads cannot start: ONNX Runtime would hang then."""
    go_on, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count - 1):  # besides this one
            started.append(threading.Thread(target=go_on.wait, daemon=True))
            started[-1].start()
    except (RuntimeError, MemoryError) as error:
        del started[-1:]
        raise BackendError(
            f'the system starts only {len(started) + 1} threads ({error}), but {count} are '
            'requested: lower threads, or raise the limit (of memory, of a container with '
            '--pids-limit, of a service with TasksMax=)'
        ) from None
    finally:
        go_on.set()
        end = time.monotonic() + _THREADS_END_S
        for thread in started:
            thread.join()  # the system still counts it for a moment
            while os.path.exists(f'/proc/self/task/{thread.native_id}'):
                if time.monotonic() > end:
                    break
                time.sleep(1e-4)


def usable_cores() -> int:
    """Count the physical cores that this process may use; hyper-threads share arithmetic units.

    ONNX Runtime counts all cores of the machine and binds a thread to each, even to those that
    `taskset`, systemd's CPUAffinity or a container exclude for this process.
    """
    if not hasattr(os, 'sched_getaffinity'):  # macOS
        return os.cpu_count() or 1
    cores = set()
    for processor in os.sched_getaffinity(0):
        try:
            cores.add(Path(_SIBLINGS.format(processor)).read_text())
        except OSError:
            cores.add(str(processor))
    return len(cores)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Spinning workers would waste the robot's cores between frames.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    return options
