# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replace a linear layer that is sliced into scale and shift by a 1x1 convolution for each.

A block that is conditioned on an embedding [B, E] gets its scale and shift [B, C, 1, 1] as

    Gemm [B, 2 C] -> Unsqueeze -> Unsqueeze -> Slice [B, C, 1, 1] -> Add 1
                                            -> Slice [B, C, 1, 1]

TensorRT before 10 runs five or more kernels for this, and a network has a dozen such blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, helper, numpy_helper

from dmd_ros.runtime.graphs.nodes import readers, replace_nodes


def rewrite(graph: GraphProto) -> None:
    """Rewrite every such layer with constant slices, as in a graph of one size."""
    film = _Film(graph)
    for node in graph.node:
        if node.op_type == 'Gemm':
            film.take(node)
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes += film.made.get(node.output[0], [node])
    replace_nodes(graph, nodes, film.tensors)


class _Film:
    """made: for each tensor, the nodes that replace its node. tensors: their initializers."""

    def __init__(self, graph: GraphProto) -> None:
        self.stored = {i.name: i for i in graph.initializer}
        self.readers = readers(graph)
        self.made: dict[str, list[NodeProto]] = {}
        self.tensors: list[Any] = []

    def take(self, gemm: NodeProto) -> None:
        """Replace a linear layer and the slices of its output, if only slices read it."""
        options = {a.name: helper.get_attribute_value(a) for a in gemm.attribute}
        known = len(gemm.input) == 3 and all(name in self.stored for name in gemm.input[1:])
        if not known or not options.pop('transB', 0) or any(v != 1.0 for v in options.values()):
            return
        first = self._only(gemm.output[0], 'Unsqueeze')
        second = self._only(first.output[0], 'Unsqueeze') if first else None
        if first is None or second is None:
            return
        cuts = [(node, self._channels(node)) for node in self.readers.get(second.output[0], [])]
        if any(channels is None for _, channels in cuts):
            return
        pixel = f'{gemm.output[0]}/pixel'
        shape = self._store(np.array([0, -1, 1, 1], np.int64), f'{pixel}/shape')
        self.made[gemm.output[0]] = [
            helper.make_node('Reshape', [gemm.input[0], shape], [pixel], name=pixel)
        ]
        self.made[first.output[0]] = self.made[second.output[0]] = []
        weights, bias = (numpy_helper.to_array(self.stored[name]) for name in gemm.input[1:])
        for node, channels in cuts:
            assert node is not None
            self._convolve(node, pixel, weights[channels], bias[channels])

    def _convolve(
        self, cut: NodeProto, pixel: str, weights: NDArray[Any], bias: NDArray[Any]
    ) -> None:
        """Replace a slice by a convolution [C, E, 1, 1], with a constant added to it as bias."""
        out = cut.output[0]
        added = self._only(out, 'Add')
        if added is not None:
            numbers = [n for n in added.input if n in self.stored and self._values(n).size == 1]
            if numbers:
                bias = bias + self._values(numbers[0]).reshape(1)
                out, self.made[added.output[0]] = added.output[0], []
        names = [
            self._store(weights[:, :, None, None], f'{out}/weights'),
            self._store(bias, f'{out}/bias'),
        ]
        node = helper.make_node('Conv', [pixel, *names], [out], name=out, kernel_shape=[1, 1])
        self.made[cut.output[0]] = [node]

    def _only(self, name: str, op_type: str) -> NodeProto | None:
        """Return the only reader of a tensor, if it has that type, else None."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and found[0] and found[0].op_type == op_type else None

    def _channels(self, node: NodeProto | None) -> slice | None:
        """Return the range of axis 1 that a node slices; None if it is not such a slice."""
        if node is None or node.op_type != 'Slice' or len(node.input) < 4:
            return None
        if any(n not in self.stored or self._values(n).size != 1 for n in node.input[1:]):
            return None
        start, end, axis, *step = (int(self._values(n).item()) for n in node.input[1:])
        return slice(start, end) if axis == 1 and step in ([], [1]) else None

    def _values(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self.stored[name])

    def _store(self, numbers: NDArray[Any], name: str) -> str:
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(numbers), name))
        return name
