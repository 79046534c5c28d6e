# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic camera and scene: the same bytes on every machine, with edges and slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera


def camera(width: int, height: int) -> Camera:
    """Return a camera with a horizontal field of view of 60 degrees."""
    focal = width / 2 / np.tan(np.radians(30.0))
    return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Paint uint8 [H, W, 3]: a shaded background, boxes, and some grain."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rgb = np.stack([x / width, y / height, 0.5 + 0.3 * np.sin(x / 40)], axis=-1) * 200
    random = np.random.default_rng(0)
    for _ in range(12):
        left, top = random.integers(0, width), random.integers(0, height)
        box = (slice(top, top + height // 5), slice(left, left + width // 7))
        rgb[box] = random.uniform(0, 255, 3)
    rgb += random.normal(0, 4, rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def code(height: int, width: int) -> NDArray[np.float32]:
    """Make a depth code [1, 1, h, w] in (-0.6, 0.8): a floor that recedes, with boxes on it."""
    ramp = np.repeat(np.linspace(0.8, -0.2, height, dtype=np.float32)[:, None], width, axis=1)
    random = np.random.default_rng(1)
    for _ in range(8):
        left, top = random.integers(0, width), random.integers(0, height)
        ramp[top : top + height // 4, left : left + width // 6] = random.uniform(-0.6, 0.5)
    return ramp[None, None]
