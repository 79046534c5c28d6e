# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth as colours on a fixed scale: a colour means the same distance in every frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError

NAN_RGB, TOO_CLOSE_RGB, BEYOND_RGB = (0, 0, 0), (64, 0, 0), (255, 255, 255)

# The first rows are for depths that are not distances, the others for distances, far to near.
_SPECIAL = (NAN_RGB, TOO_CLOSE_RGB, BEYOND_RGB)
_LEVELS = 256 - len(_SPECIAL)
_RAMP = cv2.applyColorMap(
    np.linspace(0, 255, _LEVELS).astype(np.uint8)[:, None], cv2.COLORMAP_TURBO
)
_LUT_RGB = np.concatenate([np.array(_SPECIAL, np.uint8)[:, None], _RAMP[..., ::-1]])


def colorize(
    depth_m: NDArray[np.float32],
    near_m: float,
    far_m: float,
) -> NDArray[np.uint8]:
    """Colour depth [H, W] as uint8 [H, W, 3] RGB: near is red, far is blue.

    Colour is linear in *inverse* depth, because eyes judge parallax. NaN is black, +inf (beyond)
    white, -inf (too close) dark red. Raises `CoreError` unless 0 < near_m < far_m.
    """
    if not 0.0 < near_m < far_m:
        raise CoreError(f'colour scale {near_m}..{far_m} m; 0 < near < far is required')
    scale = (_LEVELS - 1) / (1.0 / near_m - 1.0 / far_m)
    with np.errstate(divide='ignore'):
        level = np.divide(np.float32(1.0), depth_m, dtype=np.float32, order='C')
    level -= np.float32(1.0 / far_m)
    level *= np.float32(scale)
    # Plus half a level, because the conversion to integers truncates.
    level += np.float32(len(_SPECIAL) + 0.5)
    np.clip(level, np.float32(len(_SPECIAL)), np.float32(255.0), out=level)
    np.copyto(level, np.float32(1.0), where=depth_m == -np.inf)
    np.copyto(level, np.float32(2.0), where=depth_m == np.inf)
    cv2.patchNaNs(level, 0.0)
    return cv2.applyColorMap(level.astype(np.uint8), _LUT_RGB)
