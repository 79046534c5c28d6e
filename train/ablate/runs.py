# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train one model of one seed with the ordinary loop, and measure it; both run in time slices."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.output.report import write_json
from train import checkpoint
from train.ablate import data
from train.ablate.experiments import COMMON_LR, MODELS, Point
from train.ablate.scales import Scale
from train.config import TrainConfig, make_config
from train.errors import TrainError
from train.evaluate import mistold
from train.loop import build_net, train
from train.presets import preset
from train.processes import Processes, best_device
from train.threads import use_threads
from train.torch_backend import TorchBackend
from train.validate import judge

METRICS = ('abs_rel', 'delta1', 'rmse')
# Keys of a checkpoint that record its origin: revision of the code, machine, seconds of training.
MADE_BY = ('revision', 'hardware', 'seconds')


class OutOfTimeError(Exception):
    """The time slice is used up; all results so far are on disk."""


@dataclass(frozen=True)
class Deadline:
    """A time on the clock of `time.monotonic`, seconds."""

    at: float = math.inf

    def check(self) -> None:
        """Raise `OutOfTimeError` if it has passed."""
        if time.monotonic() >= self.at:
            raise OutOfTimeError


@dataclass(frozen=True)
class SlicedProcess(Processes):
    """One process, which stops in the barrier of the loop when time is up.

    The loop reaches it right after saving a checkpoint, so nothing is lost.
    """

    deadline: Deadline = field(default_factory=Deadline)

    def barrier(self) -> None:
        """Stop if time is up."""
        self.deadline.check()


@dataclass(frozen=True)
class Work:
    """Settings of all runs.

    out: folder for all output.
    threads: threads of the trainer, 0 = all cores.
    workers: processes of the trainer that make batches, 0 = none.
    assets: folder of photographic materials or ''.
    render_workers: processes that render.
    """

    out: Path
    scale: Scale
    threads: int = 0
    workers: int = 1
    assets: str = ''
    render_workers: int = 1

    def run(self, name: str, seed: int) -> Path:
        """Return the run folder of a model."""
        return self.out / 'runs' / f'{name}-{seed}'


def config_of(name: str, seed: int, work: Work) -> TrainConfig:
    """Return the training settings of a model; its own override the common ones."""
    model, scale = MODELS[name], work.scale
    samples = max(1, round(scale.samples * model.share / scale.batch)) * scale.batch
    cuda = torch.cuda.is_available()
    settings = (
        f'sources=cache:{data.folder(work.out, model.data)}@1',
        f'sizes={scale.size[0]}x{scale.size[1]}',
        f'seed={seed}', f'batch={scale.batch}', f'total_samples={samples}',
        'optimizer=muon', f'lr={COMMON_LR * preset(scale.preset).lr * model.lr:g}',
        'schedule=constant', 'cooldown=0.3', f'warmup={samples // 25}', 't1_fraction=0.5',
        f'ema={samples // 20}', 'depth_min_m=0.5', 'depth_max_m=80',
        f'precision={"bf16" if cuda else "fp32"}', f'compile={str(cuda).lower()}',
        f'threads={work.threads}', f'workers={work.workers}',
        f'log_every={max(1, samples // 40)}', f'checkpoint_every={max(1, samples // 10)}',
        'picture_every=1000000000', 'keep_checkpoints=1',
    )  # fmt: skip
    return make_config(scale.preset, [*settings, *model.settings])


def clock_of(run: Path) -> int:
    """Return the number of samples that the newest checkpoint of a run has seen, from its name."""
    clocks = [int(path.stem) for path in checkpoint.folder(run).glob('*.pt')]
    return max(clocks, default=0)


def train_model(name: str, seed: int, work: Work, deadline: Deadline) -> None:
    """Train to the end, resuming if stopped before; raises `OutOfTimeError` at a checkpoint."""
    config, run = config_of(name, seed, work), work.run(name, seed)
    if clock_of(run) >= config.total_samples:
        return
    deadline.check()
    init = MODELS[name].init
    process = SlicedProcess(0, 1, best_device(), deadline)
    try:
        train(run, config, process, resume=True, init=work.run(init, seed) if init else None)
    except TrainError as error:
        raise TrainError(f'{run}: {error}') from None


def evaluation(run: Path, total_samples: int) -> dict[str, Any]:
    """Read the measurements of a run; without points if they are of another training length."""
    path = run / 'evaluation.json'
    empty: dict[str, Any] = {'total_samples': total_samples, 'made_by': {}, 'points': {}}
    if not path.exists():
        return empty
    found: dict[str, Any] = json.loads(path.read_text())
    return found if found['total_samples'] == total_samples else empty


def evaluate_model(
    name: str,
    seed: int,
    points: list[Point],
    frames: Callable[[str], list[RawSample]],
    work: Work,
    deadline: Deadline,
) -> None:
    """Measure missing points, saving after each; raises `OutOfTimeError` between points.

    frames: returns the frames of a test set by its name.
    """
    config, run = config_of(name, seed, work), work.run(name, seed)
    found = evaluation(run, config.total_samples)
    todo = [point for point in points if point.key not in found['points']]
    if not todo:
        return
    deadline.check()
    use_threads(config.threads)  # as if training had run in the same slice
    net = build_net(config).to(best_device())
    state = checkpoint.find(run)
    found['made_by'] = {key: state[key] for key in MADE_BY}
    net.load_state_dict(state['ema'])
    backend = TorchBackend(net)
    for point in todo:
        deadline.check()
        # Fresh noise for every frame, or the result of a test set would depend on a single draw.
        estimator = DepthEstimator(
            config.contract(), backend, steps=point.steps, samples=point.samples, seed=seed,
            temporal='random',
        )  # fmt: skip
        inputs = [mistold(raw, point.fov_factor) for raw in frames(point.test)]
        score = judge(estimator, inputs)
        found['points'][point.key] = {key: getattr(score, key) for key in METRICS}
        found['points'][point.key]['frames'] = len(inputs)
        write_json(run / 'evaluation.json', found)
