# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

# Page faults of ten frames of two 8 MB arrays, allocated and freed each time.
CODE = """
import resource, sys
import numpy as np
from dmd_ros.ros.memory import keep_freed_memory
heard = keep_freed_memory() if sys.argv[1] == 'keep' else None
def frame():
    for array in [np.empty(8_300_000, np.uint8) for _ in range(2)]:
        array[::4096] = 1
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    frame()
print(heard, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> tuple[str, int]:
    command = [sys.executable, '-c', CODE, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    heard, count = done.stdout.split()
    return heard, int(count)


def test_the_memory_of_a_frame_is_there_for_the_next() -> None:
    heard, kept = faults('keep')
    if heard != 'True':
        pytest.skip('the C library is not glibc')
    assert kept < 500
    assert faults('leave')[1] > 4 * kept
