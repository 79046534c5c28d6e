# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy on held-out frames, by the shipped `DepthEstimator` and the evaluation's metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.judge import settled
from dmd_ros.eval.metrics import Score, mean_score, score
from train.config import TrainConfig
from train.sources import Source, open_source
from train.torch_backend import TorchBackend
from train.unet import UNet
from train.worlds import SCENE_STRIDE, held_out


class Validator:
    """Fixed frames and an estimator over a copy of the network that takes the averaged weights."""

    def __init__(self, net: UNet, config: TrainConfig) -> None:
        """Load the frames of `config.validation` once."""
        self._frames = held_out_frames(config)
        self._net = UNet(net.spec, fov=net.fov, rays=net.rays).to(next(net.parameters()).device)
        self._estimator = DepthEstimator(config.contract(), TorchBackend(self._net))

    def __call__(self, weights: Mapping[str, Tensor]) -> Score:
        """Judge the weights: the mean score over all frames."""
        self._net.load_state_dict(weights)
        return judge(self._estimator, self._frames)


def held_out_frames(config: TrainConfig) -> list[RawSample]:
    """Evenly spaced frames of the validation source; worlds take a held-out seed."""
    source = open_source(
        config.validation, dataclasses.replace(config, seed=held_out(config.seed))
    )
    return [source.load(key) for key in spread_over(source, config.validation_frames)]


def spread_over(source: Source, count: int) -> list[int]:
    """Choose samples from all over a source, none twice; of worlds one of each scene."""
    if not len(source):
        return [number * SCENE_STRIDE for number in range(count)]
    spread = np.linspace(0, len(source) - 1, count).round().astype(int)
    return np.unique(spread).tolist()


def judge(estimator: DepthEstimator, frames: list[RawSample]) -> Score:
    """Mean score of an estimator over labelled frames, no alignment."""
    return mean_score(
        score(settled(estimator(raw.rgb, raw.camera).depth, estimator.contract), raw.depth)
        for raw in frames
    )
