# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds: metric RGB-D frames with known cameras, deterministic by seed.

    from train.worlds import Assets, WorldConfig, Worlds, generate, held_out
    for sample in generate(seed=0, count=100): ...          # RawSample
    Worlds(seed=0)[17]                                      # the same frame, by index
    generate(held_out(0), 100)                              # never meets a training seed

Needs NumPy, OpenCV and numba only; no torch.
"""

from train.worlds.assets import Assets
from train.worlds.generate import EVALUATION_SEED, KINDS, WorldConfig, Worlds, generate, held_out

__all__ = ['EVALUATION_SEED', 'KINDS', 'Assets', 'WorldConfig', 'Worlds', 'generate', 'held_out']
