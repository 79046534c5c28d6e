# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resample an estimate to the grid of its ground truth, by the nearest pixel.

Interpolation would create false depths at every edge. The grid of the *truth* is kept, so that
each measured pixel is judged exactly once. Both must show the same field of view.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, rectified_pixels
from dmd_ros.eval.errors import EvalError

# Allows for the rounding of odd sizes, but not for a crop.
_ASPECT_TOLERANCE = 0.02
# Two cameras show the same view if they differ by at most this share of focal length and width.
_CAMERA_TOLERANCE = 0.01


def on_grid_of(
    estimate_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    camera: Camera,
) -> NDArray[np.float32]:
    """Sample an estimate [H, W] at the pixels of its truth [h, w].

    camera: of the picture. If it has distortion, the estimate is on the rectified grid and the
    truth on the distorted one, because drivers register depth to the raw image.
    Raises `EvalError` if picture and truth differ in aspect ratio.
    """
    height, width = truth_m.shape
    if not same_view(truth_m.shape, camera):
        raise EvalError(
            f'ground truth is {width}x{height}, the image {camera.width}x{camera.height}: their '
            'aspect ratios differ, so they show different fields of view; register the depth to '
            'the image, or leave it out with --depth-topic none'
        )
    if camera.is_distorted:
        estimate_m = _distorted(estimate_m, camera)
    return _resized(estimate_m, height, width)


def on_picture(depth_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Sample depth [h, w] at the pixels of the camera's picture [H, W] of the same view."""
    return _resized(depth_m, camera.height, camera.width)


def same_view(shape: tuple[int, ...], camera: Camera) -> bool:
    """Return whether a map [h, w] has the aspect ratio of the camera's picture."""
    height, width = shape
    squash = (width / height) / (camera.width / camera.height)
    return abs(squash - 1.0) <= _ASPECT_TOLERANCE


def other_view(camera: Camera, ours: Camera) -> str:
    """Return how a camera of any size differs in view from `ours`; '' if it does not."""
    theirs = camera.resized(ours.width, ours.height)
    apart = max(
        abs(theirs.fx / ours.fx - 1.0),
        abs(theirs.fy / ours.fy - 1.0),
        abs(theirs.cx - ours.cx) / ours.width,
        abs(theirs.cy - ours.cy) / ours.width,
    )
    if apart <= _CAMERA_TOLERANCE:
        return ''
    return (
        f'has fx = {theirs.fx:.4g}, cx = {theirs.cx:.4g} at the size of the images, whose own '
        f'camera has fx = {ours.fx:.4g}, cx = {ours.cx:.4g}: unless both show the same view, '
        'errors mean nothing'
    )


def _resized(depth_m: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if depth_m.shape == (height, width):
        return depth_m
    return cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


@functools.lru_cache(maxsize=1)
def _rectified_places(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the pixels of a distorted picture are in the rectified one: x, y [H, W]."""
    v, u = np.mgrid[: camera.height, : camera.width]
    places = rectified_pixels(camera, np.stack([u, v], axis=-1).reshape(-1, 2))
    x, y = np.nan_to_num(places, nan=-9.0).astype(np.float32).T  # -9 is outside of the map
    return x.reshape(u.shape), y.reshape(u.shape)


def _distorted(rectified_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Sample a rectified map at the pixels of the distorted picture.

    NaN outside the map and where the lens model has no solution: those pixels are not judged.
    """
    return cv2.remap(
        rectified_m,
        *_rectified_places(camera),
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )
