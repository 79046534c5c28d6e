# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write depth to files that other programs read."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.image_msg import millimetres_from_depth
from dmd_ros.eval.output import report


def write_depth(path: Path, depth_m: NDArray[np.float32]) -> None:
    """Write depth [H, W] in the format of the suffix; raises `OSError`.

    .npy: float metres, unchanged. .png: 16 bit, millimetres; 0: none, or beyond 65.535 m.
    """
    if path.suffix == '.npy':
        array = io.BytesIO()
        np.save(array, depth_m)
        report.write_file(path, array.getbuffer())
        return
    millimetres = np.empty(depth_m.shape, np.uint16)
    millimetres_from_depth(depth_m, millimetres)
    _, png = cv2.imencode('.png', millimetres)
    report.write_file(path, png.tobytes())
