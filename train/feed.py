# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the loop's batches come from: workers, the training device, or a share from each."""

from __future__ import annotations

import atexit
import dataclasses
import signal
import sys
from collections.abc import Iterator
from queue import Empty
from typing import Any

import torch
from torch import multiprocessing

from train.config import TrainConfig
from train.device_worlds import DeviceWorlds
from train.errors import TrainError
from train.loss import Batch
from train.mixture import (
    Mixture,
    batches,
    behave_as_worker,
    parse_sources,
    share_of,
    tensors,
)
from train.processes import Processes

WORLDS = 'worlds'
# Batches that wait for the trainer, and how often it looks whether their maker lives.
_AHEAD = 3
_PATIENCE_S = 5.0
# A batch on the training device, and the names of samples that could not be read.
Fed = tuple[Batch, tuple[str, ...]]


class Feed:
    """Batches of a run by number. Sources are opened at once: a wrong path stops the run early."""

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        """Split the batch into what the device renders and what workers make."""
        self._config, self._processes = config, processes
        rank, world = processes.rank, processes.world
        rendered, made = split(config, world)
        self._mixture = Mixture(made, rank, world) if made else None
        self._worlds = DeviceWorlds(rendered, processes.device, rank, world) if rendered else None

    def __call__(self, first: int) -> Iterator[Fed]:
        """Yield batches from number `first` on; on a GPU from a process that renders worlds."""
        if self._worlds is not None and self._processes.device.type == 'cuda':
            return from_process(self._config, self._processes, first)
        return self.here(first)

    def here(self, first: int) -> Iterator[Fed]:
        """Yield batches from number `first` on, made in this process."""
        device = self._processes.device
        if self._worlds is None:
            assert self._mixture is not None
            for made in batches(self._mixture, first, self._config.workers):
                yield tensors(made.arrays, device), made.broken
            return
        workers = min(self._config.workers, max(1, self._config.workers // 4))
        others = batches(self._mixture, first, workers) if self._mixture else None
        for number in range(first, 1 << 62):
            rendered = self._worlds.batch(number)
            if others is None:
                yield rendered, ()
            else:
                made = next(others)
                yield joined(rendered, tensors(made.arrays, device)), made.broken


def from_process(config: TrainConfig, processes: Processes, first: int) -> Iterator[Fed]:
    """Yield what `Feed.here` would, made ahead by another process that starts at once.

    It works on the same device. Rendering launches hundreds of small kernels: beside the training
    step that costs one more processor core, in its midst it costs a third of the time. Raises
    `TrainError` if it dies.
    """
    context = multiprocessing.get_context('spawn')
    queue: Any = context.Queue(_AHEAD)
    process = context.Process(target=_produce, args=(config, processes, first, queue))
    process.start()
    atexit.register(process.kill)  # before the interpreter would wait for it
    return _received(process, queue)


def _received(process: Any, queue: Any) -> Iterator[Fed]:
    """Yield what comes out of the queue; ends the process when it is closed."""
    try:
        while True:
            try:
                fed = queue.get(timeout=_PATIENCE_S)
            except Empty:
                if process.is_alive():
                    continue
                fed = f'it ended with exit status {process.exitcode}'
            except (OSError, EOFError):  # it died while it handed a batch over
                process.join()
                fed = f'it ended with exit status {process.exitcode}'
            if isinstance(fed, str):
                raise TrainError(f'the process that renders worlds failed: {fed}')
            yield fed
    finally:
        atexit.unregister(process.kill)
        process.terminate()
        process.join(_PATIENCE_S)
        process.kill()
        process.join()


def _produce(config: TrainConfig, processes: Processes, first: int, queue: Any) -> None:
    """Put batches into the queue for ever; a text that says why, if there can be none."""
    behave_as_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer ends this process, in good order

    def stop(*_: object) -> None:
        queue.cancel_join_thread()
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    on_gpu = processes.device.type == 'cuda'
    if on_gpu:
        torch.cuda.set_device(processes.device)
    try:
        for fed in Feed(config, processes).here(first):
            if on_gpu:  # the trainer's stream knows nothing of this one
                torch.cuda.current_stream().synchronize()
            queue.put(fed)
    except torch.OutOfMemoryError as error:
        advice = f'lower store_parts (now {config.store_parts}) or batch (now {config.batch})'
        queue.put(f'out of memory; {advice}: {error}')
    except Exception as error:  # whatever it is, it must reach the user
        queue.put(f'{type(error).__name__}: {error}')


def split(config: TrainConfig, world: int) -> tuple[TrainConfig | None, TrainConfig | None]:
    """Configs of what the device renders and of what workers make; None = nothing."""
    each = share_of(config, world)
    sources = parse_sources(config.sources)
    share = sum(weight for name, weight in sources if name == WORLDS)
    if config.worlds_on == 'workers' or share == 0:
        return None, config
    total = sum(weight for _, weight in sources)
    others = ','.join(f'{name}@{weight:g}' for name, weight in sources if name != WORLDS)
    count = min(each, max(1, round(each * (1 - share / total)))) if others else 0
    rendered = dataclasses.replace(config, batch=(each - count) * world) if count < each else None
    made = dataclasses.replace(config, batch=count * world, sources=others) if count else None
    return rendered, made


def joined(one: Batch, other: Batch) -> Batch:
    """One batch of two."""
    both = {
        field.name: torch.cat([getattr(one, field.name), getattr(other, field.name)])
        for field in dataclasses.fields(Batch)
    }
    both['rgb'] = both['rgb'].contiguous(memory_format=torch.channels_last)
    return Batch(**both)
