# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for TensorRT's API: an engine is ONNX Runtime on the memory of `fake_gpu`.

Of the names that we use, a version has only those in its Python bindings
(github.com/NVIDIA/TensorRT, python/src); others raise an AttributeError, as in the real module.
"""

from __future__ import annotations

import enum
import importlib
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from fake_gpu import Gpu, Library, driver
from onnx import TensorProto, helper, numpy_helper

from dmd_ros.runtime import cuda_driver
from dmd_ros.runtime.backend import OUTPUT

BACKEND = 'dmd_ros.runtime.trt_backend'
# Names, each with the first version that has it and the first that no longer has it.
_ALWAYS, _TO_10, _FROM_8_6 = ((8, 0), (99, 0)), ((8, 0), (11, 0)), ((8, 6), (99, 0))
_ENUMS = {
    'LayerType': {
        **dict.fromkeys(['CONSTANT', 'SHAPE', 'FILL', 'ELEMENTWISE'], _ALWAYS),
        **dict.fromkeys(['CAST', 'NORMALIZATION'], _FROM_8_6),
    },
    'BuilderFlag': {'TF32': _ALWAYS, 'FP16': _TO_10, 'PREFER_PRECISION_CONSTRAINTS': _TO_10},
    'MemoryPoolType': {'WORKSPACE': _ALWAYS},
    'TensorFormat': {'LINEAR': _ALWAYS, 'HWC8': _ALWAYS},
    'NetworkDefinitionCreationFlag': {
        'EXPLICIT_BATCH': _TO_10,
        'STRONGLY_TYPED': ((9, 0), (99, 0)),
    },
    'TacticSource': {'EDGE_MASK_CONVOLUTIONS': _ALWAYS, 'JIT_CONVOLUTIONS': _ALWAYS},
}


_TYPES = {TensorProto.FLOAT: 'float32', TensorProto.FLOAT16: 'float16'}


class _Blob:
    """A serialised object of TensorRT, which supports only bytes()."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data


class _Timings:
    def serialize(self) -> _Blob:
        return _Blob(b'timings')


class _Tensor:
    is_network_output = False

    def __init__(self, dtype: str, name: str = '', shape: tuple[int, ...] = ()) -> None:
        self.dtype, self.name, self.shape, self.allowed_formats = dtype, name, shape, 1


class _Layer:
    """A layer before version 10: `told` is the type that was set, if any."""

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
        self.inputs: list[_Tensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> _Tensor:
        return self.inputs[index]

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> _Layer:
        return self._layers[index]

    def read(self, graph: bytes) -> None:
        self.graph = graph
        proto = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
        for value in proto.graph.input:
            tensor = value.type.tensor_type
            sides = tuple(side.dim_value or -1 for side in tensor.shape.dim)
            self.inputs.append(_Tensor(_TYPES[tensor.elem_type], value.name, sides))
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
        self.cache: _Timings | None = None
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
        known = data in (b'', b'timings') and 'timings' not in self._trt.gpu.error
        return _Timings() if known else None

    def set_timing_cache(self, cache: _Timings, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self) -> _Timings | None:
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
        half = any(flag.name == 'FP16' for flag in config.flags)
        if 'build' in self._trt.gpu.error or (half and 'build half' in self._trt.gpu.error):
            return None
        for tensor in network.inputs:
            self._check(tensor, network, config)
        if 'types' in self._trt.gpu.error:  # a builder that does not do as it is told
            network.inputs[-1].dtype = self._trt.gpu.error['types']
        types = {tensor.name: tensor.dtype for tensor in network.inputs}
        return _Blob(pickle.dumps((self._trt.__version__, network.graph, types)))

    def _check(self, tensor: _Tensor, network: _Network, config: _Config) -> None:
        """Return whether an input has a known size, an allowed type and our memory layout."""
        sized = tensor.name in config.profiles[0].shapes
        assert sized or all(side > 0 for side in tensor.shape), tensor.name
        formats = self._trt.TensorFormat
        if tensor.allowed_formats != 1 << int(formats.LINEAR):
            assert self._trt.number < (10, 0) and config.flags >= {self._trt.BuilderFlag.FP16}
            assert tensor.dtype == 'float16'
            channels, *sides = tensor.shape[1:]
            assert sides == [1, 1] and channels % 8 == 0
            assert tensor.allowed_formats == 1 << int(formats.LINEAR) | 1 << int(formats.HWC8)


class _Engine:
    def __init__(self, trt: Any, graph: bytes, types: dict[str, str]) -> None:
        self.gpu, self.types = trt.gpu, types
        graph = _without_group_norms(graph)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.names = [*self.inputs, OUTPUT]
        self.num_io_tensors = len(self.names)
        if trt.number < (11, 0):
            self.device_memory_size = 3 << 20
        if trt.number >= (10, 1):
            self.device_memory_size_v2 = 3 << 20

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_dtype(self, name: str) -> str:
        assert name in self.names
        return self.types[name]

    def create_execution_context(self) -> _ExecutionContext | None:
        return None if 'context' in self.gpu.error else _ExecutionContext(self)


class _ExecutionContext:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._at: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name in self._engine.inputs
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert name in self._engine.names and address % 256 == 0
        self._at[name] = address
        return 'address' not in self._engine.gpu.error

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert isinstance(stream_handle, int)
        engine, gpu, at = self._engine, self._engine.gpu, dict(self._at)
        shapes = {n: tuple(i.shape) for n, i in engine.inputs.items()} | self._shapes

        def view(name: str, shape: tuple[int, ...], kind: str = 'float32') -> np.ndarray:
            return gpu.at(at[name], int(np.prod(shape)), kind).reshape(shape)

        def work() -> None:
            feeds = {}
            for name, shape in shapes.items():
                wanted = np.float16 if 'float16' in engine.inputs[name].type else np.float32
                feeds[name] = view(name, shape, engine.types[name]).astype(wanted)
            view(OUTPUT, shapes['z'])[:] = engine.session.run([OUTPUT], feeds)[0]

        gpu.enqueue(work)
        return True


class _Runtime:
    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        if 'memory' in self._trt.gpu.error:
            return None
        version, graph, types = pickle.loads(plan)
        return _Engine(self._trt, graph, types) if version == self._trt.__version__ else None


def _without_group_norms(graph: bytes) -> bytes:
    """Write group normalisation in operators of opset 17: ONNX Runtime checks the version."""
    proto = onnx.load_from_string(graph)
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    for node in nodes:
        if node.op_type != 'GroupNormalization':
            proto.graph.node.append(node)
            continue
        x, out = node.input[0], node.output[0]
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        cut = np.array([0, options.pop('num_groups'), -1])
        proto.graph.initializer.append(numpy_helper.from_array(cut, f'{out}/cut'))
        for kind, names, made, more in (
            ('Reshape', [x, f'{out}/cut'], f'{out}/groups', {}),
            ('InstanceNormalization', [f'{out}/groups', *node.input[1:]], f'{out}/even', options),
            ('Shape', [x], f'{out}/sides', {}),
            ('Reshape', [f'{out}/even', f'{out}/sides'], out, {}),
        ):
            proto.graph.node.append(helper.make_node(kind, names, [made], **more))
    return proto.SerializeToString()


def tensorrt(gpu: Gpu, version: str) -> Any:
    """Return the module; its `configs` are those passed to builders."""
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


def everywhere(folder: Path, version: str, more: str = '') -> dict[str, str]:
    """Return an environment in which Python starts with these stand-ins and the code `more`."""
    (folder / 'sitecustomize.py').write_text(_START.format(version=version) + more)
    here = Path(__file__).parent
    paths = [str(folder), str(here), str(here.parent), *sys.path]
    return os.environ | {'PYTHONPATH': os.pathsep.join(paths)}


_START = """
import fake_tensorrt, pytest
gpu, _ = fake_tensorrt.install(pytest.MonkeyPatch(), {version!r})
"""


def install(monkeypatch: pytest.MonkeyPatch, version: str) -> tuple[Gpu, Any]:
    """Install a GPU and a TensorRT in this process -> the GPU, `trt_backend` using them."""
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
