# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objective: truncated-SNR L1 of DMD (arXiv 2312.13252), on labelled pixels only.

Means are taken per sample first: a sample with few labels counts as much as a dense one, and
splitting a batch over processes does not change the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dmd_ros.core.diffusion import add_noise, alpha_sigma, v_target, x0_eps_from_prediction

# (rgb, z, t, tan_half_vfov) -> prediction, all in float32
Predict = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
GRADIENT_SCALES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Batch:
    """`train.example.Example` with a leading B, as tensors on the training device."""

    rgb: Tensor
    code: Tensor
    labelled: Tensor
    noise: Tensor
    t: Tensor
    tan_half_vfov: Tensor


@dataclass(frozen=True)
class Losses:
    """Losses of a batch.

    total: the minimised scalar. x0_l1: mean |x - x_hat| per sample [B]. x_hat: [B, C, H, W].
    """

    total: Tensor
    x0_l1: Tensor
    x_hat: Tensor


def alpha_sigma_of(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma at times [B], shaped [B, 1, 1, 1], computed in double precision."""
    alpha, sigma = (level.float() for level in alpha_sigma(t.detach().double()))
    return alpha[:, None, None, None], sigma[:, None, None, None]


def diffusion_loss(
    predict: Predict,
    batch: Batch,
    parameterisation: str,
    gradient_weight: float = 0.0,
    unroll: bool = False,
) -> Losses:
    """Denoise the batch at its own times.

    unroll: build the noisy code from the network's own estimate instead of the truth, as in
    sampling (step unrolling of DDVM); the target is still the truth.
    """
    alpha, sigma = alpha_sigma_of(batch.t)
    z = add_noise(batch.code, batch.noise, alpha, sigma)
    if unroll:
        with torch.no_grad():
            prediction = predict(batch.rgb, z, batch.t, batch.tan_half_vfov)
            own, _ = x0_eps_from_prediction(prediction, z, alpha, sigma, parameterisation)
            z = add_noise(own.clamp(-1.0, 1.0), batch.noise, alpha, sigma)
    prediction = predict(batch.rgb, z, batch.t, batch.tan_half_vfov)
    x_hat, eps_hat = x0_eps_from_prediction(prediction, z, alpha, sigma, parameterisation)
    if unroll:
        # Where the network's own estimate is wrong, the noise that leads from the truth to z grows
        # without bound towards t = 0, so the loss uses the estimate of x only.
        per_sample = labelled_l1(x_hat, batch.code, batch.labelled)
    elif parameterisation == 'v':
        # max(|x - x_hat|, |eps - eps_hat|) = max(sigma, alpha) |v - v_hat|, without cancellation.
        weight = torch.maximum(alpha, sigma)[:, 0, 0, 0]
        target = v_target(batch.code, batch.noise, alpha, sigma)
        per_sample = weight * labelled_l1(prediction, target, batch.labelled)
    else:
        per_sample = torch.maximum(
            labelled_l1(x_hat, batch.code, batch.labelled),
            labelled_l1(eps_hat, batch.noise, batch.labelled),
        )
    return _losses(per_sample, x_hat, batch, gradient_weight)


def end_to_end_loss(
    predict: Predict,
    batch: Batch,
    parameterisation: str,
    gradient_weight: float = 0.0,
) -> Losses:
    """Regress in one step from zeros at t = 1, as sampling does for noise = 'zeros'."""
    t = torch.ones_like(batch.t)
    z = torch.zeros_like(batch.code)
    alpha, sigma = alpha_sigma_of(t)
    prediction = predict(batch.rgb, z, t, batch.tan_half_vfov)
    x_hat, _ = x0_eps_from_prediction(prediction, z, alpha, sigma, parameterisation)
    per_sample = labelled_l1(x_hat, batch.code, batch.labelled)
    return _losses(per_sample, x_hat, batch, gradient_weight)


def labelled_l1(estimate: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Mean |estimate - target| over the labelled pixels of each sample [B]; 0 without labels."""
    error = torch.where(labelled, (estimate - target).abs(), 0.0)
    return error.sum(dim=(1, 2, 3)) / labelled.sum(dim=(1, 2, 3)).clamp(min=1)


def gradient_l1(estimate: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Mean |difference of finite differences| over several scales [B] (MegaDepth's term)."""
    total = torch.zeros(estimate.shape[0], device=estimate.device)
    error = torch.where(labelled, estimate - target, 0.0)
    for step in GRADIENT_SCALES:
        e, known = error[..., ::step, ::step], labelled[..., ::step, ::step]
        for axis in (-1, -2):
            this, following = _neighbours(e, axis)
            both = torch.logical_and(*_neighbours(known, axis))
            total = total + labelled_l1(this, following, both)
    return total / (2 * len(GRADIENT_SCALES))


def _neighbours(a: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return all but the last, and all but the first, elements along an axis."""
    length = a.shape[axis] - 1
    return a.narrow(axis, 0, length), a.narrow(axis, 1, length)


def _losses(per_sample: Tensor, x_hat: Tensor, batch: Batch, gradient_weight: float) -> Losses:
    total = per_sample.mean()
    if gradient_weight > 0:
        detail = gradient_l1(x_hat, batch.code, batch.labelled)
        total = total + gradient_weight * detail.mean()
    with torch.no_grad():
        x0 = labelled_l1(x_hat.clamp(-1.0, 1.0), batch.code, batch.labelled)
    return Losses(total, x0, x_hat.detach())
