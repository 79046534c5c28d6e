# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure errors in degrees on held-out frames with the shipped estimator."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dmd_ros.core.camera import degrees_from_tan_half
from dmd_ros.core.contract import FovContract
from dmd_ros.core.records import RawSample
from dmd_ros.fov import FovEstimator
from dmd_ros.runtime.backend import FOV_INPUT, FOV_OUTPUT
from train.config import TrainConfig
from train.fov.net import FovNet
from train.torch_backend import TorchBackend
from train.validate import held_out_parts


def torch_backend(net: FovNet) -> TorchBackend:
    """Wrap a network in the runtime's Backend protocol."""
    return TorchBackend(net, (FOV_INPUT,), FOV_OUTPUT)


class Validator:
    """Fixed frames, and an estimator with a copy of the network for the averaged weights."""

    def __init__(self, net: FovNet, config: TrainConfig) -> None:
        """Load every frame of `config.validation`, so that none fails later."""
        self._parts = held_out_parts(config)
        self._net = FovNet(net.spec).to(next(net.parameters()).device)
        self._estimator = FovEstimator(fov_contract(config), torch_backend(self._net))

    def __call__(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean and median error of the weights in degrees."""
        self._net.load_state_dict(weights)
        errors = np.abs(errors_deg(self._estimator, itertools.chain(*self._parts)))
        return {'mean_deg': float(errors.mean()), 'median_deg': float(np.median(errors))}


def fov_contract(config: TrainConfig, name: str = '') -> FovContract:
    """Return the contract of a field-of-view network trained with these settings."""
    whole = config.contract()
    return FovContract(
        name=name or f'dmd-fov-{config.preset}',
        stride=whole.stride,
        train_sizes=whole.train_sizes,
        rgb_mean=whole.rgb_mean,
        rgb_std=whole.rgb_std,
        tan_half_vfov_range=whole.tan_half_vfov_range,
    )


def errors_deg(estimator: FovEstimator, frames: Iterable[RawSample]) -> NDArray[np.float64]:
    """Return the estimated minus the true vertical field of view of every frame, degrees."""
    return np.array(
        [
            degrees_from_tan_half(estimator(raw.rgb))
            - degrees_from_tan_half(raw.camera.tan_half_vfov)
            for raw in frames
        ]
    )
