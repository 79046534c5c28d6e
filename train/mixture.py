# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample number n of a run: a weighted mixture of sources, as a function of (seed, n).

A batch depends only on the config and its number. So resuming needs no data state, any worker can
make any batch, and several processes share a batch by taking slices of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.utils.data import Dataset

from dmd_ros.core.errors import CoreError
from train.config import TrainConfig
from train.errors import TrainError
from train.example import Example, make_example, stack
from train.loss import Batch
from train.sources import open_source, parse_sources, tuned
from train.stage0.example import make_picture_example
from train.workers import made_ahead

# Keys of independent random streams of one seed.
_SAMPLE, _BATCH = 1, 2
# Attempts to fill one place in a batch before the sources are considered broken.
_ATTEMPTS = 20


def share_of(config: TrainConfig, world: int) -> int:
    """Return the number of samples in a batch for each of `world` processes."""
    if config.batch % world:
        raise TrainError(f'batch={config.batch} must be a multiple of the {world} processes')
    return config.batch // world


@dataclass(frozen=True)
class Made:
    """One process's share of a batch, and the names of samples that could not be read."""

    arrays: Example
    broken: tuple[str, ...]


class Mixture(Dataset[Made]):
    """Batches by number, for this process's rank."""

    def __init__(self, config: TrainConfig, rank: int = 0, world: int = 1) -> None:
        """Open every source, so that a wrong path stops the run before it starts."""
        self._share = share_of(config, world)
        self.config, self.rank, self.world = config, rank, world
        self.contract = config.contract()
        pairs = parse_sources(config.sources)
        total = sum(weight for _, weight in pairs)
        self._shares = [weight / total for _, weight in pairs]
        self._sources = [open_source(name, config) for name, _ in pairs]
        self._configs = [tuned(config, source) for source in self._sources]

    def __getitem__(self, number: int) -> Made:
        """Make this rank's slice of batch `number`."""
        size, times = draw_batch(self.config, number)
        share = self._share
        start, first = number * self.config.batch, self.rank * share
        broken: list[str] = []
        examples = [
            self._example(start + place, size, times[place], broken)
            for place in range(first, first + share)
        ]
        return Made(stack(examples), tuple(broken))

    def _example(self, index: int, size: tuple[int, int], t: float, broken: list[str]) -> Example:
        rng = np.random.default_rng((self.config.seed, _SAMPLE, index))
        for _ in range(_ATTEMPTS):
            number = int(rng.choice(len(self._sources), p=self._shares))
            source, config = self._sources[number], self._configs[number]
            # An endless source is read in order, a finite one at random.
            key = index if len(source) == 0 else int(rng.integers(len(source)))
            try:
                raw = source.load(key)
                make = make_picture_example if config.stage == 'stage0' else make_example
                return make(raw, size, t, rng, config, self.contract)
            except (TrainError, CoreError, OSError, ValueError, KeyError) as error:
                name = source.name(key)  # readers prefix it themselves
                broken.append(f'{name}: {str(error).removeprefix(f"{name}: ")}')
        raise TrainError(f'{_ATTEMPTS} samples in a row are broken, the last: {broken[-1]}')


def draw_batch(config: TrainConfig, number: int) -> tuple[tuple[int, int], list[float]]:
    """Draw the size (height, width) and times of batch `number`, from seed and number only."""
    rng = np.random.default_rng((config.seed, _BATCH, number))
    size = config.size_list[int(rng.choice(len(config.size_list), p=config.size_shares))]
    offset = float(rng.random())
    places = ((offset + place / config.batch) % 1.0 for place in range(config.batch))
    return size, [draw_time(u, config.t1_fraction) for u in places]


def draw_time(u: float, t1_fraction: float) -> float:
    """Map u in [0, 1) to a time: exactly t = 1 for the given share, otherwise uniform in [0, 1).

    The u of a batch are evenly spaced from a random start: each is uniform, and batches vary less.
    """
    if u < t1_fraction:
        return 1.0
    return (u - t1_fraction) / (1.0 - t1_fraction)


def batches(mixture: Mixture, first: int, workers: int) -> Iterator[Made]:
    """Yield batches from number `first`, made ahead by `workers` processes (0: in this one)."""
    yield from made_ahead(mixture, itertools.count(first), workers)


def tensors(arrays: Example, device: torch.device) -> Batch:
    """Copy a batch to the training device."""
    moved: dict[str, torch.Tensor] = {}
    for field in fields(Example):
        tensor = torch.as_tensor(getattr(arrays, field.name))
        moved[field.name] = tensor.to(device, non_blocking=True)
    moved['rgb'] = moved['rgb'].contiguous(memory_format=torch.channels_last)
    return Batch(**moved)
