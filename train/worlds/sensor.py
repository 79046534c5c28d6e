# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From linear light to the 8-bit picture of a camera with its faults."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def expose(colour: NDArray[np.float32], rng: Generator) -> NDArray[np.uint8]:
    """Lens, exposure, noise and tone curve of a randomly drawn camera: linear [H, W, 3] -> RGB."""
    height, width = colour.shape[:2]
    image = np.nan_to_num(np.clip(colour, 0.0, 40.0))
    image = _lens(image, rng)
    luma = image @ np.array([.25, .65, .1], np.float32)
    middle = float(np.exp(np.log(luma + 1e-3).mean()))
    key = float(np.exp(rng.normal(np.log(0.17), 0.32)))
    # Auto exposure looks at the middle tones and gives way to bright areas.
    gain = min(key / middle, 2.6 / max(float(np.percentile(luma[::3, ::3], 92)), 1e-3))
    balance = np.exp(rng.normal(0.0, (0.07, 0.02, 0.09))).astype(np.float32)
    image *= gain * balance
    image = _noise(image, rng)
    image = _tone(image, rng)
    image *= 255.0
    image += rng.uniform(0.0, 1.0)
    return np.clip(image, 0.0, 255.0).astype(np.uint8)


def _lens(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Blur, glare and vignetting."""
    height, width = image.shape[:2]
    blur = float(rng.uniform(0.0, 0.75)) * width / 256.0
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    if rng.random() < 0.5:
        small = cv2.resize(image, (max(4, width // 8), max(4, height // 8)), interpolation=cv2.INTER_AREA)
        glare = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), (width, height))
        image = image + np.float32(rng.uniform(0.01, 0.08)) * glare
    fall = float(rng.uniform(0.0, 0.45))
    y = (np.arange(height, dtype=np.float32) / height - 0.5)[:, None]
    x = (np.arange(width, dtype=np.float32) / width - 0.5)[None]
    return image * (1.0 - fall * (x * x + y * y) * 2.0)[..., None].astype(np.float32)


def _noise(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Shot and read noise, partly smoothed as cameras do."""
    level = float(np.exp(rng.uniform(np.log(2e-4), np.log(1.2e-2))))
    grain = rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 2.0
    return np.maximum(image + grain * (np.sqrt(image * level * 0.15 + level * level * 0.2)), 0.0)


def _tone(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Shoulder for highlights, gamma, contrast, saturation."""
    shoulder = float(rng.uniform(0.55, 0.9))
    over = np.maximum(image - shoulder, 0.0)
    room = 1.0 - shoulder + 0.02
    image = np.minimum(image, shoulder) + room * over / (over + room)
    image = np.power(image, np.float32(1.0 / rng.uniform(2.0, 2.5)))
    contrast = float(rng.uniform(0.0, 0.35))
    image = image + contrast * (image * image * (3.0 - 2.0 * image) - image)
    grey = image.mean(2, keepdims=True)
    return grey + (image - grey) * np.float32(rng.uniform(0.75, 1.25))
