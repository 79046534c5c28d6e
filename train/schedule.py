# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Learning rate as a function of samples seen."""

from __future__ import annotations

import math

from train.config import TrainConfig

# Cosine ends here, not at 0: the last steps should still move.
_FLOOR = 0.01


def learning_rate(clock: int, config: TrainConfig) -> float:
    """Learning rate after `clock` samples: linear warm-up, then cosine or constant."""
    warm = min(1.0, (clock + config.batch) / max(config.warmup, 1))
    done = min(1.0, clock / config.total_samples)
    if config.schedule == 'cosine':
        shape = _FLOOR + (1.0 - _FLOOR) * 0.5 * (1.0 + math.cos(math.pi * done))
    else:
        shape = min(1.0, (1.0 - done) / max(config.cooldown, 1e-9))
    return config.lr * warm * shape
