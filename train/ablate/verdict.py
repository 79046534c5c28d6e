# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide whether a claim is reproduced, by the t interval of differences paired by seed.

A difference is that of the logarithms of two errors, so that it reads as a percentage and one
failed seed does not dominate the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from train.ablate.experiments import Claim, Term

REPRODUCED, CONTRARY, UNDECIDED = 'reproduced', 'not reproduced', 'undecided'
# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom; more take the last one.
T_975 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
)  # fmt: skip
# {seed: {model: {point: {metric: value}}}}; None: no value
Results = Mapping[int, Mapping[str, Mapping[str, Mapping[str, float | None]]]]


@dataclass(frozen=True)
class Interval:
    """Mean over seeds and half the width of its 95 % interval (NaN for fewer than two seeds)."""

    mean: float
    half: float
    seeds: int


@dataclass(frozen=True)
class Judged:
    """A claim, its verdict, and the interval of ln(worse / better)."""

    claim: Claim
    verdict: str
    effect: Interval


def interval(values: Sequence[float]) -> Interval:
    """Return the mean and t interval of independent values."""
    count = len(values)
    if count == 0:
        return Interval(math.nan, math.nan, 0)
    mean = math.fsum(values) / count
    if count < 2:
        return Interval(mean, math.nan, count)
    variance = math.fsum((v - mean) ** 2 for v in values) / (count - 1)
    quantile = T_975[min(count - 1, len(T_975)) - 1]
    return Interval(mean, quantile * math.sqrt(variance / count), count)


def measured(results: Results, term: Term, metric: str) -> dict[int, float]:
    """Return the finite values of a term by seed."""
    model, point = term
    found = {
        seed: models.get(model, {}).get(point.key, {}).get(metric)
        for seed, models in results.items()
    }
    return {seed: v for seed, v in found.items() if v is not None and math.isfinite(v)}


def judge_claim(claim: Claim, results: Results) -> Judged:
    """Judge a claim by the seeds that have all its numbers."""
    effects = _log_ratio(results, claim.better, claim.worse, claim.metric)
    if claim.beyond is not None:
        others = _log_ratio(results, *claim.beyond, claim.metric)
        effects = {seed: effects[seed] - others[seed] for seed in effects.keys() & others.keys()}
    effect = interval([effects[seed] for seed in sorted(effects)])
    # Comparisons with NaN are false, so fewer than two seeds are undecided.
    if effect.mean - effect.half > 0:
        return Judged(claim, REPRODUCED, effect)
    if effect.mean + effect.half < 0:
        return Judged(claim, CONTRARY, effect)
    return Judged(claim, UNDECIDED, effect)


def _log_ratio(results: Results, better: Term, worse: Term, metric: str) -> dict[int, float]:
    low, high = (measured(results, term, metric) for term in (better, worse))
    return {
        seed: math.log(high[seed] / low[seed])
        for seed in low.keys() & high.keys()
        if low[seed] > 0 and high[seed] > 0
    }
