# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Instance normalisation in elementary ONNX operators, for TensorRT before 10.

There it becomes a plugin that needs cuDNN and reads its scales as float32 whatever they are. Of
the operators written here those that must be float32 have `EXACT` in their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

EXACT = '/exact/'


def rewrite(graph: GraphProto, ranks: Mapping[str, int]) -> None:
    """Write every instance normalisation in elementary operators, in the type that it has."""
    tensors = {i.name: i for i in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type != 'InstanceNormalization':
            nodes.append(node)
        else:
            rank = ranks.get(node.output[0]) or ranks[node.input[0]]
            made, constants = _plain_norm(node, rank, tensors)
            nodes += made
            graph.initializer.extend(constants)
    used = {name for node in nodes for name in node.input}
    kept = [i for i in graph.initializer if i.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def _plain_norm(
    node: NodeProto, rank: int, tensors: Mapping[str, TensorProto]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias, over all but two axes."""
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
    # Exporters write a group's norm with scale 1 and bias 0: a pass over the tensor for nothing.
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
