# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Filters on batches of pictures, with separate parameters for each picture (torch)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur images [B, C, H, W] with sigma [B] in pixels; 0 leaves a picture unchanged.

    radius: half width of the window. Borders are mirrored as in OpenCV.
    """
    batch, channels, height, width = images.shape
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    spread = sigma.to(images.dtype).clamp(min=1e-3)[:, None]
    weights = torch.exp(-0.5 * (offsets / spread) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    weights = weights.repeat_interleave(channels, dim=0)[:, None]  # [B C, 1, 2 radius + 1]
    flat = images.reshape(1, batch * channels, height, width)
    padded = F.pad(flat, (radius, radius, radius, radius), mode='reflect')
    across = F.conv2d(padded, weights[:, :, None, :], groups=batch * channels)
    down = F.conv2d(across, weights[:, :, :, None], groups=batch * channels)
    return down.reshape(batch, channels, height, width)


def look_up(tables: Tensor, index: Tensor) -> Tensor:
    """Look up tables [B, C, K] at index [B, C, H, W] (integers below K)."""
    batch, channels, entries = tables.shape
    rows = torch.arange(batch * channels, device=index.device).reshape(batch, channels, 1, 1)
    return tables.reshape(-1)[rows * entries + index.long()]


def scalar(values: Tensor) -> Tensor:
    """Reshape [B] to [B, 1, 1, 1]."""
    return values[:, None, None, None]


def column(values: list[float], device: torch.device) -> Tensor:
    """Return numbers, one per picture, as float32 [B, 1, 1, 1]."""
    return scalar(torch.tensor(values, dtype=torch.float32).to(device, non_blocking=True))
