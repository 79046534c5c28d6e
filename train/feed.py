# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the loop's batches come from: workers, the training device, or a share from each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from train.config import TrainConfig
from train.device_worlds import DeviceWorlds
from train.loss import Batch
from train.mixture import Mixture, batches, parse_sources, share_of, tensors
from train.processes import Processes

WORLDS = 'worlds'
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
        """Yield batches from number `first` on."""
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
