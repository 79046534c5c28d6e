# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one decorator of all device functions, so that CPU and GPU run the same source.

Functions marked with `device` are plain Python that numba compiles for the CPU; a `numba.cuda`
kernel that calls them compiles the same functions again for the GPU.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np


def _cache_folder() -> str:
    """Return the folder for compiled code, a new one whenever a device function changes.

    numba checks only the file of the calling function and would run stale code after a change to
    a function in another file.
    """
    worlds = Path(__file__).parents[1]  # compiled functions are not only in this folder
    sources = [p.read_bytes() for p in sorted(worlds.rglob('*.py'))]
    compiled = [s for s in sources if b'jit' in s or b'P_COLS =' in s]
    digest = hashlib.sha256(b''.join(compiled)).hexdigest()[:12]
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return str(Path(home) / 'dmd_ros' / f'worlds-{digest}')


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_folder()

F = TypeVar('F', bound=Callable[..., Any])


def _single(constant: Any) -> Any:
    """Convert a constant of Python code, or a tuple of them, to single precision."""
    if isinstance(constant, tuple):
        return tuple(_single(member) for member in constant)
    return np.float32(constant) if isinstance(constant, float) else constant


def device(function: F) -> F:
    """Compile a scalar function for use inside the render kernels, in single precision.

    numba treats a literal as a double, and thus every result computed with it; consumer GPUs
    compute these at 1/64 of the rate. Literals are therefore converted to np.float32 here. The
    source does the rest: np.float32(i) where an integer meets a float, and np.float32 for module
    constants.

    numba's reference counts (`_nrt`) are off, because the callers hold the arrays: counting is
    atomic, at every call and row, and took a third of the time. Such functions cannot create
    arrays.
    """
    code = function.__code__
    function.__code__ = code.replace(co_consts=_single(code.co_consts))
    return numba.njit(
        fastmath={'contract', 'arcp', 'nsz', 'reassoc', 'afn'},
        cache=True,
        error_model='numpy',
        _nrt=False,
        forceinline=True,
    )(function)


def host(function: F) -> F:
    """Compile a helper that runs on the CPU only (tree building, filters)."""
    return numba.njit(cache=True, error_model='numpy')(function)


def parallel(function: F) -> F:
    """Compile a loop over pixels for all CPU threads (`numba.prange`)."""
    return numba.njit(parallel=True, cache=True, error_model='numpy')(function)
