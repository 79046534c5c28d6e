# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations from Euler angles, for worlds and for datasets with such poses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rotation_from_euler(
    roll: NDArray[np.float64],
    pitch: NDArray[np.float64],
    yaw: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return Rz(yaw) Ry(pitch) Rx(roll) [..., 3, 3] for arrays of angles [...] in radians."""
    cr, sr = np.cos(roll), np.sin(roll)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    rows = [
        *(cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        *(sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        *(-sp, cp * sr, cp * cr),
    ]
    return np.stack(rows, axis=-1).reshape(*yaw.shape, 3, 3)
