# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all that rewrite an ONNX graph ask of it: who makes a tensor, who reads it, other nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnx import GraphProto, NodeProto, TensorProto


def makers(graph: GraphProto) -> dict[str, NodeProto]:
    """Say which node makes each tensor; inputs and initializers are made by none."""
    return {name: node for node in graph.node for name in node.output}


def readers(graph: GraphProto) -> dict[str, list[NodeProto | None]]:
    """Say which nodes read each tensor; None stands for who takes it as an output."""
    found: dict[str, list[NodeProto | None]] = {o.name: [None] for o in graph.output}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def needed(
    nodes: Sequence[NodeProto], wanted: Iterable[str], given: Iterable[str] = ()
) -> list[NodeProto]:
    """Choose, of nodes in order, those that make `wanted` from what is `given`."""
    wanted, given = set(wanted), set(given)
    found: list[NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output) and not given & set(node.output):
            wanted |= set(node.input)
            found.append(node)
    return found[::-1]


def replace_nodes(
    graph: GraphProto, nodes: Iterable[NodeProto], tensors: Iterable[TensorProto] = ()
) -> None:
    """Put other nodes into a graph; of its initializers and `tensors`, those that are read."""
    nodes = list(nodes)
    used = {name for node in nodes for name in node.input} | {o.name for o in graph.output}
    kept = [i for i in [*graph.initializer, *tensors] if i.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
