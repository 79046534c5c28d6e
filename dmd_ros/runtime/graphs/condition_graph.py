# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Split a denoiser of one size into the network and its "conditions".

With a fixed camera, t and tan_half_vfov are the same in every frame, and so is everything that
depends only on them: embeddings, scale and shift of every block, ray directions. On a GPU, those
are dozens of tiny kernels. They become a separate graph, the conditions, which runs on the host
when a value changes; its outputs are additional inputs of the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from dmd_ros.runtime.graphs.nodes import makers, needed, readers, replace_nodes

# The inputs of the conditions; [B] each.
_SOURCES = ('t', 'tan_half_vfov')


def split(proto: ModelProto) -> tuple[ModelProto, ModelProto | None]:
    """Split a graph of known shapes into network and conditions (None if it cannot be split).

    Each tensor that crosses is an output of the conditions and an input of the network, float32
    [B, ...].
    """
    whole = ModelProto()
    whole.CopyFrom(proto)
    _Chains(whole.graph).fold()
    _join(whole.graph, _dependent(whole.graph))
    inferred = onnx.shape_inference.infer_shapes(whole).graph
    typed = {v.name: v for v in [*inferred.value_info, *inferred.output]}
    made = _dependent(whole.graph) - set(_SOURCES)
    network = [node for node in whole.graph.node if not made & set(node.output)]
    read = {name for node in network for name in node.input}
    crossing = [n for node in whole.graph.node for n in node.output if n in made & read]
    outputs = {o.name for o in whole.graph.output}
    if not crossing or made & outputs or not all(_is_known(typed.get(n)) for n in crossing):
        return proto, None
    values = [typed[name] for name in crossing]
    inputs = [i for i in whole.graph.input if i.name in read]
    conditions = [i for i in whole.graph.input if i.name in _SOURCES]
    return (
        _part(whole, [*inputs, *values], whole.graph.output),
        _part(whole, conditions, values),
    )


def with_half(conditions: ModelProto, names: Iterable[str]) -> ModelProto:
    """Convert these outputs to fp16, rounded to even and clipped to its range."""
    names = set(names)
    if not names:
        return conditions
    made = ModelProto()
    made.CopyFrom(conditions)
    inside = {name: f'{name}/float' for name in names}
    for node in made.graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    limit = np.finfo(np.float16).max
    for end, value in (('lowest', -limit), ('largest', limit)):
        made.graph.initializer.append(
            numpy_helper.from_array(np.array(value, np.float32), f'half/{end}')
        )
    for output in made.graph.output:
        if output.name in names:
            name, clipped = output.name, f'{output.name}/clipped'
            made.graph.node.extend(
                [
                    helper.make_node(
                        'Clip', [inside[name], 'half/lowest', 'half/largest'], [clipped]
                    ),
                    helper.make_node('Cast', [clipped], [name], to=TensorProto.FLOAT16),
                ]
            )
            output.type.tensor_type.elem_type = TensorProto.FLOAT16
    return made


def _dependent(graph: GraphProto) -> set[str]:
    """Return the tensors that depend on time and field of view, but not on pictures."""
    found = set(_SOURCES)
    pictures = {i.name for i in graph.input} - found
    for node in graph.node:
        if pictures & set(node.input):
            pictures |= set(node.output)
        elif found & set(node.input):
            found |= set(node.output)
    return found


def _is_known(value: Any) -> bool:
    """Return whether a tensor is float32 with all dimensions known."""
    if value is None or value.type.tensor_type.elem_type != TensorProto.FLOAT:
        return False
    return all(side.HasField('dim_value') for side in value.type.tensor_type.shape.dim)


def _part(whole: ModelProto, inputs: Iterable[Any], outputs: Iterable[Any]) -> ModelProto:
    """Extract the model from inputs to outputs; nodes that read only weights may be in both."""
    part = ModelProto()
    part.CopyFrom(whole)
    inputs, outputs = list(inputs), list(outputs)
    del part.graph.input[:], part.graph.output[:], part.graph.value_info[:]
    part.graph.input.extend(inputs)
    part.graph.output.extend(outputs)
    nodes = needed(whole.graph.node, (o.name for o in outputs), (i.name for i in inputs))
    replace_nodes(part.graph, nodes)
    return part


def _join(graph: GraphProto, found: set[str]) -> None:
    """Join adjacent conditions in a concatenation with pictures: one copy instead of several."""
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == 'Concat' and not set(node.output) & found:
            joined: list[list[str]] = []
            for name in node.input:
                if joined and name in found and joined[-1][-1] in found:
                    joined[-1].append(name)
                else:
                    joined.append([name])
            del node.input[:]
            for place, names in enumerate(joined):
                name = names[0]
                if len(names) > 1:
                    name = f'{node.output[0]}/joined{place}'
                    both = helper.make_node('Concat', names, [name], name=name)
                    both.attribute.extend(node.attribute)
                    nodes.append(both)
                node.input.append(name)
        nodes.append(node)
    replace_nodes(graph, nodes)


class _Chains:
    """Folds successive multiplications and additions on a picture into one of each.

    A normalisation's weights w, b [C, 1, 1] come before a block's scale and shift [B, C, 1, 1]:

        (x * w + b) * scale + shift = x * (w * scale) + (b * scale + shift)

    The expressions in brackets on the right do not depend on a picture, so they become conditions.
    """

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.stored = {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT}
        self.found = _dependent(graph)
        self.readers = readers(graph)
        self.makers = makers(graph)

    def fold(self) -> None:
        """Rewrite every chain of more than two operations that contains a condition."""
        made: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            chain = self._chain(node)
            operands = [self._operand(link) for link in chain]
            if len(chain) > 2 and any(name in self.found for name in operands):
                made |= {link.output[0]: [] for link in chain}
                made[chain[-1].output[0]] = self._folded(chain)
        nodes = [n for node in self.graph.node for n in made.get(node.output[0], [node])]
        replace_nodes(self.graph, nodes)

    def _chain(self, node: NodeProto) -> list[NodeProto]:
        """Return the chain that ends with a node; empty if none ends there."""
        if self._operand(node) is None or self._next(node) is not None:
            return []
        chain = [node]
        while True:
            before = self.makers.get(self._picture(chain[-1]))
            if before is None or self._operand(before) is None or self._next(before) is None:
                return chain[::-1]
            chain.append(before)

    def _next(self, node: NodeProto) -> NodeProto | None:
        """Return the reader of a link, if there is only one and it is a link, too."""
        (reader, *others) = self.readers.get(node.output[0], [None])
        return None if reader is None or others or self._operand(reader) is None else reader

    def _operand(self, node: NodeProto) -> str | None:
        """Return the tensor that a node multiplies with or adds to a picture, or None."""
        if node.op_type not in ('Mul', 'Add'):
            return None
        known = [name for name in node.input if name in self.stored or name in self.found]
        return known[0] if len(known) == 1 else None

    def _picture(self, node: NodeProto) -> str:
        first, second = node.input
        return second if first == self._operand(node) else first

    def _folded(self, chain: list[NodeProto]) -> list[NodeProto]:
        """Return a chain as one multiplication and one addition, after their operands."""
        out = chain[-1].output[0]
        nodes: list[NodeProto] = []
        factor = term = ''

        def combined(op_type: str, known: str, by: str) -> str:
            if not known:
                return by
            name = f'{out}/host{len(nodes)}'
            nodes.append(helper.make_node(op_type, [known, by], [name], name=name))
            return name

        for link in chain:
            operand = self._operand(link)
            assert operand is not None
            if link.op_type == 'Add':
                term = combined('Add', term, operand)
            else:
                factor = combined('Mul', factor, operand)
                term = combined('Mul', term, operand) if term else ''
        result = self._picture(chain[0])
        ends = [('Mul', factor, f'{out}/scaled' if term else out), ('Add', term, out)]
        for op_type, operand, name in ends:
            if operand:
                nodes.append(helper.make_node(op_type, [result, operand], [name], name=name))
                result = name
        return nodes
