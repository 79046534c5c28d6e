# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a run, as stored in checkpoints: network, optimiser, averages, counters."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from train import checkpoint
from train.config import TrainConfig, check_resumable
from train.ema import Ema
from train.errors import TrainError
from train.interrupts import interrupts_told, stops
from train.muon import Muon
from train.processes import Processes, product_type
from train.provenance import hardware, revision
from train.schedule import learning_rate, share_done
from train.unet import parameter_count

log = logging.getLogger(__name__)

# Steps in a row without a finite gradient before the run gives up.
_MAX_BAD_STEPS = 10
# Minimum number of samples for the share of broken ones: 1 % of 10 samples is none.
_BROKEN_GRACE = 1_000


def build_optimizer(
    net: nn.Module, config: TrainConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimiser of a config for a network on this device."""
    lr, decay = config.lr, config.weight_decay
    if config.optimizer == 'muon':
        return Muon(net, lr, decay, product_type(config.precision, device))
    return torch.optim.AdamW(
        net.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=decay, fused=True
    )


def newest(run: Path, resume: bool) -> dict[str, Any] | None:
    """Return the newest checkpoint to resume from; None: a new run.

    Raises `TrainError` if the folder contains a run that is not to be resumed.
    """
    if not resume and any(checkpoint.folder(run).glob('*')):
        raise TrainError(f'{run} already contains a run; add --resume, or choose another folder')
    return checkpoint.load_newest(run) if resume else None


def resumed(run: Path, config: TrainConfig, resume: bool) -> dict[str, Any] | None:
    """Return `newest`; raises `TrainError` if it cannot be resumed with `config`."""
    kept = newest(run, resume)
    if kept is not None:
        check_resumable(TrainConfig.from_json(kept['config']), config)
    return kept


class TrainState:
    """A network with its optimiser and averages, on one clock.

    clock: samples seen, by all processes. broken: samples of this process that could not be read.
    seconds: of training. done: completed share of the run; it ends at 1. origin: the initial
    weights, see `train.init.origin`; empty: random or unknown.
    """

    def __init__(
        self, net: nn.Module, config: TrainConfig, processes: Processes, origin: str = ''
    ) -> None:
        """Start from the network's weights, at 0 samples."""
        self.net, self._config, self._processes = net, config, processes
        self.optimizer = build_optimizer(net, config, processes.device)
        self.ema = Ema(net, config.ema)
        self.clock, self.broken, self.seconds, self.origin = 0, 0, 0.0, origin
        self.done, self._begun = 0.0, time.perf_counter()
        self._before = self._bad_steps = 0

    def restore(self, run: Path, resume: bool) -> None:
        """Restore the checkpoint returned by `resumed`; raises `TrainError`."""
        kept = resumed(run, self._config, resume)
        if kept is not None:
            self.net.load_state_dict(kept['net'])
            self.ema.load(kept['ema'])
            self.optimizer.load_state_dict(kept['optimizer'])
            self.clock, self.broken, self.seconds = kept['clock'], kept['broken'], kept['seconds']
            self.origin = kept.get('origin', '')  # regardless of --init now

    def begin(self) -> None:
        """Start counting seconds, without the time of compilation before."""
        self._begun = time.perf_counter() - self.seconds
        self.done = share_done(self.clock, self.seconds, self._config)
        if self.done >= 1.0:
            log.info('nothing to do: the run is complete at %d samples', self.clock)

    def left(self, seconds: float) -> float:
        """Return the seconds to the end of the run, given those to its last sample."""
        if not self._config.minutes:
            return seconds
        return min(seconds, max(0.0, 60.0 * self._config.minutes - self.seconds))

    def step(self, loss: Tensor) -> Tensor:
        """Take a step with the loss of one batch; return the norm of the gradient.

        A step with a non-finite gradient is skipped; many in a row raise `TrainError`.
        """
        config = self._config
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), config.clip).detach()
        with stops.held():  # otherwise a checkpoint could contain half a step
            self._before, self.clock = self.clock, self.clock + config.batch
            # Gradients are averaged over processes, so that all of them see the same norm.
            if torch.isfinite(norm):
                self._bad_steps = 0
                for group in self.optimizer.param_groups:
                    group['lr'] = self.lr
                self.optimizer.step()
                self.ema.update(self.net, self.clock, config.batch)
            else:
                self._skip(norm)
            self.seconds = time.perf_counter() - self._begun
            if config.minutes:
                self.seconds = self._processes.from_first(self.seconds)
            self.done = share_done(self.clock, self.seconds, config)
        return norm

    def _skip(self, norm: Tensor) -> None:
        self._bad_steps += 1
        log.warning('step at %d samples has gradient norm %s; skipped', self._before, norm.item())
        if self._bad_steps >= _MAX_BAD_STEPS:
            raise TrainError(
                f'{self._bad_steps} steps in a row were not finite at {self.clock} samples; '
                f'restart from an earlier checkpoint with --init and a lower lr (now '
                f'{self._config.lr:g})'
            )

    @property
    def lr(self) -> float:
        """Learning rate of the last step, with the current share done."""
        return learning_rate(self._before, self._config, self.done)

    def due(self, every: int) -> bool:
        """Return whether the last step has passed a multiple of `every` samples."""
        return self._before // every != self.clock // every

    def count_broken(self, names: tuple[str, ...]) -> None:
        """Log and count the broken samples of a batch; too many of them raise `TrainError`."""
        for name in names:
            log.warning('broken sample skipped: %s', name)
        self.broken += len(names)
        seen, share = self.clock // self._processes.world, self._config.max_broken_share
        if self.broken > share * max(seen, _BROKEN_GRACE):
            raise TrainError(
                f'{self.broken} of {seen} samples were broken, more than max_broken_share='
                f'{share:g}; the last: {names[-1] if names else "see above"}'
            )

    def check_space(self, run: Path) -> None:
        """Raise `TrainError` if the next checkpoint would not fit."""
        if self._processes.is_main:
            size = checkpoint.BYTES_PER_PARAMETER * parameter_count(self.net)
            checkpoint.check_space(run, size)

    @contextlib.contextmanager
    def saved_if_stopped(self, run: Path) -> Iterator[None]:
        """Write a checkpoint if the run is stopped (see `stops`) within the context.

        A single process stops at once. Several wait for each other, see `stop_together`.
        """
        alone = self._processes.world == 1
        try:
            with interrupts_told(), contextlib.nullcontext() if alone else stops.held():
                yield
        except KeyboardInterrupt:
            if alone and self.clock and not stops.again:
                self._keep(run)
            raise

    def stop_together(self, run: Path) -> None:
        """Save and stop all processes after the same step, if one of them was asked to stop."""
        if self._processes.world > 1 and self._processes.any(stops.waiting):
            self._keep(run)
            stops.now()

    def _keep(self, run: Path) -> None:
        self.save(run)
        if self._processes.is_main:
            log.info('stopped at %d samples; checkpoint written', self.clock)

    @stops.held()
    def save(self, run: Path) -> None:
        """Write a checkpoint in the main process; the others wait for it."""
        self.check_space(run)
        if self._processes.is_main:
            kept = {
                'config': self._config.to_json(),
                'clock': self.clock,
                'net': self.net.state_dict(),
                'ema': self.ema.weights,
                'optimizer': self.optimizer.state_dict(),
                'broken': self.broken,
                'seconds': self.seconds,
                'hardware': hardware(self._processes.device, self._processes.world),
                'revision': revision(),
                'origin': self.origin,
            }
            checkpoint.save(run, kept, self._config.keep_checkpoints)
        self._processes.barrier()
