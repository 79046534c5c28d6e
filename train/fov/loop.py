# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train the field-of-view network: one function, on one clock, on one device."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from train.config import TrainConfig, make_config
from train.errors import TrainError
from train.feed import Feed
from train.fov.net import FovNet
from train.fov.validate import Validator
from train.fov.weights import load_encoder
from train.init import needed
from train.presets import preset
from train.processes import Processes, best_device, product_type
from train.report import Report
from train.sources import wait_text
from train.speed import Progress, hours
from train.state import TrainState
from train.threads import use_threads
from train.unet import parameter_count

log = logging.getLogger(__name__)

# Crops only: outside the picture's border there is noise, whose width would reveal the answer. No
# small crops: they simulate lenses narrower than real ones, which would bias the estimate.
DEFAULTS = (
    'stage=fov', 'fov=false', 'sizes=96x128', 'fov_scale_min=0.85', 'fov_scale_max=1',
    'tan_half_vfov_min=0.1', 'tan_half_vfov_max=1.2', 'infill=zero',
)  # fmt: skip
# Settings of the denoiser's training that do not apply here.
_FOREIGN = (
    'stage', 'fov', 'rays', 'depth_codec', 'depth_min_m', 'depth_max_m', 'parameterisation',
    'infill', 't1_fraction', 'unroll', 'gradient_weight', 'compile', 'picture_every', 'steps',
    'samples',
)  # fmt: skip


def fov_config(preset_name: str, settings: list[str]) -> TrainConfig:
    """Build the config: the trainer's settings, with defaults for this task.

    Raises `TrainError` for a setting that does not apply to it.
    """
    foreign = [text for text in settings if text.partition('=')[0] in _FOREIGN]
    if foreign:
        raise TrainError(f'{", ".join(foreign)}: a setting of the denoiser, not of train.fov')
    return make_config(preset_name, [*DEFAULTS, *settings])


def build_net(config: TrainConfig) -> FovNet:
    """Build the network of a config, with weights drawn from its seed."""
    if config.stage != 'fov':
        raise TrainError(f'a run of stage {config.stage} is not a run of train.fov')
    torch.manual_seed(config.seed)
    return FovNet(preset(config.preset).net)


def train(
    run: Path,
    config: TrainConfig,
    resume: bool = False,
    init: Path | None = None,
) -> float:
    """Train in folder `run`; return the mean loss (|log tan - log tan_hat|) of the last stretch.

    resume: continue from the newest complete checkpoint of the run.
    init: run or model file to start from, see `train.fov.weights`; ignored when resuming.
    """
    device = best_device()
    use_threads(config.threads)
    net = build_net(config).to(device, memory_format=torch.channels_last)
    first = needed(init, run, resume)
    origin = load_encoder(net, first) if first is not None else ''
    processes = Processes(0, 1, device)
    state = TrainState(net, config, processes, origin)
    state.restore(run, resume)
    state.check_space(run)
    feed, report = Feed(config, processes), Report(run, config, state.origin)
    half = product_type(config.precision, device) == torch.bfloat16
    _introduce(net, config, device, state.clock)
    validator = Validator(net, config) if config.validation else None
    progress = Progress(state.clock, config.total_samples)
    data = feed(state.clock // config.batch)
    losses: list[Tensor] = []
    mean_loss = math.nan
    state.begin()
    with state.saved_if_stopped(run):
        while state.done < 1.0:
            batch, unreadable = next(data)
            state.count_broken(unreadable)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                tan_hat = net(batch.rgb)
            loss = (tan_hat.log() - batch.tan_half_vfov.log()).abs().mean()
            state.step(loss)
            clock, ends = state.clock, state.done >= 1.0
            losses.append(loss.detach())
            if ends or state.due(config.log_every):
                mean_loss, losses = torch.stack(losses).mean().item(), []
                rate, left = progress.lap(clock)
                report.losses(clock, {'loss': mean_loss, 'lr': state.lr, 'samples_per_s': rate,
                                      'broken': state.broken})  # fmt: skip
                log.info(
                    '%9d/%d samples  |log tan| off by %.4f  %.1f samples/s  left %s',
                    clock, config.total_samples, mean_loss, rate, hours(state.left(left)),
                )  # fmt: skip
            if validator is not None and (ends or state.due(config.validate_every)):
                values = validator(state.ema.weights)
                log.info('%9d held-out: %s', clock, values)
                report.losses(clock, {f'validation/{key}': value for key, value in values.items()})
            if ends or state.due(config.checkpoint_every):
                state.save(run)
    report.close()
    return mean_loss


def _introduce(net: FovNet, config: TrainConfig, device: torch.device, clock: int) -> None:
    log.info('settings:\n%s', config.describe())
    log.info(
        '%.2f M parameters on %s (%s), from %d samples',
        parameter_count(net) / 1e6, device, product_type(config.precision, device), clock,
    )  # fmt: skip
    if words := wait_text(config):
        log.info(words)
