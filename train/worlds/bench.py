# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure frames per second on the CPU, including scene building and sensor.

    python -m train.worlds.bench --assets DIR

As in training, every worker is a single-threaded process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence

import numba

from dmd_ros.eval.options import positive
from train.errors import in_one_line
from train.interrupts import interrupts_held
from train.worlds.generate import KINDS, WorldConfig, Worlds
from train.worlds.render.assets import Assets

SIZES = ((192, 256), (96, 128))
# A worker renders whole scenes, whose views are consecutive frames.
_SCENES = 2
_worlds: list[Worlds] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per size and kind."""
    parser = argparse.ArgumentParser(
        prog='python -m train.worlds.bench',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--frames', type=positive, default=256, help='frames to render (default: %(default)s)'
    )
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument(
        '--workers',
        type=positive,
        default=os.cpu_count(),
        help='processes (default: one per core)',
    )
    options = parser.parse_args(argv)
    return in_one_line(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    Assets.load(options.assets)  # fails here: a pool would restart failing workers forever
    for size in SIZES:
        for kinds in (*({kind: 1.0} for kind in KINDS), dict(KINDS)):
            config = WorldConfig(size=size, kinds=kinds)
            rate = _rate(config, options.assets, options.frames, options.workers)
            label = f'{size[0]}x{size[1]} {"+".join(kinds)}'
            print(f'{label:32} {rate:6.1f} frames/s, {options.workers} workers', flush=True)


def _rate(config: WorldConfig, assets: str, frames: int, workers: int) -> float:
    """Return the frames per second of `workers` processes, measured after all have compiled."""
    context = multiprocessing.get_context('spawn')
    chunk = _SCENES * config.views
    with interrupts_held():  # in the workers, which the pool ends
        pool = context.Pool(workers, _open, (config, assets))
    with pool:
        pool.map(_make, range(workers), chunksize=1)
        first = chunk * workers
        started = time.perf_counter()
        for _ in pool.imap_unordered(_make, range(first, first + frames), chunksize=chunk):
            pass
        return frames / (time.perf_counter() - started)


def _open(config: WorldConfig, assets: str) -> None:
    numba.set_num_threads(1)
    _worlds.append(Worlds(3, config, Assets.load(assets)))
    _make(0)


def _make(index: int) -> None:
    _worlds[0][index]


if __name__ == '__main__':
    sys.exit(main())
