# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop body of a replay: take one frame of a bag, return its estimate and verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import FloorReading
from dmd_ros.eval import flicker, metrics
from dmd_ros.eval.bags.reader import BagFrame
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import DepthSource, Estimate, no_floor
from dmd_ros.eval.judge import (
    Limits,
    Summary,
    Verdict,
    inverse_doubt,
    judge,
    scaled_range,
    summarise,
)
from dmd_ros.eval.reasons import count_reason
from dmd_ros.eval.registration import on_grid_of


@dataclass(frozen=True)
class FrameResult:
    """The entry of one frame in results.json."""

    index: int  # among all images of the bag
    stamp_ns: int
    width: int
    height: int
    tan_half_vfov: float
    median_m: float  # of the finite depths in the whole picture
    coverage: float  # share of pixels with a finite depth
    verdict: Verdict | None  # None without ground truth
    flicker: flicker.Change | None  # since the frame before; None for the first frame
    floor: FloorReading | None  # how the floor scaled depth; None if the floor is not used


@dataclass(frozen=True)
class FloorSummary:
    """How the floor scaled the depth of several images."""

    seen: int  # number of images that show the floor
    scaled: int  # number of images whose depth was scaled
    scale_median: float | None

    def rows(self, what: str) -> list[list[object]]:
        """Return the rows of a table of totals; what: noun for the frames, such as 'images'."""
        return [
            [f'{what} that show the floor', self.seen],
            ['scale by the floor, median', self.scale_median],
        ]


@dataclass(frozen=True)
class Kept:
    """The pictures of one frame, for the contact sheet.

    rgb: as in the bag. on_truth_m: the estimate on the grid of truth_m; None without truth.
    """

    result: FrameResult
    estimate: Estimate
    rgb: NDArray[np.uint8]
    truth_m: NDArray[np.float32] | None
    on_truth_m: NDArray[np.float32] | None


class ReplaySession:
    """Judge the frames of one camera, in order.

    keep: indices, among the judged frames, of those whose pictures are kept. skipped: number of
    images without an estimate, by reason. timings: seconds per stage, one dictionary per frame
    that was computed.
    """

    def __init__(self, source: DepthSource, limits: Limits, keep: Set[int]) -> None:
        """Start without results, and reset the source."""
        self.results: list[FrameResult] = []
        self.kept: list[Kept] = []
        self.skipped: Counter[str] = Counter()
        self.timings: list[dict[str, float]] = []
        self._doubts: list[str] = []
        self._empty_truths = 0
        self._source = source
        self._limits = limits
        self._keep = keep
        self._previous: tuple[BagFrame, Estimate] | None = None
        source.reset()

    def step(self, frame: BagFrame) -> tuple[FrameResult, Estimate] | None:
        """Judge the estimate of one frame; None if it has none."""
        if self._previous is not None and frame.stamp_ns < self._previous[0].stamp_ns:
            # A looped or spliced bag: the frame before is not its neighbour in time.
            self._source.reset()
            self._previous = None
        try:
            estimate = self._source(frame)
        except EvalError as error:
            count_reason(self.skipped, str(error))
            return None
        if frame.truth_m is not None and not self._is_judged(frame.truth_m):
            self._empty_truths += 1
            frame = replace(frame, truth_m=None)
        self._doubts += [estimate.doubt] if estimate.doubt else []
        if estimate.timings:
            self.timings.append({**frame.timings, **estimate.timings})
        on_truth = None
        if frame.truth_m is not None:
            on_truth = on_grid_of(estimate.depth, frame.truth_m, _lens_between(frame, estimate))
        result = self._result(frame, estimate, on_truth)
        if len(self.results) in self._keep:
            self.kept.append(Kept(result, estimate, frame.rgb, frame.truth_m, on_truth))
        self.results.append(result)
        self._previous = (frame, estimate)
        return result, estimate

    def summary(self) -> Summary | None:
        """Average over the frames with ground truth; None if there are none."""
        verdicts = self._verdicts()
        return summarise(verdicts) if verdicts else None

    def flicker_summary(self) -> dict[str, float | int]:
        """Summarise the changes between consecutive frames."""
        return flicker.summarise([r.flicker for r in self.results if r.flicker is not None])

    def floor_summary(self) -> FloorSummary | None:
        """Summarise how the floor scaled depth; None if the floor is not used."""
        readings = [r.floor for r in self.results if r.floor is not None]
        if not readings:
            return None
        scales = [r.scale for r in readings if r.scale is not None]
        median = float(np.median(scales)) if scales else None
        return FloorSummary(sum(r.seen for r in readings), len(scales), median)

    def troubles(self, depth_topic: str | None) -> list[str]:
        """Return what the user should know before trusting the figures, one sentence each."""
        count, found = len(self.results), []
        if self._empty_truths:
            found.append(
                f'{self._empty_truths} of {count} images have a depth on {depth_topic} without '
                f'a value between {self._limits.min_m:g} and {self._limits.max_m:g} m: they '
                'count as frames without ground truth'
            )
        if self._doubts:
            found.append(f'{len(self._doubts)} of {count} images: {self._doubts[0]}')
        floor = self.floor_summary()
        if floor is not None and floor.scaled < count:
            found.append(no_floor(count - floor.scaled, count))
        return [*found, *filter(None, [inverse_doubt(self._verdicts())])]

    def _verdicts(self) -> list[Verdict]:
        return [r.verdict for r in self.results if r.verdict is not None]

    def _is_judged(self, truth_m: NDArray[np.float32]) -> bool:
        return bool(metrics.valid_mask(truth_m, self._limits.min_m, self._limits.max_m).any())

    def _result(
        self,
        frame: BagFrame,
        estimate: Estimate,
        on_truth_m: NDArray[np.float32] | None,
    ) -> FrameResult:
        known = estimate.depth[np.isfinite(estimate.depth)]
        floor = None if estimate.made is None else estimate.made.floor
        verdict = None
        if frame.truth_m is not None and on_truth_m is not None:
            depth = metrics.settle(on_truth_m, *scaled_range(self._source.range_m, floor))
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
            floor=floor,
        )

    def _change(self, frame: BagFrame, estimate: Estimate) -> flicker.Change | None:
        """Compare with the frame before, on the grid of the estimates."""
        if self._previous is None:
            return None
        before, before_estimate = self._previous
        return flicker.tracked_change(
            (before_estimate.rgb, estimate.rgb),
            (before_estimate.depth, estimate.depth),
            (_truth_on_image(before, before_estimate), _truth_on_image(frame, estimate)),
        )


def _lens_between(frame: BagFrame, estimate: Estimate) -> Camera:
    """Return the frame's camera, with its distortion only if the estimate is rectified.

    This is the lens between the grid of the estimate and that of the picture.
    """
    return frame.camera.rectified() if estimate.camera.is_distorted else frame.camera


def _truth_on_image(frame: BagFrame, estimate: Estimate) -> NDArray[np.float32] | None:
    """Return the truth on the grid of the estimate; None if lens distortion separates them."""
    if frame.truth_m is None or _lens_between(frame, estimate).is_distorted:
        return None
    return on_grid_of(frame.truth_m, estimate.depth, frame.camera)
