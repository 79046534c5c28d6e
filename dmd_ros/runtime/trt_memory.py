# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Device memory of a session: allocated once, and written only when a value changes.

The CUDA context must be current in every call, and the stream idle when memory is freed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.runtime.backend import Floats
from dmd_ros.runtime.cuda_driver import CudaGraph
from dmd_ros.runtime.sampler_plan import Step

# t [B] and tan_half_vfov [B] -> inputs of the network that depend on them, by name: see
# `condition_graph`.
Evaluate = Callable[[Floats, Floats], Mapping[str, NDArray[Any]]]

# Alignment in bytes that TensorRT requires of its tensors, as the CUDA runtime's allocator gives.
_ALIGNMENT = 256


class Memory:
    """A page-locked host array and its device buffer, of equal size."""

    def __init__(self, cuda: Any, shape: tuple[int, ...]) -> None:
        """Allocate both or neither: pycuda frees nothing in a thread without a context."""
        self.allocation = cuda.mem_alloc(math.prod(shape) * np.dtype(np.float32).itemsize)
        try:
            self.host: Floats = cuda.pagelocked_empty(shape, np.float32)
        except BaseException:
            self.allocation.free()
            raise
        self.host.fill(0.0)
        self.address = int(self.allocation)
        self._cuda = cuda

    def upload(self, array: Floats, stream: Any) -> None:
        """Copy `array` into the first items."""
        part = self.host[: len(array)]
        np.copyto(part, array)
        self._cuda.memcpy_htod_async(self.address, part, stream)

    def free(self) -> None:
        """Free both."""
        self.allocation.free()
        del self.host


class Conditions:
    """The conditions of one evaluation of the network, in one buffer.

    addresses: of the tensors, by name; constant, so a recorded graph reads the current values.
    """

    def __init__(self, cuda: Any, evaluate: Evaluate, samples: int) -> None:
        """Allocate, for B = samples."""
        self._cuda, self._evaluate = cuda, evaluate
        self._made_for: tuple[Floats, ...] = ()  # t and tan_half_vfov of the uploaded values
        self._offsets: dict[str, int] = {}
        size = 0
        zero = np.zeros(samples, np.float32)
        for name, tensor in evaluate(zero, zero).items():
            self._offsets[name] = size
            size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        self.memory = Memory(cuda, (size // np.dtype(np.float32).itemsize,))
        self.addresses = {n: self.memory.address + at for n, at in self._offsets.items()}

    def upload(self, t: Floats, tan_half_vfov: Floats, stream: Any) -> None:
        """Compute and upload the conditions of t [B] and tan_half_vfov [B], if they changed."""
        if self._made_for and all(map(np.array_equal, (t, tan_half_vfov), self._made_for)):
            return
        self._made_for = ()
        host = self.memory.host.view(np.uint8)
        for name, tensor in self._evaluate(t, tan_half_vfov).items():
            flat = np.ascontiguousarray(tensor).reshape(-1).view(np.uint8)
            host[self._offsets[name] :][: flat.size] = flat
        self._cuda.memcpy_htod_async(self.memory.address, self.memory.host, stream)
        self._made_for = t.copy(), tan_half_vfov.copy()


class SamplerMemory:
    """Memory of one sequence of steps, besides the network's pictures, and its recorded graph.

    times: t [B] of each step, if the network reads it, else empty.
    conditions: of each step, if the network has any, else empty.
    """

    def __init__(
        self,
        cuda: Any,
        steps: tuple[Step, ...],
        shape: tuple[int, ...],
        reads_time: bool,
        evaluate: Evaluate | None,
    ) -> None:
        """Allocate everything or nothing, for noisy codes of `shape` [B, 1, h, w]."""
        self.steps = steps
        self.memory: list[Memory] = []
        self.graph: CudaGraph | None = None
        self.graph_failed = False
        self._t = [np.full(shape[:1], step.t, np.float32) for step in steps]
        self._uploaded: list[Floats | None] = [None] * (1 + len(steps))
        self._has_times = False
        try:
            self.start = self._kept(Memory(cuda, shape))
            self.noise = [self._kept(Memory(cuda, shape)) if s.z_n else None for s in steps]
            self.times = [self._kept(Memory(cuda, shape[:1])) for _ in steps if reads_time]
            self.conditions: list[Conditions] = []
            if evaluate is not None:
                for _ in steps:
                    self.conditions.append(Conditions(cuda, evaluate, shape[0]))
                    self._kept(self.conditions[-1].memory)
        except BaseException:
            self.free()
            raise

    def _kept(self, memory: Memory) -> Memory:
        self.memory.append(memory)
        return memory

    def upload(
        self, noise: Floats, fresh: Sequence[Floats | None], tan_half_vfov: Floats, stream: Any
    ) -> None:
        """Upload what changed; an array object that was uploaded before (fixed noise) is skipped.

        fresh: noise of each step, None for steps without noise. tan_half_vfov: [B].
        """
        if not self._has_times:
            for time, t in zip(self.times, self._t, strict=False):
                time.upload(t, stream)
            self._has_times = True
        for conditions, t in zip(self.conditions, self._t, strict=False):
            conditions.upload(t, tan_half_vfov, stream)
        arrays, targets = [noise, *fresh], [self.start, *self.noise]
        for index, (array, target) in enumerate(zip(arrays, targets, strict=True)):
            if target is None or array is None or array is self._uploaded[index]:
                continue
            self._uploaded[index] = None
            target.upload(array, stream)
            if not array.flags.writeable:
                self._uploaded[index] = array

    def addresses(self, index: int) -> dict[str, int]:
        """Return the addresses of the tensors that only step `index` reads, by name."""
        time = {'t': self.times[index].address} if self.times else {}
        return time | (self.conditions[index].addresses if self.conditions else {})

    def free(self) -> None:
        """Free the memory and the graph."""
        if self.graph is not None:
            self.graph.close()
        for memory in self.memory:
            memory.free()
