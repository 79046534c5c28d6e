# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of a floor, with a wall and a box on it, as a mounted camera sees them."""

from __future__ import annotations

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.floor import Mount


def floor_scene(
    camera: Camera,
    mount: Mount,
    wall_m: float = 6.0,
    table_m: float = 0.0,
) -> np.ndarray:
    """Return metres along Z, float32 [H, W]: the nearest of a floor, a wall and a post.

    wall_m: along the optical axis. table_m: height of a plane that hides the floor altogether.
    """
    rays = np.insert(camera.rays().astype(np.float64), 2, 1.0, axis=2)
    drop = rays @ mount.down
    with np.errstate(divide='ignore'):
        floor = np.where(drop > 0, (mount.height_m - table_m) / drop, np.inf)
    depth = np.minimum(floor, wall_m)
    left = camera.width // 10
    depth[:, left : 2 * left] = np.minimum(depth[:, left : 2 * left], 0.3 * wall_m)
    return depth.astype(np.float32)
