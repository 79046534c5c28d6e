# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare depth training from stage-0 weights with training from scratch, step for step.

    python -m train.stage0.compare --out runs/stage0

Renders procedural worlds (once), trains stage 0 on their pictures, then depth twice per seed: from
scratch and from stage 0, with the same settings, batches and noise. Both are evaluated on worlds
of held-out seeds. Finished parts are kept, so that the same command continues after a stop. Writes
compare.json and compare.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import torch

from dmd_ros.eval.options import positive
from dmd_ros.eval.output.report import markdown_table, write_json
from train import checkpoint
from train.config import TrainConfig, make_config
from train.errors import in_one_line
from train.history import losses
from train.loop import build_net, train
from train.loss import diffusion_loss
from train.mixture import Mixture, tensors
from train.processes import Processes, best_device
from train.sources import open_source, parse_sources
from train.unet import UNet
from train.validate import Validator
from train.worlds import WorldConfig, held_out
from train.worlds.cache import claim_folder, parse_size, write_cache

# Seed of all worlds; the seeds of the comparison differ only in weights, order and noise.
_WORLDS_SEED = 0
_HELD_OUT_FRAMES = 512
# Seed of noise and times for the held-out loss.
_JUDGE_SEED = 12_345
# Share of training whose mean loss is reported.
_LAST = 0.2
# Settings that are fixed once worlds or runs are finished; more seeds may follow.
_OF_ALL_PARTS = ('preset', 'frames', 'stage0_samples', 'samples', 'batch')


@dataclass(frozen=True)
class Plan:
    """Settings of the comparison; samples are counted as everywhere in the trainer."""

    out: Path
    preset: str
    size: tuple[int, int]
    frames: int
    stage0_samples: int
    samples: int
    seeds: int
    batch: int
    threads: int

    def config(self, stage: str, seed: int) -> TrainConfig:
        """Return the settings of one run; stage 'stage0' or 'diffusion'."""
        total = self.stage0_samples if stage == 'stage0' else self.samples
        return make_config(
            self.preset,
            [
                f'stage={stage}', f'seed={seed}', f'total_samples={total}',
                f'sources=cache:{self.out / "data" / "train"}@1', f'batch={self.batch}',
                f'sizes={self.size[0]}x{self.size[1]}', 'optimizer=muon', 'lr=1.5e-3',
                'schedule=constant', 'cooldown=0.3', f'warmup={total // 20}',
                f'ema={max(1, total // 40)}', 't1_fraction=0.5', 'fov_scale_max=1.0',
                f'log_every={max(self.batch, total // 20)}', 'picture_every=1000000000',
                'checkpoint_every=2000', 'keep_checkpoints=1', 'workers=0',
                f'threads={self.threads}',
            ],
        )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Render, train, judge, write the table."""
    plan = _parse(arguments)
    return in_one_line(lambda: _run(plan))


def _run(plan: Plan) -> None:
    results = compare(plan)
    write_json(plan.out / 'compare.json', results)
    text = table(plan, results)
    (plan.out / 'compare.md').write_text(text)
    print(text)


def compare(plan: Plan) -> list[dict[str, float]]:
    """Do all unfinished parts; return one row of figures per seed."""
    before, _ = plan.config('stage0', 0), plan.config('diffusion', 0)  # raises if invalid
    facts = {name: getattr(plan, name) for name in _OF_ALL_PARTS}
    claim_folder(plan.out, {**facts, 'size': list(plan.size)})
    _render(plan)
    first = plan.out / 'runs' / 'stage0'
    _train(first, before, None)
    rows = []
    for seed in range(plan.seeds):
        row: dict[str, float] = {'seed': seed}
        for name, init in (('scratch', None), ('stage0', first)):
            run = plan.out / 'runs' / f'{name}-depth-{seed}'
            config = plan.config('diffusion', seed)
            _train(run, config, init)
            row |= {f'{name} {key}': value for key, value in judge(plan, run, config).items()}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def judge(plan: Plan, run: Path, config: TrainConfig) -> dict[str, float]:
    """Return the figures of a finished depth run: training loss at its end, held-out figures."""
    state = checkpoint.find(run)
    net = build_net(config)
    net.load_state_dict(state['ema'])
    held = f'cache:{plan.out / "data" / "held_out"}'
    plain = replace(
        config, sources=held, validation=held, validation_frames=_HELD_OUT_FRAMES // 2,
        seed=_JUDGE_SEED, photometric=0.0, fov_scale_min=1.0, t1_fraction=0.0,
    )  # fmt: skip
    at_one = replace(plain, t1_fraction=1.0)
    return {
        'training loss': _last_loss(run, config.total_samples),
        'loss': _held_out(net, plain, lambda found: found.total.item()),
        'one-step L1': _held_out(net, at_one, lambda found: found.x0_l1.mean().item()),
        'AbsRel': Validator(net, plain)(state['ema'])[0].abs_rel,
    }


@torch.no_grad()
def _held_out(net: UNet, config: TrainConfig, figure: Callable[..., float]) -> float:
    """Return the mean figure over held-out batches, with the same noise for every net."""
    net.eval()
    mixture = Mixture(config)
    frames = len(open_source(parse_sources(config.sources)[0][0], config))
    count = max(1, frames // config.batch)
    device = torch.device('cpu')
    batches = (tensors(mixture[number].arrays, device) for number in range(count))
    return mean(figure(diffusion_loss(net, b, config.parameterisation)) for b in batches)


def _last_loss(run: Path, total: int) -> float:
    lines = (line for line in losses(run) if 'loss' in line)
    return mean(line['loss'] for line in lines if line['clock'] > (1.0 - _LAST) * total)


def _render(plan: Plan) -> None:
    # Larger than in training: the narrowest virtual camera still has one rendered pixel per pixel.
    height, width = (round(side * 1.25) for side in plan.size)
    for name, seed, frames in (
        ('train', _WORLDS_SEED, plan.frames),
        ('held_out', held_out(_WORLDS_SEED), _HELD_OUT_FRAMES),
    ):
        root = plan.out / 'data' / name
        write_cache(root, frames, seed, WorldConfig(size=(height, width)), '', workers=1)


def _train(run: Path, config: TrainConfig, init: Path | None) -> None:
    """Train to the end, resuming if stopped before."""
    state = checkpoint.load_newest(run)
    if state is None or state['clock'] < config.total_samples:
        print(f'training {run}', flush=True)
        train(run, config, Processes(0, 1, best_device()), resume=True, init=init)


def table(plan: Plan, rows: list[dict[str, float]]) -> str:
    """Format the figures: a row per seed and kind of start, then the change of the means."""
    kinds = {'scratch': 'scratch', 'stage0': 'stage 0'}
    figures = [key.partition(' ')[2] for key in rows[0] if key.startswith('scratch ')]
    lines = [
        [f'{row["seed"]:g}', kinds[name], *(f'{row[f"{name} {key}"]:.4f}' for key in figures)]
        for row in rows
        for name in kinds
    ]
    changes = [
        mean(row[f'stage0 {key}'] for row in rows) / mean(row[f'scratch {key}'] for row in rows)
        for key in figures
    ]
    lower = [sum(row[f'stage0 {key}'] < row[f'scratch {key}'] for row in rows) for key in figures]
    lines.append(['mean', 'change', *(f'{100 * (change - 1):+.1f} %' for change in changes)])
    lines.append(['', 'lower in', *(f'{count} of {len(rows)}' for count in lower)])
    return (
        f'Preset {plan.preset}, {plan.size[0]}x{plan.size[1]}, {plan.stage0_samples:,} samples of '
        f'stage 0, then {plan.samples:,} of depth, batch {plan.batch}.\n\n'
        + markdown_table(('seed', 'start', *figures), lines)
        + '\n'
    )


def _parse(arguments: list[str] | None) -> Plan:
    parser = argparse.ArgumentParser(
        prog='python -m train.stage0.compare', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add, shown = parser.add_argument, 'default: %(default)s'
    add('--out', type=Path, required=True, help='folder of all runs')
    add('--preset', default='nano', help=f'size of the denoiser ({shown})')
    add('--size', type=parse_size, default='48x64', metavar='HEIGHTxWIDTH', help=shown)
    add('--frames', type=positive, default=3_072, help=f'worlds to train on ({shown})')
    add('--stage0-samples', type=positive, default=16_000, help=shown)
    add('--samples', type=positive, default=8_000, help=f'samples of depth ({shown})')
    add('--seeds', type=positive, default=3, help=shown)
    add('--batch', type=positive, default=16, help=shown)
    add('--threads', type=int, default=1, help=f'trainer threads; 0: all cores ({shown})')
    return Plan(**vars(parser.parse_args(arguments)))


if __name__ == '__main__':
    sys.exit(main())
