# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sampler as a list of linear steps, so that a device can run it without knowing diffusion.

Every step of `core.diffusion.sample` is linear in the noisy code z, the network's prediction v and
fresh noise n, but for one clip:

    x  = clip(x_z z + x_v v, -1, 1)
    z' = z_z z + z_v v + z_x x + z_n n

The numbers are probed from `core.diffusion` itself; no formula of it is written again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.errors import CoreError


@dataclass(frozen=True)
class Step:
    """Coefficients of one step at time t; see the module. After the last step z' is the code."""

    t: float
    x_z: float
    x_v: float
    z_z: float
    z_v: float
    z_x: float
    z_n: float

    @property
    def coefficients(self) -> tuple[np.float32, ...]:
        """x_z, x_v, z_z, z_v, z_x, z_n as the kernel takes them."""
        numbers = (self.x_z, self.x_v, self.z_z, self.z_v, self.z_x, self.z_n)
        return tuple(np.float32(n) for n in numbers)


def linear_steps(parameterisation: str, times: Sequence[float], sampler: str) -> list[Step]:
    """Write the sampler over `times` as linear steps; raises `CoreError` for unknown names."""
    if sampler not in diffusion.SAMPLERS:
        raise CoreError(f'sampler {sampler!r}; allowed: {", ".join(diffusion.SAMPLERS)}')
    if not times:
        raise CoreError('times is empty; use trailing_times(steps)')
    following = [*times[1:], 0.0]
    return [_step(parameterisation, t, s, sampler) for t, s in zip(times, following, strict=True)]


def _step(parameterisation: str, t: float, s: float, sampler: str) -> Step:
    alpha, sigma = (float(v) for v in diffusion.alpha_sigma(t))
    estimate = diffusion.x0_eps_from_prediction
    x_z, eps_z = estimate(0.0, 1.0, alpha, sigma, parameterisation)
    x_v, eps_v = estimate(1.0, 0.0, alpha, sigma, parameterisation)
    if s == 0.0:
        return Step(t, x_z, x_v, 0.0, 0.0, 1.0, 0.0)
    if sampler == 'ddim':
        alpha_s, sigma_s = (float(v) for v in diffusion.alpha_sigma(s))
        return Step(t, x_z, x_v, sigma_s * eps_z, sigma_s * eps_v, alpha_s, 0.0)
    z_scale, x_scale, std = diffusion.ddpm_coefficients(t, s)
    return Step(t, x_z, x_v, z_scale, 0.0, x_scale, std)
