# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras for pictures without calibration: the field of view is specified or estimated.

Square pixels, a centred principal point and no distortion are assumed. A wrong field of view
gives wrong metres: calibrate if you can.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core import preprocess
from dmd_ros.core.camera import Camera, tan_half_from_degrees
from dmd_ros.core.checks import check_picture, whole
from dmd_ros.core.contract import FovContract
from dmd_ros.core.errors import CoreError
from dmd_ros.runtime.backend import FOV_INPUT, FOV_OUTPUT, Backend

CAMERA_INFO = 'camera_info'
FOV_SOURCES = (CAMERA_INFO, 'estimate', 'fixed')
# Default number of pictures of a video over which the median of the estimate is taken.
VIDEO_MEMORY = 31


class CameraSource(Protocol):
    """Supplies the camera of a picture. name: one of `FOV_SOURCES`."""

    name: str

    def camera(self, rgb: NDArray[np.uint8]) -> Camera:
        """Return the pinhole camera to assume for uint8 [H, W, 3]."""
        ...

    def reset(self) -> None:
        """Forget earlier pictures, after a cut or a time jump."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


class FixedFov:
    """The same vertical field of view for every picture."""

    name = 'fixed'

    def __init__(self, vfov_deg: float) -> None:
        """vfov_deg: vertical field of view; raises `CoreError` if it is not a valid angle."""
        self._tan_half_vfov = tan_half_from_degrees(vfov_deg)

    def camera(self, rgb: NDArray[np.uint8]) -> Camera:
        """Return the camera with the fixed field of view for a picture of this size."""
        return Camera.assumed(self._tan_half_vfov, rgb.shape[1], rgb.shape[0])

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to release."""


class FovEstimator:
    """A field-of-view network: estimator(rgb) -> tan(vfov / 2), independently per picture."""

    def __init__(self, contract: FovContract, backend: Backend) -> None:
        """Wrap a loaded network."""
        self.contract = contract
        self.backend = backend

    def __call__(self, rgb: NDArray[np.uint8]) -> float:
        """Estimate tan(vfov / 2) of uint8 [H, W, 3] RGB.

        The network sees the centre of the picture in an aspect ratio that it was trained on. Its
        estimate is clipped to the range that it was trained for, and converted to the whole height
        of the picture. Raises `CoreError` if `rgb` is not a picture.
        """
        check_picture(rgb)
        height, width = rgb.shape[:2]
        # Only the size of this camera matters; its focal length is not used.
        view = preprocess.centred_view(Camera.assumed(1.0, width, height), self.contract)
        feeds = {FOV_INPUT: preprocess.prepare(rgb, view, self.contract)}
        estimate = self.backend.run(feeds)[FOV_OUTPUT]
        if estimate.shape != (1,) or not np.isfinite(estimate).all():
            raise CoreError(
                f'the field-of-view model returned {estimate}; one finite number is expected: '
                'export it again'
            )
        low, high = self.contract.tan_half_vfov_range
        return float(np.clip(estimate[0], low, high)) * height / view.crop_height

    def close(self) -> None:
        """Release the backend."""
        self.backend.close()


class EstimatedFov:
    """The median of a network's estimates for the newest pictures of one camera.

    A lens does not change from frame to frame: the median over `memory` pictures neither flickers
    nor follows an outlier. With memory 1, each picture is estimated independently. A picture of
    another size is from another camera, and clears the memory. image_rotation: see
    `DepthEstimator`.
    """

    name = 'estimate'

    def __init__(self, estimator: FovEstimator, memory: int = 1, image_rotation: int = 0) -> None:
        """Start with an empty memory; raises `CoreError` unless memory >= 1."""
        memory = whole('fov_memory', memory, 1, ' of pictures')
        self.estimator = estimator
        self.image_rotation = image_rotation
        self._seen: deque[float] = deque(maxlen=memory)
        self._size: tuple[int, ...] = ()
        self._remembering = threading.Lock()

    def camera(self, rgb: NDArray[np.uint8]) -> Camera:
        """Estimate the picture's field of view; return the camera of the median so far."""
        upright = preprocess.turned(rgb, self.image_rotation)
        found = self.estimator(upright)
        with self._remembering:
            if rgb.shape != self._size:
                self._seen.clear()
                self._size = rgb.shape
            self._seen.append(found)
            middle = statistics.median(self._seen)
        camera = Camera.assumed(middle, upright.shape[1], upright.shape[0])
        return camera.turned(-self.image_rotation)

    def reset(self) -> None:
        """Forget all earlier pictures."""
        with self._remembering:
            self._seen.clear()

    def close(self) -> None:
        """Release the network."""
        self.estimator.close()
