# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_set import fast_config, losses_of, write_set
from torch import nn

from train.loop import train
from train.muon import Muon, orthogonal
from train.processes import Processes


@pytest.mark.parametrize('shape', [(12, 40), (40, 12)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_singular_values_end_near_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 100, dtype))
    assert values.min() > 0.4
    assert values.max() < 1.4


class _Weights(nn.Module):
    """Two matrices of one shape, a convolution, and weights that are not matrices to Muon."""

    def __init__(self) -> None:
        super().__init__()
        shapes = {
            'one': (8, 6),
            'two': (8, 6),
            'kernel': (6, 2, 3, 3),
            'head': (4, 9),
            'bias': (8,),
        }
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape)))


def test_steps_are_muons_for_matrices_and_adamws_for_the_rest() -> None:
    torch.manual_seed(0)
    net, lr, decay = _Weights(), 0.02, 0.1
    muon = Muon(net, lr, decay, torch.float32)
    expected = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    others = [expected['head'], expected['bias']]
    adam = torch.optim.AdamW(others, lr, (0.9, 0.99), 1e-8, weight_decay=decay)
    momenta = {name: torch.zeros_like(expected[name]) for name in ('one', 'two', 'kernel')}
    for scale in (1.0, 0.1, 3.0):
        for name, p in net.named_parameters():
            p.grad = scale * torch.randn_like(p)
            expected[name].grad = p.grad.clone()
        muon.step()
        adam.step()
        for name, momentum in momenta.items():
            weight, grad = expected[name].detach(), expected[name].grad
            assert grad is not None
            momentum.mul_(0.95).add_(0.05 * grad)
            matrix = (0.05 * grad + 0.95 * momentum).flatten(1)
            size = 0.2 * max(matrix.shape) ** 0.5
            update = size * orthogonal(matrix, torch.float32).reshape(weight.shape)
            weight.mul_(1.0 - lr * decay).sub_(lr * update)
        for name, p in net.named_parameters():
            torch.testing.assert_close(p, expected[name], msg=name, rtol=1e-4, atol=1e-5)


def test_weights_without_a_gradient_do_not_change() -> None:
    net = _Weights()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    net.one.grad = torch.ones(8, 6)
    Muon(net, 0.1, 0.1).step()
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {'one'}


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
