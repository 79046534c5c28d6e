# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Instance normalisation in operators that TensorRT before 10 has layers for.

Otherwise it becomes a plugin that needs cuDNN and reads its scales as float32 whatever their type.
A norm over groups of channels, which exporters write as

    Reshape [B, C, H, W] to [B, groups, -1] -> InstanceNormalization -> Reshape to [B, C, H, W]

becomes GroupNormalization: one layer that always computes in float32. Any other norm is written in
elementary operators; those that must be float32 have `EXACT` in their names.

ONNX has GroupNormalization from opset 18 on; TensorRT's parser only checks the name, so the graph
keeps its opset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from dmd_ros.runtime.graphs.nodes import makers, needed, readers, replace_nodes

EXACT = '/exact/'

# Dimensions of tensors; anything other than a number is unknown.
Sides = Mapping[str, tuple[Any, ...]]


def rewrite(graph: GraphProto, sides: Sides) -> None:
    """Replace every instance normalisation by other operators of the same type.

    sides: of the inputs and outputs of norms.
    """
    tensors = {i.name: i for i in graph.initializer}
    norms = [node for node in graph.node if node.op_type == 'InstanceNormalization']
    groups = _Groups(graph, tensors, sides)
    found = {norm.output[0]: group for norm in norms if (group := groups.written(norm))}
    made_by = {node.output[0]: node for node in found.values()}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.output[0] in made_by:
            nodes.append(made_by[node.output[0]])
        elif node.op_type != 'InstanceNormalization':
            nodes.append(node)
        elif node.output[0] not in found:
            rank = len(sides.get(node.output[0]) or sides[node.input[0]])
            made, constants = _plain_norm(node, rank, tensors)
            nodes += made
            graph.initializer.extend(constants)
    # Shape computations of removed reshapes are no longer needed.
    replace_nodes(graph, needed(nodes, (o.name for o in graph.output)))


class _Groups:
    """Finds norms over groups of channels in a graph."""

    def __init__(
        self, graph: GraphProto, tensors: Mapping[str, TensorProto], sides: Sides
    ) -> None:
        self.tensors, self.sides = tensors, sides
        self.makers = makers(graph)
        self.readers = readers(graph)

    def written(self, norm: NodeProto) -> NodeProto | None:
        """Return the GroupNormalization that replaces a norm and its reshapes, if possible.

        TensorRT 8.6 rejects rank 3, requires one scale per group, and treats one group as one per
        channel.
        """
        before = self.makers.get(norm.input[0])
        after, *others = self.readers.get(norm.output[0], [None])
        if before is None or before.op_type != 'Reshape' or others:
            return None
        if after is None or after.op_type != 'Reshape':
            return None
        x = before.input[0]
        sides, cut = self.sides.get(x, ()), self._numbers(before.input[1])
        if len(sides) != 4 or len(cut) != 3 or (cut[0], cut[2]) != (0, -1) or cut[1] < 2:
            return None
        if not isinstance(sides[1], int) or sides[1] % cut[1] or not self._restores(after, x):
            return None
        epsilon = [a for a in norm.attribute if a.name == 'epsilon']
        made = helper.make_node(
            'GroupNormalization',
            [x, *norm.input[1:]],
            [after.output[0]],
            name=norm.name,
            num_groups=cut[1],
        )
        made.attribute.extend(epsilon)
        return made

    def _restores(self, reshape: NodeProto, x: str) -> bool:
        """Return whether a reshape restores the dimensions of x."""
        shape = self.makers.get(reshape.input[1])
        if shape is not None:
            return shape.op_type == 'Shape' and shape.input[0] == x and not shape.attribute
        return tuple(self._numbers(reshape.input[1])) == self.sides[x]

    def _numbers(self, name: str) -> list[int]:
        """Return the numbers of a stored vector; empty if it is computed."""
        tensor = self.tensors.get(name)
        return [] if tensor is None else [int(n) for n in numpy_helper.to_array(tensor)]


def _plain_norm(
    node: NodeProto, rank: int, tensors: Mapping[str, TensorProto]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Return (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias, over axes >= 2."""
    (x, scale, bias), out = node.input, node.output[0]
    epsilon = next((a.f for a in node.attribute if a.name == 'epsilon'), 1e-5)
    reduce = {'axes': list(range(2, rank)), 'keepdims': 1}
    shape = (1, -1, *[1] * (rank - 2))
    constants = [numpy_helper.from_array(np.full([1] * rank, epsilon, np.float32), f'{out}/eps')]
    exact = f'{out}{EXACT}'
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ('ReduceMean', [x], f'{exact}mean', reduce),
        ('Sub', [x, f'{exact}mean'], f'{out}/centred', {}),
        ('Mul', [f'{out}/centred', f'{out}/centred'], f'{exact}square', {}),
        ('ReduceMean', [f'{exact}square'], f'{exact}variance', reduce),
        ('Add', [f'{exact}variance', f'{out}/eps'], f'{exact}sum', {}),
        ('Sqrt', [f'{exact}sum'], f'{exact}deviation', {}),
        ('Div', [f'{out}/centred', f'{exact}deviation'], f'{out}/normed', {}),
    ]
    # Exporters write group norms with scale 1 and bias 0: skip these passes over the tensor.
    for op, name, neutral in (('Mul', scale, 1.0), ('Add', bias, 0.0)):
        numbers = numpy_helper.to_array(tensors[name])
        if np.all(numbers == neutral):
            continue
        constant = f'{out}/{op.lower()}_by'
        constants.append(numpy_helper.from_array(numbers.reshape(shape), constant))
        steps.append((op, [steps[-1][2], constant], f'{out}/{op.lower()}', {}))
    op, inputs, _, attributes = steps.pop()
    steps.append((op, inputs, out, attributes))
    made = [helper.make_node(op, i, [o], name=o, **a) for op, i, o, a in steps]
    return made, constants
