# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare models: python -m dmd_ros.eval.compare A/results.json B/results.json [C ...].

All files must come from `dmd_ros.eval.replay`, or all from `dmd_ros.eval.frames`, on the same
recording; results of existing estimates (--estimates) may be among them. Figures are averaged over
the frames that all files judged against the same truth.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from dmd_ros.eval import options
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import report

Verdict = Mapping[str, Any]  # `judge.Verdict` as JSON
Figure = Callable[[Verdict], Any]  # a number, or None where there is none

# Figures where less is better, then those where more is better.
_LESS: dict[str, Figure] = {
    'AbsRel': lambda v: v['score']['abs_rel'],
    'AbsRel after median scaling': lambda v: v['scaled']['abs_rel'],
    'error of scale, ln': lambda v: _distance(v['median_scale']),
    'RMSE m': lambda v: v['score']['rmse'],
    'log10': lambda v: v['score']['log10'],
    'SILog': lambda v: v['score']['silog'],
}
_MORE: dict[str, Figure] = {
    'delta1': lambda v: v['score']['delta1'],
    'coverage': lambda v: v['score']['coverage'],
}

# Their number limits the columns, to keep the table readable.
_ORDINALS = ('first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth')

# Tolerance for equal figures: another version may sum in another order.
_ROUNDING = 1e-9

# What the results must have in common; the source of the camera may differ.
_SAME: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    'recording': lambda r: r.get('bag'),
    'image topic': lambda r: r.get('topics', {}).get('image'),
    'depth topic': lambda r: r.get('topics', {}).get('depth'),
    'range of truth': lambda r: r['settings']['truth_range_m'],
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.compare', description=__doc__)
    add = parser.add_argument
    add('first', type=Path, metavar='JSON', help='results.json that the others are compared with')
    add('others', type=Path, nargs='+', metavar='JSON', help='results.json of the others')
    args = parser.parse_args(argv)
    paths = [args.first, *args.others]
    if len(paths) > len(_ORDINALS):
        raise EvalError(f'{len(paths)} results are too many for one table; give {len(_ORDINALS)}')
    try:
        table = compare(*map(_read, paths))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise EvalError(
            f'{" and ".join(map(str, paths))} are not results.json files of this version '
            f'({error!r}); run the evaluations again'
        ) from None
    print(table)


def compare(first: Mapping[str, Any], *others: Mapping[str, Any]) -> str:
    """Return a Markdown table of the settings that differ and the figures of the common frames.

    first, others: content of results.json. Raises `EvalError` if they are not comparable.
    """
    results = (first, *others)
    for what, of in _SAME.items():
        for other in others:
            if of(first) != of(other):
                raise EvalError(
                    f'the {what} differs: {of(first)} and {of(other)}; run both on the same one'
                )
    frames = _common(results)
    header = [f'{len(frames)} frames', _ORDINALS[0]]
    for ordinal in _ORDINALS[1 : len(results)]:
        header += [ordinal, f'{ordinal} better in']
    rows = _settings(results)
    rows += [_row(name, figure, frames, False) for name, figure in _LESS.items()]
    rows += [_row(name, figure, frames, True) for name, figure in _MORE.items()]
    ranges = sorted({r for row in frames for r in row[0]['buckets']}, key=_range_start)
    rows += [_row(f'AbsRel {name}', _in_range(name), frames, False) for name in ranges]
    rows += _totals(results)
    return report.markdown_table(header, rows)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvalError(f'cannot read {path} ({error}); give a results.json') from None
    if not isinstance(content, dict) or not {'settings', 'frames'} <= content.keys():
        raise EvalError(
            f'{path} is not a results.json of dmd_ros.eval.replay or dmd_ros.eval.frames'
        )
    return content


def _verdicts(results: Mapping[str, Any]) -> dict[Any, Verdict]:
    """Return the judged frames by name or, for a replay, by their index in the bag."""
    found = {}
    for frame in results['frames']:
        verdict = frame.get('verdict', frame)
        if verdict is not None:
            found[frame.get('index', verdict['name'])] = verdict
    return found


def _common(results: Sequence[Mapping[str, Any]]) -> list[tuple[Verdict, ...]]:
    """Return the verdicts of each frame that all results judged; raises `EvalError` if none."""
    first, *others = map(_verdicts, results)
    found = []
    for name, verdict in first.items():
        row = (verdict, *(other[name] for other in others if name in other))
        # The best constant depends on the truth alone: if it differs, so did the truth.
        if len(row) == len(results) and len({v['best_const_m'] for v in row}) == 1:
            found.append(row)
    if not found:
        raise EvalError(
            'no frame was judged in all results against the same truth: are they of one '
            'recording, and is there ground truth (a depth topic)?'
        )
    return found


def _settings(results: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    """Return rows of the settings that differ; '-' where a result has no such setting."""
    all_of = [result['settings'] for result in results]
    names = [report.name_of(settings) for settings in all_of]
    kinds = ['model' in settings for settings in all_of]
    rows = [_spread('model', names)] if len(set(names)) > 1 else []
    for name in sorted({name for settings in all_of for name in settings}):
        having = {k for k, settings in zip(kinds, all_of, strict=True) if name in settings}
        values = [str(s.get(name)) for k, s in zip(kinds, all_of, strict=True) if k in having]
        if name not in report.NAMING and len(set(values)) > 1:
            shown = [
                str(s.get(name)) if k in having else '-'
                for k, s in zip(kinds, all_of, strict=True)
            ]
            rows.append(_spread(name, shown))
    return rows


def _row(
    name: str, figure: Figure, frames: Sequence[tuple[Verdict, ...]], more: bool
) -> list[object]:
    """Average a figure over the frames where all have it; count where others beat the first."""
    found = [tuple(map(figure, verdicts)) for verdicts in frames]
    values = [figures for figures in found if None not in figures]
    if not values:
        return [name, *[None] * (2 * len(frames[0]) - 1)]
    first, *others = zip(*values, strict=True)
    row: list[object] = [name, fmean(first)]
    for column in others:
        better = sum(_beats(y, x, more) for x, y in zip(first, column, strict=True))
        row += [fmean(column), f'{better} of {len(values)}']
    return row


def _beats(value: float, other: float, more: bool) -> bool:
    """Return whether a figure is better than the other by more than a rounding error."""
    if math.isclose(value, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        return False
    return value > other if more else value < other


def _totals(results: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    """Return the rows of figures that belong to a run as a whole."""
    counts = [f'{len(_verdicts(r))} of {_count(r)}' for r in results]
    rows = [_spread('frames judged', counts, None)] if len(set(counts)) > 1 else []
    seen = [[frame.get('index') for frame in result['frames']] for result in results]
    # Comparable only over the same images: not after Ctrl-C or with another stride.
    if 'flicker' in results[0] and all(indices == seen[0] for indices in seen):
        medians = [result['flicker']['predicted_median'] for result in results]
        rows.append(_spread('flicker, median relative change', medians, None))
    times = [result['latency_ms'].get('total', {}).get('p50') for result in results]
    return [*rows, _spread('time per frame, p50 ms', times, None)]


def _count(results: Mapping[str, Any]) -> int:
    """Return the number of frames that could have been judged."""
    key = 'images_chosen' if 'images_chosen' in results else 'frames_in_folder'
    return int(results[key])


def _spread(name: str, values: Sequence[object], between: object = '') -> list[object]:
    """Return a row of values; between: fills the columns that count better frames."""
    first, *others = values
    return [name, first, *(cell for value in others for cell in (value, between))]


def _distance(scale: float | None) -> float | None:
    return None if not scale else abs(math.log(scale))


def _in_range(name: str) -> Figure:
    return lambda verdict: verdict['buckets'].get(name, {}).get('abs_rel')


def _range_start(name: str) -> float:
    return float(name.split('-')[0])


if __name__ == '__main__':
    sys.exit(options.run_command(main))
