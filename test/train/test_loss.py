# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dmd_ros.core.diffusion import add_noise, v_target
from train.loss import (
    GRADIENT_SCALES,
    Batch,
    alpha_sigma_of,
    diffusion_loss,
    end_to_end_loss,
    gradient_l1,
    labelled_l1,
)
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
def test_an_oracle_has_almost_no_loss(kind: str) -> None:
    batch = _batch([0.2, 0.5, 0.8])
    losses = diffusion_loss(_oracle(batch, kind), batch, kind)
    # eps and x0 divide by a floored alpha or sigma (see core.diffusion): a small bias remains.
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
    # Errors of x and of eps for an error of 1 in the prediction.
    errors = {'v': (sigma, alpha), 'eps': (sigma / alpha, 1.0), 'x0': (1.0, alpha / sigma)}
    weight = np.maximum(*errors[kind]).mean()
    assert losses.total.item() == pytest.approx(0.25 * weight, rel=1e-4)


def test_unrolled_training_denoises_the_own_estimate() -> None:
    """Clipped, as in sampling, and without a gradient through it; the loss uses x only."""
    batch = _batch([0.3, 0.8])
    own, last = 2.0 * batch.code, 0.5 * batch.code
    seen = []

    def predict(rgb: Tensor, z: Tensor, t: Tensor, tan: Tensor) -> Tensor:
        assert t is batch.t and tan is batch.tan_half_vfov
        seen.append((z, torch.is_grad_enabled()))
        return own if len(seen) == 1 else last

    losses = diffusion_loss(predict, batch, 'x0', unroll=True)
    levels = alpha_sigma_of(batch.t)
    (first, first_learns), (second, second_learns) = seen
    assert (first_learns, second_learns) == (False, True)
    torch.testing.assert_close(first, add_noise(batch.code, batch.noise, *levels))
    torch.testing.assert_close(second, add_noise(own.clamp(-1, 1), batch.noise, *levels))
    expected = labelled_l1(last, batch.code, batch.labelled).mean()
    torch.testing.assert_close(losses.total, expected)


def test_end_to_end_training_feeds_zeros_at_t_1() -> None:
    """Regardless of the batch's own times and noise."""
    batch = _batch([0.3, 0.8])

    def predict(rgb: Tensor, z: Tensor, t: Tensor, tan: Tensor) -> Tensor:
        assert z.shape == batch.code.shape and not z.any()
        assert t.tolist() == [1.0, 1.0]
        assert tan is batch.tan_half_vfov
        return -batch.code

    assert end_to_end_loss(predict, batch, 'v').total < 1e-6


@pytest.mark.parametrize('end_to_end', [False, True])
def test_gradient_term_is_weighted_and_differentiable(end_to_end: bool) -> None:
    batch = _batch([0.9, 0.95])
    x_hat = (0.5 * batch.code).requires_grad_()
    loss = end_to_end_loss if end_to_end else diffusion_loss
    plain, with_term = (
        loss(lambda *_: x_hat, batch, 'x0', gradient_weight=w).total for w in (0.0, 0.3)
    )
    term = 0.3 * gradient_l1(x_hat, batch.code, batch.labelled).mean()
    torch.testing.assert_close(with_term, plain + term)
    slopes = [torch.autograd.grad(total, x_hat)[0] for total in (with_term, plain, term)]
    torch.testing.assert_close(slopes[0], slopes[1] + slopes[2])


def test_reported_losses_are_clipped_per_sample_and_detached() -> None:
    batch = _batch([0.4, 0.6])
    x_hat = (3.0 * batch.code).requires_grad_()
    losses = diffusion_loss(lambda *_: x_hat, batch, 'x0')
    expected = labelled_l1(x_hat.clamp(-1, 1), batch.code, batch.labelled)
    torch.testing.assert_close(losses.x0_l1, expected.detach())
    assert torch.equal(losses.x_hat, x_hat)
    assert not losses.x_hat.requires_grad and not losses.x0_l1.requires_grad


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
    # A ramp of 0.1 per column: differences of 0.1, 0.2, 0.4, 0.8 along rows and 0 along columns.
    ramp = (0.1 * torch.arange(16.0)).expand(1, 1, 16, 16)
    detail = gradient_l1(ramp, torch.zeros_like(ramp), torch.ones_like(ramp, dtype=torch.bool))
    assert detail.item() == pytest.approx(0.1 * (1 + 2 + 4 + 8) / 8)


def test_gradient_term_counts_only_labelled_pairs() -> None:
    batch = _batch([0.5])
    code, labelled = batch.code[0, 0].numpy(), batch.labelled[0, 0].numpy()
    error = np.where(labelled, 0.5 * code - code, np.nan)
    scales = [error[::step, ::step] for step in GRADIENT_SCALES]
    pairs = [np.abs(np.diff(e, axis=axis)) for e in scales for axis in (0, 1)]
    means = [np.nanmean(p) if np.isfinite(p).any() else 0.0 for p in pairs]
    found = gradient_l1(0.5 * batch.code, batch.code, batch.labelled)
    assert found.item() == pytest.approx(np.mean(means), rel=1e-5)


def test_times_have_mass_at_one() -> None:
    u = (np.arange(1000) + 0.5) / 1000
    times = np.array([draw_time(v, 0.25) for v in u])
    assert (times == 1.0).mean() == pytest.approx(0.25)
    assert times[times < 1].mean() == pytest.approx(0.5, abs=1e-3)
    assert draw_time(0.5, 1.0) == 1.0
