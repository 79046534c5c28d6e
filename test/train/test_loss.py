# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dmd_ros.core.diffusion import add_noise, v_target
from train.loss import Batch, alpha_sigma_of, diffusion_loss, end_to_end_loss, gradient_l1
from train.mixture import draw_time


def _batch(t: list[float]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    shape = (len(t), 1, 8, 8)
    return Batch(
        rgb=torch.zeros(len(t), 3, 8, 8),
        code=torch.rand(shape, generator=generator) * 2 - 1,
        labelled=torch.rand(shape, generator=generator) > 0.5,
        noise=torch.randn(shape, generator=generator),
        t=torch.tensor(t),
        tan_half_vfov=torch.full((len(t),), 0.5),
    )


def _oracle(batch: Batch, kind: str, error: Tensor | float = 0.0):
    def predict(rgb: Tensor, z: Tensor, t: Tensor, tan: Tensor) -> Tensor:
        alpha, sigma = alpha_sigma_of(t)
        truth = {
            'v': v_target(batch.code, batch.noise, alpha, sigma),
            'eps': batch.noise,
            'x0': batch.code,
        }[kind]
        return truth + error

    return predict


@pytest.mark.parametrize('kind', ['v', 'eps', 'x0'])
def test_an_oracle_has_next_to_no_loss(kind: str) -> None:
    batch = _batch([0.2, 0.5, 0.8])
    losses = diffusion_loss(_oracle(batch, kind), batch, kind)
    # eps and x0 divide by a floored alpha or sigma (see core.diffusion): a small bias is theirs.
    assert losses.total < (1e-6 if kind == 'v' else 0.1)


@pytest.mark.parametrize('stage', ['diffusion', 'unroll', 'end_to_end'])
def test_only_labelled_pixels_count(stage: str) -> None:
    batch = _batch([0.3, 1.0])
    error = torch.where(batch.labelled, 0.0, 100.0).requires_grad_()
    if stage == 'end_to_end':
        predict = lambda rgb, z, t, tan: -batch.code + error  # noqa: E731
        losses = end_to_end_loss(predict, batch, 'v', gradient_weight=1.0)
    else:
        predict = _oracle(batch, 'v', error)
        losses = diffusion_loss(predict, batch, 'v', 1.0, stage == 'unroll')
    losses.total.backward()
    assert error.grad is not None
    assert error.grad[~batch.labelled].abs().max() == 0
    if stage != 'unroll':
        assert losses.total < 1e-5


@pytest.mark.parametrize('kind', ['v', 'eps', 'x0'])
def test_weight_is_the_larger_of_both_errors(kind: str) -> None:
    t = [0.1, 0.9]
    batch = _batch(t)
    losses = diffusion_loss(_oracle(batch, kind, 0.25), batch, kind)
    alpha, sigma = np.cos(np.pi * np.array(t) / 2), np.sin(np.pi * np.array(t) / 2)
    # Of x and of eps, for an error of 1 in what is predicted.
    errors = {'v': (sigma, alpha), 'eps': (sigma / alpha, 1.0), 'x0': (1.0, alpha / sigma)}
    weight = np.maximum(*errors[kind]).mean()
    assert losses.total.item() == pytest.approx(0.25 * weight, rel=1e-4)


def test_unrolled_the_net_denoises_its_own_estimate() -> None:
    batch = _batch([0.3, 0.8])
    own, seen = 0.5 * batch.code, []

    def predict(rgb: Tensor, z: Tensor, t: Tensor, tan: Tensor) -> Tensor:
        seen.append(z)
        return own

    losses = diffusion_loss(predict, batch, 'x0', unroll=True)
    levels = alpha_sigma_of(batch.t)
    torch.testing.assert_close(seen[0], add_noise(batch.code, batch.noise, *levels))
    torch.testing.assert_close(seen[1], add_noise(own, batch.noise, *levels))
    torch.testing.assert_close(losses.total, losses.x0_l1.mean())


@pytest.mark.parametrize('kind', ['v', 'eps', 'x0'])
def test_finite_at_both_ends_of_time(kind: str) -> None:
    batch = _batch([0.0, 1.0])
    assert torch.isfinite(diffusion_loss(_oracle(batch, kind, 1.0), batch, kind).total)


def test_a_sample_without_labels_adds_nothing() -> None:
    batch = _batch([0.5])
    batch = Batch(**{**vars(batch), 'labelled': torch.zeros_like(batch.labelled)})
    assert diffusion_loss(_oracle(batch, 'v', 1.0), batch, 'v').total == 0


def test_gradient_term_ignores_a_constant_offset() -> None:
    batch = _batch([0.5])
    everywhere = torch.ones_like(batch.labelled)
    assert gradient_l1(batch.code + 0.3, batch.code, everywhere).item() < 1e-6
    # A ramp of 0.1 a column differs by that times 1, 2, 4 and 8 across, and not at all down.
    ramp = (0.1 * torch.arange(16.0)).expand(1, 1, 16, 16)
    detail = gradient_l1(ramp, torch.zeros_like(ramp), torch.ones_like(ramp, dtype=torch.bool))
    assert detail.item() == pytest.approx(0.1 * (1 + 2 + 4 + 8) / 8)


def test_times_have_mass_at_one() -> None:
    u = (np.arange(1000) + 0.5) / 1000
    times = np.array([draw_time(v, 0.25) for v in u])
    assert (times == 1.0).mean() == pytest.approx(0.25)
    assert times[times < 1].mean() == pytest.approx(0.5, abs=1e-3)
    assert draw_time(0.5, 1.0) == 1.0
