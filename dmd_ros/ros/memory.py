# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of one frame for the next instead of fetching it from the kernel each time.

glibc gives large blocks back as soon as they are freed. A frame needs tens of megabytes of them in
NumPy, in rclpy's conversion and in DDS, and each fresh page costs a fault of a microsecond or two:
as much as all arithmetic on it.

And each thread gets a heap of its own, up to eight for each core, that keeps what was freed there:
a node that is configured again and again, each time with new threads, would go on growing.
"""

from __future__ import annotations

import ctypes

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Blocks below this come from the heap: a 1920x1080 cloud has 33 MB.
_LARGE = 1 << 30
# Threads that allocate at a time: the executor's, the worker's, and DDS's.
_HEAPS = 4


def keep_freed_memory() -> bool:
    """Tell the allocator, for the whole process; gives whether it is one that listens (glibc).

    The process keeps what it needed at its peak, which it would need for the next frame anyway.
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
