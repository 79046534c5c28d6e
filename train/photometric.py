# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate a worse camera or other settings: exposure, colour, gamma, blur, noise, JPEG.

The same distribution applies to single pictures on the CPU and to batches on the training device.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.batch_image import column, gaussian_blur, look_up, scalar


@dataclass(frozen=True)
class Photometric:
    """Drawn changes for N pictures.

    table: uint8 [N, 256, 3], exposure, white balance, gamma and contrast of each channel.
    grey [N]: share of grey mixed in. blur [N]: sigma in pixels. noise [N]: standard deviation in
    grey levels. jpeg [N]: quality. In all but the table, 0 = not applied.
    """

    table: NDArray[np.uint8]
    grey: NDArray[np.float64]
    blur: NDArray[np.float64]
    noise: NDArray[np.float64]
    jpeg: NDArray[np.int64]


def draw_photometric(rng: np.random.Generator, count: int, strength: float) -> Photometric:
    """Draw changes for `count` pictures; strength 1 is mild."""
    gain = np.exp(rng.normal(0.0, 0.2 * strength, (count, 1, 1)))
    white = np.exp(rng.normal(0.0, 0.06 * strength, (count, 1, 3)))
    gamma = np.exp(rng.normal(0.0, 0.15 * strength, (count, 1, 1)))
    contrast = np.exp(rng.normal(0.0, 0.1 * strength, (count, 1, 1)))
    levels = np.arange(256, dtype=np.float64)[:, None] / 255.0
    curve = np.clip(levels**gamma * gain * white, 0.0, 4.0)
    curve = (curve - 0.5) * contrast + 0.5
    chance = rng.random((4, count))
    return Photometric(
        table=np.clip(curve * 255.0 + 0.5, 0, 255).astype(np.uint8),
        grey=np.where(chance[0] < 0.15, rng.uniform(0.3, 1.0, count), 0.0),
        blur=np.where(chance[1] < 0.3 * strength, rng.uniform(0.3, 1.2, count), 0.0),
        noise=np.where(chance[2] < 0.5 * strength, rng.uniform(1.0, 8.0, count), 0.0),
        jpeg=np.where(chance[3] < 0.3 * strength, rng.integers(35, 95, count), 0),
    )


def photometric(
    rng: np.random.Generator, rgb: NDArray[np.uint8], strength: float
) -> NDArray[np.uint8]:
    """Draw and apply changes to one picture [H, W, 3]."""
    if strength <= 0:
        return rgb
    draw = draw_photometric(rng, 1, strength)
    out = cv2.LUT(np.ascontiguousarray(rgb), draw.table)
    if draw.grey[0]:
        grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None]
        share = float(draw.grey[0])
        out = cv2.addWeighted(out, 1 - share, np.repeat(grey, 3, axis=2), share, 0)
    if draw.blur[0]:
        out = cv2.GaussianBlur(out, (0, 0), float(draw.blur[0]))
    if draw.noise[0]:
        noisy = out + rng.standard_normal(out.shape, np.float32) * np.float32(draw.noise[0])
        out = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return jpeg(out, int(draw.jpeg[0])) if draw.jpeg[0] else out


def jpeg(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress a picture [H, W, 3] and read it back."""
    # The channel order matters: JPEG stores brightness (mostly green) more finely than colour.
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def photometric_batch(
    rng: np.random.Generator, rgb: Tensor, strength: float, generator: torch.Generator
) -> Tensor:
    """Draw and apply changes to uint8 pictures [B, 3, H, W] on a device, without JPEG."""
    if strength <= 0:
        return rgb
    device = rgb.device
    draw = draw_photometric(rng, len(rgb), strength)
    table = torch.from_numpy(draw.table.transpose(0, 2, 1).astype(np.float32)).to(device)
    out = look_up(table, rgb)
    # Few pictures are greyed or blurred; processing all of them would cost more than all the rest.
    if draw.grey.any():
        chosen, share = _not_zero(draw.grey, device)
        out[chosen] = _greyed(out[chosen], share)
    if draw.blur.any():
        chosen, sigma = _not_zero(draw.blur, device)
        out[chosen] = gaussian_blur(out[chosen], sigma, radius=4)
    noise = torch.randn(out.shape, generator=generator, device=device)
    out = out + noise * column(draw.noise.tolist(), device)
    return out.round().clamp(0.0, 255.0).to(torch.uint8)


def _not_zero(values: NDArray[np.float64], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the indices of nonzero values, and these values."""
    chosen = np.flatnonzero(values)
    return torch.from_numpy(chosen).to(device), torch.from_numpy(values[chosen]).to(device)


def _greyed(rgb: Tensor, share: Tensor) -> Tensor:
    """Mix a share [B] of grey into pictures [B, 3, H, W]."""
    luma = torch.tensor((0.299, 0.587, 0.114), device=rgb.device)[None, :, None, None]
    grey = (rgb * luma).sum(dim=1, keepdim=True)
    return rgb + scalar(share.to(rgb.dtype)) * (grey - rgb)
