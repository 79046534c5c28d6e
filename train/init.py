# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights to start a run from: another run's, those of stage 0, or those of a model file."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from train import checkpoint
from train.config import TrainConfig
from train.errors import TrainError
from train.onnx_weights import load_model
from train.stage0.adapt import depth_from_pictures
from train.unet import UNet


def load_weights(net: UNet, source: Path) -> None:
    """Fill a net from a run folder or checkpoint (its averaged weights) or an .onnx file.

    A depth net takes those of stage 0 as well, see `train.stage0.adapt`. Raises `TrainError`.
    """
    if source.suffix == '.onnx':
        model = load_model(source)
        weights: dict[str, Tensor] = dict(model.net.state_dict())
        kind = f'preset {model.preset} (rays={model.net.rays}, fov={model.net.fov})'
    else:
        state = checkpoint.find(source)
        theirs = TrainConfig.from_json(state['config'])
        weights = state['ema']
        kind = f'preset {theirs.preset} (rays={theirs.rays}, fov={theirs.fov})'
        if theirs.stage == 'stage0':
            kind = f'preset {theirs.preset} (stage 0)'
            if net.channels == 1:
                weights = depth_from_pictures(weights, net)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainError(
            f'--init {source}: weights of {kind} do not fit this net: '
            f'{str(error).splitlines()[-1].strip()}'
        ) from None
