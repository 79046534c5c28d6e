# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The speed of a run, and its share of the device's peak (MFU)."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from train.unet import NetSpec, UNet

# The forward pass, and the two products of the backward pass.
_PASSES = 3


@cache
def flops_per_sample(
    spec: NetSpec,
    rays: bool,
    size: tuple[int, int],
    channels: int = 1,
) -> float:
    """Return the floating-point operations of training on one picture of (height, width)."""
    with torch.device('meta'):
        net = UNet(spec, rays=rays, channels=channels)
        feeds = (
            torch.empty(1, 3, *size),
            torch.empty(1, channels, *size),
            torch.empty(1),
            torch.empty(1),
        )
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            net(*feeds)
    return float(_PASSES * counter.get_total_flops())


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the device's rate in a large matrix product, the peak for MFU."""
    side = 8192 if device.type == 'cuda' else 1536
    a = torch.randn(side, side, device=device, dtype=dtype)
    a @ a
    best = float('inf')
    for _ in range(3):
        _wait(device)
        started = time.perf_counter()
        a @ a
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best


class Progress:
    """Samples per second and time left, measured since the last report."""

    def __init__(self, clock: int, total: int) -> None:
        """Start at `clock` samples of `total`."""
        self._clock, self._total, self._time = clock, total, time.perf_counter()

    def lap(self, clock: int) -> tuple[float, float]:
        """Return (samples per second, seconds left)."""
        now = time.perf_counter()
        rate = (clock - self._clock) / max(now - self._time, 1e-9)
        self._clock, self._time = clock, now
        return rate, max(0, self._total - clock) / max(rate, 1e-9)


def hours(seconds: float) -> str:
    """Format a duration as 1:05:09."""
    whole = int(seconds)
    return f'{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}'


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
