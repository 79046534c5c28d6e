# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The denoiser's encoder with a head that estimates the field of view (arXiv 2312.13252).

The encoder's only input is the picture: no noisy depth, and neither the field of view nor its
rays, which would reveal the answer. The denoiser's camera input is fixed to one typical camera
here, so that a denoiser's weights fit (`load_encoder`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.unet import TIME_FREQUENCIES, NetSpec, UNet, descend, pixel_rays, sin_cos

# The camera input of the encoder for every picture: tan(vfov / 2).
TYPICAL = 0.5
_HIDDEN = 128
_MOMENTS = 4


class FovNet(nn.Module):
    """Estimate tan(vfov / 2) from a normalised picture."""

    def __init__(self, spec: NetSpec) -> None:
        """Build the encoder of a denoiser with this specification, and the head."""
        super().__init__()
        self.spec = spec
        whole = UNet(spec, fov=False)
        stem = whole.stem
        self.stem = nn.Conv2d(5, stem.out_channels, stem.kernel_size, stem.stride, stem.padding)
        self.time, self.down_samples, self.down = whole.time, whole.down_samples, whole.down
        last = spec.channels[-1]
        self.norm = nn.GroupNorm(8, last)
        self.head = nn.Sequential(
            nn.Linear(_MOMENTS * last, _HIDDEN),
            nn.SiLU(),
            nn.Linear(_HIDDEN, 1),
        )
        with torch.no_grad():  # start from a typical camera
            self.head[-1].weight.zero_()
            self.head[-1].bias.fill_(math.log(TYPICAL))

    def forward(self, rgb: Tensor) -> Tensor:
        """Estimate tan(vfov / 2) [B] of pictures [B, 3, H, W] with square pixels.

        The head regresses the logarithm of sqrt(H W) / (2 f), the angle of a pixel independent of
        the picture's shape. The aspect ratio converts this to the vertical field of view.
        """
        # The encoder runs as at t = 1, where the noisy depth carries no information.
        one = torch.ones_like(rgb[:1, 0, 0, 0])
        emb = F.silu(self.time(sin_cos(one, self.spec.emb, TIME_FREQUENCIES)))
        rays = pixel_rays(rgb, TYPICAL + 0.0 * rgb[:, 0, 0, 0])
        stem = self.stem(torch.cat([rgb, rays], dim=1))
        h = descend(self.down_samples, self.down, stem, emb)[-1]
        h = F.silu(self.norm(h))
        pooled = [(h * weight).mean(dim=(2, 3)) for weight in _moments(h)]
        mean_tan = self.head(torch.cat(pooled, dim=1))[:, 0].float().exp()
        # A tensor, because the exported graph accepts pictures of any shape.
        rows_per_column = (one + (rgb.shape[2] - 1)) / (one + (rgb.shape[3] - 1))
        return mean_tan * rows_per_column.sqrt()


def _moments(like: Tensor) -> list[Tensor]:
    """Return pooling weights [h, w] by position of a feature, symmetric in left and right.

    A plain mean would lose where lines converge. Polynomials in the position need no fixed size.
    """
    height, width = like.shape[-2], like.shape[-1]
    options = {'dtype': like.dtype, 'device': like.device}
    y = (torch.arange(height, **options) + 0.5) * (2.0 / height) - 1.0
    x = (torch.arange(width, **options) + 0.5) * (2.0 / width) - 1.0
    flat = torch.zeros_like(like[0, 0])
    return [flat + 1.0, flat + y[:, None], flat + y[:, None] ** 2, flat + x[None, :] ** 2]
