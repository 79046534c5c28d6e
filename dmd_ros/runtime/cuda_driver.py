# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Direct calls of the CUDA driver library: list of GPUs, and CUDA graphs, which pycuda lacks.

pycuda and TensorRT use the same library, so handles are shared. ctypes releases the GIL during
every call.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable

from dmd_ros.runtime.errors import BackendError

LIBRARY = 'libcuda.so.1'
# Capture mode: record only this thread's calls, without affecting other CUDA users in the process.
_THREAD_LOCAL = 1

_INT = ctypes.POINTER(ctypes.c_int)
_SIGNATURES: dict[str, list[type]] = {
    'cuInit': [ctypes.c_uint],
    'cuDeviceGetCount': [_INT],
    'cuDeviceGet': [_INT, ctypes.c_int],
    'cuDeviceGetName': [ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    'cuGetErrorString': [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
    'cuStreamBeginCapture_v2': [ctypes.c_void_p, ctypes.c_int],
    'cuStreamEndCapture': [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)],
    'cuGraphInstantiateWithFlags': [
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_void_p,
        ctypes.c_ulonglong,
    ],
    'cuGraphLaunch': [ctypes.c_void_p, ctypes.c_void_p],
    'cuGraphExecDestroy': [ctypes.c_void_p],
    'cuGraphDestroy': [ctypes.c_void_p],
}


def gpus() -> tuple[str, ...]:
    """Return the names of the GPUs in CUDA's order; empty without a driver or GPU."""
    return look()[0]


def look() -> tuple[tuple[str, ...], str]:
    """Return the names of the GPUs in CUDA's order, and why there are none, or ''."""
    try:
        library = _library()
        _check(library, 'cuInit', 0)
        count = ctypes.c_int()
        _check(library, 'cuDeviceGetCount', ctypes.byref(count))
        names = []
        for index in range(count.value):
            device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
            _check(library, 'cuDeviceGet', ctypes.byref(device), index)
            _check(library, 'cuDeviceGetName', name, len(name), device)
            names.append(name.value.decode(errors='replace'))
        return tuple(names), '' if names else 'the driver finds no GPU'
    except BackendError as error:
        return (), str(error)


class CudaGraph:
    """The work that `enqueue` puts on a stream, recorded once and launched as one call.

    stream: handle of the stream. The caller must keep the CUDA context current in every method.
    """

    def __init__(self, stream: int, enqueue: Callable[[], None]) -> None:
        """Record the graph; raises `BackendError` if some of the work cannot be recorded."""
        self._library = _library()
        self._stream = ctypes.c_void_p(stream)
        self._graph = ctypes.c_void_p()
        self._executable = ctypes.c_void_p()
        self._call('cuStreamBeginCapture_v2', self._stream, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            # The stream must leave capture mode, even if the recording is invalid.
            with contextlib.suppress(BackendError):
                self._call('cuStreamEndCapture', self._stream, ctypes.byref(self._graph))
            self.close()
            raise
        self._call('cuStreamEndCapture', self._stream, ctypes.byref(self._graph))
        try:
            self._call(
                'cuGraphInstantiateWithFlags', ctypes.byref(self._executable), self._graph, 0
            )
        except BackendError:
            self.close()
            raise

    def launch(self) -> None:
        """Enqueue the recorded graph."""
        self._call('cuGraphLaunch', self._executable, self._stream)

    def close(self) -> None:
        """Free the recorded graph; may be called twice."""
        if self._executable:
            self._library.cuGraphExecDestroy(self._executable)
        if self._graph:
            self._library.cuGraphDestroy(self._graph)
        self._executable, self._graph = ctypes.c_void_p(), ctypes.c_void_p()

    def _call(self, name: str, *arguments: object) -> None:
        _check(self._library, name, *arguments)


def _check(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    code = getattr(library, name)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(text))
        words = (text.value or b'').decode(errors='replace')
        raise BackendError(f'{name} failed with CUDA error {code} ({words})')


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
        for name, types in _SIGNATURES.items():
            getattr(library, name).argtypes = types
    except (OSError, AttributeError) as error:
        text = str(error)
        if text.startswith(LIBRARY) and 'No such file' in text:  # the usual case: keep it short
            raise BackendError(f'there is no {LIBRARY}') from None
        raise BackendError(f'{LIBRARY} of the NVIDIA driver cannot be used ({text})') from None
    return library
