# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing an estimate and its ground truth to one grid. Always by the nearest pixel.

Interpolating depth invents distances at every edge. The *truth's* grid is kept, so that each
measured pixel is judged once, whatever the sizes; the two must show the same field of view.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.eval.errors import EvalError

# Aspects may differ by rounding of odd sizes, not by a crop.
_ASPECT_TOLERANCE = 0.02


def on_grid_of(
    estimate_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    camera: Camera,
) -> NDArray[np.float32]:
    """Sample an estimate [H, W] at the pixels of its truth [h, w].

    camera: that took the picture. If it has distortion, the estimate is on the rectified grid and
    the truth on the distorted one, as drivers register depth to the raw image.
    """
    height, width = truth_m.shape
    squash = (width / height) / (camera.width / camera.height)
    if abs(squash - 1.0) > _ASPECT_TOLERANCE:
        raise EvalError(
            f'ground truth is {width}x{height}, the image {camera.width}x{camera.height}: of '
            'another aspect, so they show different fields of view; register the depth to the '
            'image, or leave it out with --depth-topic none'
        )
    if camera.is_distorted:
        estimate_m = _distorted(estimate_m, camera)
    if estimate_m.shape == truth_m.shape:
        return estimate_m
    return cv2.resize(estimate_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def _distorted(rectified_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Look up, for each pixel of the distorted picture, its place in the rectified map."""
    v, u = np.mgrid[: camera.height, : camera.width]
    pixels = np.stack([u, v], axis=-1).reshape(-1, 1, 2).astype(np.float64)
    undistort = (
        cv2.fisheye.undistortPoints
        if camera.distortion_model == 'equidistant'
        else cv2.undistortPoints
    )
    k = camera.matrix
    straight = undistort(pixels, k, np.asarray(camera.distortion, np.float64), P=k)
    maps = straight.reshape(camera.height, camera.width, 2).astype(np.float32)
    return cv2.remap(
        rectified_m,
        maps[..., 0],
        maps[..., 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )
