# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a model file back into a trainable network, without the run that it came from.

Weights are found by the names that the exporter writes into the graph. The golden input of the
file then verifies that they are in the right places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from dmd_ros.core.contract import Contract
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import check_golden, contract_from_metadata, is_int8
from train.errors import TrainError
from train.presets import PRESETS, preset
from train.torch_backend import TorchBackend
from train.unet import NetSpec, UNet

# Suffix of weights that `train.onnx_file.store_half` stores in fp16.
_HALF = '_fp16'
# Operators of a norm's scale and shift in the graph, and their weights.
_AFFINE = {'Mul': 'weight', 'Add': 'bias'}


@dataclass(frozen=True)
class Model:
    """An exported network, its preset and its contract."""

    net: UNet
    preset: str
    contract: Contract


def load_model(path: Path) -> Model:
    """Read an .onnx file written by `train.export`; raises `TrainError`."""
    weights, metadata = read_file(path)
    fov, rays = 'fov_projection.weight' in weights, _channels_in(weights) == 6
    name = preset_of(weights, lambda spec: UNet(spec, fov=fov, rays=rays), path, 'train.export')
    net = UNet(preset(name).net, fov=fov, rays=rays)
    net.load_state_dict(weights)
    try:
        contract = contract_from_metadata(metadata, str(path))
        check_golden(TorchBackend(net).run, metadata, str(path))
    except BackendError as error:
        raise TrainError(f'cannot start from it: {error}') from None
    return Model(net, name, contract)


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all weights (float32, by their names in the network) and metadata of a model file.

    Raises `TrainError` if the file does not exist, is not an ONNX file, or is in int8.
    """
    try:
        model = onnx.load(str(path))
        weights = _weights(model)
    except FileNotFoundError:
        raise TrainError(f'model {path} does not exist') from None
    except (DecodeError, OSError, TypeError, ValueError) as error:
        raise TrainError(f'{path} is not an ONNX file, or a damaged one ({error})') from None
    if is_int8(path):
        raise TrainError(f'{path} is in int8; start from the float model it was made from')
    return weights, {entry.key: entry.value for entry in model.metadata_props}


def preset_of(
    weights: Mapping[str, Tensor],
    build: Callable[[NetSpec], nn.Module],
    path: Path,
    exporter: str,
) -> str:
    """Return the preset whose network has weights of these names and shapes, or `TrainError`."""
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    for name in PRESETS:
        with torch.device('meta'):
            like = build(preset(name).net)
        if {key: tuple(value.shape) for key, value in like.state_dict().items()} == shapes:
            return name
    raise TrainError(
        f'{path} has {len(shapes)} weights that fit none of the presets {", ".join(PRESETS)}; '
        f'start from a file written by this version of {exporter}, or from the run itself'
    )


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return all weights by their names in the network, float32."""
    arrays = {
        tensor.name.removesuffix(_HALF): numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
    }
    found = {name: array for name, array in arrays.items() if not name.startswith('onnx::')}
    for node in model.graph.node:
        module, _, _ = node.name.rpartition('/')
        known = [arrays[name] for name in node.input if name in arrays]
        # Scale and shift of a norm have no names, but are [C, 1, 1] inputs of named nodes.
        if node.op_type in _AFFINE and len(known) == 1 and known[0].ndim == 3:
            name = f'{module.strip("/").replace("/", ".")}.{_AFFINE[node.op_type]}'
            found[name] = known[0].reshape(-1)
    return {name: torch.from_numpy(a.astype(np.float32)) for name, a in found.items()}


def _channels_in(weights: Mapping[str, Tensor]) -> int:
    stem = weights.get('stem.weight')
    return 0 if stem is None else stem.shape[1]
