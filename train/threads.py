# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number of threads of a trainer process, for PyTorch and the renderer of worlds."""

from __future__ import annotations

import numba
import torch


def use_threads(count: int) -> None:
    """Make both compute with `count` threads; 0: PyTorch's default.

    They share one OpenMP, and the first call of the renderer would reset PyTorch to all cores.
    """
    count = count or torch.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # makes that first call
    torch.set_num_threads(count)
