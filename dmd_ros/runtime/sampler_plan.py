# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sampler as a list of equal steps, so that a device can run it without knowing diffusion.

Every step of `core.diffusion.sample` has this form in the noisy code z, the network's prediction v
and fresh noise n:

    x   = clip((x_z z + x_v v) / x_d, -1, 1)
    eps = (e_z z + e_v v) / e_d
    z'  = ((z_z z + z_x x) + z_e eps) + z_n n

In float32, rounded after every operation in this order, it gives the very numbers of the reference
in NumPy: a term that the reference lacks is a product with 0, a divisor is 1. The last digit
matters: a network in fp16 turns it into a thousandth of the code. The coefficients are read off
`core.diffusion` itself; no formula of it is written again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.errors import CoreError


@dataclass(frozen=True)
class Step:
    """Coefficients of one step at time t; see the module. After the last step z' is the code."""

    t: float
    x_z: float
    x_v: float
    x_d: float
    e_z: float
    e_v: float
    e_d: float
    z_z: float
    z_x: float
    z_e: float
    z_n: float

    @property
    def coefficients(self) -> tuple[np.float32, ...]:
        """Everything but t, as the kernel takes it."""
        return tuple(np.float32(n) for n in astuple(self)[1:])


@dataclass(frozen=True)
class _Term:
    """(z * noisy code + v * prediction) / d, while `core.diffusion` computes with it."""

    z: float
    v: float
    d: float = 1.0

    def __rmul__(self, factor: float) -> _Term:
        return _Term(factor * self.z, factor * self.v, self.d)

    def __add__(self, other: _Term) -> _Term:
        return _Term(self.z + other.z, self.v + other.v, self.d)

    def __sub__(self, other: _Term) -> _Term:
        return _Term(self.z - other.z, self.v - other.v, self.d)

    def __truediv__(self, divisor: float) -> _Term:
        return _Term(self.z, self.v, self.d * divisor)


def linear_steps(parameterisation: str, times: Sequence[float], sampler: str) -> list[Step]:
    """Write the sampler over `times` as such steps; raises `CoreError` for unknown names."""
    if sampler not in diffusion.SAMPLERS:
        raise CoreError(f'sampler {sampler!r}; allowed: {", ".join(diffusion.SAMPLERS)}')
    if not times:
        raise CoreError('times is empty; use trailing_times(steps)')
    following = [*times[1:], 0.0]  # where z is the code
    return [_step(parameterisation, t, s, sampler) for t, s in zip(times, following, strict=True)]


def _step(parameterisation: str, t: float, s: float, sampler: str) -> Step:
    alpha, sigma = diffusion.alpha_sigma(t)
    x, eps = diffusion.x0_eps_from_prediction(
        _Term(0.0, 1.0), _Term(1.0, 0.0), alpha, sigma, parameterisation
    )
    levels = (x.z, x.v, x.d, eps.z, eps.v, eps.d)
    if sampler == 'ddim':
        alpha_s, sigma_s = diffusion.alpha_sigma(s)
        return Step(t, *levels, 0.0, alpha_s, sigma_s, 0.0)
    z_scale, x_scale, std = diffusion.ddpm_coefficients(t, s)
    return Step(t, *levels, z_scale, x_scale, 0.0, std)
