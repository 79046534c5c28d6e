# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The batches of the training loop, from workers, the training device, or both."""

from __future__ import annotations

import atexit
import dataclasses
import itertools
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from queue import Empty
from typing import Any

import torch
from torch import multiprocessing

from train.config import TrainConfig
from train.device_worlds import DeviceWorlds
from train.errors import TrainError
from train.interrupts import STOPS, interrupts_held
from train.loss import Batch
from train.mixture import Mixture, batches, share_of, tensors
from train.mixtures import WORLDS
from train.processes import Processes
from train.sources import parse_sources
from train.workers import behave_as_worker
from train.worlds.render.assets import Assets

# Batches queued for the trainer, and its interval for checking that their process is alive.
_AHEAD = 3
_PATIENCE_S = 5.0
# A batch on the training device, and the names of samples that could not be read.
Fed = tuple[Batch, tuple[str, ...]]


class Feed:
    """Batches of a run by number. Sources are opened at once, so a wrong path fails early."""

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        """Split the batch into samples rendered on the device and samples made by workers."""
        self._config, self._processes = config, processes
        self._rendered, made = split(config, processes.world)
        if self._rendered is not None:
            Assets.check(config.assets)
        self._mixture = Mixture(made, processes.rank, processes.world) if made else None

    def __call__(self, first: int) -> Iterator[Fed]:
        """Yield batches from number `first`; worlds on a GPU are rendered in another process."""
        if self._rendered is not None and self._processes.device.type == 'cuda':
            return FromProcess(self._config, self._processes, first)
        return self.here(first)

    def here(self, first: int) -> Iterator[Fed]:
        """Yield batches from number `first`, made in this process."""
        device = self._processes.device
        if self._rendered is None:
            assert self._mixture is not None
            for made in batches(self._mixture, first, self._config.workers):
                yield tensors(made.arrays, device), made.broken
            return
        rank, world = self._processes.rank, self._processes.world
        worlds = DeviceWorlds(self._rendered, device, rank, world)
        workers = min(self._config.workers, max(1, self._config.workers // 4))
        others = batches(self._mixture, first, workers) if self._mixture else None
        for number in itertools.count(first):
            rendered = worlds.batch(number)
            if others is None:
                yield rendered, ()
            else:
                made = next(others)
                yield joined(rendered, tensors(made.arrays, device)), made.broken


class FromProcess(Iterator[Fed]):
    """The batches of `Feed.here`, made ahead by another process, which starts at once.

    It works on the same device. Rendering launches hundreds of small kernels: in a separate
    process, that takes another CPU core; within the training process, it takes a third of the
    time. Raises `TrainError` if the process fails or dies. Closing or deleting this ends it.
    """

    def __init__(self, config: TrainConfig, processes: Processes, first: int) -> None:
        """Start making batches from number `first`."""
        context = multiprocessing.get_context('spawn')
        self._queue: Any = context.Queue(_AHEAD)
        ended, self._end = context.Pipe(duplex=False)
        work = (config, processes, first, self._queue, ended)
        self._process: Any = context.Process(target=_produce, args=work)
        with interrupts_held(*STOPS):
            self._process.start()
        ended.close()
        atexit.register(self._process.kill)  # before the interpreter waits for it

    def __next__(self) -> Fed:
        """Wait for the next batch."""
        fed = self._received()
        if isinstance(fed, str):
            self.close()
            raise TrainError(f'the process that renders worlds failed: {fed}')
        return fed

    def _received(self) -> Fed | str:
        """Return a batch from the queue, or the reason why there is none."""
        while True:
            alive = self._process.is_alive()  # if not, its last message is in the queue
            try:
                return self._queue.get(timeout=_PATIENCE_S)
            except Empty:
                if alive:
                    continue
            except (OSError, EOFError, RuntimeError):  # it may have died during a transfer
                self._process.join(_PATIENCE_S)
                if self._process.is_alive():
                    raise
            return f'it ended with exit status {self._process.exitcode}'

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self._process.kill)
        self._end.close()
        self._process.terminate()
        self._process.join(_PATIENCE_S)
        self._process.kill()
        self._process.join()

    def __del__(self) -> None:
        """End the process of a run that stopped without closing."""
        if hasattr(self, '_process') and self._process.pid is not None:
            self.close()


def _produce(
    config: TrainConfig, processes: Processes, first: int, queue: Any, ended: Connection
) -> None:
    """Put batches into the queue endlessly, or an error message if that fails.

    ended: end of a pipe that the trainer closes before it ends this process.
    """

    def stop(*_: object) -> None:
        if not ended.poll():  # sent to all processes: the trainer may need another batch
            return
        queue.cancel_join_thread()
        # Torch would complain about unused batches in the queue.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.exit()

    behave_as_worker()
    signal.signal(signal.SIGTERM, stop)
    on_gpu = processes.device.type == 'cuda'
    if on_gpu:
        torch.cuda.set_device(processes.device)
    try:
        for fed in Feed(config, processes).here(first):
            if on_gpu:  # the trainer's stream is not synchronised with this one
                torch.cuda.current_stream().synchronize()
            queue.put(fed)
    except torch.OutOfMemoryError as error:
        advice = f'lower store_parts (now {config.store_parts}) or batch (now {config.batch})'
        queue.put(f'out of memory; {advice}: {error}')
    except TrainError as error:
        queue.put(str(error))
    except Exception as error:  # any error must reach the user
        traceback.print_exc()
        queue.put(f'{type(error).__name__}: {error}')


def split(config: TrainConfig, world: int) -> tuple[TrainConfig | None, TrainConfig | None]:
    """Return the configs of samples rendered on the device and made by workers; None = none."""
    each = share_of(config, world)
    sources = parse_sources(config.sources)
    share = sum(weight for name, weight in sources if name == WORLDS)
    if config.worlds_on == 'workers' or share == 0:
        return None, config
    total = sum(weight for _, weight in sources)
    others = ','.join(f'{name}@{weight:g}' for name, weight in sources if name != WORLDS)
    if others and each < 2:
        raise TrainError(
            f'batch={config.batch} is one sample for each process, which cannot be shared between '
            f'worlds rendered on the device and {others}; raise batch, or set worlds_on=workers'
        )
    # At least one of each, so that a small share does not exclude a source.
    count = min(each - 1, max(1, round(each * (1 - share / total)))) if others else 0
    rendered = dataclasses.replace(config, batch=(each - count) * world)
    made = dataclasses.replace(config, batch=count * world, sources=others) if count else None
    return rendered, made


def joined(one: Batch, other: Batch) -> Batch:
    """Concatenate two batches."""
    both = {
        field.name: torch.cat([getattr(one, field.name), getattr(other, field.name)])
        for field in dataclasses.fields(Batch)
    }
    both['rgb'] = both['rgb'].contiguous(memory_format=torch.channels_last)
    return Batch(**both)
