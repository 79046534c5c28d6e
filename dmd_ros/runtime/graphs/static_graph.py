# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Specialise an ONNX graph for any picture size to one size, without shape computations.

A builder that knows every shape fuses more, and no shapes are computed at run time. Values that
depend only on the sizes become initializers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dmd_ros.runtime.graphs.nodes import replace_nodes

Shapes = Mapping[str, tuple[int, ...]]

# Larger constants are not stored, to keep picture-sized tensors out of the weights.
_MOST_NUMBERS = 1 << 20
# Each round infers more shapes from the constants of the previous round.
_MOST_ROUNDS = 20
_RANDOM = ('RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike')


def specialise(proto: ModelProto, shapes: Shapes) -> ModelProto:
    """Fix the inputs' shapes and fold values that depend only on them; weights are not changed."""
    proto = _with_inputs(proto, shapes)
    for _ in range(_MOST_ROUNDS):
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        known = _known_shapes(inferred.graph)
        if not _fold(proto, known):
            break
    for value in proto.graph.output:
        if value.name in known:
            _set_shape(value, known[value.name])
    return proto


def _with_inputs(proto: ModelProto, shapes: Shapes) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(proto)
    for value in copy.graph.input:
        if value.name in shapes:
            _set_shape(value, shapes[value.name])
    for value in copy.graph.output:
        value.type.tensor_type.ClearField('shape')  # old symbolic names would contradict the sizes
    del copy.graph.value_info[:]
    return copy


def _set_shape(value: Any, shape: tuple[int, ...]) -> None:
    fixed = helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape)
    value.CopyFrom(fixed)


def _known_shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors with all dimensions known."""
    known = {i.name: tuple(i.dims) for i in graph.initializer}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        tensor = value.type.tensor_type
        if tensor.HasField('shape') and all(d.HasField('dim_value') for d in tensor.shape.dim):
            known[value.name] = tuple(d.dim_value for d in tensor.shape.dim)
    return known


def _fold(proto: ModelProto, shapes: Shapes) -> bool:
    """Replace constant nodes by initializers; return whether there were any."""
    graph = proto.graph
    stored = {i.name: i for i in graph.initializer}
    values: dict[str, Any] = {}  # computed in this round
    outputs = {o.name for o in graph.output}
    kept: list[NodeProto] = []
    for node in graph.node:
        result = (
            None if outputs & set(node.output) else _value(proto, node, shapes, stored, values)
        )
        if result is None:
            kept.append(node)
        else:
            values |= dict(zip(node.output, result, strict=True))
    made = (numpy_helper.from_array(np.asarray(v), name) for name, v in values.items())
    replace_nodes(graph, kept, made)
    return bool(values)


def _value(
    proto: ModelProto,
    node: NodeProto,
    shapes: Shapes,
    stored: Mapping[str, TensorProto],
    values: Mapping[str, Any],
) -> list[Any] | None:
    """Return the outputs of a constant node; None if it is not constant, or too large."""
    if node.op_type == 'Shape' and not node.attribute and node.input[0] in shapes:
        return [np.array(shapes[node.input[0]], np.int64)]
    names = [name for name in node.input if name]
    if node.op_type in _RANDOM or any(n not in stored and n not in values for n in names):
        return None
    # Nodes that read only weights are handled by the converter.
    if names and not any(n in values or stored[n].data_type == TensorProto.INT64 for n in names):
        return None
    feeds = {n: values[n] if n in values else numpy_helper.to_array(stored[n]) for n in names}
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], 'one', inputs, outputs)
    single = helper.make_model(graph, opset_imports=proto.opset_import, ir_version=8)
    result = [np.asarray(v) for v in ReferenceEvaluator(single).run(None, feeds)]
    return result if all(v.size <= _MOST_NUMBERS for v in result) else None
