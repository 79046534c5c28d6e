# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert stage-0 weights to those of a depth net: only both ends change.

Stem: the weights of the picture are kept. Those of the three noisy colours are summed, so that a
depth code is read like a grey picture. Ray channels, if the net has them, start at zero.
Head: the mean of the three colours, so that the net first denoises depth like grey pictures.
Field of view: its projection starts at zero, so that the embedding is first that of stage 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from train.unet import UNet

_COLOURS = 3


def depth_from_pictures(weights: Mapping[str, Tensor], net: UNet) -> dict[str, Tensor]:
    """Return a state dict for the depth net `net` from stage-0 weights of the same preset."""
    out = dict(weights)
    stem = weights['stem.weight']  # [first, 3 + 3, k, k]
    rgb, noisy = stem[:, :_COLOURS], stem[:, _COLOURS:].sum(1, keepdim=True)
    rays = stem.new_zeros(stem.shape[0], 2 if net.rays else 0, *stem.shape[2:])
    out['stem.weight'] = torch.cat([rgb, noisy, rays], dim=1)
    # pixel_shuffle reads the channels of a colour, one per pixel of a 2x2 block, consecutively.
    for name in ('head.weight', 'head.bias'):
        full = weights[name]
        out[name] = full.reshape(_COLOURS, full.shape[0] // _COLOURS, *full.shape[1:]).mean(0)
    if net.fov_projection is not None:
        for name, value in net.fov_projection.state_dict().items():
            out[f'fov_projection.{name}'] = torch.zeros_like(value, device='cpu')
    return out
