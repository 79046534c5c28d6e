# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write picture files for fixtures, and read labels from depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def grey(height: int, width: int, level: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def labels(depth: np.ndarray) -> dict[tuple[int, int], float]:
    """Return the labelled pixels as {(row, column): metres}."""
    return {
        (int(v), int(u)): float(depth[v, u])
        for v, u in zip(*np.nonzero(~np.isnan(depth)), strict=True)
    }
