# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One picture per experiment: lines over numbers, bars over names, intervals over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.ablate.experiments import Experiment, Series
from train.ablate.verdict import Results, interval, measured
from train.plotting import new_axes, save

_METRIC = 'abs_rel'
# AbsRel above which the axis is logarithmic: a constant guess of the depth scores below 1.
_LOG_FROM = 1.5
_LOG_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def plot(experiment: Experiment, results: Results, path: Path) -> None:
    """Draw AbsRel of an experiment to a PNG; raises `TrainError` without matplotlib."""
    figure, axes = new_axes()
    names = [x for x, _ in experiment.series[0].terms]
    if any(isinstance(x, str) for x in names):
        _bars(axes, experiment, results)
    else:
        for number, series in enumerate(experiment.series):
            _line(axes, series, results, number)
        if experiment.x_label in ('steps', 'samples'):
            axes.set_xscale('log', base=2)
        axes.set_xticks(names, [f'{x:g}' for x in names])
        low, high = axes.get_ylim()
        if high > _LOG_FROM:  # a failed model would flatten all others
            axes.set_yscale('log')
            ticks = [tick for tick in _LOG_TICKS if low <= tick <= high]
            axes.set_yticks(ticks, [f'{tick:g}' for tick in ticks])
        axes.minorticks_off()
    axes.set_xlabel(experiment.x_label)
    axes.set_ylabel('AbsRel')
    save(figure, axes, experiment.title, path)


def _heights(series: Series, results: Results) -> tuple[list[float], list[float]]:
    """Means and half widths (0 where there is none) of AbsRel."""
    found = [interval([*measured(results, term, _METRIC).values()]) for _, term in series.terms]
    return [i.mean for i in found], [i.half if i.seeds > 1 else 0.0 for i in found]


def _line(axes: Any, series: Series, results: Results, number: int) -> None:
    means, halves = _heights(series, results)
    xs = [x for x, _ in series.terms]
    axes.errorbar(
        xs, means, yerr=halves, label=series.label, capsize=3, marker='os^D'[number % 4], ms=4
    )


def _bars(axes: Any, experiment: Experiment, results: Results) -> None:
    width = 0.8 / len(experiment.series)
    names = [str(x) for x, _ in experiment.series[0].terms]
    for number, series in enumerate(experiment.series):
        means, halves = _heights(series, results)
        xs = [place + (number + 0.5) * width - 0.4 for place in range(len(names))]
        axes.bar(xs, means, width * 0.92, yerr=halves, label=series.label, capsize=3)
    axes.set_xticks(range(len(names)), [name.replace(', ', '\n') for name in names])
