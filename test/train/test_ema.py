# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from train.ema import Ema


@pytest.mark.parametrize(
    ('half_life', 'first', 'samples'),
    [(1_000, 100_000, 100), (1_000_000, 1_000, 10)],  # at the start: a tenth of the samples seen
)
def test_half_of_a_jump_is_left_after_a_half_life(
    half_life: int, first: int, samples: int
) -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    ema = Ema(net, half_life)
    nn.init.ones_(net.weight)
    for _ in range(10):
        ema.update(net, first, samples)
    assert ema.weights['weight'].item() == pytest.approx(0.5)


def test_without_a_half_life_it_is_the_network() -> None:
    net = nn.Linear(2, 2)
    ema = Ema(net, 0)
    nn.init.ones_(net.weight)
    ema.update(net, 4, 4)
    assert torch.equal(ema.weights['weight'], net.weight)


def test_averages_of_a_checkpoint_are_copied() -> None:
    ema = Ema(nn.Linear(2, 2), 1_000)
    kept = {name: torch.full_like(w, 3.0) for name, w in ema.weights.items()}
    ema.load(kept)
    ema.update(nn.Linear(2, 2), 100_000, 100)
    assert not torch.equal(ema.weights['weight'], kept['weight'])
    assert (ema.weights['weight'] - 3.0).abs().max() < 1.0
    assert (kept['weight'] == 3.0).all()
