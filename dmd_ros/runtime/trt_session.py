# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One loaded engine with its stream and memory. `trt_backend` passes in pycuda's driver.

Page-locked host arrays, device buffers and the CUDA graph of the sampler are allocated once per
picture size. A frame is uploaded, launched, downloaded and awaited, with the GIL released while
waiting. Values that depend only on time and field of view are computed and uploaded when one of
them changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np

from dmd_ros.runtime import sampler_ptx
from dmd_ros.runtime.backend import INPUTS, OUTPUT, Feeds, Floats
from dmd_ros.runtime.cuda_driver import CudaGraph
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.sampler_plan import Step
from dmd_ros.runtime.trt_memory import Conditions, Evaluate, Memory, SamplerMemory

Shape = tuple[int, int, int]  # samples, height, width

# CU_STREAM_NON_BLOCKING, which pycuda does not define. It lets torch and plain copies use CUDA's
# default stream, which must otherwise not be used in the process while a stream is recorded.
_NON_BLOCKING = 1


def tensor_shape(name: str, shape: Shape) -> tuple[int, ...]:
    """Return the shape of a tensor of the denoiser for (samples, height, width)."""
    samples, height, width = shape
    channels = {'rgb': 3, 'z': 1, OUTPUT: 1}
    return (samples, channels[name], height, width) if name in channels else (samples,)


def check_shape(shape: Shape, spec: EngineSpec) -> None:
    """Raise `BackendError` if the engine was not built for (samples, height, width)."""
    samples, *size = shape
    ranges = zip(spec.smallest, size, spec.largest, strict=True)
    if samples != spec.batch or any(not low <= side <= high for low, side, high in ranges):
        allowed = f'{spec.smallest[0]}x{spec.smallest[1]}'
        if spec.is_static:
            other = ', or without a size for an engine that supports all common cameras'
        else:
            allowed += f' to {spec.largest[0]}x{spec.largest[1]}'
            other = ': this one supports common cameras only'
        raise BackendError(
            f'the engine is for {spec.batch} samples of {allowed} (height x width), got {samples} '
            f'of {size[0]}x{size[1]}; load it with these samples and this size{other}'
        )


class Session:
    """Runs one engine for `trt_backend.TrtBackend`, one call at a time.

    cuda: pycuda.driver.
    engine: of TensorRT.
    current: makes the GPU's context current.
    scratch_bytes: memory of an execution context of the engine.
    evaluate: computes the conditions from t and tan_half_vfov, for a (static) engine that has any.
    """

    def __init__(
        self,
        cuda: Any,
        engine: Any,
        spec: EngineSpec,
        current: Callable[[], AbstractContextManager[None]],
        scratch_bytes: int,
        log: Callable[[str], None],
        use_graph: bool,
        evaluate: Evaluate | None = None,
    ) -> None:
        """Create stream, execution context and kernel; `BackendError` if memory is short."""
        self._cuda, self._engine, self._spec, self._current = cuda, engine, spec, current
        self._scratch_bytes, self._log, self._use_graph = scratch_bytes, log, use_graph
        self._lock = threading.Lock()
        self._evaluate = evaluate
        self._closed = False
        self._shape: Shape | None = None
        self._memory: dict[str, Memory] = {}
        self._conditions: Conditions | None = None
        self._sampler: SamplerMemory | None = None
        with current():
            self._context = engine.create_execution_context()
            if self._context is None:
                raise BackendError('TensorRT created no execution context: out of GPU memory?')
            self._stream = cuda.Stream(_NON_BLOCKING)
            self._module = cuda.module_from_buffer(sampler_ptx.PTX.encode() + b'\0')
            self._kernel = self._module.get_function(sampler_ptx.NAME)
            self._kernel.prepare(sampler_ptx.ARGUMENTS)
        count = engine.num_io_tensors
        self._tensors = {engine.get_tensor_name(i) for i in range(count)}

    def run(self, feeds: Feeds) -> Floats:
        """Evaluate the network once."""
        with self._lock, self._current():
            self._prepare((len(feeds['z']), *feeds['z'].shape[2:]))
            for name in self._memory.keys() & feeds.keys():
                self._memory[name].upload(feeds[name], self._stream)
                self._bind(name, self._memory[name].address)
            if self._conditions is not None:
                self._conditions.upload(feeds['t'], feeds['tan_half_vfov'], self._stream)
                self._bind_all(self._conditions.addresses)
            self._execute()
            return self._result(self._memory[OUTPUT])

    def sample(
        self,
        rgb: Floats,
        tan_half_vfov: float,
        noise: Floats,
        fresh: Sequence[Floats | None],
        steps: Sequence[Step],
    ) -> Floats:
        """Run all steps of the sampler; `fresh` has the noise of each step, None for no noise."""
        with self._lock, self._current():
            self._prepare((len(noise), *noise.shape[2:]))
            if self._sampler is None or self._sampler.steps != tuple(steps):
                self._drop_sampler()
                self._sampler = SamplerMemory(
                    self._cuda, tuple(steps), noise.shape, 't' in self._tensors, self._evaluate
                )
            sampler = self._sampler
            self._memory['rgb'].upload(rgb[:1], self._stream)
            fov = np.full(len(noise), tan_half_vfov, np.float32)
            if 'tan_half_vfov' in self._memory:
                self._memory['tan_half_vfov'].upload(fov, self._stream)
            sampler.upload(noise, fresh, fov, self._stream)
            self._launch(sampler)
            codes = self._result(self._memory['z'])
            if sampler.graph is None:
                self._record(sampler)  # TensorRT requires a run before the capture
            return codes

    def device_seconds(self, launches: int) -> float:
        """Return the seconds of the last sampler on the device, mean over successive launches."""
        with self._lock, self._current():
            if self._sampler is None:
                raise BackendError('no sampler has run yet; call sample first')
            begin, end = self._cuda.Event(), self._cuda.Event()
            begin.record(self._stream)
            for _ in range(launches):
                self._launch(self._sampler)
            end.record(self._stream)
            end.synchronize()
            seconds = float(begin.time_till(end)) / 1e3 / launches
            del begin, end  # while the context is current: see `Memory`
            return seconds

    def memory_bytes(self) -> dict[str, int]:
        """Return the GPU memory by purpose."""
        held = [*self._memory.values(), *(self._sampler.memory if self._sampler else [])]
        if self._conditions is not None:
            held.append(self._conditions.memory)
        return {
            'scratch': self._scratch_bytes,
            'buffers': sum(m.host.nbytes for m in held),
        }

    def close(self) -> None:
        """Free everything; a second call does nothing, a later `run` raises `BackendError`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # After a GPU fault all of this fails, and the caller can do nothing about it.
            with suppress(BackendError), self._current():
                self._stream.synchronize()
                self._drop_memory()
                # The order matters: an execution context must not outlive its engine.
                del self._context, self._engine, self._kernel, self._module, self._stream

    def _prepare(self, shape: Shape) -> None:
        """Allocate for a picture size, once."""
        if self._closed:
            raise BackendError('this TensorRT backend is closed; load the estimator again')
        if shape == self._shape:
            return
        check_shape(shape, self._spec)
        self._drop_memory()
        # TensorRT removes inputs that a network does not use.
        read = [name for name in INPUTS if name in self._tensors]
        for name in {*read, 'rgb', 'z', OUTPUT}:
            self._memory[name] = Memory(self._cuda, tensor_shape(name, shape))
        for name in read:
            if not self._context.set_input_shape(name, tensor_shape(name, shape)):
                raise BackendError(f'TensorRT rejects shape {tensor_shape(name, shape)} of {name}')
        if self._evaluate is not None:
            self._conditions = Conditions(self._cuda, self._evaluate, shape[0])
        self._bind(OUTPUT, self._memory[OUTPUT].address)
        self._shape = shape

    def _bind_all(self, addresses: Mapping[str, int]) -> None:
        for name, address in addresses.items():
            self._bind(name, address)

    def _bind(self, name: str, address: int) -> None:
        if name in self._tensors and not self._context.set_tensor_address(name, address):
            raise BackendError(f'TensorRT rejects the address of {name}')

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise BackendError('TensorRT could not run the engine; its messages above say why')

    def _launch(self, sampler: SamplerMemory) -> None:
        if sampler.graph is not None:
            sampler.graph.launch()
        else:
            self._enqueue(sampler)

    def _enqueue(self, sampler: SamplerMemory) -> None:
        """Enqueue the whole sampler on the stream: the same calls whether recorded or not."""
        cuda, memory, stream = self._cuda, self._memory, self._stream
        picture = memory['rgb'].host[0].nbytes
        for index in range(1, len(memory['rgb'].host)):
            target = memory['rgb'].address + index * picture
            cuda.memcpy_dtod_async(target, memory['rgb'].address, picture, stream)
        z = memory['z']
        cuda.memcpy_dtod_async(z.address, sampler.start.address, z.host.nbytes, stream)
        for name in INPUTS:
            if name in memory:
                self._bind(name, memory[name].address)
        grid = (-(-z.host.size // sampler_ptx.THREADS), 1)
        for index, (step, noise) in enumerate(zip(sampler.steps, sampler.noise, strict=True)):
            self._bind_all(sampler.addresses(index))
            self._execute()
            self._kernel.prepared_async_call(
                grid,
                (sampler_ptx.THREADS, 1, 1),
                stream,
                z.address,
                memory[OUTPUT].address,
                # A step without noise multiplies by 0, so any finite array will do.
                (noise or sampler.start).address,
                *(float(c) for c in step.coefficients),
                z.host.size,
            )

    def _record(self, sampler: SamplerMemory) -> None:
        """Record the sampler as a CUDA graph, if enabled and possible."""
        if not self._use_graph or sampler.graph_failed:
            return
        try:
            sampler.graph = CudaGraph(self._stream.handle, lambda: self._enqueue(sampler))
            self._log(f'sampler of {len(sampler.steps)} steps recorded as a CUDA graph')
        except (BackendError, self._cuda.Error) as error:
            sampler.graph_failed = True
            self._log(f'no CUDA graph ({error}); the sampler is enqueued step by step')

    def _result(self, memory: Memory) -> Floats:
        self._cuda.memcpy_dtoh_async(memory.host, memory.address, self._stream)
        self._stream.synchronize()
        return memory.host.copy()

    def _drop_sampler(self) -> None:
        if self._sampler is not None:
            self._sampler.free()
            self._sampler = None

    def _drop_memory(self) -> None:
        self._drop_sampler()
        self._shape = None
        while self._memory:
            self._memory.popitem()[1].free()
        if self._conditions is not None:
            self._conditions.memory.free()
            self._conditions = None
