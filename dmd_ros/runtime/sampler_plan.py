# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sampler as a list of uniform steps, so that a device can run it without knowing diffusion.

Every step of `core.diffusion.sample` has this form in the noisy code z, the network's prediction v
and fresh noise n:

    x   = clip((x_z z + x_v v) / x_d, -1, 1)
    eps = (e_z z + e_v v) / e_d
    z'  = ((z_z z + z_x x) + z_e eps) + z_n n

In float32, rounded after every operation in this order, the result is bit-identical to the NumPy
reference: terms and divisors that the reference lacks are products with 0 and divisions by 1. The
last digit matters: an fp16 network turns it into a thousandth of the code. The coefficients are
derived by running `core.diffusion` itself; none of its formulas are repeated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.errors import CoreError


@dataclass(frozen=True)
class Step:
    """Coefficients of one step at time t; see the module. The last step's z' is the code."""

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
        """All fields except t, in the order of the kernel's arguments."""
        return tuple(np.float32(n) for n in astuple(self)[1:])


@dataclass(frozen=True)
class _Term:
    """Symbolic (z * noisy code + v * prediction) / d, on which `core.diffusion` computes."""

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
    """Return the sampler over `times` as such steps; raises `CoreError` for unknown names."""
    if sampler not in diffusion.SAMPLERS:
        raise CoreError(f'sampler {sampler!r}; allowed: {", ".join(diffusion.SAMPLERS)}')
    if not times:
        raise CoreError('times is empty; use trailing_times(steps)')
    following = [*times[1:], 0.0]  # at t = 0, z is the code
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
