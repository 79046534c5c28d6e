# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From linear light to the 8-bit picture of a camera with its faults."""

from __future__ import annotations

import math

import cv2
import numba
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds.jit import parallel


def expose(
    colour: NDArray[np.float32], rng: Generator, noise: Generator | None = None
) -> NDArray[np.uint8]:
    """Lens, exposure, noise and tone curve of a randomly drawn camera: linear [H, W, 3] -> RGB.

    noise: source of the pixel noise, if it shall differ while the camera stays the same.
    """
    image = _lens(colour, rng)
    luma = image[::3, ::3] @ np.array([0.25, 0.65, 0.1], np.float32)
    middle = float(np.exp(np.log(luma + 1e-3).mean()))
    key = float(np.exp(rng.normal(np.log(0.21), 0.3)))
    # Auto exposure looks at the middle tones and gives way to bright areas.
    gain = min(key / middle, 2.6 / max(float(np.percentile(luma, 92)), 1e-3))
    balance = gain * np.exp(rng.normal(0.0, (0.05, 0.02, 0.07)))
    level = float(np.exp(rng.uniform(np.log(2e-4), np.log(1.2e-2))))
    grain = (noise or rng).standard_normal(image.shape, np.float32)
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * np.float32(
            2.0
        )  # cameras smooth their noise
    return _develop(
        image,
        grain,
        balance.astype(np.float32),
        0.15 * level,
        0.2 * level * level,
        float(rng.uniform(0.0, 0.45)),
        float(rng.uniform(0.55, 0.9)),
        _tone_table(rng),
        float(rng.uniform(0.75, 1.25)),
    )


def _lens(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Blur and glare."""
    height, width = image.shape[:2]
    image = np.minimum(image, np.float32(40.0))
    blur = float(rng.uniform(-0.2, 0.65)) * height / 192.0
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    if rng.random() < 0.5:
        small = cv2.resize(
            image, (max(4, width // 8), max(4, height // 8)), interpolation=cv2.INTER_AREA
        )
        glare = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), (width, height))
        image = image + np.float32(rng.uniform(0.01, 0.08)) * glare
    return image


def _tone_table(rng: Generator) -> NDArray[np.float32]:
    """Gamma and contrast curve, 1024 steps over [0, 1]."""
    x = np.linspace(0.0, 1.0, 1024) ** (1.0 / rng.uniform(2.0, 2.5))
    return (x + rng.uniform(0.0, 0.35) * (x * x * (3.0 - 2.0 * x) - x)).astype(np.float32)


@parallel
def _develop(image, grain, gain, shot, read, fall, shoulder, table, saturation):
    """Vignetting, noise, highlights, tone curve and saturation -> uint8 [H, W, 3]."""
    height, width = image.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    room = 1.02 - shoulder
    for y in numba.prange(height):
        dy = (y + 0.5) / height - 0.5
        for x in range(width):
            dx = (x + 0.5) / width - 0.5
            shade = 1.0 - 2.0 * fall * (dx * dx + dy * dy)
            grey = 0.0
            tone = (0.0, 0.0, 0.0)
            for k in range(3):
                v = image[y, x, k] * gain[k] * shade
                v += grain[y, x, k] * math.sqrt(max(0.0, v) * shot + read)
                if v > shoulder:
                    v = shoulder + room * (v - shoulder) / (v - shoulder + room)
                v = table[int(1023.0 * min(1.0, max(0.0, v)) + 0.5)]
                grey += v / 3.0
                tone = (tone[1], tone[2], v)
            for k in range(3):
                v = grey + (tone[k] - grey) * saturation
                out[y, x, k] = int(min(255.0, max(0.0, 255.0 * v + 0.5)))
    return out
