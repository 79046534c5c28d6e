# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reuse the memory of one frame for the next instead of requesting it from the kernel each time.

glibc returns large blocks to the kernel as soon as they are freed. A frame needs tens of megabytes
of them in NumPy, in rclpy's conversion and in DDS, and each new page costs a page fault of one or
two microseconds: as much as all the arithmetic on it.

Each thread also gets its own heap (up to eight per core), which keeps freed memory: a node that is
configured repeatedly, each time with new threads, would keep growing.
"""

from __future__ import annotations

import ctypes

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Smaller blocks are allocated from the heap: a 1920x1080 cloud is 33 MB.
_LARGE = 1 << 30
# Threads that allocate at the same time: the executor's, the worker's, and DDS's.
_HEAPS = 4


def keep_freed_memory() -> bool:
    """Configure the allocator of the process; return whether it supports this (glibc).

    The process keeps its peak memory, which it would need for the next frame anyway.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    wanted = {
        _M_ARENA_MAX: _HEAPS,
        _M_MMAP_THRESHOLD: _LARGE,
        _M_TRIM_THRESHOLD: 2**31 - 1,
    }
    heard = [mallopt(name, value) for name, value in wanted.items()]
    return all(heard)
