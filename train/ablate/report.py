# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the results: results.json, and a page with tables, plots and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dmd_ros.eval.output.report import markdown_table, write_json
from train.ablate.experiments import COVERED, Experiment
from train.ablate.plots import plot
from train.ablate.runs import Work, config_of, evaluation
from train.ablate.verdict import (
    CONTRARY,
    REPRODUCED,
    Interval,
    Judged,
    Results,
    interval,
    judge_claim,
    measured,
)

_NAMES = {'abs_rel': 'AbsRel', 'delta1': 'delta1', 'rmse': 'RMSE, m'}
_PAGE = 'ablations.md'
_METHOD = """\
## Method

Every model is the `{preset}` net, trained by the loop of `python -m train.run` on {samples}
samples (fine-tuned ones: 30 % of that on top of their parent) at {height}x{width} pixels, from
{frames} frames of procedural worlds. It is measured with `DepthEstimator` on up to {tests}
frames of held-out worlds per test set, depth range 0.5-80 m, without alignment. Half of the
training samples are at t = 1, the time of a one-step estimate, and Muon is the optimiser; v and
eps are compared with t drawn uniformly, as in the paper, and AdamW. "The two cameras" are those
of NYU (indoors, vertical field of view 50 degrees) and KITTI (outdoors, 29 degrees, cut to 4:3);
"other lenses" are frames whose tan(vfov / 2) differs from these by 15 % or more and is in the
range that augmentation covers, {low} to {high} of them; "far lenses" are outside that range.

A claim compares two errors, paired by seed: ln(error of the worse / error of the better) is
computed per seed, and the 95 % t interval of its mean decides. **Reproduced**: the whole interval
is on the claimed side of zero. **Not reproduced**: it is entirely on the other side.
**Undecided**: it contains zero, or fewer than two seeds were run. The percentage is how much
larger the error is on the side that is claimed to be worse (for a claim about two comparisons: by
how much one ratio exceeds the other). The intervals in tables and plots are those of each model
alone, not paired, and therefore wider than the deciding ones. A seed sets weights, order,
augmentation and noise; training and test frames are the same for all seeds, so the intervals do
not cover the choice of worlds. Intervals are not corrected for the number of claims: of twenty
true zeros, one is expected to look decided. AbsRel penalises depth that is too far without limit
and depth that is too near by 1 at most, so an uncertain model benefits from anything that makes
its depth smaller, such as too wide a field of view in its input; delta1 favours neither side.
"""


@dataclass(frozen=True)
class Gathered:
    """All measurements and their origin: revisions, machines, hours of training."""

    results: dict[int, Any]
    revisions: tuple[str, ...]
    hardware: tuple[str, ...]
    training_hours: float


def gather(points: Mapping[str, Any], seeds: range, work: Work) -> Gathered:
    """Read all evaluations: {seed: {model: {point: {metric: value}}}}."""
    results: dict[int, Any] = {}
    made: list[Mapping[str, Any]] = []
    for seed in seeds:
        for name in points:
            total = config_of(name, seed, work).total_samples
            found = evaluation(work.run(name, seed), total)
            if found['points']:
                results.setdefault(seed, {})[name] = found['points']
                made.append(found['made_by'])
    return Gathered(
        results,
        tuple(sorted({m['revision'] for m in made})),
        tuple(sorted({m['hardware'] for m in made})),
        math.fsum(m['seconds'] for m in made) / 3600.0,
    )


def write(
    experiments: Mapping[str, Experiment],
    gathered: Gathered,
    work: Work,
    seeds: int,
    folder: Path,
) -> Path:
    """Write page and plots into a folder; return the path of the page."""
    page, results = folder / _PAGE, gathered.results
    judged = {
        name: [judge_claim(claim, results) for claim in experiment.claims]
        for name, experiment in experiments.items()
    }
    parts = [_head(judged, gathered, work, seeds), _method(work)]
    for name, experiment in experiments.items():
        picture = Path('images') / 'ablations' / f'{name}.png'
        plot(experiment, results, folder / picture)
        parts.append(_section(experiment, judged[name], results, picture))
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text('\n'.join(parts), encoding='utf-8')
    return page


def write_results(path: Path, gathered: Gathered, work: Work) -> None:
    """Write all numbers and their origin."""
    write_json(path, {'scale': asdict(work.scale), **asdict(gathered)})


def _head(judged: dict[str, list[Judged]], gathered: Gathered, work: Work, seeds: int) -> str:
    verdicts = [j.verdict for claims in judged.values() for j in claims]
    reproduced, contrary = (verdicts.count(v) for v in (REPRODUCED, CONTRARY))
    undecided = len(verdicts) - reproduced - contrary
    warning = '' if work.scale.speaks else '\n**Smoke test: these numbers are meaningless.**\n'
    return f"""\
# Ablations

Written by `python -m train.ablate`; do not edit.
{warning}
Of {len(verdicts)} claims: {reproduced} reproduced, {contrary} not reproduced (the contrary was \
found), {undecided} undecided.
{len(gathered.results)} of {seeds} seeds have results; {gathered.training_hours:.1f} hours of \
training on {', '.join(gathered.hardware) or '-'}; revision {', '.join(gathered.revisions) or '-'}.
The nets and pictures are small and training is short: a verdict applies to these, not to the
paper's 700 M parameters.
"""


def _method(work: Work) -> str:
    scale = work.scale
    return _METHOD.format(
        preset=scale.preset, samples=f'{scale.samples:,}', height=scale.size[0],
        width=scale.size[1], frames=f'{scale.train_frames:,}', tests=scale.test_frames,
        low=COVERED[0], high=COVERED[1],
    )  # fmt: skip


def _section(experiment: Experiment, judged: list[Judged], results: Results, picture: Path) -> str:
    rows = [(j.claim.text, f'**{j.verdict}**', _percent(j.effect)) for j in judged]
    parts = [
        f'## {experiment.title}\n',
        f'Claim: {experiment.paper}\n',
        markdown_table(('claim', 'verdict', 'error of the other side, 95 % interval'), rows),
        f'![{experiment.title}]({picture.as_posix()})\n',
    ]
    for metric in experiment.metrics:
        xs = [x if isinstance(x, str) else f'{x:g}' for x, _ in experiment.series[0].terms]
        body = [
            (s.label, *(_cell(interval([*measured(results, t, metric).values()]))
                        for _, t in s.terms))
            for s in experiment.series
        ]  # fmt: skip
        parts.append(markdown_table((f'{_NAMES[metric]} by {experiment.x_label}', *xs), body))
    return '\n'.join(parts)


def _percent(effect: Interval) -> str:
    """Format an interval of ln(worse / better) as percentages."""
    if effect.seeds == 0:
        return 'not run'
    mean = 100.0 * math.expm1(effect.mean)
    if effect.seeds < 2:
        return f'{mean:+.1f} % (1 seed)'
    low, high = (100.0 * math.expm1(effect.mean + s * effect.half) for s in (-1, 1))
    return f'{mean:+.1f} % ({low:+.1f} to {high:+.1f}, {effect.seeds} seeds)'


def _cell(found: Interval) -> str:
    if found.seeds == 0:
        return 'not run'
    return f'{found.mean:.3f}' + (f' ± {found.half:.3f}' if found.seeds > 1 else '')
