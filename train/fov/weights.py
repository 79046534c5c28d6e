# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load an encoder to start from, from any run of the same preset or from a shipped model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dmd_ros.runtime.backend import FOV_INPUT, FOV_OUTPUT
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import check_golden
from train import checkpoint
from train.config import TrainConfig
from train.errors import TrainError
from train.fov.net import TYPICAL, FovNet
from train.fov.validate import torch_backend
from train.init import origin
from train.onnx_weights import load_model, preset_of, read_file
from train.presets import preset
from train.unet import FOV_FREQUENCIES, sin_cos

# The parts that a denoiser of the same preset shares with the field-of-view network.
_ENCODER = ('stem', 'time', 'down_samples', 'down')
_WHOLE = (*_ENCODER, 'norm', 'head')
_HEAD = 'head.0.weight'  # absent in a denoiser
# Channels of a stem: the picture first, the rays last.
_RGB, _RAYS = 3, 2


def load_encoder(net: FovNet, source: Path) -> str:
    """Fill the encoder from a run folder or checkpoint (averaged weights), or an .onnx file.

    A denoiser's encoder is fixed to a typical camera at t = 1. From another field-of-view network
    (run or file), the head is loaded as well. Returns the origin of the weights, see
    `train.init.origin`. Raises `TrainError`.
    """
    weights, stage, rays, named = _read(source)
    parts = _WHOLE if stage == 'fov' else _ENCODER
    taken = {name: w.float() for name, w in weights.items() if name.split('.')[0] in parts}
    stem = taken['stem.weight']  # [first, picture, what is denoised, rays]
    if stage != 'fov':
        seen = stem[:, -_RAYS:] if rays else torch.zeros_like(stem[:, :_RAYS])
        taken['stem.weight'] = torch.cat([stem[:, :_RGB], seen], dim=1)
    own = net.state_dict()
    for name in own:
        shape = tuple(taken[name].shape) if name in taken else None
        if name.split('.')[0] in parts and shape != tuple(own[name].shape):
            raise TrainError(
                f'--init {source}: {name} is {shape}, {tuple(own[name].shape)} is needed; give a '
                'run or model of the same preset'
            )
    if 'fov_projection.weight' in weights:  # of a matching shape, because the others match
        angle = sin_cos(torch.tensor([TYPICAL]), net.spec.emb, FOV_FREQUENCIES)[0]
        shift = weights['fov_projection.weight'].float() @ angle + weights['fov_projection.bias']
        taken['time.2.bias'] = taken['time.2.bias'] + shift
    net.load_state_dict({**own, **{name: taken[name] for name in own if name in taken}})
    return named


def load_fov_model(path: Path) -> FovNet:
    """Read an .onnx file written by `train.fov.export`; raises `TrainError`."""
    weights, metadata = read_file(path)
    net = FovNet(preset(preset_of(weights, FovNet, path, 'train.fov.export')).net)
    net.load_state_dict(weights)
    run = torch_backend(net).run
    try:
        check_golden(run, metadata, str(path), inputs=(FOV_INPUT,), output=FOV_OUTPUT)
    except BackendError as error:
        raise TrainError(f'cannot start from it: {error}') from None
    return net


def _read(source: Path) -> tuple[Mapping[str, Tensor], str, bool, str]:
    """Read weights by name, their stage, whether that had rays as input, and their origin."""
    if source.suffix == '.onnx':
        if _HEAD in read_file(source)[0]:
            return load_fov_model(source).state_dict(), 'fov', True, origin(source, None)
        model = load_model(source)
        return model.net.state_dict(), 'diffusion', model.net.rays, origin(source, None)
    state = checkpoint.find(source)
    config = TrainConfig.from_json(state['config'])
    return state['ema'], config.stage, config.rays, origin(source, state)
