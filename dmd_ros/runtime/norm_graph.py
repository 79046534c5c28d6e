# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to write a normalisation over groups of channels for TensorRT before 10, in ONNX.

An exporter writes it as reshape, InstanceNormalization, reshape, scale, bias. TensorRT 8.6 makes
of InstanceNormalization a plugin that needs cuDNN and reads its scales as float32 whatever they
are. What must be float32 has `EXACT` in its node's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

EXACT = '/exact/'

Floats = NDArray[np.float32]
Written = tuple[list[NodeProto], list[TensorProto]]


@dataclass(frozen=True)
class GroupNorm:
    """Normalisation of x [N, C, ...] over each of `groups` groups of channels.

    shape: of x, None where it is not known. scale, bias: float32 [C]. nodes: indices of what it
    replaces.
    """

    x: str
    out: str
    shape: tuple[int, ...] | None
    groups: int
    epsilon: float
    scale: Floats
    bias: Floats
    nodes: frozenset[int]


def folded(norm: GroupNorm) -> Written:
    """Write sums over each channel and the rest on a number per channel: x keeps its shape."""
    write = _Writer(norm.out)
    sums = {}
    for name, tensor in (('mean', norm.x), ('power', _square(write, norm))):
        channel = write('ReduceMean', [tensor], f'{name}_channel', axes=[2, 3], keepdims=1)
        sums[name] = _mean_of_rows(write, norm, channel, name)
    return _fold(write, norm, sums['mean'], sums['power'])


def rows(norm: GroupNorm) -> Written:
    """Write the same with one sum over all of a group: fewer kernels, each with more to do."""
    write = _Writer(norm.out)
    mean = _mean_of_rows(write, norm, norm.x, 'mean')
    return _fold(write, norm, mean, _mean_of_rows(write, norm, _square(write, norm), 'power'))


def _square(write: _Writer, norm: GroupNorm) -> str:
    return write('Mul', [norm.x, norm.x], 'square')


def _mean_of_rows(write: _Writer, norm: GroupNorm, tensor: str, name: str) -> str:
    """Average everything of a group: [N, C, ...] -> [N, groups, 1]."""
    shape = write.constant(f'{name}_shape', np.array([0, norm.groups, -1]))
    flat = write('Reshape', [tensor, shape], f'{name}_rows')
    return write('ReduceMean', [flat], name, axes=[2], keepdims=1)


def _fold(write: _Writer, norm: GroupNorm, mean: str, power: str) -> Written:
    """Write x * factor + offset; mean, power: averages of x and its square [N, groups, 1]."""
    out, channels = norm.out, len(norm.scale)
    per_group = (1, norm.groups, channels // norm.groups)
    variance = write('Sub', [power, write('Mul', [mean, mean], 'mean_2')], 'variance')
    # Rounding must not make it negative.
    epsilon = write.constant('eps', np.full((1, 1, 1), norm.epsilon, np.float32))
    positive = write('Relu', [variance], 'positive')
    deviation = write('Sqrt', [write('Add', [positive, epsilon], 'sum')], 'deviation')
    factor = write(
        'Div', [write.constant('scale', norm.scale.reshape(per_group)), deviation], 'factor'
    )
    offset = write(
        'Sub',
        [
            write.constant('bias', norm.bias.reshape(per_group)),
            write('Mul', [mean, factor], 'shift'),
        ],
        'offset',
    )
    shape = write.constant('flat', np.array([0, channels, 1, 1]))
    factor = write('Reshape', [factor, shape], 'factor_flat')
    offset = write('Reshape', [offset, shape], 'offset_flat')
    scaled = f'{out}/scaled'
    write.nodes.append(helper.make_node('Mul', [norm.x, factor], [scaled], name=scaled))
    write.nodes.append(helper.make_node('Add', [scaled, offset], [out], name=out))
    return write.nodes, write.constants


def group(norm: GroupNorm) -> Written:
    """Write GroupNormalization, which its parser knows, and scale and bias behind it."""
    ones = np.ones(norm.groups, np.float32)
    write = _Writer(norm.out)
    unit = [write.constant('ones', ones), write.constant('zeros', 0.0 * ones)]
    normed = f'{norm.out}/normed'
    write.nodes.append(
        helper.make_node(
            'GroupNormalization',
            [norm.x, *unit],
            [normed],
            name=normed,
            epsilon=norm.epsilon,
            num_groups=norm.groups,
        )
    )
    _affine(write, norm, normed)
    return write.nodes, write.constants


def instance(norm: GroupNorm) -> Written:
    """Write the same with one channel to a group, on a tensor reshaped to [N, groups, rows, W]."""
    if norm.shape is None:
        return folded(norm)
    return _reshaped(
        norm, (norm.shape[0], norm.groups, -1, norm.shape[-1]), 'GroupNormalization', norm.groups
    )


def layer(norm: GroupNorm) -> Written:
    """Write LayerNormalization of [N, groups, numbers]; the scale has a number for each."""
    if norm.shape is None:
        return folded(norm)
    numbers = int(np.prod(norm.shape[1:])) // norm.groups
    return _reshaped(norm, (norm.shape[0], norm.groups, -1), 'LayerNormalization', numbers)


WAYS: Mapping[str, Callable[[GroupNorm], Written]] = {
    'folded': folded,
    'rows': rows,
    'group': group,
    'instance4': instance,
    'layer': layer,
}


def _reshaped(norm: GroupNorm, shape: tuple[int, ...], operator: str, units: int) -> Written:
    assert norm.shape is not None
    write, out = _Writer(norm.out), norm.out
    ones = np.ones(units, np.float32)
    inside = f'{out}/inside'
    shapes = [write.constant(f'shape{i}', np.array(s)) for i, s in enumerate((shape, norm.shape))]
    unit = [write.constant('ones', ones), write.constant('zeros', 0.0 * ones)]
    about: dict[str, Any] = (
        {'axis': -1} if operator == 'LayerNormalization' else {'num_groups': norm.groups}
    )
    make = helper.make_node
    write.nodes += [
        make('Reshape', [norm.x, shapes[0]], [inside], name=inside),
        make(
            operator,
            [inside, *unit],
            [f'{out}/normed'],
            name=f'{out}/normed',
            epsilon=norm.epsilon,
            **about,
        ),
        make('Reshape', [f'{out}/normed', shapes[1]], [f'{out}/back'], name=f'{out}/back'),
    ]
    _affine(write, norm, f'{out}/back')
    return write.nodes, write.constants


def _affine(write: _Writer, norm: GroupNorm, normed: str) -> None:
    out, scaled, shape = norm.out, f'{norm.out}/scaled', (1, -1, 1, 1)
    scale = write.constant('scale', norm.scale.reshape(shape))
    bias = write.constant('bias', norm.bias.reshape(shape))
    write.nodes.append(helper.make_node('Mul', [normed, scale], [scaled], name=scaled))
    write.nodes.append(helper.make_node('Add', [scaled, bias], [out], name=out))


class _Writer:
    """Collects nodes and constants named after one normalisation; its calls make exact nodes."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def __call__(self, operator: str, inputs: list[str], name: str, **about: Any) -> str:
        full = f'{self.out}{EXACT}{name}'
        self.nodes.append(helper.make_node(operator, inputs, [full], name=full, **about))
        return full

    def constant(self, name: str, numbers: NDArray[Any]) -> str:
        full = f'{self.out}/{name}'
        self.constants.append(numpy_helper.from_array(numbers, full))
        return full


def rewrite(graph: GraphProto, shapes: Mapping[str, tuple[int, ...]], way: str) -> None:
    """Write every group normalisation of a float32 graph in one of `WAYS`; others are left."""
    found = {min(n.nodes): n for n in _find(graph, shapes)}
    dropped = {index for norm in found.values() for index in norm.nodes}
    last = {max(n.nodes): n for n in found.values()}
    nodes: list[NodeProto] = []
    for index, node in enumerate(graph.node):
        if index in last:
            made, constants = WAYS[way](last[index])
            nodes += made
            graph.initializer.extend(constants)
        elif index not in dropped:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [i for i in graph.initializer if i.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def _find(graph: GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> list[GroupNorm]:
    tensors = {i.name: i for i in graph.initializer}
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    found = []
    for index, node in enumerate(graph.node):
        if node.op_type == 'InstanceNormalization':
            chain = _chain(graph, index, makers, readers)
            norm = chain and _group_norm(graph, chain, tensors, shapes)
            if norm:
                found.append(norm)
    return found


def _chain(
    graph: GraphProto, index: int, makers: dict[str, int], readers: dict[str, list[int]]
) -> list[int]:
    """Find reshape, norm, reshape, scale, bias; empty if that is not what is there."""
    before = makers.get(graph.node[index].input[0])
    if before is None or graph.node[before].op_type != 'Reshape':
        return []
    chain = [before, index]
    for operator in ('Reshape', 'Mul', 'Add'):
        after = readers.get(graph.node[chain[-1]].output[0], [])
        if len(after) != 1 or graph.node[after[0]].op_type != operator:
            return []
        chain.append(after[0])
    return chain


def _group_norm(
    graph: GraphProto,
    chain: list[int],
    tensors: Mapping[str, TensorProto],
    shapes: Mapping[str, tuple[int, ...]],
) -> GroupNorm | None:
    reshape, norm, _, scale, bias = (graph.node[i] for i in chain)
    unit = [numpy_helper.to_array(tensors[n]) for n in norm.input[1:] if n in tensors]
    affine = [
        numpy_helper.to_array(tensors[n])
        for node in (scale, bias)
        for n in node.input
        if n in tensors
    ]
    if len(unit) != 2 or len(affine) != 2 or (unit[0] != 1).any() or unit[1].any():
        return None
    epsilon = next((a.f for a in norm.attribute if a.name == 'epsilon'), 1e-5)
    flat = [numbers.astype(np.float32).reshape(-1) for numbers in affine]
    return GroupNorm(
        reshape.input[0],
        bias.output[0],
        shapes.get(reshape.input[0]),
        len(unit[0]),
        epsilon,
        flat[0],
        flat[1],
        frozenset(chain),
    )
