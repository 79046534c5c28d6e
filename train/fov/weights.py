# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An encoder to start from: out of any run of the same preset, or out of a shipped model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from train import checkpoint
from train.errors import TrainError
from train.fov.net import TYPICAL, FovNet
from train.unet import FOV_FREQUENCIES, sin_cos

# The parts that a denoiser of the same preset shares with the field-of-view network.
_ENCODER = ('stem', 'time', 'down_samples', 'down')
# Channels of a denoiser's stem: picture, noisy depth, and rays if it has them.
_RGB, _RAYS = slice(0, 3), slice(4, 6)


def weights_of(source: Path) -> Mapping[str, Tensor]:
    """Read weights by name: of a run's newest checkpoint, a checkpoint file, or a model file."""
    if source.suffix == '.onnx':
        if not source.is_file():
            raise TrainError(f'--init {source} does not exist')
        return {k: torch.tensor(v) for k, v in _model_weights(onnx.load(source)).items()}
    return checkpoint.find(source)['ema']  # type: ignore[no-any-return]


def load_encoder(net: FovNet, weights: Mapping[str, Tensor], source: str) -> None:
    """Take the encoder out of a denoiser's weights, as it works for a typical camera at t = 1."""
    own = net.state_dict()
    taken = {k: v.float() for k, v in weights.items() if k.split('.')[0] in _ENCODER}
    if 'stem.weight' in taken:
        stem = taken['stem.weight']
        rays = stem[:, _RAYS] if stem.shape[1] > _RAYS.start else torch.zeros_like(stem[:, :2])
        taken['stem.weight'] = torch.cat([stem[:, _RGB], rays], dim=1)
    if 'fov_projection.weight' in weights:
        angle = sin_cos(torch.tensor([TYPICAL]), net.spec.emb, FOV_FREQUENCIES)[0]
        shift = weights['fov_projection.weight'].float() @ angle + weights['fov_projection.bias']
        taken['time.2.bias'] = taken['time.2.bias'] + shift
    for name in own:
        shape = tuple(taken[name].shape) if name in taken else None
        if name.split('.')[0] in _ENCODER and shape != tuple(own[name].shape):
            raise TrainError(
                f'--init {source}: {name} is {shape}, {tuple(own[name].shape)} is needed; give a '
                'denoiser of the same preset'
            )
    net.load_state_dict({**own, **{name: taken[name] for name in own if name in taken}})


def _model_weights(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """Find the weights of the network in the graph that `train.export` made of it."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    named = {name.removesuffix('_fp16'): array for name, array in arrays.items()}
    # The scale and shift of a normalisation lose their names, but not their place.
    for node in model.graph.node:
        kind = {'Mul': 'weight', 'Add': 'bias'}.get(node.op_type)
        place, _, operator = node.name.strip('/').replace('/', '.').rpartition('.')
        for name in node.input if kind and operator == node.op_type else ():
            if name in arrays and arrays[name].shape[1:] == (1, 1):
                named[f'{place}.{kind}'] = arrays[name].reshape(-1)
    return {name: array.astype(np.float32) for name, array in named.items()}
