# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`threads` applies to PyTorch and the renderer, also if both are in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

ROOT = Path(__file__).parents[2]
# Each in its own process, because only the first call of the renderer resets PyTorch's threads.
RENDERS_BEFORE_A_STEP = """
import sys, numba, torch
from pathlib import Path
from train.config import make_config
from train.loop import train
from train.processes import Processes
settings = ['sizes=16x16', 'batch=1', 'total_samples=1', 'workers=0', f'threads={sys.argv[2]}']
train(Path(sys.argv[1]), make_config('micro', settings), Processes(0, 1, torch.device('cpu')))
print(torch.get_num_threads(), numba.get_num_threads())
"""
WORKS = """
import numba, torch
from train.workers import behave_as_worker
behave_as_worker()
print(torch.get_num_threads(), numba.get_num_threads())
"""


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason='one core: nothing to share out')
@pytest.mark.parametrize(('setting', 'cores', 'expected'), [(1, '2', 1), (0, '1', 1), (2, '2', 2)])
def test_a_trainer_that_renders_keeps_its_threads(
    tmp_path: Path, setting: int, cores: str, expected: int
) -> None:
    """cores: number left to the process by torchrun, or by the caller."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': cores}
    command = [sys.executable, '-c', RENDERS_BEFORE_A_STEP, str(tmp_path), str(setting)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-2:] == [str(expected)] * 2


def test_a_worker_uses_one_thread() -> None:
    command = [sys.executable, '-c', WORKS]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ['1', '1']
