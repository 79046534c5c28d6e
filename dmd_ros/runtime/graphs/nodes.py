# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for rewriting ONNX graphs: producers and readers of tensors, replacement of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnx import GraphProto, NodeProto, TensorProto


def makers(graph: GraphProto) -> dict[str, NodeProto]:
    """Map each tensor to the node that produces it; inputs and initializers have none."""
    return {name: node for node in graph.node for name in node.output}


def readers(graph: GraphProto) -> dict[str, list[NodeProto | None]]:
    """Map each tensor to the nodes that read it; None marks an output of the graph."""
    found: dict[str, list[NodeProto | None]] = {o.name: [None] for o in graph.output}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def needed(
    nodes: Sequence[NodeProto], wanted: Iterable[str], given: Iterable[str] = ()
) -> list[NodeProto]:
    """Return those of the (ordered) nodes that compute `wanted` from `given`."""
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
    """Replace the nodes of a graph; keep only initializers and `tensors` that are read."""
    nodes = list(nodes)
    used = {name for node in nodes for name in node.input} | {o.name for o in graph.output}
    kept = [i for i in [*graph.initializer, *tensors] if i.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
