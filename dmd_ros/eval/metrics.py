# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth metrics as defined in the literature (Eigen et al.), with ZoeDepth's protocol.

How pixels are judged, for ground truth g and prediction p in metres:

- A pixel is valid if g is finite and min < g < max (and it is inside the mask, if there is one).
- p = +inf ("beyond the model's range") counts as the far end of that range, p = -inf as its near
  end: both are predictions, and a wrong one must increase the error.
- p = NaN ("no estimate") is not judged. `coverage` is the share of valid pixels with an estimate;
  read it together with the errors, which skipping difficult pixels would improve.
- Every other p is clamped to [min, max], as in the protocol.

Metrics are computed per frame; `mean_score` averages them over frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Limits of valid ground truth, metres; 80 m is the convention of KITTI and other outdoor sets.
MIN_M, MAX_M = 1e-3, 80.0
# Ranges (from, to] of true depth, metres, that are also judged separately.
BUCKETS_M = ((0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 20.0), (20.0, 80.0))
# A range with fewer pixels in a frame is left out of that frame: its score would be noise.
MIN_BUCKET_PIXELS = 20
# Standard deviation of ln(depth) below which a correlation would only reflect noise.
_MIN_SPREAD = 0.02
# Pixels judged at a time: a dozen arrays of this length fit into the cache.
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Score:
    """Metrics of one frame, or their mean over frames; NaN if no pixel was valid.

    p: prediction, g: ground truth, e = ln p - ln g.
    """

    abs_rel: float  # mean |p - g| / g
    sq_rel: float  # mean (p - g)^2 / g, metres
    rmse: float  # sqrt(mean (p - g)^2), metres
    rmse_log: float  # sqrt(mean e^2)
    log10: float  # mean |log10 p - log10 g|
    silog: float  # 100 sqrt(mean e^2 - (mean e)^2)
    delta1: float  # deltaN: share of pixels with max(p / g, g / p) < 1.25^N
    delta2: float
    delta3: float
    coverage: float  # share of valid pixels with an estimate
    pixels: int  # number of judged pixels; in a mean, their sum
    frames: int = 1  # number of averaged frames


METRICS = tuple(f.name for f in fields(Score) if f.name not in ('pixels', 'frames'))
_EMPTY = Score(**dict.fromkeys(METRICS, math.nan), pixels=0, frames=0)


def valid_mask(
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> NDArray[np.bool_]:
    """Return a mask of the ground truth [H, W] that is judged: strictly inside (min, max)."""
    with np.errstate(invalid='ignore'):
        return (truth_m > min_m) & (truth_m < max_m)


def settle(
    depth_m: NDArray[np.float32],
    near_m: float,
    far_m: float,
) -> NDArray[np.float32]:
    """Replace -inf and +inf with the ends of the model's range; NaN stays NaN."""
    settled = np.where(np.isposinf(depth_m), np.float32(far_m), depth_m)
    return np.where(np.isneginf(depth_m), np.float32(near_m), settled)


def score_pixels(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
) -> Score:
    """Judge two arrays [N] of depths, finite and > 0; a NaN prediction counts as not covered."""
    known = ~np.isnan(predicted_m)
    total = int(truth_m.size)
    if not known.any():
        return replace(_EMPTY, coverage=0.0, frames=1) if total else _EMPTY
    p, g = predicted_m[known], truth_m[known]
    sums = np.zeros(9)
    for start in range(0, p.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        sums += _sums(p[part].astype(np.float64), g[part].astype(np.float64))
    off, off_g, off2, e2, abs_e, e, *deltas = (float(v) for v in sums / p.size)
    return Score(
        abs_rel=off,
        sq_rel=off_g,
        rmse=math.sqrt(off2),
        rmse_log=math.sqrt(e2),
        log10=abs_e / math.log(10.0),
        # Rounding may make a variance of zero negative.
        silog=100.0 * math.sqrt(max(e2 - e**2, 0.0)),
        delta1=deltas[0],
        delta2=deltas[1],
        delta3=deltas[2],
        coverage=p.size / total,
        pixels=int(p.size),
    )


def _sums(p: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over pixels the quantities that `score_pixels` averages, in the same order."""
    off, ratio = p - g, p / g
    e, relative = np.log(ratio), off / g
    ratio = np.maximum(ratio, g / p)
    inside = (np.count_nonzero(ratio < 1.25**n) for n in (1, 2, 3))
    values = np.abs(relative), relative * off, off * off, e * e, np.abs(e), e
    return np.array([*(v.sum() for v in values), *inside])


def score(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
    mask: NDArray[np.bool_] | None = None,
) -> Score:
    """Judge one frame: both [H, W] metres, without infinities (see `settle`)."""
    p, g = _judged(predicted_m, truth_m, min_m, max_m, mask)
    return score_pixels(p, g)


def score_buckets(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> dict[str, Score]:
    """Judge one frame per range of true depth; ranges with too few pixels are left out."""
    p, g = _judged(predicted_m, truth_m, min_m, max_m, None)
    scores = {}
    for low, high in BUCKETS_M:
        inside = (g > low) & (g <= high)
        if np.count_nonzero(inside) >= MIN_BUCKET_PIXELS:
            scores[f'{low:g}-{high:g} m'] = score_pixels(p[inside], g[inside])
    return scores


def mean_score(scores: Iterable[Score]) -> Score:
    """Average over frames; a metric is averaged over the frames that have a value for it."""
    rows = [s for s in scores if s.frames]
    if not rows:
        return _EMPTY
    means: dict[str, Any] = {}
    for name in METRICS:
        values = np.array([getattr(s, name) for s in rows], np.float64)
        values = values[~np.isnan(values)]
        means[name] = float(values.mean()) if values.size else math.nan
    return Score(**means, pixels=sum(s.pixels for s in rows), frames=len(rows))


def mean_buckets(frames: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """Average each range over the frames that contain it, nearest range first."""
    names = {name for frame in frames for name in frame}
    ordered = sorted(names, key=lambda name: float(name.split('-')[0]))
    return {name: mean_score(f[name] for f in frames if name in f) for name in ordered}


def median_scale(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> float:
    """Return median(g) / median(p) over judged pixels: 1 means that the scale is right.

    p is not clamped first, because it may be outside the range only until it is scaled.
    """
    p, g = _estimated(predicted_m, truth_m, min_m, max_m)
    return float(np.median(g) / np.median(p)) if p.size else math.nan


def correlation(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> float:
    """Return the correlation of ln(p) with ln(g) over judged pixels; NaN if either hardly varies.

    1: p is proportional to g or to a power of g. -1: p falls as g rises, like inverse depth.
    """
    pairs = _estimated(predicted_m, truth_m, min_m, max_m)
    p, g = (np.log(values.astype(np.float64)) for values in pairs)
    spreads = [values.std() for values in (p, g)] if p.size else [0.0]
    if min(spreads) < _MIN_SPREAD:
        return math.nan
    return float(np.mean((p - p.mean()) * (g - g.mean())) / math.prod(spreads))


def _estimated(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float,
    max_m: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return prediction and truth [N] at the judged pixels that have a finite estimate.

    Not clamped: an estimate in millimetres or another unit would become constant.
    """
    known = valid_mask(truth_m, min_m, max_m) & np.isfinite(predicted_m)
    return predicted_m[known], truth_m[known]


def _judged(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float,
    max_m: float,
    mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return prediction, clamped, and truth [N] at the valid pixels."""
    valid = valid_mask(truth_m, min_m, max_m)
    if mask is not None:
        valid &= mask
    return np.clip(predicted_m[valid], min_m, max_m), truth_m[valid]
