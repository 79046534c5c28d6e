# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: a random virtual camera with a worse sensor.

The geometric part is just another `View`. The conditioning value is that of its camera, so it
always agrees with the picture. Depth labels are never scaled: a crop changes the lens, not the
scene.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.preprocess import View, outside
from train.config import TrainConfig


def draw_view(
    rng: np.random.Generator,
    camera: Camera,
    size: tuple[int, int],
    config: TrainConfig,
) -> View:
    """Draw a virtual camera whose picture is `size` = (height, width) pixels.

    At scale 1 the window is the largest one in the picture with the network's aspect ratio. It is
    centred, where the network assumes the principal point, up to `centre_jitter`, the typical
    offset of real principal points. A scale above 1 extends beyond the picture.
    """
    height, width = size
    aspect = (width / height) * (camera.fx / camera.fy)
    aspect *= math.exp(rng.uniform(-config.aspect_jitter, config.aspect_jitter))
    base = min(float(camera.height), camera.width / aspect)
    tan_base = base / (2.0 * camera.fy)
    low, high = scale_range(tan_base, config)
    window = base * math.exp(rng.uniform(math.log(low), math.log(high)))
    crop_height = max(2, round(window))
    crop_width = max(2, round(window * aspect))
    shift = rng.uniform(-config.centre_jitter, config.centre_jitter, 2)
    return View(
        source=camera,
        left=round((camera.width - crop_width) / 2 + shift[0] * crop_width),
        top=round((camera.height - crop_height) / 2 + shift[1] * crop_height),
        crop_width=crop_width,
        crop_height=crop_height,
        height=height,
        width=width,
        flip=bool(config.flip and rng.random() < 0.5),
    )


def scale_range(tan_half_vfov: float, config: TrainConfig) -> tuple[float, float]:
    """Return the range of FOV scales that keeps tan(vfov / 2) in the contract's, if possible."""
    low, high = config.fov_scale_min, config.fov_scale_max
    kept_low = max(low, config.tan_half_vfov_min / tan_half_vfov)
    kept_high = min(high, config.tan_half_vfov_max / tan_half_vfov)
    if kept_low <= kept_high:
        return kept_low, kept_high
    return (high, high) if kept_low > high else (low, low)


def fill_outside(
    rng: np.random.Generator, rgb: NDArray[np.uint8], view: View
) -> NDArray[np.uint8]:
    """Fill pixels outside the camera's picture with Gaussian noise, as the paper does."""
    if view.is_inside:
        return rgb
    noise = rng.standard_normal(rgb.shape, np.float32)
    noise = np.clip(noise * 63.75 + 127.5, 0, 255).astype(np.uint8)
    return np.where(outside(view)[..., None], noise, rgb)
