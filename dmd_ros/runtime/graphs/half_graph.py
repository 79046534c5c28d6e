# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert a float32 ONNX denoiser to one whose heavy part works in fp16 or bf16.

TensorRT 11 takes the precision only from the graph, and older versions can, so it is written into
the graph. Time and field of view stay float32 up to their sine and cosine: in fp16, an angle of a
thousand radians has no fraction left. Increase `engine_file.RECIPE` when the output changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.graphs import (
    condition_graph,
    exact_layers,
    film_graph,
    norm_graph,
    skip_graph,
    static_graph,
)
from dmd_ros.runtime.graphs.nodes import replace_nodes
from dmd_ros.runtime.graphs.static_graph import Shapes
from dmd_ros.runtime.model_file import is_int8

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_TYPES = {'fp16': TensorProto.FLOAT16, 'bf16': TensorProto.BFLOAT16}


@dataclass(frozen=True)
class Graphs:
    """The graphs of an engine, as serialised ONNX.

    network: for TensorRT.
    conditions: computed on the host, see `condition_graph`; empty if there are none.
    half: names of the network's inputs that the conditions compute in fp16; a network that leaves
        types to TensorRT still declares them float32.
    """

    network: bytes
    conditions: bytes = b''
    half: frozenset[str] = frozenset()


def convert(
    model: Path, precision: str, *, plain_norms: bool = False, shapes: Shapes | None = None
) -> bytes:
    """Serialise `model` with its heavy part in `precision`; inputs and outputs stay float32.

    'fp32' changes no values: it only removes casts and identities after weights, because of which
    TensorRT 8.6 does not recognise them as weights.
    plain_norms: see `norm_graph`.
    shapes: of the inputs, for an engine of one size.
    Raises `BackendError` if the file cannot be read, is too large, in int8, or has control flow.
    """
    proto, sides = _read(model, shapes)
    return _finished(model, proto, sides, precision, plain_norms)


def convert_split(
    model: Path,
    precision: str,
    *,
    says_types: bool,
    plain_norms: bool,
    shapes: Shapes,
) -> Graphs:
    """Do the same as `convert`, but split off the conditions, which the host computes.

    says_types: the graph itself is in `precision`; otherwise it is float32, and the types are set
        in TensorRT later.
    Conditions that are read only by fp16 layers are fp16. (bf16 is unknown to NumPy: there, they
    are float32 and rounded by the network.)
    """
    proto, sides = _read(model, shapes)
    network, conditions = condition_graph.split(proto)
    if conditions is None:
        whole = precision if says_types else 'fp32'
        return Graphs(_finished(model, proto, sides, whole, plain_norms))
    crossing = {o.name for o in conditions.graph.output}
    half = crossing if precision == 'fp16' else set()
    if says_types:
        made = _finished(model, network, sides, precision, plain_norms, half)
        half = half & {i.name for i in network.graph.input if _kind(i) == TensorProto.FLOAT16}
    else:
        made = _finished(model, network, sides, 'fp32', plain_norms)
        exact = exact_layers.exact_names(made)
        half = half - {n for node in network.graph.node if node.name in exact for n in node.input}
    given = condition_graph.with_half(conditions, half).SerializeToString()
    return Graphs(made, given, frozenset(half))


def weights_bytes(model: Path, precision: str) -> int:
    """Return the bytes of a model's weights in `precision`, whatever their type in the file."""
    proto = _load(model, with_weights=False)
    floats = (i for i in proto.graph.initializer if i.data_type in _FLOATS)
    return sum(math.prod(i.dims) for i in floats) * (4 if precision == 'fp32' else 2)


def _load(model: Path, with_weights: bool = True) -> ModelProto:
    try:
        return onnx.load(str(model), load_external_data=with_weights)
    except Exception as error:  # the parser's classes share no base
        raise BackendError(f'{model} cannot be read as ONNX ({error}); export it again') from None


def _read(model: Path, shapes: Shapes | None) -> tuple[ModelProto, norm_graph.Sides]:
    """Load a model, specialised if `shapes` is set, and the dimensions of its tensors."""
    proto = _load(model)
    try:
        if shapes:
            proto = static_graph.specialise(proto, shapes)
        inferred = onnx.shape_inference.infer_shapes(proto)
    except Exception as error:  # the parser's and the checker's classes share no base
        raise BackendError(f'{model} cannot be read as ONNX ({error}); export it again') from None
    if any(a.type == AttributeProto.GRAPH for n in proto.graph.node for a in n.attribute):
        raise BackendError(f'{model} has control flow, unlike any denoiser; export it again')
    if is_int8(model):
        raise BackendError(
            f'{model} is in int8, for CPUs; use the float model that it was made from, or set '
            'backend to onnxruntime'
        )
    _constants_to_initializers(proto.graph, _float_tensors(inferred.graph))
    sides = _sides(inferred.graph)
    if shapes:
        film_graph.rewrite(proto.graph)
        skip_graph.rewrite(proto.graph, sides)
    del proto.metadata_props[:]
    return proto, sides


def _finished(
    model: Path,
    proto: ModelProto,
    sides: norm_graph.Sides,
    precision: str,
    plain_norms: bool,
    half: Iterable[str] = (),
) -> bytes:
    """Convert types and operators of a graph in place. half: inputs that may be half."""
    graph = proto.graph
    if precision != 'fp32':
        floats = _float_tensors(onnx.shape_inference.infer_shapes(proto).graph)
        _Converter(graph, floats, _TYPES[precision], half).run()
    if plain_norms:
        norm_graph.rewrite(graph, sides)
    for node in graph.node:
        node.name = node.name or node.output[0]
    try:
        return proto.SerializeToString()
    except Exception:  # the base of protobuf's error classes differs between versions
        raise BackendError(f'{model} is larger than 2 GiB in {precision}; use fp16') from None


def _float_tensors(graph: GraphProto) -> set[str]:
    """Return the names of all float32 tensors; tensors of unknown type are left out."""
    typed = [*graph.input, *graph.output, *graph.value_info]
    names = {v.name for v in typed if _kind(v) == TensorProto.FLOAT}
    return names | {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT}


def _kind(value: ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _constants_to_initializers(graph: GraphProto, floats: set[str]) -> None:
    """Turn constants, and weights behind an identity or an exporter's cast, into initializers.

    Casts from float32 to float32 are removed: TensorRT would keep each as a float32 layer.
    """
    alias: dict[str, str] = {}
    outputs = {o.name for o in graph.output}
    names = {i.name for i in graph.initializer}
    stored = {i.name: i for i in graph.initializer if i.data_type == TensorProto.FLOAT16}
    kept, made = [], []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = alias.get(name, name)
        same = _casts_to_float(node) and node.input[0] in floats
        if (node.op_type == 'Identity' and node.input[0] in names) or (
            same and node.output[0] not in outputs
        ):
            alias[node.output[0]] = node.input[0]
        elif node.op_type == 'Constant' and node.attribute[0].name == 'value':
            tensor = TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            made.append(tensor)
            names.add(tensor.name)
        elif _casts_to_float(node) and node.input[0] in stored:
            made.append(_converted(stored[node.input[0]], node.output[0], TensorProto.FLOAT))
            names.add(node.output[0])
        else:
            kept.append(node)
    replace_nodes(graph, kept, made)


def _casts_to_float(node: NodeProto) -> bool:
    return node.op_type == 'Cast' and node.attribute[0].i == TensorProto.FLOAT


def _sides(graph: GraphProto) -> norm_graph.Sides:
    values = [*graph.input, *graph.output, *graph.value_info]
    return {
        v.name: tuple(d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim)
        for v in values
    }


class _Converter:
    """Rewrites one graph in place."""

    def __init__(
        self,
        graph: GraphProto,
        floats: set[str],
        kind: int,
        half_inputs: Iterable[str],
    ) -> None:
        self.exact = exact_layers.exact_nodes(graph)
        self.graph, self.floats, self.kind = graph, floats, kind
        self.initializers = {i.name: i for i in graph.initializer}
        full = {n for i, node in enumerate(graph.node) if self._is_full(i) for n in node.input}
        self.is_half = set(half_inputs) - full  # tensors that now have the half type
        self.nodes: list[NodeProto] = []
        self.casts: dict[tuple[str, int], str] = {}
        self.extra: dict[str, TensorProto] = {}

    def run(self) -> None:
        for value in self.graph.input:
            if value.name in self.is_half:
                value.type.tensor_type.elem_type = self.kind
        outputs = {o.name for o in self.graph.output}
        for index, node in enumerate(self.graph.node):
            if self._is_full(index):
                self._feed(node, TensorProto.FLOAT)
                self.nodes.append(node)
            else:
                self._feed(node, self.kind)
                self._make_half(node, outputs)
        del self.graph.value_info[:]
        replace_nodes(self.graph, self.nodes, self.extra.values())

    def _is_full(self, index: int) -> bool:
        """Return whether a node keeps its types."""
        node = self.graph.node[index]
        # The type of these is an attribute: keep it, their readers cast.
        typed = node.op_type in ('Constant', 'ConstantOfShape', 'Cast')
        return index in self.exact or typed or not any(n in self.floats for n in node.output)

    def _feed(self, node: NodeProto, kind: int) -> None:
        """Convert all float inputs of the node to the type `kind`, with casts where needed."""
        for place, name in enumerate(node.input):
            # Scales and sizes of Resize must be float32 and int64 whatever the type of the data.
            if name not in self.floats or (node.op_type == 'Resize' and place > 0):
                continue
            has = self.kind if name in self.is_half else TensorProto.FLOAT
            if has != kind:
                node.input[place] = self._cast(name, kind)

    def _cast(self, name: str, kind: int) -> str:
        key = (name, kind)
        if key not in self.casts:
            cast = self.casts[key] = f'{name}__as_{TensorProto.DataType.Name(kind).lower()}'
            if name in self.initializers:
                self.extra[cast] = _converted(self.initializers[name], cast, kind)
            else:
                self.nodes.append(
                    helper.make_node('Cast', [name], [cast], name=f'{cast}/cast', to=kind)
                )
        return self.casts[key]

    def _make_half(self, node: NodeProto, outputs: set[str]) -> None:
        """Append a node with half outputs; outputs of the graph are cast back to float32."""
        self.nodes.append(node)
        for place, name in enumerate(node.output):
            if name not in self.floats:
                continue
            if name not in outputs:
                self.is_half.add(name)
                continue
            half = node.output[place] = f'{name}__half'
            self.nodes.append(
                helper.make_node('Cast', [half], [name], name=f'{half}/cast', to=TensorProto.FLOAT)
            )


def _converted(tensor: TensorProto, name: str, kind: int) -> TensorProto:
    numbers = numpy_helper.to_array(tensor)
    if kind == TensorProto.FLOAT:
        return numpy_helper.from_array(numbers.astype(np.float32), name)
    if kind == TensorProto.FLOAT16:
        limit = float(np.finfo(np.float16).max)
        return numpy_helper.from_array(np.clip(numbers, -limit, limit).astype(np.float16), name)
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32).astype(np.uint64)
    # Round to nearest even: bfloat16 is the upper half of a float32.
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    raw = rounded.tobytes()
    return helper.make_tensor(name, TensorProto.BFLOAT16, list(numbers.shape), raw, raw=True)
