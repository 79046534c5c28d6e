# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Project points of another sensor to a depth map, and the rigid transforms for that.

A LiDAR beside the camera sees background that an edge hides from the camera. Such points are kept:
removing them would need surfaces, but a LiDAR has only a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, Rectifier, pixels_of_rays, rectified_pixels
from dmd_ros.core.records import RawSample


def transform(
    rotation: NDArray[np.float64],
    translation: Sequence[float] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """Make the 4x4 matrix of x -> R x + t."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a rigid 4x4 transform."""
    rotation = matrix[:3, :3].T
    return transform(rotation, -rotation @ matrix[:3, 3])


def rotation_from_quaternion(w: float, x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return the rotation matrix of a quaternion, which is normalised first."""
    q = np.array([w, x, y, z], np.float64)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def apply(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Transform points [N, 3]."""
    return points.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def depth_from_points(
    points: NDArray[np.float64],
    camera: Camera,
    min_z_m: float = 0.1,
) -> NDArray[np.float32]:
    """Project points [N, 3] of the camera frame (z forward) to its picture; other pixels are NaN.

    For a distorted camera, that is the distorted picture. Points nearer than `min_z_m`, which
    belong to the vehicle itself, are dropped.
    """
    points = points[points[:, 2] > min_z_m]
    u, v = pixels_of_rays(camera, points[:, :2] / points[:, 2:]).T
    return depth_from_pixels(u, v, points[:, 2], camera.height, camera.width)


def depth_from_pixels(
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    z_m: NDArray[np.floating],
    height: int,
    width: int,
) -> NDArray[np.float32]:
    """Return depth [height, width] with z at the nearest pixels; the nearest point wins.

    Points with NaN coordinates are dropped.
    """
    column, row = np.rint(u), np.rint(v)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row[inside].astype(np.int64) * width + column[inside].astype(np.int64)
    depth = np.full(height * width, np.inf, np.float32)
    np.minimum.at(depth, index, z_m[inside].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth.reshape(height, width)


def rectified(
    rgb: NDArray[np.uint8],
    camera: Camera,
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    z_m: NDArray[np.floating],
) -> RawSample:
    """Remove the lens distortion from a picture and from depths at its pixels (u, v).

    Depths are moved as points, because resampling would blend near and far. Points for which the
    lens model has no solution are left out.
    """
    if camera.is_distorted:
        rgb = Rectifier(camera)(rgb)
        u, v = rectified_pixels(camera, np.stack([u, v], axis=1)).T
    depth = depth_from_pixels(u, v, z_m, camera.height, camera.width)
    return RawSample(rgb, depth, camera.rectified())
