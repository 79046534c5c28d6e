# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera model of `sensor`, for a batch of pictures on the training device (torch).

Cameras and order of steps are the same; the noise comes from the device's generator.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from train.batch_image import column, gaussian_blur, look_up
from train.worlds.render.sensor import (
    BRIGHT_LIMIT,
    BRIGHT_PERCENTILE,
    BRIGHTEST,
    METER_LUMA,
    METER_STEP,
    SensorDraw,
    shot_and_read,
    tone_table,
)

_TONES = 1023


def expose_batch(colour: Tensor, draws: list[SensorDraw], generator: torch.Generator) -> Tensor:
    """Linear colour [B, H, W, 3] -> uint8 RGB [B, 3, H, W], one drawn camera per picture."""
    device = colour.device
    image = _lens(colour.permute(0, 3, 1, 2).clamp(max=BRIGHTEST).contiguous(), draws)
    gain = _exposure(image, draws)
    noise = [shot_and_read(d.level) for d in draws]
    shot = column([s for s, _ in noise], device)
    read = column([r for _, r in noise], device)
    v = image * gain * _vignette(image, draws)
    v = v + _grain(image, draws, generator) * (v.clamp(min=0.0) * shot + read).sqrt()
    shoulder = column([d.shoulder for d in draws], device)
    room = 1.02 - shoulder
    over = (v - shoulder).clamp(min=0.0)
    v = torch.where(over > 0.0, shoulder + room * over / (over + room), v)
    tables = np.stack([tone_table(d) for d in draws])
    tones = torch.from_numpy(tables).to(device, non_blocking=True)
    v = look_up(tones[:, None].expand(-1, 3, -1).contiguous(), v.clamp(0.0, 1.0) * _TONES + 0.5)
    grey = v.mean(dim=1, keepdim=True)
    v = grey + (v - grey) * column([d.saturation for d in draws], device)
    return (v * 255.0 + 0.5).clamp(0.0, 255.0).to(torch.uint8)


def _lens(image: Tensor, draws: list[SensorDraw]) -> Tensor:
    """Blur and glare."""
    height, width = image.shape[-2:]
    sigmas = [d.blur * height / 192.0 for d in draws]
    sigma = torch.tensor([s if s > 0.25 else 0.0 for s in sigmas]).to(image.device)
    image = gaussian_blur(image, sigma, radius=3)
    small = F.interpolate(image, (max(4, height // 8), max(4, width // 8)), mode='area')
    wide = torch.full_like(sigma, 2.5)
    soft = gaussian_blur(small, wide, radius=min(7, min(small.shape[-2:]) - 1))
    glare = F.interpolate(soft, (height, width), mode='bilinear')
    return image + column([d.glare for d in draws], image.device) * glare


def _exposure(image: Tensor, draws: list[SensorDraw]) -> Tensor:
    """Return the gain of each channel [B, 3, 1, 1]: auto exposure and white balance."""
    weights = torch.tensor(METER_LUMA, device=image.device)[None, :, None, None]
    luma = (image[..., ::METER_STEP, ::METER_STEP] * weights).sum(dim=1).flatten(1)
    middle = (luma + 1e-3).log().mean(dim=1).exp()
    bright = torch.quantile(luma, BRIGHT_PERCENTILE / 100.0, dim=1).clamp(min=1e-3)
    key = torch.tensor([d.key for d in draws]).to(image.device)
    gain = torch.minimum(key / middle, BRIGHT_LIMIT / bright)
    balance = torch.tensor([d.balance for d in draws]).to(image.device)
    return (gain[:, None] * balance)[:, :, None, None]


def _vignette(image: Tensor, draws: list[SensorDraw]) -> Tensor:
    height, width = image.shape[-2:]
    dy = (torch.arange(height, device=image.device) + 0.5) / height - 0.5
    dx = (torch.arange(width, device=image.device) + 0.5) / width - 0.5
    square = dx[None, :] ** 2 + dy[:, None] ** 2
    return 1.0 - 2.0 * column([d.fall for d in draws], image.device) * square


def _grain(image: Tensor, draws: list[SensorDraw], generator: torch.Generator) -> Tensor:
    grain = torch.randn(image.shape, generator=generator, device=image.device)
    sigma = torch.tensor([0.7 if d.smooth else 0.0 for d in draws]).to(image.device)
    boost = column([2.0 if d.smooth else 1.0 for d in draws], image.device)
    return gaussian_blur(grain, sigma, radius=3) * boost
