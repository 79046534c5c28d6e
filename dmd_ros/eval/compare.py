# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two models side by side: python -m dmd_ros.eval.compare A/results.json B/results.json.

Both files are of `dmd_ros.eval.replay`, or both of `dmd_ros.eval.frames`, on the same recording.
Only frames that both have judged against the same truth count, each frame the same.
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

from dmd_ros.eval import options, report
from dmd_ros.eval.errors import EvalError

Verdict = Mapping[str, Any]  # `judge.Verdict` as JSON
Figure = Callable[[Verdict], Any]  # a number, or None where there is none

# Figures of which less is better, then those of which more is.
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

# What two results must have in common. Where the camera comes from may differ.
_SAME: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    'recording': lambda r: r.get('bag'),
    'image topic': lambda r: r.get('topics', {}).get('image'),
    'depth topic': lambda r: r.get('topics', {}).get('depth'),
    'range of truth': lambda r: r['settings']['truth_range_m'],
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.compare', description=__doc__)
    for name in ('first', 'second'):
        parser.add_argument(name, type=Path, metavar='JSON', help=f'results.json of the {name}')
    args = parser.parse_args(argv)
    try:
        table = compare(_read(args.first), _read(args.second))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise EvalError(
            f'{args.first} and {args.second} are no results.json of this version ({error!r}); '
            'run both again'
        ) from None
    print(table)


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Lay out what differs in the settings, then the figures of the common frames, as Markdown.

    first, second: content of two results.json. Raises `EvalError` if they are not comparable.
    """
    for what, of in _SAME.items():
        if of(first) != of(second):
            raise EvalError(f'another {what}: {of(first)} and {of(second)}; run both on the same')
    a, b = _verdicts(first), _verdicts(second)
    # The best constant is told the truth: where it differs, so does what was judged by.
    pairs = [
        (v, b[n]) for n, v in a.items() if n in b and v['best_const_m'] == b[n]['best_const_m']
    ]
    if not pairs:
        raise EvalError(
            'no frame was judged in both against the same truth: are they of one recording, and '
            'is there ground truth (a depth topic)?'
        )
    header = (f'{len(pairs)} frames', 'first', 'second', 'second better in')
    settings = [
        [name, str(first['settings'].get(name)), str(second['settings'].get(name)), '']
        for name in first['settings'].keys() | second['settings'].keys()
        if first['settings'].get(name) != second['settings'].get(name)
    ]
    rows = [_row(name, figure, pairs, False) for name, figure in _LESS.items()]
    rows += [_row(name, figure, pairs, True) for name, figure in _MORE.items()]
    ranges = sorted({r for v, _ in pairs for r in v['buckets']}, key=_range_start)
    rows += [_row(f'AbsRel {name}', _in_range(name), pairs, False) for name in ranges]
    rows += _totals(first, second)
    return report.markdown_table(header, [*sorted(settings), *rows])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvalError(f'cannot read {path} ({error}); give a results.json') from None
    if not isinstance(content, dict) or not {'settings', 'frames'} <= content.keys():
        raise EvalError(f'{path} is no results.json of dmd_ros.eval.replay or dmd_ros.eval.frames')
    return content


def _verdicts(results: Mapping[str, Any]) -> dict[Any, Verdict]:
    """Give the judged frames by name; those of a replay are named by their index in the bag."""
    found = {}
    for frame in results['frames']:
        verdict = frame.get('verdict', frame)
        if verdict is not None:
            found[frame.get('index', verdict['name'])] = verdict
    return found


def _row(
    name: str, figure: Figure, pairs: Sequence[tuple[Verdict, Verdict]], more: bool
) -> list[object]:
    """Average a figure over the pairs that both have it in; count where the second is better."""
    values = [(x, y) for x, y in ((figure(a), figure(b)) for a, b in pairs) if None not in (x, y)]
    if not values:
        return [name, None, None, None]
    better = sum(y > x if more else y < x for x, y in values)
    means = (fmean(column) for column in zip(*values, strict=True))
    return [name, *means, f'{better} of {len(values)}']


def _totals(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[list[object]]:
    """Give what is known of a run as a whole."""
    rows: list[list[object]] = []
    seen = [[frame.get('index') for frame in results['frames']] for results in (first, second)]
    if 'flicker' in first and seen[0] == seen[1]:  # not after Ctrl-C, nor of another stride
        both = [results['flicker']['predicted_median'] for results in (first, second)]
        rows.append(['flicker, median relative change', *both, None])
    times = [results['latency_ms']['total']['p50'] for results in (first, second)]
    return [*rows, ['time per frame, p50 ms', *times, None]]


def _distance(scale: float | None) -> float | None:
    return None if not scale else abs(math.log(scale))


def _in_range(name: str) -> Figure:
    return lambda verdict: verdict['buckets'].get(name, {}).get('abs_rel')


def _range_start(name: str) -> float:
    return float(name.split('-')[0])


if __name__ == '__main__':
    sys.exit(options.run_command(main))
