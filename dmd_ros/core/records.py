# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records that are passed between the packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.pointcloud import backproject
from dmd_ros.core.preprocess import View


@dataclass(frozen=True, eq=False)  # == of arrays is not a single bool
class RawSample:
    """One labelled picture, as returned by every data set and frame folder.

    rgb: uint8 [H, W, 3].
    depth: float32 [H, W], metres along Z; NaN = unlabelled, +inf = beyond any range (sky).
    camera: the pinhole camera of both.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Camera


@dataclass(frozen=True)
class FloorReading:
    """The scale of depth found from the floor.

    scale: the factor by which depth was multiplied; None if no floor has been seen yet and depth
        is not scaled.
    seen: whether this picture itself shows the floor.
    """

    scale: float | None
    seen: bool

    @property
    def factor(self) -> float:
        """Factor on depth, and so on the ends of the model's range; 1 if not scaled."""
        return 1.0 if self.scale is None else self.scale


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """One estimate on the input's pixel grid (rectified, if the input camera had distortion).

    depth: float32 [H, W], metres along Z (REP-118); NaN = no estimate, +inf = beyond the model's
        range, -inf = closer than it (REP-117).
    uncertainty: float32 [H, W], relative standard deviation over the samples, NaN where depth is
        not finite; None for a single sample.
    rgb: uint8 [H, W, 3] on the same grid.
    camera: describes `depth` exactly.
    coarse: float32 [h, w], metres, ends of the model's range included, on the network's grid;
        depth is `coarse` brought back through `view`.
    timings: seconds per stage.
    fov_source: where the camera comes from, one of `dmd_ros.fov.FOV_SOURCES`.
    floor: the scale found from the floor; None if the estimator has no mount.
    """

    depth: NDArray[np.float32]
    uncertainty: NDArray[np.float32] | None
    rgb: NDArray[np.uint8]
    camera: Camera
    coarse: NDArray[np.float32]
    view: View
    timings: Mapping[str, float] = field(default_factory=dict)
    fov_source: str = 'camera_info'
    floor: FloorReading | None = None

    def points(self) -> NDArray[np.float32]:
        """Return x right, y down, z ahead, float32 [H, W, 3], metres.

        NaN where depth is not finite. In the camera's optical frame (REP-103); colours are in
        `rgb`.
        """
        xyz = np.empty((*self.depth.shape, 3), np.float32)
        backproject(self.depth, self.camera.rays(), xyz)
        return xyz

    def __repr__(self) -> str:
        """Return a one-line summary; printing the arrays would take pages."""
        known = self.depth[np.isfinite(self.depth)]
        reach = f', {known.min():.3g} to {known.max():.3g} m' if known.size else ''
        return (
            f'DepthFrame(depth of {known.size / self.depth.size:.0%} of the pixels{reach}, '
            f'camera={self.camera}, fov_source={self.fov_source!r}, floor={self.floor})'
        )
