# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Organised coloured point clouds from depth, written into the caller's memory."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError

POINT_BYTES = 16  # x, y, z, rgb: four FLOAT32, as RViz and PCL expect
# Pictures are processed in strips of about this many points: few enough to stay in the cache,
# enough to make the cost of the calls negligible.
_STRIP_POINTS = 65536


def write_cloud(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    min_m: float,
    max_m: float,
    points: NDArray[np.float32],
    holes: NDArray[np.bool_] | None = None,
) -> None:
    """Write an organised cloud of the depths within [min_m, max_m] into `points` [H, W, 4].

    depth: [H, W] metres along Z. rays: [H, W, 2] from `Camera.rays`. rgb: uint8 [H, W, 3].
    points: contiguous float32, overwritten; missing points are NaN. holes: [H, W], True where
    further points are left out. Raises `CoreError` if `points` does not have that size.
    """
    height, width = depth.shape
    if points.shape != (height, width, 4) or not points.flags.c_contiguous:
        raise CoreError(f'cloud buffer is {points.shape}, not contiguous {(height, width, 4)}')
    rows = max(1, _STRIP_POINTS // width)
    # Compute contiguous planes and interleave them once: strided writes are several times slower.
    planes = np.empty((4, rows, width), np.float32)
    for top in range(0, height, rows):
        strip = slice(top, min(top + rows, height))
        used = planes[:, : strip.stop - top]
        tile = np.moveaxis(used, 0, -1)
        missing = None if holes is None else holes[strip]
        backproject(depth[strip], rays[strip], tile, min_m, max_m, missing)
        pack_rgb(rgb[strip], tile)
        cv2.merge(list(used), points[strip])


def backproject(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    xyz: NDArray[np.float32],
    min_m: float = -math.inf,
    max_m: float = math.inf,
    holes: NDArray[np.bool_] | None = None,
) -> None:
    """Write x = z ray_x, y = z ray_y, z into xyz[..., :3].

    depth: [H, W] metres along Z; anything not finite, outside [min_m, max_m] or in `holes` [H, W]
    becomes NaN in all three coordinates. rays: [H, W, 2] from `Camera.rays`. xyz: [H, W, >= 3],
    overwritten.
    """
    z = xyz[..., 2]
    with np.errstate(invalid='ignore'):
        # inf - inf is NaN: REP-117 infinities are not points.
        np.subtract(depth, depth, out=z)
        z += depth
    if min_m > 0.0:
        np.copyto(z, np.float32(np.nan), where=depth < min_m)
    if max_m < math.inf:
        np.copyto(z, np.float32(np.nan), where=depth > max_m)
    if holes is not None:
        np.copyto(z, np.float32(np.nan), where=holes)
    np.multiply(z, rays[..., 0], out=xyz[..., 0])
    np.multiply(z, rays[..., 1], out=xyz[..., 1])


def pack_rgb(rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> None:
    """Write uint8 [H, W, 3] colours into points[..., 3] as the bits 0x00RRGGBB of a FLOAT32."""
    # In little-endian memory the bits are the bytes B G R 0; cvtColor sets the fourth to 255.
    bgra = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGRA)
    bits = bgra.view('<u4')[..., 0]
    np.bitwise_and(bits, np.uint32(0x00FFFFFF), out=points[..., 3].view(np.uint32))


def limit_range(depth_m: NDArray[np.float32], min_m: float, max_m: float) -> None:
    """Set depths nearer than min_m to -inf and farther than max_m to +inf, in place."""
    if min_m > 0.0:
        np.copyto(depth_m, np.float32(-np.inf), where=depth_m < min_m)
    if max_m < math.inf:
        np.copyto(depth_m, np.float32(np.inf), where=depth_m > max_m)
