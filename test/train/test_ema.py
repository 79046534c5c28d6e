# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from torch import nn

from train.ema import Ema


@pytest.mark.parametrize(
    ('half_life', 'first', 'samples'),
    [(1_000, 100_000, 100), (1_000_000, 1_000, 10)],  # at the start: a tenth of what was seen
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
