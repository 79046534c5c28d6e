# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in metres <-> the code in [-1, 1] that is diffused. The only log() of depth.

y = 2 log(d / d_min) / log(d_max / d_min) - 1, clipped (arXiv 2312.13252, section 3.2): an error of
equal size in y is an equal *relative* error of depth everywhere. 'linear' is the paper's ablation.
Both ends of the code mean "at least this far" and "at most this close".
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.contract import Contract

# Codes this close to an end are read as beyond the range. Training clips everything beyond d_max
# (sky too) to exactly +1, and an estimate of it never gets there exactly: 1 % of the code's span.
END_MARGIN = 0.02


def encode(depth_m: NDArray[np.float32], contract: Contract) -> NDArray[np.float32]:
    """Encode metres; +inf gives +1, -inf gives -1, NaN (unlabelled) stays NaN."""
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    clipped = np.clip(depth_m, d_min, d_max)
    if contract.depth_codec == 'log':
        code = np.log(clipped / d_min) * (2.0 / math.log(d_max / d_min)) - 1.0
    else:
        code = (clipped - d_min) * (2.0 / (d_max - d_min)) - 1.0
    # Rounding of float32 may step over the ends; NaN passes.
    return np.clip(code, -1.0, 1.0).astype(np.float32, copy=False)


def decode(code: NDArray[np.float32], contract: Contract) -> NDArray[np.float32]:
    """Decode to metres in [d_min, d_max]; NaN stays NaN. See `mark_ends` for out-of-range."""
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    if contract.depth_codec == 'log':
        half = 0.5 * math.log(d_max / d_min)
        scaled = np.multiply(code, np.float32(half), dtype=np.float32, order='C')
        scaled += np.float32(half + math.log(d_min))
        # In place, on every pixel of every frame: memory is what this costs. cv2.exp is vectorised
        # on all processors, np.exp on some.
        depth = cv2.exp(scaled.reshape(1, -1), scaled.reshape(1, -1)).reshape(code.shape)
    else:
        depth = np.multiply(code, np.float32(0.5 * (d_max - d_min)), dtype=np.float32)
        depth += np.float32(0.5 * (d_max + d_min))
    return np.clip(depth, np.float32(d_min), np.float32(d_max), out=depth)


def mark_ends(depth_m: NDArray[np.float32], code: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set, in place, +inf where the code says beyond the range, and -inf where too close."""
    beyond = code >= np.float32(1.0 - END_MARGIN)
    if beyond.any():
        np.copyto(depth_m, np.float32(np.inf), where=beyond)
    too_close = code <= np.float32(-1.0 + END_MARGIN)
    if too_close.any():
        np.copyto(depth_m, np.float32(-np.inf), where=too_close)
    return depth_m


def relative_std(
    code_std: NDArray[np.float32],
    code_mean: NDArray[np.float32],
    contract: Contract,
) -> NDArray[np.float32]:
    """Turn a standard deviation of the code into a relative one of depth (first order)."""
    d_min, d_max = contract.depth_min_m, contract.depth_max_m
    if contract.depth_codec == 'log':
        return code_std * np.float32(0.5 * math.log(d_max / d_min))
    return code_std * np.float32(0.5 * (d_max - d_min)) / decode(code_mean, contract)


def valid(depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say where depth is a number of metres: finite and > 0."""
    return np.isfinite(depth_m) & (depth_m > 0)
