# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth -> organised coloured point clouds, written into memory that the caller owns."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

POINT_BYTES = 16  # x, y, z, rgb: four FLOAT32, as RViz and PCL expect
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def backproject(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    xyz: NDArray[np.float32],
) -> None:
    """Write x = z ray_x, y = z ray_y, z into xyz[..., :3].

    depth: [H, W] metres along Z; anything not finite becomes NaN in all three coordinates.
    rays: [H, W, 2] from `Camera.rays`. xyz: [H, W, >= 3], overwritten.
    """
    z = xyz[..., 2]
    # inf * 0 would warn, and REP-117 infinities are no points: turn them into NaN first.
    np.copyto(z, depth)
    z[~np.isfinite(depth)] = np.nan
    np.multiply(z, rays[..., 0], out=xyz[..., 0])
    np.multiply(z, rays[..., 1], out=xyz[..., 1])


def pack_rgb(rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> None:
    """Write uint8 [H, W, 3] colours into points[..., 3] as the bits 0x00RRGGBB of a FLOAT32."""
    channels = points.view(np.uint8)  # [H, W, 16], little endian: B G R 0
    channels[..., 12] = rgb[..., 2]
    channels[..., 13] = rgb[..., 1]
    channels[..., 14] = rgb[..., 0]
    channels[..., 15] = 0


def flying_pixels(depth: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Mark the pixels [H, W] that hang in the air between a near edge and what is behind it.

    A pixel is marked where the farthest depth of its 3x3 neighbourhood exceeds the nearest by more
    than `threshold` (relative, > 0). Up-sampling turns each depth edge into such a steep ramp.
    """
    known = np.isfinite(depth)
    near = cv2.erode(np.where(known, depth, np.float32(np.inf)), _NEIGHBOURS)
    far = cv2.dilate(np.where(np.isnan(depth), np.float32(0.0), depth), _NEIGHBOURS)
    with np.errstate(invalid='ignore'):
        return known & (far > near * np.float32(1.0 + threshold))


def write_cloud(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    min_m: float,
    max_m: float,
    points: NDArray[np.float32],
) -> None:
    """Write an organised cloud of the depths within [min_m, max_m] into `points` [H, W, 4].

    depth: [H, W] metres along Z. rays: [H, W, 2]. rgb: uint8 [H, W, 3].
    """
    backproject(depth, rays, points)
    near, far = min_m > 0.0, math.isfinite(max_m)
    if near or far:
        with np.errstate(invalid='ignore'):
            points[(depth < min_m) | (depth > max_m), :3] = np.nan
    pack_rgb(rgb, points)


def limit_range(depth_m: NDArray[np.float32], min_m: float, max_m: float) -> None:
    """Set, in place, depths below `min_m` to -inf and depths above `max_m` to +inf."""
    with np.errstate(invalid='ignore'):
        depth_m[depth_m < min_m] = -np.inf
        depth_m[depth_m > max_m] = np.inf


def without_flying_pixels(depth: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Give a copy of depth [H, W] with NaN for `flying_pixels`."""
    solid = depth.copy()
    solid[flying_pixels(depth, threshold)] = np.nan
    return solid
