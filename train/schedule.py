# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate as a function of samples seen."""

from __future__ import annotations

import math

from train.config import TrainConfig

# The cosine ends here, not at 0, so that the last steps still have an effect.
_FLOOR = 0.01


def share_done(clock: int, seconds: float, config: TrainConfig) -> float:
    """Return the completed share of a run after `clock` samples and `seconds`; 1 ends it."""
    by_samples = clock / config.total_samples
    by_time = seconds / (60.0 * config.minutes) if config.minutes else 0.0
    return min(1.0, max(by_samples, by_time))


def learning_rate(clock: int, config: TrainConfig, done: float) -> float:
    """Return the rate after `clock` samples: linear warm-up, then cosine or constant by `done`."""
    warm = min(1.0, (clock + config.batch) / max(config.warmup, 1))
    if config.schedule == 'cosine':
        shape = _FLOOR + (1.0 - _FLOOR) * 0.5 * (1.0 + math.cos(math.pi * done))
    else:
        shape = min(1.0, (1.0 - done) / config.cooldown) if config.cooldown else 1.0
    return config.lr * warm * shape
