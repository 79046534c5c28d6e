# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge labelled frames, one at a time and in groups, and compare with the trivial baselines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import Contract
from dmd_ros.core.records import DepthFrame, FloorReading
from dmd_ros.estimator import DepthEstimator
from dmd_ros.eval import baselines, metrics
from dmd_ros.eval.frame_folder import LabelledFrame
from dmd_ros.eval.metrics import Score

# The baselines in a frame's meta.json were computed from depth.png alone, which ends here.
_PNG_MAX_M = 65.5355
_BASELINE_TOLERANCE = 2e-3
# An estimate whose correlation with the truth is below this is probably inverse depth.
_INVERSE = -0.5


@dataclass(frozen=True)
class Limits:
    """Range of valid ground truth, metres."""

    min_m: float = metrics.MIN_M
    max_m: float = metrics.MAX_M


@dataclass(frozen=True)
class Verdict:
    """The judgement of one frame."""

    name: str
    group: str
    score: Score
    buckets: dict[str, Score]  # by range of true depth
    median_scale: float  # median(truth) / median(prediction)
    scaled: Score  # of prediction * median_scale: the error of structure, without that of scale
    correlation: float  # see `metrics.correlation`
    const_m: float  # depth of the baseline `const`, metres; NaN without a group
    const: Score
    best_const_m: float  # depth of the baseline `best_const`, metres
    best_const: Score


@dataclass(frozen=True)
class Summary:
    """Several frames: mean scores, and how many frames beat the baselines in AbsRel.

    median_scale: median over frames. median_scale_spread: mean |ln| distance from it, as a factor:
    1.1 means that the scale of a frame is typically 10 % off the median, whatever that is.
    beats_const: None if there is no `const`.
    """

    frames: int
    score: Score
    buckets: dict[str, Score]
    median_scale: float
    median_scale_spread: float
    scaled: Score
    const: Score
    best_const: Score
    beats_const: int | None
    beats_best_const: int


def predict(
    estimator: DepthEstimator,
    rgb: NDArray[np.uint8],
    camera: Camera,
    mirror: bool = False,
) -> tuple[DepthFrame, NDArray[np.float32]]:
    """Reset the estimator and estimate one picture; return the frame and its `settled` depth.

    mirror: average with the un-mirrored estimate of the mirrored picture (the papers' protocol);
    left and right are those of the upright picture that the network gets.
    """
    estimator.reset()
    frame = estimator(rgb, camera)
    depth = settled(frame.depth, estimator.contract, frame.floor)
    if mirror:
        turn = estimator.image_rotation
        axis = 1 if turn % 180 == 0 else 0
        flipped = np.ascontiguousarray(np.flip(rgb, axis))
        mirrored = camera.turned(turn).flipped().turned(-turn)
        other = settled(estimator(flipped, mirrored).depth, estimator.contract)
        depth = np.float32(0.5) * (depth + np.flip(other, axis))
    return frame, depth


def settled(
    depth_m: NDArray[np.float32], contract: Contract, floor: FloorReading | None = None
) -> NDArray[np.float32]:
    """Replace +inf and -inf with the ends of the model's range, scaled like the depth."""
    range_m = contract.depth_min_m, contract.depth_max_m
    return metrics.settle(depth_m, *scaled_range(range_m, floor))


def scaled_range(range_m: tuple[float, float], floor: FloorReading | None) -> tuple[float, float]:
    """Return a model's range, metres, multiplied by the factor from the floor.

    Otherwise, pixels beyond the range could be judged as nearer than distant pixels within it.
    """
    factor = 1.0 if floor is None else floor.factor
    return factor * range_m[0], factor * range_m[1]


def judge(
    depth_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    limits: Limits | None = None,
    *,
    name: str = '',
    group: str = '',
) -> Verdict:
    """Judge depth [H, W] against ground truth; without a group there is no `const`.

    Infinities in `depth_m` are replaced with the ends of the judged range, before and after median
    scaling: for depth in an unknown unit, no other range is known.
    """
    low, high = (limits.min_m, limits.max_m) if limits else (metrics.MIN_M, metrics.MAX_M)
    valid = metrics.valid_mask(truth_m, low, high)
    depth_m, truth_m = depth_m[valid], truth_m[valid]  # once, instead of for each score
    scale = metrics.median_scale(depth_m, truth_m, low, high)
    scaled_m = depth_m * np.float32(scale if math.isfinite(scale) else 1.0)
    ends_m = max(low, metrics.MIN_M), high
    settled_m, scaled_m = (metrics.settle(m, *ends_m) for m in (depth_m, scaled_m))
    const_m = baselines.CONST_M.get(group, math.nan)
    best_m = baselines.best_const(truth_m, low, high)

    def score(estimate_m: NDArray[np.float32]) -> Score:
        return metrics.score(estimate_m, truth_m, low, high)

    return Verdict(
        name=name,
        group=group,
        score=score(settled_m),
        buckets=metrics.score_buckets(settled_m, truth_m, low, high),
        median_scale=scale,
        scaled=score(scaled_m),
        correlation=metrics.correlation(depth_m, truth_m, low, high),
        const_m=const_m,
        const=score(np.full_like(truth_m, const_m)),
        best_const_m=best_m,
        best_const=score(np.full_like(truth_m, best_m)),
    )


def summarise(verdicts: Iterable[Verdict]) -> Summary:
    """Average over frames, all with the same weight."""
    rows = list(verdicts)
    scales = np.array([v.median_scale for v in rows], np.float64)
    scales = scales[np.isfinite(scales)]
    middle = float(np.median(scales)) if scales.size else float('nan')
    spread = float(np.exp(np.mean(np.abs(np.log(scales / middle))))) if scales.size else middle
    return Summary(
        frames=len(rows),
        score=metrics.mean_score(v.score for v in rows),
        buckets=metrics.mean_buckets([v.buckets for v in rows]),
        median_scale=middle,
        median_scale_spread=spread,
        scaled=metrics.mean_score(v.scaled for v in rows),
        const=metrics.mean_score(v.const for v in rows),
        best_const=metrics.mean_score(v.best_const for v in rows),
        beats_const=(
            None
            if all(math.isnan(v.const_m) for v in rows)
            else sum(v.score.abs_rel < v.const.abs_rel for v in rows)
        ),
        beats_best_const=sum(v.score.abs_rel < v.best_const.abs_rel for v in rows),
    )


def by_group(verdicts: Sequence[Verdict], groups: Sequence[str]) -> dict[str, Summary]:
    """Summarise each group that has frames, in the given order, and then all frames."""
    summaries = {
        group: summarise(v for v in verdicts if v.group == group)
        for group in groups
        if any(v.group == group for v in verdicts)
    }
    return {**summaries, 'total': summarise(verdicts)}


def inverse_doubt(verdicts: Sequence[Verdict]) -> str:
    """Return a warning if most estimates fall where the truth rises, else ''."""
    inverse = sum(v.correlation < _INVERSE for v in verdicts)
    if 2 * inverse <= len(verdicts):
        return ''
    return (
        f'in {inverse} of {len(verdicts)} judged frames the estimate falls where the truth rises '
        f'(correlation below {_INVERSE:g}). If it is inverse depth (disparity), convert it to '
        'depth first: median scaling does not; if the model gets its pictures upside down, set '
        'image_rotation'
    )


def baseline_disagreement(frame: LabelledFrame) -> str | None:
    """Compare the baselines in meta.json with our own; return the differences, or None."""
    stated = frame.meta.get('baseline')
    if not isinstance(stated, dict):
        return None
    truth = frame.truth_m[metrics.valid_mask(frame.truth_m, 0.0, _PNG_MAX_M)]
    if not truth.size:
        return None
    best_m = baselines.best_const(truth, 0.0, _PNG_MAX_M)
    own = {'best_const': best_m}
    for name, depth_m in (('const', stated.get('const')), ('best_const', best_m)):
        if isinstance(depth_m, (int, float)) and depth_m > 0:
            found = metrics.score_pixels(np.full_like(truth, depth_m), truth)
            own |= {f'absrel_{name}': found.abs_rel, f'd1_{name}': found.delta1}
    differing = [
        f'{key} {stated[key]} (own: {value:.4f})'
        for key, value in own.items()
        if key in stated and not _agrees(stated[key], value)
    ]
    return f'{frame.name}: meta.json states {", ".join(differing)}' if differing else None


def _agrees(stated: object, own: float) -> bool:
    return isinstance(stated, (int, float)) and abs(stated - own) <= _BASELINE_TOLERANCE
