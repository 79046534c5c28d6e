# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Test the paper's claims on procedural worlds.

    python -m train.ablate --scale reduced --dry-run          print the plan and its duration
    python -m train.ablate --scale reduced --max-minutes 30   run a slice; repeat to continue
    python -m train.ablate --scale reduced --docs docs        also write docs/ablations.md

All output goes to --out: data/ (rendered worlds), runs/ (one folder per model and seed),
results.json and ablations.md. Models are shared between experiments.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from dmd_ros.eval.options import count, positive
from train.ablate import data, report
from train.ablate.estimate import measure, rest
from train.ablate.experiments import MODELS, Experiment, Point, chosen, data_sets, points_of
from train.ablate.runs import Deadline, OutOfTimeError, Work, evaluate_model, train_model
from train.ablate.scales import SCALES, scale
from train.errors import TrainError
from train.interrupts import interrupts_told, stops
from train.outputs import check_folder
from train.speed import hours
from train.worlds.cache import claim_folder


@dataclass(frozen=True)
class Plan:
    """The work to do: experiments, points per model, seeds, and settings of all runs."""

    experiments: Mapping[str, Experiment]
    points: Mapping[str, list[Point]]
    seeds: range
    work: Work


def main(arguments: list[str] | None = None) -> int:
    """Render, train, measure, judge, write; 0 when complete, 3 when stopped by --max-minutes."""
    options = _parse(arguments)
    limit = options.max_minutes
    deadline = Deadline() if limit is None else Deadline(time.monotonic() + 60.0 * limit)
    try:
        plan = _plan(options)
        if options.dry_run:
            _dry_run(plan)
            return 0
        claim_folder(plan.work.out, {'scale': options.scale})  # one scale per folder
        with stops.heard(), interrupts_told():
            complete = options.report_only or _execute(plan, deadline)
        _report(plan, options.docs)
    except (TrainError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            'stopped; run the same command to continue from the last checkpoint', file=sys.stderr
        )
        return stops.status
    return 0 if complete else 3


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m train.ablate', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    cores = os.cpu_count() or 1
    parser.add_argument('--scale', default='reduced', help=f'one of {", ".join(SCALES)}')
    parser.add_argument('--out', type=Path, help='folder (default: runs/ablations-SCALE)')
    parser.add_argument(
        '--only', default='', metavar='NAME,...', help='experiments (default: all)'
    )
    parser.add_argument('--seeds', type=int, help="number of seeds (default: the scale's)")
    parser.add_argument('--max-minutes', type=float, help='stop cleanly after this long')
    parser.add_argument('--dry-run', action='store_true', help='print plan and time, then stop')
    parser.add_argument('--report-only', action='store_true', help='only judge existing results')
    parser.add_argument('--docs', type=Path, help='also write ablations.md and images into DOCS')
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument('--threads', type=count, default=0, help='trainer threads (0: all cores)')
    parser.add_argument(
        '--workers', type=count, default=cores // 2, help='processes that make batches'
    )
    parser.add_argument(
        '--render-workers', type=positive, default=cores, help='processes that render worlds'
    )
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace) -> Plan:
    size = scale(options.scale)
    if options.docs and not size.speaks:
        raise TrainError(
            f'--docs: results of scale {options.scale} are meaningless; choose another'
        )
    if options.seeds is not None and options.seeds < 1:
        raise TrainError(f'--seeds {options.seeds} must be >= 1')
    if options.max_minutes is not None and not options.max_minutes >= 0:
        raise TrainError(f'--max-minutes {options.max_minutes:g} must be >= 0')
    if options.docs:
        check_folder(options.docs, '--docs')
    experiments = chosen(options.only)
    out = options.out or Path('runs') / f'ablations-{options.scale}'
    if options.report_only and not any(out.glob('runs/*/evaluation.json')):
        raise TrainError(f'--report-only: {out} has no measurements; run the command without it')
    work = Work(
        out, size, options.threads, options.workers, options.assets, options.render_workers
    )
    seeds = range(options.seeds or size.seeds)
    return Plan(experiments, points_of(experiments.values()), seeds, work)


def _execute(plan: Plan, deadline: Deadline) -> bool:
    """Do the missing work, seed by seed for complete rows; return False if time ran out."""
    work = plan.work
    try:
        for name in data_sets(plan.points):
            data.render(
                work.out, name, work.scale, work.assets, work.render_workers, deadline.check
            )
        frames = cache(lambda test: data.test_frames(work.out, test, work.scale))
        for seed in plan.seeds:
            for name, points in plan.points.items():
                start = time.monotonic()
                train_model(name, seed, work, deadline)
                evaluate_model(name, seed, points, frames, work, deadline)
                print(f'seed {seed} {name}: {time.monotonic() - start:.0f} s', flush=True)
    except OutOfTimeError:
        print('time is up; run the same command to continue', flush=True)
        return False
    return True


def _report(plan: Plan, docs: Path | None) -> None:
    work = plan.work
    gathered = report.gather(plan.points, plan.seeds, work)
    report.write_results(work.out / 'results.json', gathered, work)
    for folder in (work.out, docs):
        if folder is not None:
            page = report.write(plan.experiments, gathered, work, len(plan.seeds), folder)
            print(f'wrote {page}')


def _dry_run(plan: Plan) -> None:
    work, size = plan.work, plan.work.scale
    for name, experiment in plan.experiments.items():
        models = sorted({model for model, _ in experiment.terms()})
        print(f'{name}: {experiment.title}; {len(experiment.claims)} claims; {", ".join(models)}')
    for name, points in plan.points.items():
        settings = ' '.join(MODELS[name].settings) or 'the common settings'
        print(f'model {name}: {settings}; {len(points)} points')
    print(
        f'scale: preset {size.preset}, {size.size[0]}x{size.size[1]}, {size.samples} samples, '
        f'seeds {len(plan.seeds)}'
    )
    left = rest(plan.points, plan.seeds, work)
    cost = measure(work, renders=left.frames > 0)
    print(
        f'left: {left.frames} frames to render, {left.runs} runs with {left.samples} samples, '
        f'{left.evaluations} evaluations'
    )
    print(
        f'measured now on {"a GPU" if torch.cuda.is_available() else "the CPU"}: '
        f'{1e3 * cost.frame:.1f} ms per frame and worker, {1e3 * cost.sample:.2f} ms per sample, '
        f'{1e3 * cost.evaluation:.2f} ms per evaluation'
    )
    print(f'estimated time: {hours(cost.seconds(left, work.render_workers))}')
    print('dry run: nothing was written')


if __name__ == '__main__':
    sys.exit(main())
