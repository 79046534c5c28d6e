# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of the weights, with a half-life in samples seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Early in training the half-life is at most this share of the samples seen (EDM2's ramp-up);
# otherwise the random initial weights would persist for several half-lives.
RAMP_UP = 0.1


class Ema:
    """Averaged copies of a network's parameters, float32 on the same device."""

    def __init__(self, net: nn.Module, half_life: int) -> None:
        """Start from the network's weights; half_life in samples."""
        self.half_life = half_life
        self.weights = {name: p.detach().clone() for name, p in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, clock: int, samples: int) -> None:
        """Update with the network after `samples` more samples, `clock` in total."""
        half_life = min(self.half_life, RAMP_UP * clock)
        keep = 0.5 ** (samples / max(half_life, 1e-8))
        now: dict[str, Tensor] = net.state_dict()
        averages = list(self.weights.values())
        torch._foreach_lerp_(averages, [now[name] for name in self.weights], 1.0 - keep)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Copy the averages of a checkpoint."""
        for name, average in self.weights.items():
            average.copy_(weights[name])
