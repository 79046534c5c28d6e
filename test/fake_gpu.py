# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the CUDA driver and pycuda: device memory is in NumPy, with checked access.

The sampler's kernel is its own PTX text, executed line by line. `fake_tensorrt` has the engines.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from dmd_ros.runtime import sampler_ptx


class Gpu:
    """State of the driver. `error`: failing calls, by name, with their exception or result.

    budget: number of allocations that fit into memory, if it is short.
    leaked: bytes of page-locked memory, and events, released without a current context, where
        pycuda frees nothing.
    """

    def __init__(self) -> None:
        self.error: dict[str, Any] = {}
        self.budget: int | None = None
        self.leaked = 0
        self.blocking: set[int] = set()  # streams that wait for the default one
        self.barred = 0  # how many of those are captured
        self.live: dict[int, np.ndarray] = {}  # by address
        self.allocations = self.uploads = 0
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launches = 0  # of graphs
        self._threads = threading.local()
        self.lock = threading.Lock()

    @property
    def recording(self) -> list[Callable[[], None]] | None:
        """The calls captured by this thread's stream, if it captures: captures are per thread."""
        return getattr(self._threads, 'recording', None)

    @recording.setter
    def recording(self, work: list[Callable[[], None]] | None) -> None:
        self._threads.recording = work

    @property
    def contexts(self) -> list[Any]:
        """The stack of this thread."""
        if not hasattr(self._threads, 'stack'):
            self._threads.stack = []
        return self._threads.stack

    def spend(self, call: str) -> None:
        """Count an allocation, which needs a current context."""
        assert self.contexts, 'no context is current'
        if self.budget == 0:
            raise _Error(f'{call} failed: out of memory')
        if self.budget is not None:
            self.budget -= 1

    def use_default_stream(self) -> None:
        """Use the default stream like torch and plain copies, in any thread.

        Not while a stream that was not made non-blocking is captured (CUDA C++ Programming Guide,
        "Prohibited and Unhandled Operations").
        """
        if self.barred:
            raise _Error('operation would make the legacy stream depend on a capturing stream')

    def allocate(self, size: int) -> int:
        self.spend('cuMemAlloc')
        with self.lock:
            self.allocations += 1
            address = self.allocations << 32
        self.live[address] = np.full(size // 4, np.nan, np.float32)
        return address

    def at(self, address: int, count: int, kind: Any = np.float32) -> np.ndarray:
        """Return numbers in device memory, which must be allocated."""
        memory = self.live[address >> 32 << 32].view(np.uint8)
        offset, size = address & 0xFFFFFFFF, count * np.dtype(kind).itemsize
        assert offset + size <= memory.size
        return memory[offset : offset + size].view(kind)

    def enqueue(self, work: Callable[[], None]) -> None:
        assert isinstance(self.contexts[-1], _Context), 'another context is current'
        work() if self.recording is None else self.recording.append(work)


class Library:
    """The functions of libcuda that `cuda_driver` calls."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def __getattribute__(self, name: str) -> Any:
        error = object.__getattribute__(self, '_gpu').error
        if name in error:
            return lambda *_: error[name]
        return object.__getattribute__(self, name)

    def cuInit(self, _: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 1
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, _: Any) -> int:  # noqa: N802
        name.value = b'Fake'[:size]
        return 0

    def cuGetErrorString(self, code: int, text: Any) -> int:  # noqa: N802
        text._obj.value = f'text of {code}'.encode()
        return 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: int) -> int:  # noqa: N802
        assert mode == 1 and self._gpu.recording is None
        self._gpu.recording = []
        with self._gpu.lock:
            self._gpu.barred += stream.value in self._gpu.blocking
        return 0

    def cuStreamEndCapture(self, stream: Any, graph: Any) -> int:  # noqa: N802
        work, self._gpu.recording = self._gpu.recording, None
        with self._gpu.lock:
            self._gpu.barred -= stream.value in self._gpu.blocking
            graph._obj.value = 1 + max(self._gpu.graphs, default=0)
            self._gpu.graphs[graph._obj.value] = work or []
        return 0

    def cuGraphInstantiateWithFlags(self, out: Any, graph: Any, _: int) -> int:  # noqa: N802
        out._obj.value = graph.value
        return 0

    def cuGraphLaunch(self, graph: Any, _: Any) -> int:  # noqa: N802
        self._gpu.launches += 1
        for work in self._gpu.graphs[graph.value]:
            self._gpu.enqueue(work)
        return 0

    def cuGraphExecDestroy(self, _: Any) -> int:  # noqa: N802
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:  # noqa: N802
        del self._gpu.graphs[graph.value]
        return 0


class _Error(Exception):
    pass


class _Context:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def push(self) -> None:
        self._gpu.contexts.append(self)


class _Device:
    def __init__(self, gpu: Gpu, number: int) -> None:
        self._gpu = gpu
        assert number == 0

    def name(self) -> str:
        return 'Fake'

    def compute_capability(self) -> tuple[int, int]:
        return 9, 0

    def retain_primary_context(self) -> _Context:
        if 'retain' in self._gpu.error:
            raise self._gpu.error['retain']
        return _Context(self._gpu)


class _Allocation:
    def __init__(self, gpu: Gpu, size: int) -> None:
        self._gpu, self._address = gpu, gpu.allocate(size)

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        assert self._gpu.contexts, 'no context is current'
        del self._gpu.live[self._address]


class _PageLocked(bytearray):
    """Host memory as pycuda allocates it."""

    gpu: Gpu

    def __del__(self) -> None:
        if not self.gpu.contexts:
            self.gpu.leaked += len(self)


class _Stream:
    def __init__(self, gpu: Gpu, flags: int) -> None:
        self._gpu, self.handle = gpu, 0x5000 + flags
        if not flags & 1:  # CU_STREAM_NON_BLOCKING
            gpu.blocking.add(self.handle)

    def synchronize(self) -> None:
        assert self._gpu.contexts and self._gpu.recording is None


class _Event:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def __del__(self) -> None:
        self._gpu.leaked += not self._gpu.contexts

    def record(self, stream: _Stream) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def time_till(self, other: _Event) -> float:
        return 1.0


class _Kernel:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def get_function(self, name: str) -> _Kernel:
        assert name == sampler_ptx.NAME
        return self

    def prepare(self, arguments: str) -> None:
        self._arguments = arguments

    def prepared_async_call(self, grid: Any, block: Any, stream: Any, *arguments: Any) -> None:
        assert len(arguments) == len(self._arguments)
        z, v, n, *coefficients, count = arguments
        assert grid[0] * block[0] >= count

        def work() -> None:
            arrays = [self._gpu.at(address, count) for address in (z, v, n)]
            arrays[0][:] = run_ptx(*arrays, [np.float32(c) for c in coefficients])

        self._gpu.enqueue(work)


def driver(gpu: Gpu) -> ModuleType:
    """Return the stand-in for pycuda.driver."""
    cuda: Any = ModuleType('pycuda.driver')
    cuda.Error = _Error
    cuda.init = lambda: None
    cuda.get_driver_version = lambda: 12080
    cuda.Context = type('Context', (), {'pop': staticmethod(lambda: gpu.contexts.pop())})
    cuda.Device = lambda number: _Device(gpu, number)
    cuda.Device.count = lambda: 1
    cuda.Stream, cuda.Event = lambda flags=0: _Stream(gpu, flags), lambda: _Event(gpu)
    cuda.mem_alloc = lambda size: _Allocation(gpu, size)
    cuda.mem_get_info = lambda: (1 << 6 if 'memory' in gpu.error else 1 << 30, 1 << 34)

    def pagelocked_empty(shape: tuple[int, ...], kind: Any) -> np.ndarray:
        gpu.spend('cuMemHostAlloc')
        memory = _PageLocked(int(np.prod(shape)) * np.dtype(kind).itemsize)
        memory.gpu = gpu
        return np.frombuffer(memory, kind).reshape(shape)

    cuda.pagelocked_empty = pagelocked_empty

    def module_from_buffer(text: bytes) -> _Kernel:
        assert text == sampler_ptx.PTX.encode() + b'\0'
        return _Kernel(gpu)

    def upload(address: int, host: np.ndarray, _: _Stream) -> None:
        gpu.uploads += 1
        gpu.enqueue(lambda: np.copyto(gpu.at(address, host.size), host.ravel()))

    def download(host: np.ndarray, address: int, _: _Stream) -> None:
        gpu.enqueue(lambda: np.copyto(host, gpu.at(address, host.size).reshape(host.shape)))

    def copy(target: int, source: int, size: int, _: _Stream) -> None:
        gpu.enqueue(lambda: np.copyto(gpu.at(target, size // 4), gpu.at(source, size // 4)))

    cuda.module_from_buffer = module_from_buffer
    cuda.memcpy_htod_async, cuda.memcpy_dtoh_async = upload, download
    cuda.memcpy_dtod_async = copy
    return cuda


def run_ptx(
    z: np.ndarray, v: np.ndarray, n: np.ndarray, coefficients: Sequence[np.float32]
) -> np.ndarray:
    """Execute the arithmetic lines of the PTX text itself, for all elements at once."""
    registers: dict[str, np.ndarray] = {'%z': z, '%v': v, '%n': n}
    names = [f'%{name}' for name in re.findall(r'\.param \.f32 p_(\w+)', sampler_ptx.PTX)]
    registers.update(zip(names, coefficients, strict=True))
    body = sampler_ptx.PTX.split('ld.global.f32 %n, [%a_n];')[1].split('done:')[0]

    def value(word: str) -> np.ndarray:
        if word.startswith('0f'):
            return np.array(int(word[2:], 16), np.uint32).view(np.float32)
        return registers[word]

    # No fma, and no operations that an assembler may fuse to one: NumPy rounds every product.
    operations = {
        'mul.rn.f32': lambda a, b: a * b,
        'add.rn.f32': lambda a, b: a + b,
        'div.rn.f32': lambda a, b: a / b,
        'setp.nan.f32': lambda a, b: np.isnan(a) | np.isnan(b),
        'max.f32': np.fmax,  # PTX max and min return the operand that is a number
        'min.f32': np.fmin,
        'selp.f32': lambda a, b, p: np.where(p, a, b),
    }
    for line in filter(None, (line.strip() for line in body.splitlines())):
        name, rest = line.rstrip(';').split(' ', 1)
        words = re.split(r',\s*', rest)
        if name == 'st.global.f32':
            assert words[0] == '[%a_z]'
            assert registers[words[1]].dtype == np.float32
            return registers[words[1]]
        registers[words[0]] = operations[name](*map(value, words[1:]))
    raise AssertionError('the kernel stores nothing')
