# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing an estimate and its ground truth to one grid. Always by the nearest pixel.

Interpolating depth invents distances at every edge. The *truth's* grid is kept, so that each
measured pixel is judged once, whatever the sizes; the two must show the same field of view.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, rectified_pixels
from dmd_ros.eval.errors import EvalError

# Aspects may differ by rounding of odd sizes, not by a crop.
_ASPECT_TOLERANCE = 0.02
# Share of a focal length, or of the width, by which two cameras of one view may differ.
_CAMERA_TOLERANCE = 0.01


def on_grid_of(
    estimate_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    camera: Camera,
) -> NDArray[np.float32]:
    """Sample an estimate [H, W] at the pixels of its truth [h, w].

    camera: that took the picture. If it has distortion, the estimate is on the rectified grid and
    the truth on the distorted one, as drivers register depth to the raw image.
    Raises `EvalError` if picture and truth differ in aspect.
    """
    height, width = truth_m.shape
    if not same_view(truth_m.shape, camera):
        raise EvalError(
            f'ground truth is {width}x{height}, the image {camera.width}x{camera.height}: of '
            'another aspect, so they show different fields of view; register the depth to the '
            'image, or leave it out with --depth-topic none'
        )
    if camera.is_distorted:
        estimate_m = _distorted(estimate_m, camera)
    return _resized(estimate_m, height, width)


def on_picture(depth_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Sample depth [h, w] at the pixels of the camera's picture [H, W], which shows the same."""
    return _resized(depth_m, camera.height, camera.width)


def same_view(shape: tuple[int, ...], camera: Camera) -> bool:
    """Say whether a map [h, w] has the aspect of the camera's picture."""
    height, width = shape
    squash = (width / height) / (camera.width / camera.height)
    return abs(squash - 1.0) <= _ASPECT_TOLERANCE


def other_view(camera: Camera, ours: Camera) -> str:
    """Say by what a camera of any size shows another view than the picture; empty: it does not."""
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
        f'has fx = {theirs.fx:.4g}, cx = {theirs.cx:.4g} at the size of the images, whose own has '
        f'fx = {ours.fx:.4g}, cx = {ours.cx:.4g}: unless both show the same view, errors mean '
        'nothing'
    )


def _resized(depth_m: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if depth_m.shape == (height, width):
        return depth_m
    return cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


@functools.lru_cache(maxsize=1)
def _places(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Tell where the pixels of a distorted picture lie in the rectified one: x, y [H, W]."""
    v, u = np.mgrid[: camera.height, : camera.width]
    places = rectified_pixels(camera, np.stack([u, v], axis=-1).reshape(-1, 2))
    x, y = np.nan_to_num(places, nan=-9.0).astype(np.float32).T  # outside
    return x.reshape(u.shape), y.reshape(u.shape)


def _distorted(rectified_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Look up, for each pixel of the distorted picture, its place in the rectified map.

    NaN where that has no such place: a pixel that the lens model cannot explain is not judged.
    """
    return cv2.remap(
        rectified_m,
        *_places(camera),
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )
