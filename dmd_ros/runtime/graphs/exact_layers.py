# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selects the layers of a denoiser that keep float32 while the others use fp16 or bf16."""

from __future__ import annotations

import onnx
from onnx import GraphProto

from dmd_ros.runtime.graphs import norm_graph

# These keep float32, and so does everything that they depend on.
_ROOTS = ('Sin', 'Cos')
# These keep float32, but not their inputs: sums over many elements, and ranges beyond fp16. If the
# graph specifies the types, a normalisation sums in the type of its input (NvInfer.h,
# setComputePrecision).
TYPES = (
    *('Exp', 'Log', 'Pow', 'ReduceSum', 'ReduceMean', 'Range', 'CumSum'),
    'InstanceNormalization',
)

# Layers that delimit the middle of a network: see `_first_nodes`, `_last_nodes`.
_HEAVY = ('Conv', 'Gemm', 'MatMul')


def exact_names(graph: bytes) -> set[str]:
    """Return the names of the nodes in a float32 graph of `half_graph` that must keep float32."""
    nodes = onnx.load_from_string(graph).graph
    exact = exact_nodes(nodes)
    return {
        node.name
        for index, node in enumerate(nodes.node)
        if index in exact or norm_graph.EXACT in node.name
    }


def exact_nodes(graph: GraphProto) -> set[int]:
    """Return the indices of the nodes that keep float32."""
    return _angles(graph) | _first_nodes(graph) | _last_nodes(graph)


def _angles(graph: GraphProto) -> set[int]:
    """Find the nodes of `TYPES`, and the nodes of `_ROOTS` with everything they depend on."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    exact = {i for i, node in enumerate(graph.node) if node.op_type in TYPES}
    waiting = [i for i, node in enumerate(graph.node) if node.op_type in _ROOTS]
    while waiting:
        index = waiting.pop()
        exact.add(index)
        sources = (makers[name] for name in graph.node[index].input if name in makers)
        waiting += [s for s in sources if s not in exact]
    return exact


def _first_nodes(graph: GraphProto) -> set[int]:
    """Find the layers that read the noisy code, and the nodes that compute their other inputs.

    The network must estimate the noise in z: rounding z to fp16 would cost a sixth of the allowed
    error.
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
    """Find the last convolution, the nodes after and just before it, and the convolutions before.

    Rounding there affects depth directly: in fp16 it would cost half of the allowed error.
    """
    found = _nodes_before(graph, [(o.name, False) for o in graph.output])
    sources = {name for index in found for name in graph.node[index].input}
    convolutions = (i for i, node in enumerate(graph.node) if node.op_type == 'Conv')
    return found | {i for i in convolutions if graph.node[i].output[0] in sources}


def _nodes_before(graph: GraphProto, waiting: list[tuple[str, bool]]) -> set[int]:
    """Find the nodes that tensors are computed from, back to the heavy layers.

    waiting: names, each with whether a convolution has been passed on the way back; if not, the
    first convolution is included.
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
