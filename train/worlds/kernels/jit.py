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
    """Folder for compiled code, another one whenever a device function changes.

    numba's own check looks at the file of the calling function alone and would run stale code
    after a change to a function that is called from another file.
    """
    worlds = Path(__file__).parents[1]  # not all functions that are compiled are in this folder
    sources = [p.read_bytes() for p in sorted(worlds.rglob('*.py'))]
    compiled = [s for s in sources if b'jit' in s or b'P_COLS =' in s]
    digest = hashlib.sha256(b''.join(compiled)).hexdigest()[:12]
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return str(Path(home) / 'dmd_ros' / f'worlds-{digest}')


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_folder()

F = TypeVar('F', bound=Callable[..., Any])


def _single(constant: Any) -> Any:
    """Turn a constant of Python code, or a tuple of them, into single precision."""
    if isinstance(constant, tuple):
        return tuple(_single(member) for member in constant)
    return np.float32(constant) if isinstance(constant, float) else constant


def device(function: F) -> F:
    """Compile a scalar function for use inside the render kernels, in single precision.

    To numba a literal is a double, and so is all that is computed with it; graphics cards for
    games do 1/64 as many of these. So literals become np.float32 here. The source does the rest:
    np.float32(i) where a whole number meets a float, and np.float32 for the numbers of a module.

    Without numba's reference counts (`_nrt`), as its callers hold the arrays: counting them, at
    every call and row, is atomic and cost a third of the time. Such functions cannot make arrays.
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
