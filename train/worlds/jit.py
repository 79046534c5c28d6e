# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one decorator of all device functions, so that CPU and GPU run the same source.

Functions marked with `device` are plain Python that numba compiles for the CPU; a `numba.cuda`
kernel that calls them compiles the same functions again for the GPU.
"""

from typing import Any, Callable, TypeVar

import numba

F = TypeVar('F', bound=Callable[..., Any])


def device(function: F) -> F:
    """Compile a scalar function for use inside the render kernels."""
    return numba.njit(fastmath={'contract', 'arcp', 'nsz', 'reassoc', 'afn'}, cache=True,
                      error_model='numpy')(function)  # type: ignore[no-any-return]


def host(function: F) -> F:
    """Compile a helper that runs on the CPU only (tree building, filters)."""
    return numba.njit(cache=True, error_model='numpy')(function)  # type: ignore[no-any-return]
