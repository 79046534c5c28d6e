# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.run --preset tiny --out runs/first [--set key=value ...]`."""

from __future__ import annotations

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

import torch

from train import checkpoint
from train.command import config_of, memory_advice, run_command
from train.config import TrainConfig, check_resumable
from train.errors import TrainError
from train.feed import split
from train.init import load_weights, needed
from train.loop import build_net, train
from train.mixture import Mixture
from train.mixtures import pair
from train.presets import PRESETS
from train.processes import join, leave
from train.recipes import RECIPES, configure, describe, needed_roots
from train.sources import wait_text
from train.unet import UNet, parameter_count
from train.validate import chosen, open_validation

DEFAULT = 'nano'


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, print all settings and train."""
    options = _parse(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    config = config_of(options, partial(_new, options))
    if options.dry_run:
        with memory_advice(config, 'preset'):
            _dry_run(config, options)
        return
    if missing := _missing_roots(config, options.preset or ''):
        roots = ' '.join(f'--root {name}=DIR' for name in missing)
        raise TrainError(f'preset {options.preset} needs its data: {roots}, or --set sources=')
    processes = join()
    try:
        with memory_advice(config, 'preset'):
            train(options.out, config, processes, options.resume, options.init)
    finally:
        leave()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.run', description=__doc__)
    parser.add_argument(
        '--preset',
        help=f'size, one of {", ".join(PRESETS)} (default: {DEFAULT}), or recipe, one of '
        f'{", ".join(RECIPES)}, or RECIPE:SIZE',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of this run')
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', dest='settings',
        help='any setting printed by --dry-run',
    )  # fmt: skip
    parser.add_argument(
        '--root', action='append', default=[], metavar='DATASET=DIR', dest='roots',
        help="location of a recipe's dataset; reader options: DIR?option=value&...",
    )  # fmt: skip
    parser.add_argument('--assets', help='folder of photographic materials for worlds')
    parser.add_argument(
        '--init', type=Path, help='start from this run, checkpoint, .onnx or shipped model'
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue a stopped run, after Ctrl-C or SIGTERM from its last step',
    )
    parser.add_argument('--dry-run', action='store_true', help='only check and print everything')
    return parser.parse_args(arguments)


def _new(options: argparse.Namespace, settings: list[str]) -> TrainConfig:
    roots = dict(pair(text) for text in options.roots)
    return configure(options.preset or DEFAULT, settings, roots)


def _dry_run(config: TrainConfig, options: argparse.Namespace) -> None:
    name = options.preset or DEFAULT
    print(config.describe())
    print(f'contract: {config.contract().to_json()}')
    with torch.device('meta'):
        net = build_net(config)
    print(f'{config.preset}: {parameter_count(net) / 1e6:.2f} M parameters')
    print(describe(name, config))
    _look_at_weights(net, config, options)
    if config.validation:
        chosen(open_validation(config), config.validation_frames)
    if missing := _missing_roots(config, name):
        print(f'data not checked: no --root for {", ".join(missing)}')
    else:
        rendered, made = split(config, 1)
        if rendered is not None:
            print(f'of each batch: {rendered.batch} rendered on the device')
        if made is not None:
            if words := wait_text(made):
                print(words, flush=True)
            first = Mixture(made)[0]
            shape = first.arrays.rgb.shape
            print(f'first batch: {shape[0]} x {shape[2:]}')
            for sample in dict.fromkeys(first.broken):  # a run stops if there are too many
                print(f'warning: broken sample skipped: {sample}', file=sys.stderr)
    print(f'dry run: nothing was trained, nothing written to {options.out}')


def _look_at_weights(net: UNet, config: TrainConfig, options: argparse.Namespace) -> None:
    """Raise `TrainError` if `net` cannot start from the initial weights or resume the run."""
    first = needed(options.init, options.out, options.resume)
    if first is not None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # copying into a network on 'meta' does nothing
            load_weights(net, first, config.contract())
    kept = checkpoint.load_newest(options.out) if options.resume else None
    if kept is not None:
        check_resumable(TrainConfig.from_json(kept['config']), config)


def _missing_roots(config: TrainConfig, name: str) -> list[str]:
    """Return the datasets of a recipe if the config has no sources; empty for a plain size."""
    return [] if config.sources else needed_roots(name)


if __name__ == '__main__':
    sys.exit(main())
