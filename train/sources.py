# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of samples: rendered or cached worlds, and datasets, each specified by a string."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

from dmd_ros.core.records import RawSample
from train.config import TrainConfig
from train.datasets.registry import READERS, open_dataset, options_of
from train.datasets.worlds import OnlineWorlds
from train.errors import TrainError
from train.mixtures import WORLDS
from train.worlds.cache import WorldCache


class Source(Protocol):
    """Labelled pictures by index."""

    def __len__(self) -> int:
        """Return the number of samples; 0: endless."""
        ...

    def name(self, index: int) -> str:
        """Return the name of a sample, for messages."""
        ...

    def load(self, index: int) -> RawSample:
        """Read or render a sample."""
        ...


KINDS = (WORLDS, 'cache', *sorted(READERS))


def open_source(text: str, config: TrainConfig) -> Source:
    """Open 'kind', 'kind:path' or, for dataset readers, 'kind:path?option=value&...'."""
    kind, _, path = text.partition(':')
    if kind not in KINDS:
        raise TrainError(f'source kind {kind!r} is unknown; allowed: {", ".join(KINDS)}')
    if kind == WORLDS:
        if path:
            raise TrainError(
                f'source {text!r}: worlds are rendered and take no path; write worlds, or '
                f'cache:{path}'
            )
        return OnlineWorlds(config.seed, config.assets, config.size_list)
    if not path:
        raise TrainError(f'source {text!r} has no path; write {kind}:PATH')
    if kind == 'cache':
        return WorldCache(path)
    if kind == 'images' and config.stage != 'stage0':
        raise TrainError(f'source {text!r} has neither depth nor a camera; it is for stage0 only')
    path, _, query = path.partition('?')
    return open_dataset(kind, path, **options_of(query))


def parse_sources(text: str) -> list[tuple[str, float]]:
    """Split 'kind[:path]@weight,...' into ('kind[:path]', weight) pairs."""
    pairs = []
    for part in text.split(','):
        name, separator, weight = part.strip().rpartition('@')
        try:
            pairs.append((name, float(weight)) if separator else (weight, 1.0))
        except ValueError:
            raise TrainError(f'source {part!r}: the weight after @ is not a number') from None
    if not all(0 < weight < math.inf for _, weight in pairs):
        raise TrainError(f'sources={text!r}: weights must be > 0 and finite')
    return pairs


def tuned(config: TrainConfig, source: Source) -> TrainConfig:
    """Return the config for one source, with its own FOV augmentation and infilling."""
    if getattr(source, 'fov', '') == 'off':
        config = replace(config, fov_scale_min=1.0, fov_scale_max=1.0)
    return replace(config, infill=getattr(source, 'infill', '') or config.infill)


def wait_text(config: TrainConfig) -> str:
    """Return a notice about the wait for the first batch; empty: no wait."""
    if all(name != WORLDS for name, _ in parse_sources(config.sources)):
        return ''
    return 'on its first use, the code that renders worlds is compiled, which takes minutes'


def shares_text(text: str) -> str:
    """Format the kinds of sources with their shares: 'worlds 93%, folder 7%'."""
    shares: dict[str, float] = {}
    for name, weight in parse_sources(text):
        kind = name.split(':')[0]
        shares[kind] = shares.get(kind, 0.0) + weight
    total = sum(shares.values())
    return ', '.join(f'{kind} {share / total:.0%}' for kind, share in shares.items())
