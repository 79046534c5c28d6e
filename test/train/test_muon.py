# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_set import fast_config, losses_of, write_set

from train.loop import train
from train.muon import orthogonal
from train.processes import Processes


@pytest.mark.parametrize('shape', [(12, 40), (40, 12)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_singular_values_end_near_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 100, dtype))
    assert values.min() > 0.4
    assert values.max() < 1.4


def test_trains_and_resumes(tmp_path: Path) -> None:
    alone = Processes(0, 1, torch.device('cpu'))
    data = write_set(tmp_path / 'set')
    settings = ('optimizer=muon', 'batch=8', 'stage=end_to_end', 'checkpoint_every=160')
    whole = fast_config(data, *settings, 'total_samples=320')
    train(tmp_path / 'whole', whole, alone)
    train(tmp_path / 'parts', fast_config(data, *settings, 'total_samples=160'), alone)
    train(tmp_path / 'parts', whole, alone, resume=True)
    losses = losses_of(tmp_path / 'whole')
    assert losses_of(tmp_path / 'parts') == losses
    rows = list(losses.values())
    assert sum(rows[-5:]) < 0.6 * sum(rows[:5])
