# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth as colours on a fixed scale: the same colour is the same distance in every frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_LUT = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[::-1, None], cv2.COLORMAP_TURBO)
_LUT_RGB = np.ascontiguousarray(_LUT[:, 0, ::-1])


def colorize(
    depth_m: NDArray[np.float32],
    near_m: float,
    far_m: float,
) -> NDArray[np.uint8]:
    """Colour depth [H, W] as uint8 [H, W, 3] RGB: near is red, far is blue.

    Equal steps of *inverse* depth are equal steps of colour, as parallax is what eyes judge.
    NaN is black, +inf (beyond) white, -inf (too close) dark red.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        level = (1.0 / depth_m - 1.0 / far_m) * np.float32(255.0 / (1.0 / near_m - 1.0 / far_m))
    index = 255 - np.nan_to_num(np.clip(level, 0, 255), nan=0.0).astype(np.uint8)
    rgb = _LUT_RGB[index]
    rgb[np.isnan(depth_m)] = 0
    rgb[np.isposinf(depth_m)] = 255
    rgb[np.isneginf(depth_m)] = (64, 0, 0)
    return rgb
