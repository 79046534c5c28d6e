# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The diffusion process and its samplers, written with + - * / on arrays only.

z_t = alpha_t x + sigma_t eps with alpha^2 + sigma^2 = 1 and t in [0, 1]. The cosine schedule ends
at alpha(1) = 0 exactly (zero terminal SNR), so a sampler that starts at t = 1 starts from pure
noise, as in training. Sampling in one or a few steps depends on this.

The same functions serve NumPy arrays on the robot and torch tensors in the trainer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dmd_ros.core.errors import CoreError

# eps -> x divides by alpha, which is 0 at t = 1: the paper's reason to prefer v. This lower limit
# keeps the ablation finite there, and has no effect elsewhere.
ALPHA_FLOOR = 1e-2

SAMPLERS = ('ddpm', 'ddim')


def alpha_sigma(t: Any) -> tuple[Any, Any]:
    """Return signal and noise level of the cosine schedule at t, a float, array or tensor.

    Only sin is used, so that alpha(1) = sin(0) = 0 exactly; in floats cos(pi / 2) is not 0.
    """
    return _sin(0.5 * math.pi * (1.0 - t)), _sin(0.5 * math.pi * t)


def add_noise(x: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """Return the noisy code z = alpha x + sigma eps."""
    return alpha * x + sigma * eps


def v_target(x: Any, eps: Any, alpha: Any, sigma: Any) -> Any:
    """Return the velocity v = alpha eps - sigma x."""
    return alpha * eps - sigma * x


def x0_eps_from_prediction(
    prediction: Any,
    z: Any,
    alpha: Any,
    sigma: Any,
    parameterisation: str,
) -> tuple[Any, Any]:
    """Convert the network's prediction to estimates of the code x and of the noise eps.

    alpha, sigma: Python floats, or arrays that broadcast over z. Raises `CoreError` for an unknown
    parameterisation.
    """
    if parameterisation == 'v':
        return alpha * z - sigma * prediction, sigma * z + alpha * prediction
    if parameterisation == 'eps':
        return (z - sigma * prediction) / _at_least_floor(alpha), prediction
    if parameterisation == 'x0':
        return prediction, (z - alpha * prediction) / _at_least_floor(sigma)
    raise CoreError(f'parameterisation {parameterisation!r}; allowed: v, eps, x0')


def trailing_times(steps: int) -> list[float]:
    """Return the times of `steps` steps: evenly spaced, from t = 1 exactly, ending above 0.

    Raises `CoreError` if steps < 1.
    """
    if steps < 1:
        raise CoreError(f'steps={steps} must be >= 1')
    return [1.0 - i / steps for i in range(steps)]


def sample(
    denoise: Callable[[Any, float], tuple[Any, Any]],
    noise: Any,
    times: Iterable[float],
    *,
    sampler: str = 'ddim',
    fresh_noise: Iterator[Any] | None = None,
) -> Any:
    """Run the reverse process from z = noise at times[0] and return the estimate of x.

    denoise: (z, t) -> (x_hat, eps_hat); clips x_hat to [-1, 1] itself, if desired.
    sampler: 'ddim' is deterministic; 'ddpm' (ancestral, as in the paper) draws one array of noise
    from `fresh_noise`, an iterator of arrays like `noise`, for every step except the last.
    Raises `CoreError` for an unknown sampler, empty times, or too little noise.
    """
    if sampler not in SAMPLERS:
        raise CoreError(f'sampler {sampler!r}; allowed: {", ".join(SAMPLERS)}')
    z = noise
    schedule = list(times)
    if not schedule:
        raise CoreError('times is empty; use trailing_times(steps)')
    for t, s in itertools.pairwise(schedule):
        x, eps = denoise(z, t)
        if sampler == 'ddim':
            alpha_s, sigma_s = alpha_sigma(s)
            z = alpha_s * x + sigma_s * eps
        else:
            z_scale, x_scale, std = ddpm_coefficients(t, s)
            z = z_scale * z + x_scale * x + std * _draw(fresh_noise)
    x, _ = denoise(z, schedule[-1])
    return x


def ddpm_coefficients(t: float, s: float) -> tuple[float, float, float]:
    """Return a, b and the standard deviation of q(z_s | z_t, x) for s < t; its mean is a z + b x.

    Variance-preserving posterior (arXiv 2107.00630, eq. 25-28), in a form valid for alpha_t = 0.
    """
    (alpha_t, sigma_t), (alpha_s, sigma_s) = alpha_sigma(t), alpha_sigma(s)
    alpha_ts = alpha_t / alpha_s
    var_ts = sigma_t**2 - alpha_ts**2 * sigma_s**2
    z_scale = alpha_ts * sigma_s**2 / sigma_t**2
    x_scale = alpha_s * var_ts / sigma_t**2
    return z_scale, x_scale, math.sqrt(max(var_ts, 0.0)) * sigma_s / sigma_t


def _sin(angle: Any) -> Any:
    # Tensors have their own sin; NumPy's would move them off their device.
    sine = angle.sin() if hasattr(angle, 'sin') else np.sin(angle)
    # Keep a Python float: a NumPy float64 would promote float32 arrays to float64.
    return float(sine) if isinstance(angle, float) else sine


def _at_least_floor(level: Any) -> Any:
    # Arrays and tensors share clip(min=...), which Python floats lack.
    if hasattr(level, 'clip'):
        return level.clip(min=ALPHA_FLOOR)
    return max(level, ALPHA_FLOOR)


def _draw(fresh_noise: Iterator[Any] | None) -> Any:
    noise = None if fresh_noise is None else next(fresh_noise, None)
    if noise is None:
        raise CoreError('fresh_noise ran out; ddpm needs one array for every step except the last')
    return noise
