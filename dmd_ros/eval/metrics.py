# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth metrics as the literature defines them (Eigen; the protocol is ZoeDepth's).

Which pixels count, for ground truth g and prediction p in metres:

- valid: g finite and min < g < max (and inside the mask, if there is one);
- p = +inf ("beyond the model's range") counts as the far end of that range, p = -inf as its near
  end: the model did commit itself, and a wrong commitment must cost;
- p = NaN ("no estimate") is not judged but reported: `coverage` is the share of valid pixels with
  an estimate, and a method must not shine by silence, so read the two together;
- every other p is clamped to [min, max], as the protocol says.

Metrics are taken per frame; `mean_score` averages them over frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Limits of valid ground truth, metres; 80 m is KITTI's and the outdoor sets' convention.
MIN_M, MAX_M = 1e-3, 80.0
# Ranges (from, to], metres, judged on their own.
BUCKETS_M = ((0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 20.0), (20.0, 80.0))
# A bucket with fewer pixels in a frame says nothing about the model; it is left out of that frame.
MIN_BUCKET_PIXELS = 20
# Standard deviation of ln(depth), about a relative one, below which only noise would correlate.
_FLAT = 0.02
# Pixels judged at a time: a dozen arrays of so many stay in the cache.
_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Score:
    """Metrics of one frame, or their mean over frames; NaN where nothing was valid.

    abs_rel: mean |p - g| / g. sq_rel: mean (p - g)^2 / g, metres. rmse: metres. rmse_log: of ln.
    log10: mean |log10 p - log10 g|. silog: 100 sqrt(mean e^2 - (mean e)^2), e = ln p - ln g.
    delta1..3: share of pixels with max(p / g, g / p) < 1.25^n. coverage: share of valid pixels
    with an estimate. pixels: number judged (summed, in a mean). frames: number averaged.
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float
    coverage: float
    pixels: int
    frames: int = 1


METRICS = tuple(f.name for f in fields(Score) if f.name not in ('pixels', 'frames'))
_EMPTY = Score(**dict.fromkeys(METRICS, math.nan), pixels=0, frames=0)


def valid_mask(
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> NDArray[np.bool_]:
    """Mark ground truth [H, W] that is judged: finite and strictly inside (min, max)."""
    with np.errstate(invalid='ignore'):
        return (truth_m > min_m) & (truth_m < max_m)


def settle(
    depth_m: NDArray[np.float32],
    near_m: float,
    far_m: float,
) -> NDArray[np.float32]:
    """Replace -inf and +inf by the ends of the model's range; NaN stays NaN."""
    settled = np.where(np.isposinf(depth_m), np.float32(far_m), depth_m)
    return np.where(np.isneginf(depth_m), np.float32(near_m), settled)


def score_pixels(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
) -> Score:
    """Judge two lists of depths, all finite and > 0 (NaN predictions count as not covered)."""
    known = ~np.isnan(predicted_m)
    total = int(truth_m.size)
    if not known.any():
        return replace(_EMPTY, coverage=0.0, frames=1) if total else _EMPTY
    p, g = predicted_m[known], truth_m[known]
    sums = np.zeros(9)
    for start in range(0, p.size, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        sums += _sums(p[part].astype(np.float64), g[part].astype(np.float64))
    off, off_g, off2, e2, abs_e, e, *deltas = (float(v) for v in sums / p.size)
    return Score(
        abs_rel=off,
        sq_rel=off_g,
        rmse=math.sqrt(off2),
        rmse_log=math.sqrt(e2),
        log10=abs_e / math.log(10.0),
        # Rounding may push a variance of zero below it.
        silog=100.0 * math.sqrt(max(e2 - e**2, 0.0)),
        delta1=deltas[0],
        delta2=deltas[1],
        delta3=deltas[2],
        coverage=p.size / total,
        pixels=int(p.size),
    )


def _sums(p: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over pixels what `score_pixels` averages, in its order."""
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
    """Judge one frame: both [H, W] metres, infinities already settled (see `settle`)."""
    p, g = _judged(predicted_m, truth_m, min_m, max_m, mask)
    return score_pixels(p, g)


def score_buckets(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> dict[str, Score]:
    """Judge one frame per range of true depth; a range with too few pixels is absent."""
    p, g = _judged(predicted_m, truth_m, min_m, max_m, None)
    scores = {}
    for low, high in BUCKETS_M:
        inside = (g > low) & (g <= high)
        if np.count_nonzero(inside) >= MIN_BUCKET_PIXELS:
            scores[f'{low:g}-{high:g} m'] = score_pixels(p[inside], g[inside])
    return scores


def mean_score(scores: Iterable[Score]) -> Score:
    """Average over frames; frames without a value do not count for that metric."""
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
    """Average each range over the frames that have it, nearest range first."""
    names = {name for frame in frames for name in frame}
    ordered = sorted(names, key=lambda name: float(name.split('-')[0]))
    return {name: mean_score(f[name] for f in frames if name in f) for name in ordered}


def median_scale(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> float:
    """Give median(g) / median(p) over judged pixels: 1 means that the scale is right.

    p is not clamped before, as the scale may be what it needs to come into the range.
    """
    p, g = _estimated(predicted_m, truth_m, min_m, max_m)
    return float(np.median(g) / np.median(p)) if p.size else math.nan


def correlation(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float = MIN_M,
    max_m: float = MAX_M,
) -> float:
    """Correlate ln(p) with ln(g) over judged pixels; NaN where either hardly varies.

    1: p is g, scaled, or a power of it. -1: it falls where g rises, as inverse depth does.
    """
    pairs = _estimated(predicted_m, truth_m, min_m, max_m)
    p, g = (np.log(values.astype(np.float64)) for values in pairs)
    spreads = [values.std() for values in (p, g)] if p.size else [0.0]
    if min(spreads) < _FLAT:
        return math.nan
    return float(np.mean((p - p.mean()) * (g - g.mean())) / math.prod(spreads))


def _estimated(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float,
    max_m: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give prediction and truth at those judged pixels that have an estimate, as two lists.

    Not clamped: of what is in millimetres, or in no metres at all, nothing would be left.
    """
    known = valid_mask(truth_m, min_m, max_m) & ~np.isnan(predicted_m)
    return predicted_m[known], truth_m[known]


def _judged(
    predicted_m: NDArray[np.float32],
    truth_m: NDArray[np.float32],
    min_m: float,
    max_m: float,
    mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give prediction and truth at the valid pixels, as two lists."""
    valid = valid_mask(truth_m, min_m, max_m)
    if mask is not None:
        valid &= mask
    return np.clip(predicted_m[valid], min_m, max_m), truth_m[valid]
