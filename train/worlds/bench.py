# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures frames per second with scene generation: python -m train.worlds.bench."""

from __future__ import annotations

import argparse
import time

import numba

from train.worlds.assets import Assets
from train.worlds.generate import KINDS, WorldConfig, Worlds


def main() -> None:
    """Print a line per size and kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=48)
    parser.add_argument('--assets')
    parser.add_argument('--threads', type=int, default=numba.get_num_threads())
    args = parser.parse_args()
    numba.set_num_threads(args.threads)
    assets = Assets.load(args.assets) if args.assets else None
    for size in ((192, 256), (96, 128)):
        for kinds in ({'indoor': 1.0}, {'tabletop': 1.0}, {'outdoor': 1.0}, dict(KINDS)):
            worlds = Worlds(3, WorldConfig(size=size, kinds=kinds), assets)
            worlds[0]  # compile
            start = time.perf_counter()
            for index in range(100, 100 + args.frames):
                worlds[index]
            rate = args.frames / (time.perf_counter() - start)
            label = f'{size[0]}x{size[1]} {"+".join(kinds)}'
            print(f'{label:40s} {rate:6.1f} frames/s on {args.threads} threads')


if __name__ == '__main__':
    main()
