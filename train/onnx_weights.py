# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model file back into a network that can be trained on: who was given the .onnx needs no run.

Weights are found by the names that the exporter left in the graph; the file's own golden input
then shows that they are in the right places.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor

from dmd_ros.core.contract import Contract
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import check_golden, contract_from_metadata
from train.errors import TrainError
from train.presets import PRESETS, preset
from train.torch_backend import TorchBackend
from train.unet import UNet

# Suffix of weights that `train.onnx_file.store_half` stores in half the space.
_HALF = '_fp16'
# What a norm's scale and shift become in the graph.
_AFFINE = {'Mul': 'weight', 'Add': 'bias'}


@dataclass(frozen=True)
class Model:
    """A network as it was exported, the preset that it is one of, and its contract."""

    net: UNet
    preset: str
    contract: Contract


def load_model(path: Path) -> Model:
    """Read an .onnx file written by `train.export`; raises `TrainError`."""
    try:
        model = onnx.load(str(path))
    except FileNotFoundError:
        raise TrainError(f'model {path} does not exist') from None
    except (DecodeError, OSError) as error:
        raise TrainError(f'{path} is not an ONNX file ({error})') from None
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    weights = _weights(model)
    net, name = _net_of(weights, path)
    net.load_state_dict(weights)
    try:
        contract = contract_from_metadata(metadata, str(path))
        check_golden(TorchBackend(net).run, metadata, str(path))
    except BackendError as error:
        raise TrainError(f'cannot start from it: {error}') from None
    return Model(net, name, contract)


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Give all weights by their name in the network, float32."""
    arrays = {
        tensor.name.removesuffix(_HALF): numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
    }
    found = {name: array for name, array in arrays.items() if not name.startswith('onnx::')}
    for node in model.graph.node:
        module, _, _ = node.name.rpartition('/')
        known = [arrays[name] for name in node.input if name in arrays]
        # Scale and shift of a norm lose their names, but are [C, 1, 1] inputs of named nodes.
        if node.op_type in _AFFINE and len(known) == 1 and known[0].ndim == 3:
            name = f'{module.strip("/").replace("/", ".")}.{_AFFINE[node.op_type]}'
            found[name] = known[0].reshape(-1)
    return {name: torch.from_numpy(a.astype(np.float32)) for name, a in found.items()}


def _net_of(weights: dict[str, Tensor], path: Path) -> tuple[UNet, str]:
    """Build the network that has weights of these names and shapes."""
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    inputs = shapes.get('stem.weight', (0, 0))[1]
    fov, rays = 'fov_projection.weight' in shapes, inputs == 6
    for name in PRESETS:
        with torch.device('meta'):
            like = UNet(preset(name).net, fov=fov, rays=rays)
        if {key: tuple(value.shape) for key, value in like.state_dict().items()} == shapes:
            return UNet(preset(name).net, fov=fov, rays=rays), name
    raise TrainError(
        f'{path} has {len(shapes)} weights that fit no preset of {", ".join(PRESETS)}; start from '
        'a file that this version of train.export wrote, or from the run itself'
    )
