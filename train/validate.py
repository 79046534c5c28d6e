# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy on held-out frames, with the shipped `DepthEstimator` and the evaluation's metrics."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized

import numpy as np
from torch import Tensor

from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.judge import settled
from dmd_ros.eval.metrics import METRICS, Score, mean_score, score
from train.config import TrainConfig
from train.datasets.frames import Frames
from train.errors import TrainError
from train.sources import Source, open_source
from train.torch_backend import TorchBackend
from train.unet import UNet
from train.worlds import SCENE_STRIDE, held_out


class Validator:
    """Fixed frames, and an estimator with a copy of the network for the averaged weights."""

    def __init__(self, net: UNet, config: TrainConfig) -> None:
        """Load every frame of `config.validation` once, so that none fails later."""
        self._parts = held_out_parts(config)
        self._net = UNet(net.spec, fov=net.fov, rays=net.rays).to(next(net.parameters()).device)
        self._estimator = DepthEstimator(config.contract(), TorchBackend(self._net))

    def __call__(self, weights: Mapping[str, Tensor]) -> list[Score]:
        """Score the weights: return the mean over all frames, then that of each source."""
        self._net.load_state_dict(weights)
        parts = [[judge_frame(self._estimator, raw) for raw in part] for part in self._parts]
        return [mean_score(itertools.chain(*parts)), *map(mean_score, parts)]


def validation_values(score: Score, parts: Sequence[Score]) -> dict[str, float]:
    """Map names to figures for the report; `parts` are the sources, numbered from 1."""
    named = {f'validation/{key}': getattr(score, key) for key in METRICS}
    if len(parts) > 1:
        named |= {f'validation/{i}/abs_rel': part.abs_rel for i, part in enumerate(parts, 1)}
    return named


def open_validation(config: TrainConfig) -> list[Source]:
    """Open the sources of `config.validation`; raises `TrainError`."""
    apart = dataclasses.replace(config, seed=held_out(config.seed))
    return [open_source(text.strip(), apart) for text in config.validation.split(',')]


def chosen(sources: Sequence[Sized], count: int) -> list[list[int]]:
    """Choose about `count` samples: from each source in proportion to its length, at least one.

    Raises `TrainError` if one of several sources is endless.
    """
    total = sum(map(len, sources))
    if len(sources) == 1:
        return [spread_over(sources[0], count)]
    if not all(map(len, sources)):
        raise TrainError('validation: worlds are endless; use them alone, or render a cache')
    return [spread_over(s, max(1, round(count * len(s) / total))) for s in sources]


class _FramesOfFiles:
    """Frames that are read from disk in each iteration.

    A robot's frames are as large as its pictures: a hundred in full HD take more than a gigabyte.
    """

    def __init__(self, source: Frames, keys: Sequence[int]) -> None:
        """Read each frame once; raises `TrainError` if one cannot be read."""
        self._source, self._keys = source, keys
        for _ in self:
            pass

    def __iter__(self) -> Iterator[RawSample]:
        return map(self._source.load, self._keys)


def held_out_parts(config: TrainConfig) -> list[Iterable[RawSample]]:
    """Return evenly spaced frames of each validation source; worlds use a held-out seed.

    Raises `TrainError` if one cannot be read.
    """
    sources = open_validation(config)
    keys = chosen(sources, config.validation_frames)
    return [
        _FramesOfFiles(s, part) if isinstance(s, Frames) else [s.load(key) for key in part]
        for s, part in zip(sources, keys, strict=True)
    ]


def spread_over(source: Sized, count: int) -> list[int]:
    """Choose evenly spread samples of a source without repetition; of worlds, one per scene."""
    if not len(source):
        return [number * SCENE_STRIDE for number in range(count)]
    spread = np.linspace(0, len(source) - 1, count).round().astype(int)
    return np.unique(spread).tolist()


def judge(estimator: DepthEstimator, frames: list[RawSample]) -> Score:
    """Return the mean score of an estimator over labelled frames, without alignment."""
    return mean_score(judge_frame(estimator, raw) for raw in frames)


def judge_frame(estimator: DepthEstimator, raw: RawSample) -> Score:
    """Score an estimator on one labelled frame, without alignment."""
    depth = estimator(raw.rgb, raw.camera).depth
    return score(settled(depth, estimator.contract), raw.depth)
