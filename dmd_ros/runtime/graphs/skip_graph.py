# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Remove the constant factor of a skip connection before its concatenation.

    Concat(h, skip * k) -> normalisation over groups of channels
                        -> convolution

A normalisation is invariant to the scale of a whole group (up to its epsilon, far below rounding
errors), and a convolution can include k in its weights. This saves a pass over the skip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, helper, numpy_helper

from dmd_ros.runtime.graphs.nodes import makers, readers, replace_nodes
from dmd_ros.runtime.graphs.norm_graph import Sides

# Smaller factors are kept: there, the epsilon of a norm would matter.
_SMALLEST = 0.1


def rewrite(graph: GraphProto, sides: Sides) -> None:
    """Rewrite every concatenation of scaled tensors that is read only by such layers.

    sides: of the concatenated tensors and of the result.
    """
    skips = _Skips(graph, sides)
    for node in graph.node:
        if node.op_type == 'Concat':
            skips.take(node)
    nodes = [node for node in graph.node if node.output[0] not in skips.gone]
    replace_nodes(graph, nodes, skips.tensors)


class _Skips:
    """gone: products that are no longer read. tensors: new weights."""

    def __init__(self, graph: GraphProto, sides: Sides) -> None:
        self.stored = {i.name: i for i in graph.initializer}
        self.readers = readers(graph)
        self.makers = makers(graph)
        self.sides = sides
        self.gone: set[str] = set()
        self.tensors: list[Any] = []

    def take(self, concat: NodeProto) -> None:
        """Remove the factors of the concatenated tensors, if all readers allow that."""
        if [helper.get_attribute_value(a) for a in concat.attribute] != [1]:
            return
        widths = [self._channels(name) for name in concat.input]
        factors = [self._factor(name) for name in concat.input]
        if 0 in widths or all(found is None for found in factors):
            return
        by = [1.0 if found is None else found[1] for found in factors]
        read_by = self.readers.get(concat.output[0], [None])
        if not all(self._allows(reader, concat.output[0], widths) for reader in read_by):
            return
        scale = np.repeat(np.array(by, np.float32), widths)
        for reader in read_by:
            if reader is not None and reader.op_type == 'Conv':
                self._scale(reader, scale)
        for place, found in enumerate(factors):
            if found is not None:
                self.gone.add(concat.input[place])
                concat.input[place] = found[0]

    def _channels(self, name: str) -> int:
        """Return the number of channels of a picture; 0 if the tensor is not a picture."""
        sides = self.sides.get(name, ())
        return sides[1] if len(sides) == 4 and isinstance(sides[1], int) else 0

    def _factor(self, name: str) -> tuple[str, float] | None:
        """Return the scaled tensor and its factor, if `name` is such a product and read once."""
        node = self.makers.get(name)
        if node is None or node.op_type != 'Mul' or len(self.readers[name]) != 1:
            return None
        for picture, number in (node.input, node.input[::-1]):
            if number in self.stored and picture not in self.stored:
                values = self._values(number)
                if values.size == 1 and values.item() >= _SMALLEST:
                    return picture, float(values.item())
        return None

    def _allows(self, reader: NodeProto | None, name: str, widths: list[int]) -> bool:
        """Return whether a layer that reads the result allows the factors to be removed."""
        if reader is None:
            return False
        if reader.op_type == 'Conv':
            one = all(a.i == 1 for a in reader.attribute if a.name == 'group')
            return one and reader.input[0] == name and reader.input[1] in self.stored
        if reader.op_type != 'Reshape' or reader.input[1] not in self.stored:
            return False
        normed = self.readers.get(reader.output[0], [])
        if [n.op_type if n else '' for n in normed] != ['InstanceNormalization']:
            return False
        cut = [int(n) for n in self._values(reader.input[1])]
        if len(cut) != 3 or (cut[0], cut[2]) != (0, -1) or sum(widths) % cut[1]:
            return False
        group = sum(widths) // cut[1]
        return all(width % group == 0 for width in widths)  # no tensor shares a group with another

    def _scale(self, conv: NodeProto, scale: NDArray[np.float32]) -> None:
        weights = self._values(conv.input[1]) * scale[None, :, None, None]
        name = f'{conv.output[0]}/scaled_weights'
        self.tensors.append(numpy_helper.from_array(weights.astype(np.float32), name))
        conv.input[1] = name

    def _values(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self.stored[name])
