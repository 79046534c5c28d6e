# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs of a few nodes, for tests of graph rewriting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, numpy_helper

Shapes = Mapping[str, Sequence[int]]


def small_graph(
    steps: Sequence[tuple[str, list[str], str]],
    inputs: Shapes,
    outputs: Shapes,
    numbers: Mapping[str, np.ndarray],
    changed: Mapping[str, list[str]],
    attributes: Mapping[str, dict[str, Any]],
) -> ModelProto:
    """Make a model of (operator, inputs, output) steps; inputs and outputs are float32.

    numbers: initializers. changed: other inputs of a step, by its output. attributes: by operator.
    """
    nodes = [
        helper.make_node(op, changed.get(out, read), [out], **attributes.get(op, {}))
        for op, read, out in steps
    ]
    ends = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, side)
            for name, side in end.items()
        ]
        for end in (inputs, outputs)
    ]
    stored = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, 'small', *ends, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def answers(models: Sequence[bytes], shapes: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    """Return the output of each model for the same random pictures, with t = tangent = 0.5."""
    random = np.random.default_rng(0)
    feeds = {
        name: np.full(shape, 0.5, np.float32)
        if len(shape) == 1
        else random.standard_normal(shape, np.float32)
        for name, shape in shapes.items()
    }
    sessions = (ort.InferenceSession(m, providers=['CPUExecutionProvider']) for m in models)
    return [np.asarray(session.run(None, feeds)[0]) for session in sessions]
