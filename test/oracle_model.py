# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An oracle denoiser as a real ONNX file: it knows the answer, so tests know it too.

The depth code that it predicts is the brightness of the picture: x = mean over RGB of the
normalised picture, at every t and for every noise. With rgb_mean = rgb_std = 0.5 a grey level g in
[0, 255] is the code 2 g / 255 - 1, so `grey_from_depth` paints any depth map that a test wants.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from dmd_ros.core import depth_codec, diffusion
from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import METADATA_KEY, Contract

CONTRACT = Contract(
    name='oracle',
    stride=16,
    train_sizes=((48, 64),),
    rgb_mean=(0.5, 0.5, 0.5),
    rgb_std=(0.5, 0.5, 0.5),
    depth_codec='log',
    depth_min_m=0.1,
    depth_max_m=80.0,
    fov_encoding='tan_half_vfov',
    tan_half_vfov_range=(0.2, 1.2),
    parameterisation='v',
    schedule='cosine',
    noise='gaussian',
    steps=1,
    samples=1,
)
CAMERA = Camera(100.0, 101.0, 63.5, 47.5, 128, 96)


def grey_from_depth(depth_m: np.ndarray, contract: Contract = CONTRACT) -> np.ndarray:
    """Encode depth [H, W] as uint8 [H, W, 3]; the oracle recovers it to within half a level."""
    code = depth_codec.encode(depth_m.astype(np.float32), contract)
    level = np.rint((code + 1.0) * 127.5).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)


def grey(camera: Camera = CAMERA) -> np.ndarray:
    """Return an empty picture of `camera`."""
    return np.full((camera.height, camera.width, 3), 128, np.uint8)


def write_oracle(path: Path, metadata: bool = True, **changes: object) -> Path:
    """Write the oracle to `path`, with `changes` to its contract, or without a contract."""
    contract = replace(CONTRACT, **changes)
    nodes, constants = _v_graph()
    graph = helper.make_graph(
        nodes,
        'oracle',
        [
            helper.make_tensor_value_info('rgb', TensorProto.FLOAT, ['B', 3, 'H', 'W']),
            helper.make_tensor_value_info('z', TensorProto.FLOAT, ['B', 1, 'H', 'W']),
            helper.make_tensor_value_info('t', TensorProto.FLOAT, ['B']),
            helper.make_tensor_value_info('tan_half_vfov', TensorProto.FLOAT, ['B']),
        ],
        [helper.make_tensor_value_info('prediction', TensorProto.FLOAT, ['B', 1, 'H', 'W'])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    if metadata:
        helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _v_graph() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes for v = (alpha z - x) / sigma, the v that makes x_hat = alpha z - sigma v equal x."""
    constants = [
        helper.make_tensor('half_pi', TensorProto.FLOAT, [], [math.pi / 2]),
        helper.make_tensor('one', TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor('zero', TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor('column', TensorProto.INT64, [4], [-1, 1, 1, 1]),
    ]
    nodes = [
        helper.make_node('ReduceMean', ['rgb'], ['x'], axes=[1], keepdims=1),
        helper.make_node('Mul', ['tan_half_vfov', 'zero'], ['nothing']),
        helper.make_node('Add', ['t', 'nothing'], ['time']),
        helper.make_node('Reshape', ['time', 'column'], ['tc']),
        helper.make_node('Sub', ['one', 'tc'], ['rest']),
        helper.make_node('Mul', ['rest', 'half_pi'], ['alpha_angle']),
        helper.make_node('Mul', ['tc', 'half_pi'], ['sigma_angle']),
        helper.make_node('Sin', ['alpha_angle'], ['alpha']),
        helper.make_node('Sin', ['sigma_angle'], ['sigma']),
        helper.make_node('Mul', ['alpha', 'z'], ['signal']),
        helper.make_node('Sub', ['signal', 'x'], ['difference']),
        helper.make_node('Div', ['difference', 'sigma'], ['prediction']),
    ]
    return nodes, constants


class Noisy:
    """Predicts x = gain z, at t = 1 the noise itself; counts its calls and keeps its feeds."""

    name = 'noisy'
    device = 'cpu'

    def __init__(self, gain: float = 0.2) -> None:
        self.gain = gain
        self.feeds: list[dict[str, np.ndarray]] = []

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.feeds.append({name: value.copy() for name, value in feeds.items()})
        t = feeds['t'].reshape(-1, 1, 1, 1)
        alpha, sigma = diffusion.alpha_sigma(t)
        return {'prediction': (alpha * feeds['z'] - self.gain * feeds['z']) / sigma}

    def close(self) -> None:
        self.feeds.clear()
