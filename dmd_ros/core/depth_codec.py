# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in metres <-> the diffused code in [-1, 1]. The only log() of depth in the package.

y = 2 log(d / d_min) / log(d_max / d_min) - 1, clipped (arXiv 2312.13252): equal errors in y are
equal *relative* errors of depth. 'linear' is the paper's ablation.
The ends of the code mean "at most this close" and "at least this far".
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError

# Codes this close to an end (1 % of the code's span) are read as out of range: training clips
# everything beyond d_max, including sky, to exactly +1, which an estimate never reaches exactly.
# At the near end of a linear code that would be 0.8 m of 80 m, so 1 % of d_min is used there.
END_MARGIN = 0.02


def encode(depth_m: NDArray[np.float32], contract: Contract) -> NDArray[np.float32]:
    """Encode metres; +inf becomes +1, -inf becomes -1, NaN (unlabelled) stays NaN."""
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    clipped = np.clip(depth_m, d_min, d_max)
    if contract.depth_codec == 'log':
        code = np.log(clipped / d_min) * (2.0 / math.log(d_max / d_min)) - 1.0
    else:
        code = (clipped - d_min) * (2.0 / (d_max - d_min)) - 1.0
    # float32 rounding may exceed the ends; clip keeps NaN.
    return np.clip(code, -1.0, 1.0).astype(np.float32, copy=False)


def decode(
    code: NDArray[np.float32],
    contract: Contract,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Decode to metres in [d_min, d_max]; NaN stays NaN. `decode_frame` marks out-of-range codes.

    out: contiguous array of the shape of `code`, possibly `code` itself; None allocates one.
    """
    depth = np.empty(code.shape, np.float32) if out is None else out
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    _metres(code, contract, depth)
    return np.clip(depth, np.float32(d_min), np.float32(d_max), out=depth)


def _metres(code: NDArray[np.float32], contract: Contract, depth: NDArray[np.float32]) -> None:
    """Write the metres of a code into contiguous `depth`; rounding may exceed the range."""
    if not depth.flags.c_contiguous:
        raise CoreError('decode needs contiguous memory to write to')
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    # In place: memory traffic dominates the cost, on every pixel of every frame.
    if contract.depth_codec == 'log':
        half = 0.5 * math.log(d_max / d_min)
        np.multiply(code, np.float32(half), out=depth)
        depth += np.float32(half + math.log(d_min))
        # cv2.exp is vectorised on all processors, np.exp only on some.
        row = depth.reshape(1, -1)
        cv2.exp(row, dst=row)
    else:
        np.multiply(code, np.float32(0.5 * (d_max - d_min)), out=depth)
        depth += np.float32(0.5 * (d_max + d_min))


def decode_frame(
    code: NDArray[np.float32],
    contract: Contract,
    coarse: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Decode a contiguous code to metres in place, with REP-117 infinities at the ends.

    +inf where the code is beyond the range, -inf where it is too close.
    coarse: the smaller code that `code` was enlarged from, without overshoot: if it does not reach
    an end, `code` is not searched for that end.
    """
    coarse = code if coarse is None else coarse
    near, far = _ends(contract)
    ends: list[tuple[NDArray[np.bool_], float]] = []
    if not coarse.max() < far:  # negated so that NaN is included
        ends.append((code >= far, np.inf))
    if not coarse.min() > near:
        ends.append((code <= near, -np.inf))
    if not ends:
        _metres(code, contract, code)
        return code
    depth = decode(code, contract, out=code)
    for where, value in ends:
        np.copyto(depth, np.float32(value), where=where)
    return depth


def _ends(contract: Contract) -> tuple[np.float32, np.float32]:
    """Return the largest code that is too close, and the smallest that is beyond the range."""
    margin = END_MARGIN
    if contract.depth_codec == 'linear':
        margin *= contract.depth_min_m / (contract.depth_max_m - contract.depth_min_m)
    return np.float32(margin - 1.0), np.float32(1.0 - END_MARGIN)


def within(code: NDArray[np.float32], contract: Contract) -> NDArray[np.bool_]:
    """Return where a code is a depth, neither beyond the range nor too close."""
    near, far = _ends(contract)
    return (code > near) & (code < far)


def log_metres(depth_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the natural logarithm of metres: differences are ratios of depth. NaN stays NaN."""
    return np.log(depth_m)


def relative_std(
    code_std: NDArray[np.float32],
    code_mean: NDArray[np.float32],
    contract: Contract,
) -> NDArray[np.float32]:
    """Convert a standard deviation of the code to a relative one of depth (first order)."""
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    if contract.depth_codec == 'log':
        return code_std * np.float32(0.5 * math.log(d_max / d_min))
    return code_std * np.float32(0.5 * (d_max - d_min)) / decode(code_mean, contract)


def valid(depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where depth is a valid distance: finite and > 0."""
    return np.isfinite(depth_m) & (depth_m > 0)
