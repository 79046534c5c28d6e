# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry of Waymo's range images: from range, beam and column to world points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.rotation import rotation_from_euler


def world_points(
    ranges: NDArray[np.float32],
    poses: NDArray[np.float32],
    vehicle_from_lidar: NDArray[np.float64],
    inclinations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the points [H, W, 3] of a range image [H, W] in the world.

    poses: [H, W, 6], roll, pitch, yaw, x, y, z of the car for every pixel. inclinations: angles of
    the beams in radians, from lowest to highest; row 0 of the image is the highest.
    """
    vehicle = lidar_points(ranges, vehicle_from_lidar, inclinations)
    rotation = rotation_from_euler(*np.moveaxis(poses[..., :3].astype(np.float64), -1, 0))
    return np.einsum('hwij,hwj->hwi', rotation, vehicle) + poses[..., 3:].astype(np.float64)


def lidar_points(
    ranges: NDArray[np.float32],
    vehicle_from_lidar: NDArray[np.float64],
    inclinations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the points [H, W, 3] of a range image in the frame of the car at each pixel.

    Columns cover a full turn from +pi down to -pi in the car's frame, so the mounting yaw is
    subtracted before the mounting pose is applied.
    """
    _, width = ranges.shape
    yaw = np.arctan2(vehicle_from_lidar[1, 0], vehicle_from_lidar[0, 0])
    turn = (np.arange(width, 0, -1) - 0.5) / width
    azimuth = (2.0 * turn - 1.0) * np.pi - yaw
    beam = inclinations[::-1][:, None]
    directions = np.stack(
        [
            np.cos(azimuth) * np.cos(beam),
            np.sin(azimuth) * np.cos(beam),
            np.broadcast_to(np.sin(beam), ranges.shape),
        ],
        axis=-1,
    )
    local = directions * ranges[..., None].astype(np.float64)
    return local @ vehicle_from_lidar[:3, :3].T + vehicle_from_lidar[:3, 3]
