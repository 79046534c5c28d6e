# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One process, or one of several started by torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

_CPUINFO = Path('/proc/cpuinfo')


@dataclass(frozen=True)
class Processes:
    """Rank of this process among `world` processes, and its training device."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Average a tensor over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value /= self.world
        return value

    def from_first(self, value: float) -> float:
        """Return the value of the first process: clocks differ, but decisions must not."""
        if self.world > 1:
            shared = torch.tensor([value], dtype=torch.float64, device=self.device)
            dist.broadcast(shared, 0)
            return float(shared.item())
        return value

    def any(self, asked: bool) -> bool:
        """Return whether the flag is set in at least one process."""
        if self.world > 1:
            flag = torch.tensor(float(asked), device=self.device)
            dist.all_reduce(flag, dist.ReduceOp.MAX)
            return bool(flag.item())
        return asked

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()


def best_device(number: int = 0) -> torch.device:
    """Return the GPU of this number, or the CPU without one."""
    return torch.device('cuda', number) if torch.cuda.is_available() else torch.device('cpu')


def product_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the data type for the matrix products of a network.

    'auto': bfloat16, or float32 on devices without native support: a CPU would emulate bfloat16
    several times more slowly.
    """
    if precision == 'auto':
        precision = 'bf16' if _computes_bf16(device) else 'fp32'
    return torch.bfloat16 if precision == 'bf16' else torch.float32


def _computes_bf16(device: torch.device) -> bool:
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device) >= (8, 0)  # from Ampere on
    try:
        features = _CPUINFO.read_text()
    except OSError:  # not Linux
        return False
    return not {'avx512_bf16', 'amx_bf16', 'bf16'}.isdisjoint(features.split())  # 'bf16': Arm


def join() -> Processes:
    """Join the group started by torchrun, or return a single process."""
    device = best_device(int(os.environ.get('LOCAL_RANK', '0')))
    if device.type == 'cuda':
        torch.cuda.set_device(device)
    world = int(os.environ.get('WORLD_SIZE', '1'))
    if world > 1:
        dist.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    return Processes(int(os.environ.get('RANK', '0')), world, device)


def leave() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()
