# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop body of `dmd_ros.eval.pictures`: estimate one photograph, write its files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, degrees_from_tan_half
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import DepthFrame, FloorReading
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import judge
from dmd_ros.eval.estimates import no_floor
from dmd_ros.eval.output import ply, report, sheet
from dmd_ros.eval.output.depth_file import write_depth
from dmd_ros.eval.picture_camera import ESTIMATE, ESTIMATED, KnownCamera, PictureCameras
from dmd_ros.eval.picture_file import read_picture

# Suffixes of the files that are written for a picture.
DEPTH, MILLIMETRES, COLOR, CLOUD = '.npy', '_depth.png', '_color.png', '.ply'
# Default maximum number of points in a cloud: the network's picture has far fewer pixels.
MOST_POINTS = 1_000_000
_PANEL = 640  # width of a picture in NAME_color.png, pixels


@dataclass(frozen=True)
class PictureResult:
    """The entry of one picture in pictures.json."""

    name: str  # of the files that are written for it, without suffix
    picture: str
    fov_source: str  # one of `picture_camera.SOURCES`
    fov_why: str  # the same in words
    vfov_deg: float
    camera: Camera  # of the depth; rectified if the lens has distortion
    rectified: bool
    median_m: float  # median, minimum and maximum of the finite depths
    min_m: float
    max_m: float
    coverage: float  # share of pixels with a finite depth
    cloud_stride: int | None  # every n-th row and column is in the cloud; None: there is no cloud
    points: int | None  # number of points in the cloud
    floor: FloorReading | None  # how the floor scaled depth; None if the floor is not used


class PictureSession:
    """Process one picture after the other.

    results: of the pictures so far. left_out: the reason why a picture was left out, by its path.
    """

    def __init__(
        self,
        estimator: DepthEstimator,
        cameras: PictureCameras,
        out: Path,
        scale_m: tuple[float, float],
        with_points: bool = True,
        cloud_stride: int = 0,
    ) -> None:
        """Start without results.

        out: folder for the files. scale_m: (near, far) ends of the colours. cloud_stride: take
        every n-th row and column; 0: the smallest stride with at most `MOST_POINTS` points.
        """
        self.results: list[PictureResult] = []
        self.left_out: dict[str, str] = {}
        self._untrained: list[str] = []
        self._estimator, self._cameras = estimator, cameras
        self._out, self._scale_m = out, scale_m
        self._with_points, self._cloud_stride = with_points, cloud_stride

    def step(self, path: Path, name: str) -> None:
        """Estimate a picture and write its files, or record why it cannot be read."""
        try:
            picture = read_picture(path)
            known = self._cameras.of(picture)
            frame, _ = judge.predict(self._estimator, picture.rgb, known.camera)
        except (CoreError, OSError) as error:
            self.left_out[str(path)] = getattr(error, 'strerror', None) or str(error)
            return
        untrained = self._estimator.untrained_for(frame.camera)
        self._untrained += [f'{path}: {untrained}'] if untrained else []
        for ending in (DEPTH, MILLIMETRES):
            write_depth(self._out / f'{name}{ending}', frame.depth)
        stride = points = None
        if self._with_points:
            stride = self._cloud_stride or stride_for(frame.depth.size)
            cloud = ply.points_of(frame, stride)
            points = ply.write_ply(self._out / f'{name}{CLOUD}', cloud)
        result = _result(path, name, known, frame, stride, points)
        sheet.write_picture(self._out / f'{name}{COLOR}', draw(result, frame, self._scale_m))
        self.results.append(result)

    def troubles(self) -> list[str]:
        """Return what the user should know before trusting the metres, one sentence each."""
        found = [f'{path} is left out: {reason}' for path, reason in self.left_out.items()]
        estimated = sum(result.fov_source == ESTIMATE for result in self.results)
        if estimated:
            found.append(f'{estimated} of {len(self.results)} picture(s): {ESTIMATED}')
        found += filter(None, [self._estimator.doubt_of_mount()])
        floorless = [r.name for r in self.results if r.floor is not None and r.floor.scale is None]
        if floorless:
            found.append(no_floor(len(floorless), len(self.results), floorless))
        return found + self._untrained


def stride_for(pixels: int) -> int:
    """Return the smallest stride that keeps at most `MOST_POINTS` of the pixels."""
    return max(1, math.ceil(math.sqrt(pixels / MOST_POINTS)))


def draw(
    result: PictureResult, frame: DepthFrame, scale_m: tuple[float, float]
) -> NDArray[np.uint8]:
    """Draw the picture beside its depth, with the colour scale."""
    size = f'{frame.camera.width} x {frame.camera.height}'
    caption = f'{size}, rectified' if result.rectified else size
    figures = figures_of(result, float(np.isposinf(frame.depth).mean()))
    row = sheet.Row('picture', caption, figures, frame.rgb, frame.depth)
    angle = f'vertical field of view {result.vfov_deg:.1f} degrees: {result.fov_why}'
    title, subtitle = (report.as_text(text) for text in (Path(result.picture).name, angle))
    return sheet.draw_sheet([row], {row.section: scale_m}, title, subtitle, _PANEL)


def figures_of(result: PictureResult, beyond: float) -> str:
    """Return a caption for the colours; beyond: share of the pixels with +inf."""
    if not result.coverage:
        return 'no depth within the range of the model'
    metres = f'median {result.median_m:.2f} m, {result.min_m:.2f} to {result.max_m:.2f} m'
    return f'{metres}; white ({beyond:.0%}): beyond the range' if beyond else metres


def _result(
    path: Path,
    name: str,
    known: KnownCamera,
    frame: DepthFrame,
    stride: int | None,
    points: int | None,
) -> PictureResult:
    finite = frame.depth[np.isfinite(frame.depth)]
    if not finite.size:
        finite = np.array([np.nan], np.float32)
    return PictureResult(
        name=name,
        picture=str(path),
        fov_source=known.source,
        fov_why=known.why,
        vfov_deg=degrees_from_tan_half(known.camera.tan_half_vfov),
        camera=frame.camera,
        rectified=known.camera.is_distorted,
        median_m=float(np.median(finite)),
        min_m=float(finite.min()),
        max_m=float(finite.max()),
        coverage=float(np.isfinite(frame.depth).mean()),
        cloud_stride=stride,
        points=points,
        floor=frame.floor,
    )
