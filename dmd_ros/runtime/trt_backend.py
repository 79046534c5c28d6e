# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT on CUDA: build, load and run engines. Only this file imports tensorrt and pycuda.

`trt_versions` knows the differences between versions, `engine_store` selects the engine, `proof`
verifies it, `sampler_plan` defines the sampler's arithmetic.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt

from dmd_ros.core.contract import Contract
from dmd_ros.runtime import engine_file, trt_types, trt_versions
from dmd_ros.runtime.backend import INPUTS, OUTPUT, Feeds, Floats, Outputs
from dmd_ros.runtime.build_progress import BuildProgress
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.engine_store import Log, Machine, advice, driver_major
from dmd_ros.runtime.errors import BackendError, NotBuiltError, RefusedError, StaleError
from dmd_ros.runtime.graphs import exact_layers, half_graph
from dmd_ros.runtime.sampler_plan import linear_steps
from dmd_ros.runtime.trt_memory import Evaluate
from dmd_ros.runtime.trt_session import Session, tensor_shape

# TensorRT keeps a pointer to its logger as long as any of its objects exists.
_LOGGER = trt.Logger(trt.Logger.WARNING)
_DRIVER = Path('/proc/driver/nvidia/version')
_MIB = 1 << 20

# The primary context of each GPU, which the CUDA runtime (torch, ONNX Runtime) uses, too. Retained
# once and never released: pycuda releases a context only in the thread that created it.
_contexts: dict[int, Any] = {}
_contexts_lock = threading.Lock()


def version() -> str:
    """Return the version of TensorRT."""
    return str(trt.__version__)


def machine(gpu: int) -> Machine:
    """Return the properties that engines for this GPU depend on; `BackendError` without a GPU."""
    device = _device(gpu)
    major, minor = device.compute_capability()
    text = _DRIVER.read_text() if _DRIVER.is_file() else None
    driver = driver_major(text, int(cuda.get_driver_version()))
    return Machine(version(), device.name(), f'{major}.{minor}', driver)


def _device(gpu: int) -> Any:
    try:
        cuda.init()
        count = cuda.Device.count()
    except cuda.Error as error:
        raise BackendError(f'CUDA cannot start ({error}); check nvidia-smi') from None
    if not 0 <= gpu < count:
        raise BackendError(f'there is no GPU {gpu}; this machine has {count}')
    return cuda.Device(gpu)


@contextlib.contextmanager
def _current(gpu: int) -> Iterator[None]:
    """Make the GPU's context current in this thread, for the duration of the `with` block."""
    try:
        with _contexts_lock:
            if gpu not in _contexts:
                _contexts[gpu] = _device(gpu).retain_primary_context()
        _contexts[gpu].push()
        try:
            yield
        finally:
            cuda.Context.pop()
    except cuda.Error as error:
        raise BackendError(f'CUDA failed on GPU {gpu}: {error}') from error


def _started(kind: Any) -> Any:
    """Create TensorRT's builder or runtime; raises `BackendError` if its CUDA cannot start."""
    try:
        return kind(_LOGGER)
    except TypeError as error:  # pybind11's error for a factory that returned a null pointer
        raise BackendError(
            f'TensorRT {version()} cannot start ({error}): its own messages above say why; often '
            'the driver is too old for it (update it), or a part of TensorRT is missing'
        ) from None


def build_plan(
    model: Path, spec: EngineSpec, gpu: int, timing_cache: Path, log: Log
) -> tuple[bytes, bytes]:
    """Compile the model for `spec` on this GPU -> plan, conditions (`Graphs`); takes minutes.

    Raises `NotBuiltError` if TensorRT cannot build it, perhaps only in this precision; otherwise
    `BackendError`.
    """
    spoken = trt_versions.dialect(version())
    trt.init_libnvinfer_plugins(_LOGGER, '')
    with _current(gpu), BuildProgress(log) as progress:
        builder = _started(trt.Builder)
        network = builder.create_network(_network_flags(spoken))
        graphs = _graphs(model, spec, spoken)
        _parse(network, graphs.network, model)
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, spec.workspace_mib * _MIB)
        if spoken.own_tactics_only:
            sources = trt.TacticSource.EDGE_MASK_CONVOLUTIONS, trt.TacticSource.JIT_CONVOLUTIONS
            config.set_tactic_sources(sum(1 << int(source) for source in sources))
        config.builder_optimization_level = spec.optimization_level
        # TF32 has only the ten fraction bits of fp16: too few for an fp32 engine, and for the
        # layers that must keep float32 in an fp16 engine.
        config.clear_flag(trt.BuilderFlag.TF32)
        if spec.precision != 'fp32' and not spoken.strong_types:
            config.set_flag(trt.BuilderFlag.FP16)
            config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
            trt_types.tell_layers(trt, network, exact_layers.exact_names(graphs.network))
            trt_types.tell_inputs(trt, network, graphs.half)
        config.add_optimization_profile(_profile(builder, network, spec))
        _load_timing_cache(config, timing_cache)
        if spoken.progress_monitor:
            monitor = _monitor(progress)  # must outlive the build
            config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise NotBuiltError(
                f'TensorRT {version()} could not build {model} for {spec.shape_text}, '
                f'{spec.precision}; its own messages say why. {advice(spec)}'
            )
        _keep_timing_cache(config, timing_cache, log)
        return bytes(plan), graphs.conditions


def _network_flags(spoken: trt_versions.Dialect) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    if spoken.explicit_batch_flag:
        return 1 << int(flags.EXPLICIT_BATCH)
    return 1 << int(flags.STRONGLY_TYPED) if spoken.typed_flag else 0


def _parse(network: Any, graph: bytes, model: Path) -> None:
    parser = trt.OnnxParser(network, _LOGGER)
    if not parser.parse(graph):
        errors = '; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise NotBuiltError(f'TensorRT {version()} cannot read {model}: {errors}')


def _graphs(model: Path, spec: EngineSpec, spoken: trt_versions.Dialect) -> half_graph.Graphs:
    """Return the ONNX graphs for this version, with types only if the version uses them."""
    if spec.is_static:  # fixed shapes, and conditions computed on the host
        return half_graph.convert_split(
            model,
            spec.precision,
            says_types=spoken.strong_types,
            plain_norms=spoken.plain_norms,
            shapes={name: tensor_shape(name, (spec.batch, *spec.best)) for name in INPUTS},
        )
    precision = spec.precision if spoken.strong_types else 'fp32'
    return half_graph.Graphs(half_graph.convert(model, precision, plain_norms=spoken.plain_norms))


def _profile(builder: Any, network: Any, spec: EngineSpec) -> Any:
    """Return the sizes of pictures, t and tan_half_vfov; conditions have one fixed size."""
    profile = builder.create_optimization_profile()
    there = {network.get_input(index).name for index in range(network.num_inputs)}
    for name in (name for name in INPUTS if name in there):
        sizes = (spec.smallest, spec.best, spec.largest)
        shapes = [tensor_shape(name, (spec.batch, *size)) for size in sizes]
        profile.set_shape(name, *shapes)
    return profile


def _load_timing_cache(config: Any, path: Path) -> None:
    """Load the kernel timings of earlier builds; start empty if they do not match."""
    kept = b''
    with contextlib.suppress(OSError):
        kept = path.read_bytes()
    for old in (kept, b''):
        cache = config.create_timing_cache(old)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return


def _keep_timing_cache(config: Any, path: Path, log: Log) -> None:
    """Store the kernel timings; a failure is only logged, because the build took minutes."""
    cache = config.get_timing_cache()
    if cache is None:  # TensorRT accepted none, not even an empty one
        return
    try:
        engine_file.write_atomic(path, bytes(cache.serialize()))
    except OSError as error:
        log(f'kernel timings cannot be stored for the next build ({error})')


def _monitor(progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # pybind11 requires the explicit call

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.step(phase_name, step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()


def _evaluator(conditions: bytes, engine: Any) -> Evaluate:
    """Load the conditions of an engine; `RefusedError` if the engine expects other types.

    TensorRT would read past the end of a tensor. A rebuild would not help; another precision may.
    """
    from dmd_ros.runtime.ort_backend import OrtConditions

    evaluate = OrtConditions(conditions)
    kinds = {np.dtype(np.float32): trt.float32, np.dtype(np.float16): trt.float16}
    there = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
    for name, kind in evaluate.kinds.items():
        if name in there and engine.get_tensor_dtype(name) != kinds[kind]:
            raise RefusedError(f'TensorRT does not accept {name} in {kind}, although specified')
    return evaluate


class TrtBackend:
    """A denoiser on TensorRT; also runs the sampler, as one CUDA graph per frame.

    plan, conditions: from `build_plan` for `spec`.
    use_graph: False enqueues step by step, for comparison.
    May be used and closed from any thread; several backends may be closed in any order.
    """

    name = 'tensorrt'

    def __init__(
        self,
        plan: bytes,
        conditions: bytes,
        spec: EngineSpec,
        contract: Contract,
        gpu: int,
        log: Log,
        use_graph: bool = True,
    ) -> None:
        """Load the engine on the GPU.

        Raises `StaleError` if TensorRT rejects it, `RefusedError` for wrong types, otherwise
        `BackendError`.
        """
        self.contract, self.device, self.precision = contract, f'cuda:{gpu}', spec.precision
        self.fixed_samples = spec.batch
        self._weights_bytes = len(plan)
        spoken = trt_versions.dialect(version())
        with _current(gpu):
            self._runtime = _started(trt.Runtime)
            free = cuda.mem_get_info()[0]
            engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None and free < len(plan):  # a rebuild would need memory, too
            raise BackendError(
                f'not enough memory on GPU {gpu}: {free // _MIB} MiB are free, but the weights of '
                f'the engine alone take {len(plan) // _MIB} MiB; stop other users of the GPU'
            )
        if engine is None:
            raise StaleError('TensorRT does not accept the engine')
        evaluate = _evaluator(conditions, engine) if conditions else None
        scratch = int(getattr(engine, spoken.memory_attribute))
        self._session = Session(
            cuda, engine, spec, lambda: _current(gpu), scratch, log, use_graph, evaluate
        )
        del engine
        # Runs at interpreter exit at the latest, while CUDA still works.
        self._finalizer = weakref.finalize(self, self._session.close)

    @property
    def memory_bytes(self) -> dict[str, int]:
        """GPU memory by purpose: 'weights', 'scratch', 'buffers'."""
        return {'weights': self._weights_bytes, **self._session.memory_bytes()}

    def run(self, feeds: Feeds) -> Outputs:
        """Evaluate the network once."""
        return {OUTPUT: self._session.run(feeds)}

    def sample(
        self,
        rgb: Floats,
        tan_half_vfov: float,
        noise: Floats,
        fresh_noise: Iterator[Floats],
        times: Sequence[float],
        sampler: str,
    ) -> Floats:
        """Run the sampler on the device; see `SamplerBackend`."""
        steps = linear_steps(self.contract.parameterisation, times, sampler)
        fresh = [next(fresh_noise) if step.z_n else None for step in steps]
        return self._session.sample(rgb, tan_half_vfov, noise, fresh, steps)

    def device_seconds(self, launches: int = 100) -> float:
        """Return the seconds of the last `sample` on the device, without copies."""
        return self._session.device_seconds(launches)

    def close(self) -> None:
        """Free everything on the GPU; may be called twice."""
        self._finalizer()
