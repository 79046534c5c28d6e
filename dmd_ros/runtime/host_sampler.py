# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sampler on the host, for any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dmd_ros.core import diffusion
from dmd_ros.core.contract import Contract
from dmd_ros.runtime.backend import Feeds, Floats


def sample_on_host(
    run: Callable[[Feeds], Floats],
    contract: Contract,
    rgb: Floats,
    tan_half_vfov: float,
    noise: Floats,
    fresh_noise: Iterator[Floats],
    times: Sequence[float],
    sampler: str,
) -> Floats:
    """Draw depth codes [S, 1, h, w] for one picture [1, 3, h, w], one network call per step.

    run: evaluates the network. The other arguments are those of `SamplerBackend.sample`.
    """
    count = len(noise)
    picture = rgb if count == 1 else np.repeat(rgb, count, axis=0)
    fov = np.full(count, tan_half_vfov, np.float32)

    def denoise(z: Any, t: float) -> tuple[Any, Any]:
        time = np.full(count, t, np.float32)
        feeds = {'rgb': picture, 'z': z, 't': time, 'tan_half_vfov': fov}
        alpha, sigma = (np.float32(v) for v in diffusion.alpha_sigma(t))
        x, eps = diffusion.x0_eps_from_prediction(
            run(feeds), z, alpha, sigma, contract.parameterisation
        )
        return np.clip(x, np.float32(-1.0), np.float32(1.0)), eps

    return diffusion.sample(denoise, noise, times, sampler=sampler, fresh_noise=fresh_noise)
