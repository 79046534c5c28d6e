# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A float32 ONNX denoiser -> one whose heavy part works in fp16 or bf16.

TensorRT 11 takes the precision from the graph alone, and older versions may: so the graph says
it. Time and field of view stay float32 up to their sine and cosine: an angle of a thousand radians
has no fraction left in fp16. Raise `engine_file.RECIPE` when the graphs written here change.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from dmd_ros.runtime import film_graph, norm_graph, static_graph
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.static_graph import Shapes

_TYPES = {'fp16': TensorProto.FLOAT16, 'bf16': TensorProto.BFLOAT16}
# These keep float32, and so does everything that they are computed from.
_ROOTS = ('Sin', 'Cos')
# float32 by themselves: sums over many elements, and ranges beyond fp16.
_EXACT = ('Exp', 'Log', 'Pow', 'ReduceSum', 'ReduceMean', 'Range', 'CumSum')

# Where the middle of a network begins and ends: see `_first_nodes`, `_last_nodes`.
_HEAVY = ('Conv', 'Gemm', 'MatMul')


def convert(
    model: Path, precision: str, *, plain_norms: bool = False, shapes: Shapes | None = None
) -> bytes:
    """Serialise `model` with its heavy part in `precision`; inputs and outputs stay float32.

    'fp32' changes no number: weights only lose the casts and identities behind them, without which
    TensorRT 8.6 does not know them for weights. plain_norms: see `norm_graph`. shapes: of the
    inputs, for an engine of one size.
    Raises `BackendError` if the file cannot be read, is too large or has control flow.
    """
    try:
        proto = onnx.load(str(model))
        if shapes:
            proto = static_graph.specialise(proto, shapes)
        inferred = onnx.shape_inference.infer_shapes(proto)
    except Exception as error:  # the parser's and the checker's classes share no base
        raise BackendError(f'{model} cannot be read as ONNX ({error}); export it again') from None
    if any(a.type == AttributeProto.GRAPH for n in proto.graph.node for a in n.attribute):
        raise BackendError(f'{model} has control flow, which a denoiser has not; export it again')
    floats = _float_tensors(inferred.graph)
    _constants_to_initializers(proto.graph, floats)
    if shapes:
        film_graph.rewrite(proto.graph)
        floats = _float_tensors(onnx.shape_inference.infer_shapes(proto).graph)
    if precision != 'fp32':
        # TensorRT's parser knows no instance normalisation in bf16.
        half_norms = precision == 'fp16' and not plain_norms
        exact = _EXACT if half_norms else (*_EXACT, 'InstanceNormalization')
        _Converter(proto.graph, floats, _TYPES[precision], exact).run()
    if plain_norms:
        norm_graph.rewrite(proto.graph, _sides(inferred.graph))
    for node in proto.graph.node:
        node.name = node.name or node.output[0]
    del proto.metadata_props[:]
    try:
        return proto.SerializeToString()
    except Exception:  # protobuf's classes changed their base over the years
        raise BackendError(f'{model} is larger than 2 GiB in {precision}; use fp16') from None


def exact_names(graph: bytes) -> set[str]:
    """Names of the nodes that must work in float32, of a float32 graph made by `convert`."""
    nodes = onnx.load_from_string(graph).graph
    exact = exact_nodes(nodes) | _first_nodes(nodes) | _last_nodes(nodes)
    return {
        node.name
        for index, node in enumerate(nodes.node)
        if index in exact or norm_graph.EXACT in node.name
    }


def exact_nodes(graph: GraphProto, exact_types: tuple[str, ...] = _EXACT) -> set[int]:
    """Return indices of the nodes that keep float32: see `_ROOTS` and `_EXACT`."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    exact = {i for i, node in enumerate(graph.node) if node.op_type in exact_types}
    waiting = [i for i, node in enumerate(graph.node) if node.op_type in _ROOTS]
    while waiting:
        index = waiting.pop()
        exact.add(index)
        sources = (makers[name] for name in graph.node[index].input if name in makers)
        waiting += [s for s in sources if s not in exact]
    return exact


def _first_nodes(graph: GraphProto) -> set[int]:
    """Find the layers that read the noisy code, and what is computed for them.

    Noise in z is what the network is asked to find: rounded to fp16 it is wrong by a sixth of the
    allowed error.
    """
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    found: set[int] = set()
    waiting = ['z']
    while waiting:
        for index in readers.get(waiting.pop(), []):
            node = graph.node[index]
            if index in found or node.op_type == 'Shape':
                continue
            found.add(index)
            if not node.op_type.startswith(_HEAVY):
                waiting += node.output
    names = [(name, True) for index in found for name in graph.node[index].input]
    return found | _nodes_before(graph, names)


def _last_nodes(graph: GraphProto) -> set[int]:
    """Find the last convolution, what follows it, what is computed just before it, and from what.

    What is rounded there is depth itself: in fp16 it would cost half of the allowed error.
    """
    found = _nodes_before(graph, [(o.name, False) for o in graph.output])
    sources = {name for index in found for name in graph.node[index].input}
    convolutions = (i for i, node in enumerate(graph.node) if node.op_type == 'Conv')
    return found | {i for i in convolutions if graph.node[i].output[0] in sources}


def _nodes_before(graph: GraphProto, waiting: list[tuple[str, bool]]) -> set[int]:
    """Find what tensors are computed from, back to the heavy layers.

    waiting: names, each with whether a convolution lies behind it already; else the first one is
    passed.
    """
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    found: set[int] = set()
    while waiting:
        name, past = waiting.pop()
        index = makers.get(name)
        if index is None or index in found:
            continue
        node = graph.node[index]
        if past and node.op_type.startswith(_HEAVY):
            continue
        found.add(index)
        waiting += [(source, past or node.op_type == 'Conv') for source in node.input]
    return found


def _float_tensors(graph: GraphProto) -> set[str]:
    """Names of all float32 tensors; a node whose outputs nobody could type is left alone."""
    typed = [*graph.input, *graph.output, *graph.value_info]
    names = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return names | {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT}


def _constants_to_initializers(graph: GraphProto, floats: set[str]) -> None:
    """Turn constants, and weights behind an identity or an exporter's cast, into initializers.

    Casts of float32 to itself are left out: TensorRT keeps each as a layer that makes float32.
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
    static_graph.replace_nodes(graph, kept, made)


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
        self, graph: GraphProto, floats: set[str], kind: int, exact_types: tuple[str, ...]
    ) -> None:
        self.exact = exact_nodes(graph, exact_types) | _first_nodes(graph) | _last_nodes(graph)
        self.graph, self.floats, self.kind = graph, floats, kind
        self.initializers = {i.name: i for i in graph.initializer}
        self.is_half: set[str] = set()  # tensors that now have the half type
        self.nodes: list[NodeProto] = []
        self.casts: dict[tuple[str, int], str] = {}
        self.extra: dict[str, TensorProto] = {}

    def run(self) -> None:
        outputs = {o.name for o in self.graph.output}
        for index, node in enumerate(self.graph.node):
            makes_float = any(name in self.floats for name in node.output)
            # The type of these is an attribute: leave it, whoever reads them casts.
            typed = node.op_type in ('Constant', 'ConstantOfShape', 'Cast')
            if index in self.exact or not makes_float or typed:
                self._feed(node, TensorProto.FLOAT)
                self.nodes.append(node)
            else:
                self._feed(node, self.kind)
                self._make_half(node, outputs)
        del self.graph.value_info[:]
        static_graph.replace_nodes(self.graph, self.nodes, self.extra.values())

    def _feed(self, node: NodeProto, kind: int) -> None:
        """Give the node every float input in the type `kind`, through casts where needed."""
        for place, name in enumerate(node.input):
            # Scales and sizes of Resize must be float32 and int64 whatever the data is.
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
        """Append a node whose float outputs are half now; outputs of the graph are cast back."""
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
