# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert linear light to the 8-bit picture of an imperfect camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds.kernels.jit import parallel


@dataclass(frozen=True)
class SensorDraw:
    """A randomly drawn camera with its imperfections."""

    blur: float  # sigma in pixels of a picture 192 rows high; below 0.25: none
    glare: float  # weight of the scattered light
    key: float  # brightness that the exposure aims at
    balance: tuple[float, float, float]  # white balance
    level: float  # of the noise
    smooth: bool  # the camera smooths its noise
    fall: float  # vignetting
    shoulder: float  # where highlights begin to be compressed
    gamma: float  # of the tone curve, as is contrast
    contrast: float
    saturation: float
    black: float  # light that the camera records as black


def draw_sensor(rng: Generator) -> SensorDraw:
    """Draw a camera."""
    red, green, blue = (float(v) for v in np.exp(rng.normal(0.0, (0.08, 0.03, 0.1))))
    return SensorDraw(
        blur=float(rng.uniform(-0.7, 0.65)),
        glare=float(rng.uniform(0.005, 0.06)) if rng.random() < 0.5 else 0.0,
        key=float(np.exp(rng.normal(np.log(0.22), 0.4))),
        balance=(red, green, blue),
        level=float(np.exp(rng.uniform(np.log(2e-4), np.log(1.2e-2)))),
        smooth=bool(rng.random() < 0.5),
        fall=float(rng.uniform(0.0, 0.5)),
        shoulder=float(rng.uniform(0.6, 1.0)),
        gamma=float(rng.uniform(1.45, 2.4)),
        contrast=float(rng.uniform(0.0, 1.0)),
        saturation=float(rng.uniform(0.7, 1.3)),
        black=float(rng.uniform(0.0, 0.03)),
    )


# The exposure is metered on every third pixel; bright areas limit the gain.
METER_STEP = 3
METER_LUMA = (0.25, 0.65, 0.1)
BRIGHT_PERCENTILE, BRIGHT_LIMIT = 92.0, 2.8
# Light is clipped here, at the level of directly visible lamps.
BRIGHTEST = 40.0


def shot_and_read(level: float) -> tuple[float, float]:
    """Return the variance of the noise: per unit of light, and in darkness."""
    return 0.15 * level, 0.2 * level * level


def expose(
    colour: NDArray[np.float32], rng: Generator, noise: Generator | None = None
) -> NDArray[np.uint8]:
    """Apply lens, exposure, noise and tone curve of a random camera: linear [H, W, 3] -> RGB.

    noise: generator of the pixel noise, if only that is to vary while the camera stays the same.
    """
    draw = draw_sensor(rng)
    image = _lens(colour, draw)
    luma = image[::METER_STEP, ::METER_STEP] @ np.array(METER_LUMA, np.float32)
    middle = float(np.exp(np.log(luma + 1e-3).mean()))
    # Auto exposure meters the middle tones and is limited by bright areas.
    bright = max(float(np.percentile(luma, BRIGHT_PERCENTILE)), 1e-3)
    gain = min(draw.key / middle, BRIGHT_LIMIT / bright)
    grain = (noise or rng).standard_normal(image.shape, np.float32)
    if draw.smooth:  # twice as strong, because smoothing removes half of it
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * np.float32(2.0)
    shot, read = shot_and_read(draw.level)
    return _develop(
        image,
        grain,
        np.array(draw.balance, np.float32) * np.float32(gain),
        shot,
        read,
        draw.fall,
        draw.shoulder,
        tone_table(draw),
        draw.saturation,
    )


def _lens(image: NDArray[np.float32], draw: SensorDraw) -> NDArray[np.float32]:
    """Blur and glare."""
    height, width = image.shape[:2]
    image = np.minimum(image, np.float32(BRIGHTEST))
    blur = draw.blur * height / 192.0
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    if draw.glare > 0.0:
        small = cv2.resize(
            image, (max(4, width // 8), max(4, height // 8)), interpolation=cv2.INTER_AREA
        )
        glare = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), (width, height))
        image = image + np.float32(draw.glare) * glare
    return image


def tone_table(draw: SensorDraw) -> NDArray[np.float32]:
    """Return the curve of black level, gamma and contrast, 1024 steps over [0, 1]."""
    light = np.linspace(0.0, 1.0, 1024) - draw.black
    x = (np.maximum(light, 0.0) / (1.0 - draw.black)) ** (1.0 / draw.gamma)
    return (x + draw.contrast * (x * x * (3.0 - 2.0 * x) - x)).astype(np.float32)


@parallel
def _develop(image, grain, gain, shot, read, fall, shoulder, table, saturation):
    """Apply vignetting, noise, highlights, tone curve and saturation -> uint8 [H, W, 3]."""
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
