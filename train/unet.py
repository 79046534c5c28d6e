# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The denoiser: Efficient U-Net (arXiv 2205.11487, appendix B; DDVM, arXiv 2306.01923) with FOV.

Most residual blocks are at low resolution. Each level down-samples before and up-samples after
its blocks; skips are scaled by 1 / sqrt(2). All operators are supported by TensorRT 8.6 and ONNX
opset 17, and no shape is fixed: any multiple of the stride works.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SKIP_SCALE = 1.0 / math.sqrt(2.0)
# Lowest and highest angular frequency of the sin-cos embeddings. Time must distinguish 1 from
# 0.999; tan(vfov / 2) is about 0.2..1.2 and must interpolate smoothly between cameras.
TIME_FREQUENCIES = (0.1, 1000.0)
FOV_FREQUENCIES = (0.5, 32.0)


@dataclass(frozen=True)
class NetSpec:
    """Shape of a denoiser. One entry per level in channels, blocks and attention.

    attention: the number of blocks, from the first of a level, followed by self-attention.
    emb: width of the embedding of time and FOV. stem: 2 = the picture is unshuffled 2x2 before
    the first level, which then works at half resolution; 1 = a full-resolution stem as published.
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    attention: tuple[int, ...]
    emb: int
    stem: int = 2
    head_dim: int = 32
    middle: int = 1

    @property
    def stride(self) -> int:
        """Input height and width must be multiples of this."""
        return int(2 ** len(self.channels))


def sin_cos(value: Tensor, dim: int, frequencies: tuple[float, float]) -> Tensor:
    """Embed values [B] as sines and cosines [B, dim] of geometrically spaced frequencies."""
    low, high = (math.log(f) for f in frequencies)
    steps = torch.linspace(low, high, dim // 2, dtype=torch.float32, device=value.device)
    angles = value.float()[:, None] * steps.exp()[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def pixel_rays(like: Tensor, tan_half_vfov: Tensor) -> Tensor:
    """Return directions (x/z, y/z) of all pixels [B, 2, H, W] of a centred, square-pixel camera.

    The slope of the ray determines the depth of the floor; small networks cannot derive it from
    zero-padding.
    """
    height, width = like.shape[-2], like.shape[-1]
    options = {'dtype': torch.float32, 'device': like.device}
    rows = (torch.arange(height, **options) + 0.5) * (2.0 / height) - 1.0
    columns = (torch.arange(width, **options) + 0.5) * (2.0 / height) - width / height
    tan = tan_half_vfov.float()[:, None, None, None]
    flat = torch.zeros_like(like[:, :1], dtype=torch.float32)
    x = flat + tan * columns[None, None, None, :]
    y = flat + tan * rows[None, None, :, None]
    return torch.cat([x, y], dim=1)


class Norm(nn.GroupNorm):
    """Group normalisation; the compiled variant is optimised for the channels-last layout on GPUs.

    It first sums the statistics per channel, so that the threads access memory contiguously and
    one pass to read and one to write suffice.
    """

    def __init__(self, channels: int) -> None:
        """Normalise groups of 8 channels, in at most 32 groups."""
        super().__init__(max(1, min(32, channels // 8)), channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, h, w]; return float32 under autocast, like `nn.GroupNorm`."""
        if not torch.compiler.is_compiling():
            return super().forward(x)
        batch, channels = x.shape[:2]
        groups = (batch, self.num_groups, channels // self.num_groups)
        x = x.float()
        mean = x.mean((2, 3)).view(groups).mean(2, keepdim=True)
        square = (x * x).mean((2, 3)).view(groups).mean(2, keepdim=True)
        inverse = torch.rsqrt((square - mean * mean).clamp(min=0.0) + self.eps).expand(groups)
        scale = inverse.reshape(batch, channels) * self.weight
        shift = self.bias - mean.expand(groups).reshape(batch, channels) * scale
        return x * scale[:, :, None, None] + shift[:, :, None, None]


def twice(x: Tensor) -> Tensor:
    """Up-sample x [B, C, h, w] by 2, nearest neighbour."""
    if not torch.compiler.is_compiling():
        return F.interpolate(x, scale_factor=2.0, mode='nearest')
    # The compiler turns the gradient of `interpolate` into atomic scatters, but this into a sum.
    batch, channels, height, width = x.shape
    wide = x[:, :, :, None, :, None].expand(batch, channels, height, 2, width, 2)
    return wide.reshape(batch, channels, 2 * height, 2 * width)


class ResBlock(nn.Module):
    """Residual block: norm, SiLU, conv, twice; time and FOV scale and shift the second norm."""

    def __init__(self, channels_in: int, channels: int, emb: int) -> None:
        """Create a block from channels_in to channels."""
        super().__init__()
        self.norm1 = Norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.emb = nn.Linear(emb, 2 * channels)
        self.norm2 = Norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        same = channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Transform x [B, C_in, h, w] given the (activated) embedding [B, emb]."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1.0 + scale) + shift
        h = self.conv2(F.silu(h))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Residual multi-head self-attention over all pixels of a level."""

    def __init__(self, channels: int, head_dim: int) -> None:
        """Create attention with channels / head_dim heads."""
        super().__init__()
        self.heads = channels // head_dim
        self.norm = Norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within x [B, C, h, w]."""
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, 3 * self.heads, -1, height * width)
        q, k, v = qkv.transpose(2, 3).chunk(3, dim=1)  # [B, heads, h w, head_dim]
        # Plain operators: on a CPU a fused kernel does not pay for the few tokens of this level.
        scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(2, 3)
        mixed = scores.softmax(dim=-1).to(v.dtype) @ v
        mixed = mixed.transpose(2, 3).reshape(batch, channels, height, width)
        return x + self.out(mixed)


class _Step(nn.Module):
    """A residual block, followed by attention if `head_dim` is given."""

    def __init__(self, channels_in: int, channels: int, emb: int, head_dim: int | None) -> None:
        super().__init__()
        self.block = ResBlock(channels_in, channels, emb)
        self.attention = Attention(channels, head_dim) if head_dim else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.attention(self.block(x, emb))


def descend(samples: nn.ModuleList, levels: nn.ModuleList, h: Tensor, emb: Tensor) -> list[Tensor]:
    """Run the encoder on the output of the stem; return the output of every block, top down."""
    made: list[Tensor] = []
    for sample, steps in zip(samples, levels, strict=True):
        h = sample(h)
        for step in steps:
            h = step(h, emb)
            made.append(h)
    return made


class UNet(nn.Module):
    """Predict v (or eps, or x0) from picture, noisy depth code, time and field of view."""

    def __init__(
        self,
        spec: NetSpec,
        fov: bool = True,
        rays: bool = False,
        channels: int = 1,
    ) -> None:
        """Build the network.

        fov: condition on tan(vfov / 2). rays: add ray directions to the input.
        channels: of the denoised signal: 1 for depth, 3 for the pictures of stage 0.
        """
        super().__init__()
        self.spec, self.fov, self.rays, self.channels = spec, fov, rays, channels
        emb, widths = spec.emb, spec.channels
        first = widths[0]
        inputs = 3 + channels + (2 if rays else 0)
        # 6x6 with stride 2 is a 2x2 pixel-unshuffle and a 3x3 convolution in one operator.
        kernel = 6 if spec.stem == 2 else 3
        self.stem = nn.Conv2d(inputs, first, kernel, stride=spec.stem, padding=(kernel - 1) // 2)
        self.time = nn.Sequential(nn.Linear(emb, emb), nn.SiLU(), nn.Linear(emb, emb))
        self.fov_projection = nn.Linear(emb, emb) if fov else None
        self.down_samples, self.down = nn.ModuleList(), nn.ModuleList()
        self.up_samples, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            shrinks = level > 0 or spec.stem == 1
            shrink = nn.Conv2d(before, width, 3, stride=2, padding=1)
            self.down_samples.append(shrink if shrinks else nn.Identity())
            self.down.append(self._level(level, width))
            self.up.append(self._level(level, 2 * width))
            # A 1x1 convolution commutes with nearest up-sampling and is 4 times cheaper before it.
            self.up_samples.append(nn.Conv2d(width, before, 1) if shrinks else nn.Identity())
        last, dim = widths[-1], spec.head_dim if spec.attention[-1] else None
        self.middle = nn.ModuleList(_Step(last, last, emb, dim) for _ in range(spec.middle))
        head_inputs = first if spec.stem == 2 else 2 * first
        self.head_norm = Norm(head_inputs)
        self.head = nn.Conv2d(head_inputs, channels * spec.stem**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def _level(self, level: int, channels_in: int) -> nn.ModuleList:
        spec = self.spec
        return nn.ModuleList(
            _Step(
                channels_in,
                spec.channels[level],
                spec.emb,
                spec.head_dim if index < spec.attention[level] else None,
            )
            for index in range(spec.blocks[level])
        )

    def embedding(self, t: Tensor, tan_half_vfov: Tensor) -> Tensor:
        """Return the activated embedding [B, emb] of time and field of view."""
        emb = self.time(sin_cos(t, self.spec.emb, TIME_FREQUENCIES))
        if self.fov_projection is not None:
            angle = sin_cos(tan_half_vfov, self.spec.emb, FOV_FREQUENCIES)
            emb = emb + self.fov_projection(angle)
        else:  # all model files have the same inputs, and an export drops unused ones
            emb = emb + 0.0 * tan_half_vfov[:, None]
        return F.silu(emb)

    def forward(self, rgb: Tensor, z: Tensor, t: Tensor, tan_half_vfov: Tensor) -> Tensor:
        """Predict [B, C, H, W] from rgb [B, 3, H, W], z [B, C, H, W], t [B], tan_half_vfov [B]."""
        emb = self.embedding(t, tan_half_vfov)
        parts = [rgb, z]
        if self.rays:
            parts.append(pixel_rays(z, tan_half_vfov))
        stem = self.stem(torch.cat(parts, dim=1))
        skips = descend(self.down_samples, self.down, stem, emb)
        h = skips[-1]
        for step in self.middle:
            h = step(h, emb)
        for level in reversed(range(len(self.up))):
            for step in self.up[level]:
                h = step(torch.cat([h, skips.pop() * SKIP_SCALE], dim=1), emb)
            h = self.up_samples[level](h)
            if level > 0 or self.spec.stem == 1:
                h = twice(h)
        if self.spec.stem == 1:
            h = torch.cat([h, stem * SKIP_SCALE], dim=1)
        out = self.head(F.silu(self.head_norm(h)))
        return F.pixel_shuffle(out, 2) if self.spec.stem == 2 else out


def parameter_count(net: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in net.parameters())
