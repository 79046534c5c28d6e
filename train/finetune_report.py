# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of `train.finetune`: a table, the error during training, and closing advice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmd_ros.eval.metrics import Score, mean_score
from dmd_ros.eval.output.report import markdown_table, write_json
from train.errors import TrainError
from train.history import JUDGED_ON, validations
from train.plotting import new_axes, save
from train.recordings import Recording, names_of

# Columns of the table, and their keys in `Score`.
FIGURES = {'AbsRel': 'abs_rel', 'delta1': 'delta1', 'RMSE m': 'rmse', 'SILog': 'silog'}
_NAME = 'finetune'
# Letters of a name in the legend, to leave room for the curve.
_LETTERS = 32
# 'constant', 'before' and 'after' -> for each recording, the scores of its held-out frames.
Scores = Mapping[str, list[list[Score]]]


@dataclass(frozen=True)
class Point:
    """Held-out AbsRel after `samples`, over all recordings and, if several, of each in `parts`."""

    samples: int
    abs_rel: float
    parts: tuple[float, ...] = ()


def report(
    out: Path,
    recordings: Sequence[Recording],
    scores: Scores,
    curve: Sequence[Point],
    model: Path | None,
) -> str:
    """Write finetune.md, .json and .png to `out`; print and return the table, and print advice.

    model: the model file of 'after'; None: nothing was trained.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = _held_names(recordings)
    table = _table(names, scores)
    (out / f'{_NAME}.md').write_text(table, encoding='utf-8')
    totals = {name: mean_score(itertools.chain(*parts)) for name, parts in scores.items()}
    each = [
        {'name': name, 'trained_on': recording.is_trained_on}
        | {key: mean_score(parts[i]) for key, parts in scores.items()}
        for i, (name, recording) in enumerate(zip(names_of(recordings), recordings, strict=True))
    ]
    write_json(out / f'{_NAME}.json', {**totals, 'recordings': each, 'curve': curve})
    print(table)
    if curve:
        try:
            draw(names, curve, out / f'{_NAME}.png')
        except TrainError as error:  # a missing picture must not discard the model
            print(f'no {_NAME}.png: {error}')
    if model is not None:
        print('\n'.join(_last_words(names, scores, curve, model)))
    return table


def card_notes(trained: Mapping[str, int], percent: int, table: str) -> str:
    """Return notes for a model card: the training recordings and their effect on the error.

    trained: names of recordings and numbers of training frames; percent: held out of each.
    """
    learned_from = ', '.join(f'{name} ({count} frames)' for name, count in trained.items())
    return (
        f'## Before and after\n\nTrained on {learned_from}; the last {percent} % of each were '
        'held out. No alignment. Before: the model that it started from; constant: the best '
        f'single depth of each frame.\n\n{table}'
    )


def error_curve(run: Path, validation: str, start: Point) -> list[Point]:
    """Return the errors recorded by a run, after `start`, the error before any training.

    validation: the setting. Validations with other frames, from before a run was resumed with
    another --judge, are left out.
    """
    points = []
    for values in validations(run):
        if values.get(JUDGED_ON) != validation:
            continue
        keys = itertools.takewhile(
            values.__contains__, (f'validation/{i}/abs_rel' for i in itertools.count(1))
        )
        parts = tuple(values[key] for key in keys)
        points.append(Point(values['clock'], values['validation/abs_rel'], parts))
    return [start, *points] if points else []


def draw(names: Sequence[str], curve: Sequence[Point], path: Path) -> None:
    """Draw the error against samples; raises `TrainError` without matplotlib."""
    figure, axes = new_axes()
    samples = [point.samples for point in curve]
    axes.plot(samples, [point.abs_rel for point in curve], 'ko-', ms=4, label='all')
    for number, errors in enumerate(zip(*(point.parts for point in curve), strict=True)):
        name = names[number]
        if len(name) > _LETTERS:
            name = f'…{name[-_LETTERS:]}'
        # The number is that of the scalar in TensorBoard; an unescaped $ would start a formula.
        label = f'{number + 1}: {name}'.replace('$', r'\$')
        # Colours repeat after ten lines.
        axes.plot(samples, errors, ('.-', '.--', '.:')[number // 10 % 3], lw=1, label=label)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel('samples')
    axes.set_ylabel('AbsRel')
    save(figure, axes, 'held-out frames while training', path)


def turning_point(curve: Sequence[Point]) -> str:
    """Report where the error was lowest, if between start and end; otherwise return ''."""
    known = [point for point in curve if math.isfinite(point.abs_rel)]
    if not known:
        return ''
    best, last = min(known, key=lambda point: point.abs_rel), known[-1]
    if not best.samples or f'{best.abs_rel:.3f}' == f'{last.abs_rel:.3f}':
        return ''
    return (
        f'the held-out error was lowest before the end: AbsRel {best.abs_rel:.3f} at '
        f'{best.samples} samples, {last.abs_rel:.3f} at {last.samples}; try --samples '
        f'{best.samples} in a new --out, or record more'
    )


def _advice(curve: Sequence[Point]) -> str:
    """Advise what may help if the model was never better than before training."""
    trained = [round(point.abs_rel, 3) for point in curve if point.samples]
    still_falls = bool(trained) and trained[-1] == min(trained) < trained[0]
    return 'record more, or train longer' if still_falls else 'or record more'


def _held_names(recordings: Sequence[Recording]) -> list[str]:
    return [
        name if recording.is_trained_on else f'{name} (judged only)'
        for name, recording in zip(names_of(recordings), recordings, strict=True)
    ]


def _table(names: Sequence[str], scores: Scores) -> str:
    """Format the scores; with several recordings, rows for each, then for all."""

    def cells(score: Score) -> list[Any]:
        return [score.frames, *(f'{getattr(score, key):.3f}' for key in FIGURES.values())]

    totals = [(key, mean_score(itertools.chain(*parts))) for key, parts in scores.items()]
    if len(names) == 1:
        header = ('held-out part', 'frames', *FIGURES)
        return markdown_table(header, [(key, *cells(score)) for key, score in totals])
    rows = [
        (name, key, *cells(mean_score(parts[i])))
        for i, name in enumerate(names)
        for key, parts in scores.items()
    ]
    rows += [('all', key, *cells(score)) for key, score in totals]
    return markdown_table(('held-out part of', 'depth', 'frames', *FIGURES), rows)


def _last_words(
    names: Sequence[str], scores: Scores, curve: Sequence[Point], model: Path
) -> list[str]:
    """Report whether the model is better, on which recordings not, and an earlier minimum."""

    def fell(before: Sequence[Score], after: Sequence[Score]) -> bool:
        return mean_score(after).abs_rel < mean_score(before).abs_rel

    before, after = scores['before'], scores['after']
    turned = turning_point(curve)
    words = [turned] if turned else []
    worse = [n for n, b, a in zip(names, before, after, strict=True) if not fell(b, a)]
    if not fell([*itertools.chain(*before)], [*itertools.chain(*after)]):
        advice = 'record more, or train shorter' if turned else _advice(curve)
        words.append(f'the error did not fall: keep the old model, {advice}')
    elif worse:
        words.append(f'wrote {model}, but the error did not fall on {", ".join(worse)}')
    else:
        words.append(f'wrote {model}')
    return words
