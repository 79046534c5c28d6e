# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one function, top to bottom, on one clock (samples seen)."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.config import TrainConfig
from train.errors import TrainError
from train.feed import Feed
from train.history import JUDGED_ON
from train.init import load_weights, needed
from train.loss import Batch, Losses, diffusion_loss, end_to_end_loss
from train.mixture import share_of
from train.presets import preset
from train.processes import Processes, product_type
from train.report import Report
from train.sources import wait_text
from train.speed import Progress, flops_per_sample, hours, peak_flops
from train.state import TrainState
from train.threads import use_threads
from train.unet import UNet, parameter_count
from train.validate import Validator, validation_values

log = logging.getLogger(__name__)

_UNROLL = 3  # key of a random stream of the seed, like those of `train.mixture`


def build_net(config: TrainConfig) -> UNet:
    """Build the denoiser of a config, with initial weights determined by its seed."""
    if config.stage == 'fov':
        raise TrainError('stage fov is not a denoiser: use train.fov to train and export it')
    torch.manual_seed(config.seed)
    if config.stage == 'stage0':  # its pictures have no camera
        return UNet(preset(config.preset).net, fov=False, channels=config.channels)
    return UNet(preset(config.preset).net, fov=config.fov, rays=config.rays)


def train(
    run: Path,
    config: TrainConfig,
    processes: Processes,
    resume: bool = False,
    init: Path | None = None,
) -> float:
    """Train in folder `run`; return the mean training loss since the last report.

    resume: continue from the newest intact checkpoint of the run. init: start from the averaged
    weights of another run's checkpoint (file or run folder), or from a model file (.onnx); ignored
    if the run is resumed.
    """
    device = processes.device
    torch.backends.cudnn.benchmark = True  # sizes repeat, so the search for kernels pays off
    use_threads(config.threads)
    net = build_net(config).to(device, memory_format=torch.channels_last)
    start = needed(init, run, resume)
    origin = load_weights(net, start, config.contract()) if start is not None else ''
    state = TrainState(net, config, processes, origin)
    state.restore(run, resume)
    state.check_space(run)
    feed = Feed(config, processes)
    report = Report(run, config, state.origin) if processes.is_main else None
    _introduce(net, config, processes, state.clock)
    model: nn.Module = DistributedDataParallel(net) if processes.world > 1 else net
    objective = _objective(model, device, config)
    contract = config.contract()
    cost = {s: flops_per_sample(net.spec, net.rays, s, net.channels) for s in config.size_list}
    peak = peak_flops(device, product_type(config.precision, device)) * processes.world
    data = feed(state.clock // config.batch)
    validator = Validator(net, config) if config.validation and processes.is_main else None
    if config.compile:  # meanwhile worlds are rendered, or batches read
        _warm_up(objective, config, processes)
    progress = Progress(state.clock, config.total_samples)
    window: list[Tensor] = []
    flops, waited, mean_loss = 0.0, 0.0, math.nan
    began, first_clock = time.perf_counter(), state.clock + config.batch
    state.begin()
    with state.saved_if_stopped(run):
        while state.done < 1.0:
            started = time.perf_counter()
            batch, unreadable = next(data)
            waited += time.perf_counter() - started
            state.count_broken(unreadable)
            rng = np.random.default_rng([config.seed, _UNROLL, state.clock])
            losses = objective(batch, bool(rng.random() < config.unroll))
            norm = state.step(losses.total)
            clock, ends = state.clock, state.done >= 1.0
            if not ends:
                state.stop_together(run)
            window.append(torch.stack([losses.total.detach(), losses.x0_l1.mean(), norm]))
            flops += config.batch * cost[tuple(batch.code.shape[-2:])]
            # On a CPU, it takes minutes until the first figures.
            if report is not None and clock == first_clock:
                log.info(
                    'the first batch of %d took %.1f s including start-up; figures follow every '
                    '%d samples',
                    config.batch, time.perf_counter() - began, config.log_every,
                )  # fmt: skip
            if ends or state.due(config.log_every):
                mean_loss, x0_l1, grad = processes.mean(torch.stack(window).mean(0)).tolist()
                rate, left = progress.lap(clock)
                seconds = len(window) * config.batch / rate
                values = {
                    'loss': mean_loss, 'x0_l1': x0_l1, 'grad_norm': grad,
                    'lr': state.lr, 'samples_per_s': rate, 'mfu': flops / seconds / peak,
                    'waiting_for_data': waited / seconds, 'broken': state.broken,
                }  # fmt: skip
                if report is not None:
                    report.losses(clock, values)
                    log.info(
                        '%9d/%d samples  loss %.4f  |x-x_hat| %.4f  grad %.2f  lr %.1e  '
                        '%.1f samples/s  MFU %.0f %%  data %.0f %%  left %s',
                        clock, config.total_samples,
                        mean_loss, x0_l1, grad, values['lr'], rate, 100 * values['mfu'],
                        100 * values['waiting_for_data'], hours(state.left(left)),
                    )  # fmt: skip
                window, flops, waited = [], 0.0, 0.0
            if report is not None and state.due(config.picture_every):
                report.pictures(clock, batch, losses.x_hat, contract)
            if validator is not None and (ends or state.due(config.validate_every)):
                score, *parts = validator(state.ema.weights)
                log.info(
                    '%9d held-out: AbsRel %.4f  delta1 %.4f', clock, score.abs_rel, score.delta1
                )
                words = {JUDGED_ON: config.validation}
                report.losses(clock, validation_values(score, parts), **words)
            if ends or state.due(config.checkpoint_every):
                state.save(run)
    if report is not None:
        report.close()
    return mean_loss


def _objective(
    model: nn.Module, device: torch.device, config: TrainConfig
) -> Callable[[Batch, bool], Losses]:
    """Return the function (batch, whether to unroll) -> losses, compiled if configured."""
    half = product_type(config.precision, device) == torch.bfloat16

    def predict(rgb: Tensor, z: Tensor, t: Tensor, tan_half_vfov: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            out = model(rgb, z, t, tan_half_vfov)
        return out.float()

    def objective(batch: Batch, unroll: bool) -> Losses:
        weight = config.gradient_weight
        if config.stage == 'end_to_end':
            return end_to_end_loss(predict, batch, config.parameterisation, weight)
        return diffusion_loss(predict, batch, config.parameterisation, weight, unroll)

    if not config.compile:
        return objective
    # Graphs of earlier runs in this process would count towards the limit of recompilations,
    # beyond which nothing more is compiled.
    torch.compiler.reset()
    # One graph per size, because fixed shapes give faster kernels. By default, the compiler keeps
    # a U-Net channels-first, and copies at every convolution on a GPU.
    return torch.compile(objective, dynamic=False, options={'force_layout_optimization': True})


def _warm_up(
    objective: Callable[[Batch, bool], Losses], config: TrainConfig, processes: Processes
) -> None:
    """Compile for every size, before the first batch."""
    count, device = share_of(config, processes.world), processes.device
    for height, width in config.size_list:
        code = torch.zeros(count, config.channels, height, width, device=device)
        rgb = torch.zeros(count, 3, height, width, device=device)
        batch = Batch(
            rgb=rgb.contiguous(memory_format=torch.channels_last),
            code=code,
            labelled=torch.ones_like(code, dtype=torch.bool),
            noise=torch.zeros_like(code),
            t=torch.ones(count, device=device),
            tan_half_vfov=torch.ones(count, device=device),
        )
        for unroll in {False, config.unroll > 0}:
            objective(batch, unroll).total.backward()


def _introduce(net: UNet, config: TrainConfig, processes: Processes, clock: int) -> None:
    if processes.is_main:
        log.info('settings:\n%s', config.describe())
        contract = dataclasses.asdict(config.contract())
        log.info('contract: %s', contract)
        log.info(
            '%s: %.2f M parameters on %d x %s (%d threads, %s), from %d samples',
            config.preset, parameter_count(net) / 1e6, processes.world, processes.device,
            torch.get_num_threads(), product_type(config.precision, processes.device), clock,
        )  # fmt: skip
        if words := wait_text(config):
            log.info(words)
