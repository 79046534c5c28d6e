# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimate the remaining time from the cost of a few steps on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numba
import torch

from train.ablate import data
from train.ablate.experiments import Point, data_sets
from train.ablate.runs import Work, clock_of, config_of, evaluation
from train.ablate.scales import Scale
from train.loop import build_net
from train.loss import Batch, diffusion_loss
from train.processes import best_device
from train.state import build_optimizer
from train.threads import use_threads
from train.worlds import Assets, Worlds

_TIMED = 3
_FRAMES = 8


@dataclass(frozen=True)
class Rest:
    """Remaining work: frames to render, samples to train, evaluations of the net on one frame."""

    frames: int
    samples: int
    evaluations: int
    runs: int


@dataclass(frozen=True)
class Cost:
    """Seconds per frame rendered by one worker, per training sample, per evaluation."""

    frame: float
    sample: float
    evaluation: float

    def seconds(self, rest: Rest, workers: int) -> float:
        """Return the seconds that the remaining work takes."""
        rendering = rest.frames * self.frame / max(1, workers)
        return rendering + rest.samples * self.sample + rest.evaluations * self.evaluation


def rest(points: Mapping[str, list[Point]], seeds: range, work: Work) -> Rest:
    """Count the remaining work."""
    samples = evaluations = runs = 0
    for seed in seeds:
        for name, listed in points.items():
            total, run = config_of(name, seed, work).total_samples, work.run(name, seed)
            left = max(0, total - clock_of(run))
            samples, runs = samples + left, runs + (left > 0)
            done = evaluation(run, total)['points']
            evaluations += sum(
                work.scale.test_frames * p.steps * p.samples for p in listed if p.key not in done
            )
    frames = sum(data.missing_frames(work.out, n, work.scale) for n in data_sets(points))
    return Rest(frames, samples, evaluations, runs)


def measure(work: Work, renders: bool) -> Cost:
    """Time a few steps, without making batches, which workers do in parallel."""
    config = config_of('base', 0, work)
    use_threads(config.threads)
    device = best_device()
    net = build_net(config).to(device, memory_format=torch.channels_last)
    optimizer = build_optimizer(net, config, device)
    count, (height, width) = config.batch, config.size_list[0]
    rgb = torch.randn(count, 3, height, width, device=device)
    code = torch.rand(count, 1, height, width, device=device)
    t = torch.rand(count, device=device)
    batch = Batch(rgb, code, torch.ones_like(code, dtype=torch.bool), code, t, t)

    def step() -> None:
        losses = diffusion_loss(net, batch, config.parameterisation)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        losses.total.item()

    @torch.no_grad()
    def evaluate() -> None:
        net(rgb[:1], code[:1], t[:1], t[:1]).sum().item()

    frame = _frame_cost(work.scale, work.assets) if renders else 0.0
    return Cost(frame, _seconds(step) / count, _seconds(evaluate))


def _frame_cost(scale: Scale, assets: str) -> float:
    """Return the seconds per rendered frame on one thread, as in a worker."""
    worlds = Worlds(0, data.world_config('wide', scale), Assets.load(assets))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        worlds[0]  # compiles
        start = time.perf_counter()
        for index in range(_FRAMES):
            worlds[worlds.config.views * (index + 1)]
    finally:
        numba.set_num_threads(threads)
    # An upper bound: each frame here built its own scene, which frames share otherwise.
    return (time.perf_counter() - start) / _FRAMES


def _seconds(work: Callable[[], None]) -> float:
    work()
    start = time.perf_counter()
    for _ in range(_TIMED):
        work()
    return (time.perf_counter() - start) / _TIMED
