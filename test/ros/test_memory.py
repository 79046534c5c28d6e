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

# Growth of resident memory, MB, after 24 threads that each allocate 16 MB and free it before the
# next one starts.
THREADS = """
import sys, threading
import numpy as np
from dmd_ros.ros.memory import keep_freed_memory
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6
heard = keep_freed_memory() if sys.argv[1] == 'keep' else None
turn, end = threading.Lock(), threading.Event()
def work(done):
    with turn:
        np.empty(16_000_000, np.uint8)[::4096] = 1
    done.set()
    end.wait()
before = resident()
for _ in range(24):
    done = threading.Event()
    threading.Thread(target=work, args=(done,), daemon=True).start()
    done.wait()
print(heard, round(resident() - before))
end.set()
"""


def run(how: str, code: str = CODE) -> tuple[str, int]:
    command = [sys.executable, '-c', code, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    heard, count = done.stdout.split()
    return heard, int(count)


def test_the_memory_of_a_frame_is_reused_for_the_next() -> None:
    heard, kept = run('keep')
    if heard != 'True':
        pytest.skip('the C library is not glibc')
    assert kept < 500
    assert run('leave')[1] > 4 * kept


def test_threads_do_not_each_keep_their_freed_memory() -> None:
    heard, kept = run('keep', THREADS)
    if heard != 'True':
        pytest.skip('the C library is not glibc')
    assert kept < 24 * 16 / 2
