# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which types a network has, where its graph does not say it: before TensorRT 10.

The tensorrt module is handed in by `trt_backend`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# Layers that compute no numbers of ours, and those that the parser adds without a node's name.
_UNTYPED = ('CONSTANT', 'SHAPE', 'FILL', 'CAST')
_NAMELESS = '(Unnamed'


def tell_layers(trt: Any, network: Any, exact: set[str]) -> None:
    """Tell layers their types. exact: names of the nodes that keep float32.

    Types are told layer by layer, since a convolution's output counts as float32 until somebody
    says otherwise, whatever type the graph gives to its input. A normalisation computes in float32
    whatever it reads and makes: TensorRT chooses those types.
    """
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        kinds = {layer.get_output(i).dtype for i in range(layer.num_outputs)}
        if kinds != {trt.float32} or layer.type.name in _UNTYPED:
            continue
        if layer.name in exact:
            _set_type(layer, trt.float32)
        elif layer.type != trt.LayerType.NORMALIZATION and not layer.name.startswith(_NAMELESS):
            _set_type(layer, trt.float16)


def tell_inputs(trt: Any, network: Any, names: Collection[str]) -> None:
    """Take these inputs in fp16, so that no kernel must bring them into it.

    Only when layers have been told their types: a layer's own could follow from its input's.
    """
    for tensor in (network.get_input(index) for index in range(network.num_inputs)):
        if tensor.name not in names:
            continue
        tensor.dtype = trt.float16
        formats = 1 << int(trt.TensorFormat.LINEAR)
        channels, *sides = tuple(tensor.shape)[1:] or (0,)
        if len(sides) == 2 and max(sides) == 1 and channels % 8 == 0:
            # Eight channels side by side: the same memory here, and what convolutions like.
            formats |= 1 << int(trt.TensorFormat.HWC8)
        tensor.allowed_formats = formats


def _set_type(layer: Any, kind: Any) -> None:
    layer.precision = kind
    for index in range(layer.num_outputs):
        output = layer.get_output(index)
        if not output.is_network_output:  # those are float32 whatever happens inside
            layer.set_output_type(index, kind)
