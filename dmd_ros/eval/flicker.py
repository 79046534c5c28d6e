# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flicker: how much the depth of the same static point changes from one frame to the next.

For a point seen in two consecutive frames, change = |ln(d2 / d1)|, which for small changes is the
relative change of depth. A pair of frames has the *median* over its points (robust to moving
objects and wrong tracks), a sequence the median and 95th percentile over its pairs.

Points are corners tracked by KLT optical flow, forward and backward; a track that does not return
to within half a pixel is dropped. Pictures wider than 640 pixels are first scaled down to that
width, because tracking in them is slow and depth is coarser anyway. The camera's own motion
changes depth, too, so this is an upper bound: compare it with the same figure of the ground truth
(`truth`), or use `of_ratio`, the change of prediction / truth, in which the motion cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.depth_codec import valid
from dmd_ros.eval.output.report import percentiles

# A median over fewer points is noise.
MIN_POINTS = 20
_MAX_POINTS, _RETURN_PX = 500, 0.5
_MAX_WIDTH = 640  # of the pictures in which points are tracked, pixels

Points = NDArray[np.float32]  # [N, 2]: x, y in pixels


@dataclass(frozen=True)
class Change:
    """Median changes over the tracked points of one pair of frames; NaN where unknown."""

    predicted: float
    truth: float
    of_ratio: float
    points: int


def tracked_points(
    first_rgb: NDArray[np.uint8],
    second_rgb: NDArray[np.uint8],
) -> tuple[Points, Points]:
    """Track corners from one picture [H, W, 3] to the next; return their places in both."""
    nothing = np.empty((0, 2), np.float32)
    if first_rgb.shape != second_rgb.shape:
        return nothing, nothing
    first, second = _small_grey(first_rgb), _small_grey(second_rgb)
    start = cv2.goodFeaturesToTrack(first, _MAX_POINTS, 0.01, max(5, first.shape[1] // 80))
    if start is None:
        return nothing, nothing
    start = np.asarray(start, np.float32).reshape(-1, 1, 2)
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, start, None)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None)
    off = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
    good = (found.reshape(-1) == 1) & (returned.reshape(-1) == 1) & (off < _RETURN_PX)
    # Scale to pixels of the full picture; pixel centres are at whole numbers.
    times = np.divide(first_rgb.shape[1::-1], first.shape[::-1], dtype=np.float32)
    starts, ends = (at.reshape(-1, 2)[good] * times + (times - 1) / 2 for at in (start, there))
    return starts, ends


def depths_at(depth_m: NDArray[np.float32], points: Points) -> NDArray[np.float32]:
    """Return depth [H, W] at the nearest pixels; NaN outside and where there is no depth."""
    height, width = depth_m.shape
    x, y = np.rint(points).astype(np.intp).T if len(points) else np.empty((2, 0), np.intp)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    depths = np.full(len(points), np.nan, np.float32)
    depths[inside] = depth_m[y[inside], x[inside]]
    depths[~valid(depths)] = np.nan
    return depths


def tracked_change(
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    predicted_m: tuple[NDArray[np.float32], NDArray[np.float32]],
    truth_m: tuple[NDArray[np.float32] | None, NDArray[np.float32] | None] = (None, None),
) -> Change:
    """Compare two consecutive frames along tracked points; maps are [H, W] of the pictures."""
    places = tracked_points(*pictures)
    p1, p2 = (depths_at(d, at) for d, at in zip(predicted_m, places, strict=True))
    nowhere = np.full(len(p1), np.nan, np.float32)
    g1, g2 = (
        nowhere if d is None else depths_at(d, at) for d, at in zip(truth_m, places, strict=True)
    )
    return Change(
        predicted=_median_change(p1, p2),
        truth=_median_change(g1, g2),
        of_ratio=_median_change(p1 / g1, p2 / g2),
        points=int(np.count_nonzero(~np.isnan(p1 + p2))),
    )


def summarise(changes: Sequence[Change]) -> dict[str, float | int]:
    """Return median and p95 over pairs for each kind of change.

    pairs: number of pairs with a change of the prediction; truth and ratio may have fewer.
    """
    pairs = sum(not math.isnan(c.predicted) for c in changes)
    summary: dict[str, float | int] = {'pairs': pairs}
    for kind in ('predicted', 'truth', 'of_ratio'):
        values = [v for c in changes if not math.isnan(v := getattr(c, kind))]
        spread = percentiles(values)
        summary |= {f'{kind}_median': spread['p50'], f'{kind}_p95': spread['p95']}
    return summary


def _small_grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if width <= _MAX_WIDTH:
        return grey
    size = (_MAX_WIDTH, max(1, round(height * _MAX_WIDTH / width)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _median_change(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    change = np.abs(np.log(second / first))
    change = change[np.isfinite(change)]
    return float(np.median(change)) if change.size >= MIN_POINTS else math.nan
