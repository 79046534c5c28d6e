# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spoil pictures, with one function per task.

Each takes uint8 [h, w, 3] and returns the spoilt picture and a mask [h, w] of missing pixels. The
caller fills those with noise, and only they count in the loss (all do if none is missing). The
task is not an input of the net, which is a generalist as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from train.photometric import jpeg

Spoilt = tuple[NDArray[np.uint8], NDArray[np.bool_]]

# As stated by Palette: quality 5..30, half of the area uncropped.
JPEG_QUALITY = (5, 30)
UNCROPPED = 0.5
# Our choice: rectangles and brush strokes until this share of the picture is missing.
INPAINTED = (0.1, 0.4)
_MOST_PIECES = 64


def colorize(rng: np.random.Generator, rgb: NDArray[np.uint8]) -> Spoilt:
    """Remove the colours; grey in three channels."""
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, axis=2), _nothing(rgb)


def inpaint(rng: np.random.Generator, rgb: NDArray[np.uint8]) -> Spoilt:
    """Cut out rectangles or brush strokes."""
    height, width = rgb.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    enough = rng.uniform(*INPAINTED) * mask.size
    draw = _rectangle if rng.random() < 0.5 else _stroke
    for _ in range(_MOST_PIECES):
        draw(rng, mask)
        if np.count_nonzero(mask) >= enough:
            break
    return rgb, mask > 0


def uncrop(rng: np.random.Generator, rgb: NDArray[np.uint8]) -> Spoilt:
    """Remove half of the picture: all around, or on one side."""
    height, width = rgb.shape[:2]
    gone = np.ones((height, width), np.bool_)
    side = int(rng.integers(8))
    if side >= 4:  # all four sides, as often as a single one
        rows, columns = (round(n * math.sqrt(1.0 - UNCROPPED)) for n in (height, width))
        top, left = (height - rows) // 2, (width - columns) // 2
        gone[top : top + rows, left : left + columns] = False
    else:
        kept = slice(round((height, width)[side % 2] * UNCROPPED), None)
        flipped = gone[::-1, ::-1] if side >= 2 else gone
        flipped[(kept, slice(None)) if side % 2 == 0 else (slice(None), kept)] = False
    return rgb, gone


def compress(rng: np.random.Generator, rgb: NDArray[np.uint8]) -> Spoilt:
    """Compress as JPEG at low quality."""
    quality = int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
    return jpeg(rgb, quality), _nothing(rgb)


TASKS: dict[str, Callable[[np.random.Generator, NDArray[np.uint8]], Spoilt]] = {
    'colorization': colorize,
    'inpainting': inpaint,
    'uncropping': uncrop,
    'JPEG restoration': compress,
}


def _nothing(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.zeros(rgb.shape[:2], np.bool_)


def _rectangle(rng: np.random.Generator, mask: NDArray[np.uint8]) -> None:
    height, width = mask.shape
    rows, columns = (max(1, round(n * rng.uniform(0.15, 0.5))) for n in (height, width))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    mask[top : top + rows, left : left + columns] = 1


def _stroke(rng: np.random.Generator, mask: NDArray[np.uint8]) -> None:
    """Draw one wandering line with round ends."""
    height, width = mask.shape
    thickness = max(1, round(min(height, width) * rng.uniform(0.04, 0.12)))
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    angle = rng.uniform(0, 2 * math.pi)
    points = [(x, y)]
    for _ in range(int(rng.integers(3, 9))):
        angle += rng.uniform(-1.2, 1.2)
        length = rng.uniform(0.05, 0.25) * min(height, width)
        x, y = x + length * math.cos(angle), y + length * math.sin(angle)
        points.append((x, y))
    line = np.round(np.array(points)).astype(np.int32)[:, None]
    cv2.polylines(mask, [line], False, 1, thickness)
