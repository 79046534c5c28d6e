# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the depth that a replay judges, and the one that runs a model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.edges import DEFAULT_THRESHOLD, flying_pixels
from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.core.records import DepthFrame
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.registration import on_picture, same_view

if TYPE_CHECKING:  # it imports rosbags, which the commands for picture files do not need
    from dmd_ros.eval.bags.reader import BagFrame

# Maximum number of pictures that a warning lists.
_MAX_LISTED = 10


@dataclass(frozen=True)
class Estimate:
    """Depth of one image of a bag."""

    depth: NDArray[np.float32]  # [H, W], metres along Z; NaN: none, +inf: beyond, -inf: too close
    rgb: NDArray[np.uint8]  # [H, W, 3] on the same grid
    camera: Camera  # of that grid; with distortion if the picture was not rectified
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds per stage that was run
    points: NDArray[np.float32] | None = None  # cloud [H, W, 4]; the next estimate overwrites it
    doubt: str = ''  # what the user should know before trusting it
    made: DepthFrame | None = None  # full output of the model; None if no model was run


def on_image(depth_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Sample an external estimate [h, w] at the pixels of its image [H, W], by the nearest pixel.

    camera: of the image. Raises `EvalError` if the two differ in aspect ratio.
    """
    if not same_view(depth_m.shape, camera):
        height, width = depth_m.shape
        raise EvalError(
            f'the estimate is {width}x{height}, the image {camera.width}x{camera.height}: their '
            'aspect ratios differ, so they show different fields of view'
        )
    return on_picture(depth_m, camera)


def infinities_judged_as(range_m: tuple[float, float]) -> str:
    """Return the warning that infinities of an estimate are judged by a guessed range."""
    return (
        f'the estimate has infinities, judged as {range_m[0]:g} and {range_m[1]:g} m; '
        'give the range of its estimator with --estimate-range'
    )


def no_floor(count: int, of: int, names: Sequence[str] = ()) -> str:
    """Return the warning that pictures were not scaled although the camera's height is known.

    names: of these pictures, if they have names; only the first ones are listed.
    """
    first, more = ', '.join(names[:_MAX_LISTED]), len(names) - _MAX_LISTED
    which = f' ({first}{f" and {more} more" if more > 0 else ""})' if names else ''
    return (
        f'{count} of {of}: no floor is seen where it should be for the height, pitch and roll of '
        f'the camera; their depth has the scale of the model{which}'
    )


class DepthSource(Protocol):
    """Returns the depth of images, which it gets in order."""

    @property
    def range_m(self) -> tuple[float, float]:
        """The depths, metres, that -inf and +inf are judged as."""

    def count(self, images: Sequence[int]) -> int:
        """Return for how many images, by their indices in the bag, there is an estimate."""

    def reset(self) -> None:
        """Forget earlier images: the next one does not follow them in time."""

    def __call__(self, frame: BagFrame) -> Estimate:
        """Return the depth of one image; raises `EvalError` with the reason if there is none."""

    def close(self) -> None:
        """Release all resources."""


class ModelDepth:
    """An estimator as a `DepthSource`, optionally with the clouds that the node would publish."""

    def __init__(self, estimator: DepthEstimator, with_points: bool = True) -> None:
        """Take ownership of the estimator."""
        self._estimator = estimator
        self._with_points = with_points
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None
        self._points = np.empty((0, 0, 4), np.float32)

    @property
    def range_m(self) -> tuple[float, float]:
        """The model's range, metres."""
        contract = self._estimator.contract
        return contract.depth_min_m, contract.depth_max_m

    def count(self, images: Sequence[int]) -> int:
        """Return the number of images: each one can be estimated."""
        return len(images)

    def reset(self) -> None:
        """Reset the estimator."""
        self._estimator.reset()

    def __call__(self, frame: BagFrame) -> Estimate:
        """Run the model."""
        made = self._estimator(frame.rgb, frame.camera)
        timings, points = dict(made.timings), None
        if self._with_points:
            started = time.perf_counter()
            points = self._cloud(made)
            timings['cloud'] = time.perf_counter() - started
        doubt = self._estimator.untrained_for(made.camera)
        return Estimate(made.depth, made.rgb, made.camera, timings, points, doubt, made)

    def close(self) -> None:
        """Release the estimator."""
        self._estimator.close()

    def _cloud(self, made: DepthFrame) -> NDArray[np.float32]:
        if self._rays is None or self._rays[0] != made.camera:
            self._rays = (made.camera, made.camera.rays())
            self._points = np.empty((*made.depth.shape, 4), np.float32)
        holes = flying_pixels(made.coarse, made.view, DEFAULT_THRESHOLD)
        write_cloud(made.depth, self._rays[1], made.rgb, 0.0, np.inf, self._points, holes)
        return self._points
