# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layer types of a network for TensorRT before 10, which does not take them from the graph.

`trt_backend` passes in the tensorrt module.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# Layers that process no data of the network, and those that the parser adds without a node's name.
_UNTYPED = ('CONSTANT', 'SHAPE', 'FILL', 'CAST')
_NAMELESS = '(Unnamed'


def tell_layers(trt: Any, network: Any, exact: set[str]) -> None:
    """Set the types of the layers. exact: names of the nodes that keep float32.

    Types are set layer by layer, because a convolution's output is float32 unless specified
    otherwise, whatever the type of its input. A normalisation always computes in float32, so
    TensorRT may choose its input and output types.
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
    """Declare these inputs as fp16, so that no kernel has to convert them.

    Call `tell_layers` first: otherwise the type of a layer could depend on that of its input.
    """
    for tensor in (network.get_input(index) for index in range(network.num_inputs)):
        if tensor.name not in names:
            continue
        tensor.dtype = trt.float16
        formats = 1 << int(trt.TensorFormat.LINEAR)
        channels, *sides = tuple(tensor.shape)[1:] or (0,)
        if len(sides) == 2 and max(sides) == 1 and channels % 8 == 0:
            # Groups of eight channels: the same memory here, and convolutions prefer this format.
            formats |= 1 << int(trt.TensorFormat.HWC8)
        tensor.allowed_formats = formats


def _set_type(layer: Any, kind: Any) -> None:
    layer.precision = kind
    for index in range(layer.num_outputs):
        output = layer.get_output(index)
        if not output.is_network_output:  # network outputs are always float32
            layer.set_output_type(index, kind)
