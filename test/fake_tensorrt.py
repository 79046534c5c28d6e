# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for TensorRT at its border: an engine is ONNX Runtime on `fake_gpu`'s memory.

A version has the names of ours that its Python bindings have (github.com/NVIDIA/TensorRT,
python/src) and no others: what it lacks is an AttributeError, as it would be.
"""

from __future__ import annotations

import enum
import importlib
import pickle
import sys
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from fake_gpu import Gpu, Library, driver

from dmd_ros.runtime import cuda_driver
from dmd_ros.runtime.backend import OUTPUT

BACKEND = 'dmd_ros.runtime.trt_backend'
# Names, each with the first version that has it and the first that has it no more.
_ALWAYS, _TO_10, _FROM_8_6 = ((8, 0), (99, 0)), ((8, 0), (11, 0)), ((8, 6), (99, 0))
_ENUMS = {
    'LayerType': {
        **dict.fromkeys(['CONSTANT', 'SHAPE', 'FILL', 'ELEMENTWISE'], _ALWAYS),
        **dict.fromkeys(['CAST', 'NORMALIZATION'], _FROM_8_6),
    },
    'BuilderFlag': {'TF32': _ALWAYS, 'FP16': _TO_10, 'PREFER_PRECISION_CONSTRAINTS': _TO_10},
    'MemoryPoolType': {'WORKSPACE': _ALWAYS},
    'NetworkDefinitionCreationFlag': {
        'EXPLICIT_BATCH': _TO_10,
        'STRONGLY_TYPED': ((9, 0), (99, 0)),
    },
    'TacticSource': {'EDGE_MASK_CONVOLUTIONS': _ALWAYS, 'JIT_CONVOLUTIONS': _ALWAYS},
}


class _Blob:
    """What TensorRT serialises: bytes() of it, and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data


class _Timings:
    def serialize(self) -> _Blob:
        return _Blob(b'timings')


class _Tensor:
    is_network_output = False

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Layer:
    """Of the version before 10: `told` is the type that it was told, if any."""

    num_outputs = 1
    told = ''

    def __init__(self, name: str, kind: Any, dtype: str) -> None:
        self.name, self.type, self._output = name, kind, _Tensor(dtype)
        self.precision = ''

    def get_output(self, _: int) -> _Tensor:
        return self._output

    def set_output_type(self, _: int, kind: str) -> None:
        assert kind == self.precision
        self.told = kind


class _Network:
    def __init__(self, trt: Any) -> None:
        self._trt, self.graph = trt, b''
        self._layers: list[_Layer] = []

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> _Layer:
        return self._layers[index]

    def read(self, graph: bytes) -> None:
        self.graph = graph
        proto = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
        types = {v.name: v.type.tensor_type.elem_type for v in proto.graph.value_info}
        for node in proto.graph.node:
            kinds = self._trt.LayerType
            kind = getattr(kinds, node.op_type.upper(), kinds.ELEMENTWISE)
            dtype = 'float32' if types.get(node.output[0]) == 1 else 'int64'
            self._layers.append(_Layer(node.name, kind, dtype))


class _Parser:
    num_errors = 2

    def __init__(self, network: _Network, _: Any) -> None:
        self._network = network

    def parse(self, graph: bytes) -> bool:
        if 'parse' in self._network._trt.gpu.error:
            return False
        self._network.read(graph)
        return True

    def get_error(self, index: int) -> str:
        return f'In node {index}:\nno such operator'


class _Config:
    def __init__(self, trt: Any) -> None:
        self._trt, self.profiles, self.builder_optimization_level = trt, [], 3
        self.flags = {trt.BuilderFlag.TF32}
        trt.configs.append(self)
        if trt.number >= (9, 0):
            self.progress_monitor: Any = None

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        assert pool == self._trt.MemoryPoolType.WORKSPACE and size > 0

    def set_tactic_sources(self, sources: int) -> bool:
        self.sources = sources
        return True

    def set_flag(self, flag: Any) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags.discard(flag)

    def add_optimization_profile(self, profile: Any) -> int:
        self.profiles.append(profile)
        return 0

    def create_timing_cache(self, data: bytes) -> _Timings | None:
        return _Timings() if data in (b'', b'timings') else None

    def set_timing_cache(self, cache: _Timings, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self) -> _Timings:
        return self.cache


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, smallest: Any, best: Any, largest: Any) -> None:
        assert all(a <= b <= c for a, b, c in zip(smallest, best, largest, strict=True))
        self.shapes[name] = smallest, best, largest


class _Builder:
    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def create_network(self, flags: int) -> _Network:
        kinds = self._trt.NetworkDefinitionCreationFlag
        wanted = 0
        if self._trt.number < (11, 0):
            strong = self._trt.number >= (10, 0)
            wanted = 1 << int(kinds.STRONGLY_TYPED if strong else kinds.EXPLICIT_BATCH)
        assert flags == wanted
        return _Network(self._trt)

    def create_builder_config(self) -> _Config:
        return _Config(self._trt)

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: _Network, config: _Config) -> _Blob | None:
        monitor = getattr(config, 'progress_monitor', None)
        if monitor is not None:
            monitor.phase_start('Building', None, 2)
            assert monitor.step_complete('Building', 0)
            monitor.phase_finish('Building')
        config.network = network  # type: ignore[attr-defined]
        if 'build' in self._trt.gpu.error:
            return None
        return _Blob(pickle.dumps((self._trt.__version__, network.graph)))


class _Engine:
    def __init__(self, trt: Any, graph: bytes) -> None:
        self.gpu = trt.gpu
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
        inputs = [i.name for i in self.session.get_inputs()]
        self.names = [*inputs, OUTPUT]
        self.num_io_tensors = len(self.names)
        if trt.number < (11, 0):
            self.device_memory_size = 3 << 20
        if trt.number >= (10, 1):
            self.device_memory_size_v2 = 3 << 20

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def create_execution_context(self) -> _ExecutionContext | None:
        return None if 'context' in self.gpu.error else _ExecutionContext(self)


class _ExecutionContext:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._at: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert name in self._engine.names
        self._at[name] = address
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert isinstance(stream_handle, int)
        gpu, shapes, at = self._engine.gpu, dict(self._shapes), dict(self._at)

        def view(name: str, shape: tuple[int, ...]) -> np.ndarray:
            return gpu.at(at[name], int(np.prod(shape))).reshape(shape)

        def work() -> None:
            feeds = {name: view(name, shape) for name, shape in shapes.items()}
            view(OUTPUT, shapes['z'])[:] = self._engine.session.run([OUTPUT], feeds)[0]

        gpu.enqueue(work)
        return True


class _Runtime:
    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        version, graph = pickle.loads(plan)
        return _Engine(self._trt, graph) if version == self._trt.__version__ else None


def tensorrt(gpu: Gpu, version: str) -> Any:
    """Return the module; its `configs` are what builders were given."""
    trt: Any = ModuleType('tensorrt')
    trt.__version__, trt.gpu, trt.configs = version, gpu, []
    trt.number = tuple(int(n) for n in version.split('.')[:2])
    for name, members in _ENUMS.items():
        there = [m for m, (first, end) in members.items() if first <= trt.number < end]
        setattr(trt, name, enum.IntEnum(name, there, start=0))  # type: ignore[misc]
    trt.Logger = type('Logger', (), {'WARNING': 1, '__init__': lambda self, level: None})
    trt.float16, trt.float32 = 'float16', 'float32'
    trt.init_libnvinfer_plugins = lambda logger, space: True

    def made(kind: type) -> Any:
        def make(_: Any) -> Any:
            if 'start' in gpu.error:  # what pybind11 makes of a factory that returns nothing
                raise TypeError('pybind11::init(): factory function returned nullptr')
            return kind(trt)

        return make

    trt.Builder, trt.Runtime, trt.OnnxParser = made(_Builder), made(_Runtime), _Parser
    if trt.number >= (9, 0):
        trt.IProgressMonitor = type('IProgressMonitor', (), {})
    return trt


def install(monkeypatch: pytest.MonkeyPatch, version: str) -> tuple[Gpu, Any]:
    """Put a GPU and a TensorRT into this process -> the GPU, `trt_backend` on them."""
    gpu = Gpu()
    pycuda: Any = ModuleType('pycuda')
    pycuda.driver = driver(gpu)
    for module in (pycuda, pycuda.driver, tensorrt(gpu, version)):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(cuda_driver, '_library', lambda: Library(gpu))
    monkeypatch.delitem(sys.modules, BACKEND, raising=False)
    monkeypatch.setitem(sys.modules, BACKEND, ModuleType('to be removed again'))
    del sys.modules[BACKEND]
    return gpu, importlib.import_module(BACKEND)
