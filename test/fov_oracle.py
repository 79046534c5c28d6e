# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An oracle for the field of view as a real ONNX file: the brighter the picture, the wider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from dmd_ros.core.contract import METADATA_KEY, FovContract

CONTRACT = FovContract(
    name='fov oracle',
    stride=16,
    train_sizes=((48, 64),),
    rgb_mean=(0.5, 0.5, 0.5),
    rgb_std=(0.5, 0.5, 0.5),
    tan_half_vfov_range=(0.3, 1.1),
)


def tan_of(level: float) -> float:
    """Return the oracle's estimate for this mean grey level, before clipping to the range."""
    return 0.7 + 0.5 * (level / 127.5 - 1.0)


def grey(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write_fov_oracle(
    path: Path, metadata: dict[str, str] | None = None, **changes: object
) -> Path:
    """Write the oracle to `path`, with `changes` to its contract, or with other metadata."""
    nodes = [
        helper.make_node('ReduceMean', ['rgb'], ['mean'], axes=[1, 2, 3], keepdims=0),
        helper.make_node('Mul', ['mean', 'half'], ['scaled']),
        helper.make_node('Add', ['scaled', 'middle'], ['tan_half_vfov']),
    ]
    graph = helper.make_graph(
        nodes,
        'fov oracle',
        [helper.make_tensor_value_info('rgb', TensorProto.FLOAT, ['B', 3, 'H', 'W'])],
        [helper.make_tensor_value_info('tan_half_vfov', TensorProto.FLOAT, ['B'])],
        [
            helper.make_tensor('half', TensorProto.FLOAT, [], [0.5]),
            helper.make_tensor('middle', TensorProto.FLOAT, [], [0.7]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    own = {METADATA_KEY: replace(CONTRACT, **changes).to_json()}
    helper.set_model_props(model, own if metadata is None else metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
