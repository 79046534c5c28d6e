# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many threads a process of the trainer computes with: PyTorch, and the renderer of worlds."""

from __future__ import annotations

import numba
import torch


def use_threads(count: int) -> None:
    """Let both compute with `count` threads; 0: as many as PyTorch has by itself.

    The two share one OpenMP: the renderer's first call would give PyTorch all cores again.
    """
    count = count or torch.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # makes that first call
    torch.set_num_threads(count)
