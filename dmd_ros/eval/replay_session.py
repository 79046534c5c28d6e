# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The replay's loop body: one frame of a bag in, its estimate and verdict out."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.edges import DEFAULT_THRESHOLD, flying_pixels
from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.core.records import DepthFrame
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import flicker, metrics
from dmd_ros.eval.bags import BagFrame
from dmd_ros.eval.judge import Limits, Summary, Verdict, judge, settled, summarise
from dmd_ros.eval.registration import on_grid_of


@dataclass(frozen=True)
class FrameResult:
    """What results.json says of one frame.

    index: among the images of the bag. median_m, coverage: of the estimate over the whole picture
    (metres; share of pixels with a finite estimate). verdict: None without ground truth.
    flicker: change since the frame before, None for the first.
    """

    index: int
    stamp_ns: int
    width: int
    height: int
    tan_half_vfov: float
    median_m: float
    coverage: float
    verdict: Verdict | None
    flicker: flicker.Change | None


@dataclass(frozen=True)
class Kept:
    """The pictures of one frame, for the contact sheet.

    rgb: as in the bag. on_truth_m: the estimate on the grid of truth_m; both None without truth.
    """

    result: FrameResult
    estimate: DepthFrame
    rgb: NDArray[np.uint8]
    truth_m: NDArray[np.float32] | None
    on_truth_m: NDArray[np.float32] | None


class ReplaySession:
    """Goes along with the frames of one camera.

    keep: places, in order of frames, whose pictures are kept. points: the latest cloud [H, W, 4].
    timings: seconds per stage, a dictionary per frame.
    """

    def __init__(
        self,
        estimator: DepthEstimator,
        limits: Limits,
        keep: Set[int],
        with_points: bool = True,
    ) -> None:
        """Start afresh."""
        self.results: list[FrameResult] = []
        self.kept: list[Kept] = []
        self.timings: list[dict[str, float]] = []
        self.points: NDArray[np.float32] | None = None
        self._untrained: list[str] = []
        self._empty_truths = 0
        self._estimator = estimator
        self._limits = limits
        self._keep = keep
        self._with_points = with_points
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None
        self._previous: tuple[BagFrame, DepthFrame] | None = None
        estimator.reset()

    def step(self, frame: BagFrame) -> tuple[FrameResult, DepthFrame]:
        """Estimate and judge one frame."""
        if self._previous is not None and frame.stamp_ns < self._previous[0].stamp_ns:
            # A looped or spliced bag: what came before is no neighbour in time.
            self._estimator.reset()
            self._previous = None
        if frame.truth_m is not None and not self._is_judged(frame.truth_m):
            self._empty_truths += 1
            frame = replace(frame, truth_m=None)
        estimate = self._estimator(frame.rgb, frame.camera)
        untrained = self._estimator.untrained_for(estimate.camera)
        self._untrained += [untrained] if untrained else []
        timings = {**frame.timings, **estimate.timings}
        if self._with_points:
            started = time.perf_counter()
            self._build_points(estimate)
            timings['cloud'] = time.perf_counter() - started
        self.timings.append(timings)
        on_truth = None
        if frame.truth_m is not None:
            on_truth = on_grid_of(estimate.depth, frame.truth_m, frame.camera)
        result = self._result(frame, estimate, on_truth)
        if len(self.results) in self._keep:
            self.kept.append(Kept(result, estimate, frame.rgb, frame.truth_m, on_truth))
        self.results.append(result)
        self._previous = (frame, estimate)
        return result, estimate

    def summary(self) -> Summary | None:
        """Average over the frames with ground truth; None if there are none."""
        verdicts = [r.verdict for r in self.results if r.verdict is not None]
        return summarise(verdicts) if verdicts else None

    def flicker_summary(self) -> dict[str, float | int]:
        """Summarise the changes between consecutive frames."""
        return flicker.summarise([r.flicker for r in self.results if r.flicker is not None])

    def troubles(self, depth_topic: str | None) -> list[str]:
        """Say what the user should know before trusting the figures."""
        count, found = len(self.results), []
        if self._empty_truths:
            found.append(
                f'{self._empty_truths} of {count} images have a depth on {depth_topic} without '
                f'any value between {self._limits.min_m:g} and {self._limits.max_m:g} m: they '
                'count as frames without ground truth'
            )
        if self._untrained:
            found.append(f'{len(self._untrained)} of {count} images: {self._untrained[0]}')
        return found

    def _is_judged(self, truth_m: NDArray[np.float32]) -> bool:
        return bool(metrics.valid_mask(truth_m, self._limits.min_m, self._limits.max_m).any())

    def _result(
        self,
        frame: BagFrame,
        estimate: DepthFrame,
        on_truth_m: NDArray[np.float32] | None,
    ) -> FrameResult:
        known = estimate.depth[np.isfinite(estimate.depth)]
        verdict = None
        if frame.truth_m is not None and on_truth_m is not None:
            depth = settled(on_truth_m, self._estimator.contract)
            verdict = judge(depth, frame.truth_m, self._limits)
        return FrameResult(
            index=frame.index,
            stamp_ns=frame.stamp_ns,
            width=frame.camera.width,
            height=frame.camera.height,
            tan_half_vfov=frame.camera.tan_half_vfov,
            median_m=float(np.median(known)) if known.size else float('nan'),
            coverage=known.size / estimate.depth.size,
            verdict=verdict,
            flicker=self._change(frame, estimate),
        )

    def _change(self, frame: BagFrame, estimate: DepthFrame) -> flicker.Change | None:
        """Compare with the frame before, on the grid of the (rectified) pictures."""
        if self._previous is None:
            return None
        before, before_estimate = self._previous
        return flicker.tracked_change(
            (before_estimate.rgb, estimate.rgb),
            (before_estimate.depth, estimate.depth),
            (_truth_on_image(before, before_estimate), _truth_on_image(frame, estimate)),
        )

    def _build_points(self, estimate: DepthFrame) -> None:
        if self._rays is None or self._rays[0] != estimate.camera:
            self._rays = (estimate.camera, estimate.camera.rays())
            self.points = np.empty((*estimate.depth.shape, 4), np.float32)
        assert self.points is not None
        holes = flying_pixels(estimate.coarse, estimate.view, DEFAULT_THRESHOLD)
        write_cloud(estimate.depth, self._rays[1], estimate.rgb, 0.0, np.inf, self.points, holes)


def _truth_on_image(frame: BagFrame, estimate: DepthFrame) -> NDArray[np.float32] | None:
    """Give the truth on the grid of the picture; None for a distorted one."""
    if frame.truth_m is None or frame.camera.is_distorted:
        return None
    return on_grid_of(frame.truth_m, estimate.depth, frame.camera)
