# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m train.fov --out runs/fov [--set key=value ...]`: train a field-of-view network."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from train.command import config_of, memory_advice, run_command
from train.fov.loop import fov_config, train
from train.presets import PRESETS


def main(arguments: list[str] | None = None) -> int:
    """Parse, print every setting, train."""
    options = _parse(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    config = config_of(options, partial(fov_config, options.preset or 'nano'))
    with memory_advice(config, 'preset'):
        train(options.out, config, options.resume, options.init)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.fov', description=__doc__)
    parser.add_argument('--preset', help=f'encoder size: {", ".join(PRESETS)} (default: nano)')
    parser.add_argument('--out', type=Path, required=True, help='folder of this run')
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', dest='settings',
        help='any setting of train.run, as printed by its --dry-run',
    )  # fmt: skip
    parser.add_argument('--assets', help='folder of photographic materials for worlds')
    parser.add_argument(
        '--init',
        type=Path,
        help='start from the encoder of this run, checkpoint, .onnx or shipped model, and from '
        'its head if it has one',
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue the run: after Ctrl-C or SIGTERM, from its last step',
    )
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
