# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: colour and depth of worlds, and real frames beside them.

python -m train.worlds.sheet --out sheet.png [--assets DIR] [--real DIR] [--kind outdoor]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval.frame_folder import find_frames, read_frame
from dmd_ros.eval.options import count
from dmd_ros.eval.output.sheet import write_picture
from train.errors import TrainError, in_one_line
from train.outputs import check_picture
from train.worlds.generate import KINDS, WorldConfig, Worlds
from train.worlds.render.assets import Assets

HEIGHT = 128
NEAREST, FARTHEST = 0.25, 80.0


def depth_colours(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return log depth as BGR colours: red = near, blue = far, black = no value, white = sky."""
    known = np.isfinite(depth) & (depth > 0)
    share = np.log(np.clip(np.where(known, depth, 1.0), NEAREST, FARTHEST) / NEAREST) / np.log(
        FARTHEST / NEAREST
    )
    out = cv2.applyColorMap(np.uint8(255 * (1.0 - share)), cv2.COLORMAP_TURBO)
    out[~known] = 0
    out[np.isposinf(depth)] = 255
    return out


def pair(bgr: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Stack a picture on its depth, each HEIGHT pixels high."""
    width = round(bgr.shape[1] * HEIGHT / bgr.shape[0])
    low = cv2.resize(depth_colours(depth), (width, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.concatenate([cv2.resize(bgr, (width, HEIGHT), interpolation=cv2.INTER_AREA), low])


def real_pairs(folder: Path) -> list[NDArray[np.uint8]]:
    """Return pairs of the frames of a folder in the layout of `dmd_ros.eval.frame_folder`."""
    out = []
    for frame in map(read_frame, find_frames(folder)):
        picture = pair(frame.sample.rgb[..., ::-1], frame.sample.depth)
        label = f'real {frame.group}'
        cv2.putText(picture, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1)
        out.append(picture)
    return out


def flow(pictures: list[NDArray[np.uint8]], width: int) -> NDArray[np.uint8]:
    """Arrange pictures of one height in rows; raises `TrainError` without pictures or room."""
    widest = max((p.shape[1] for p in pictures), default=0)
    if not widest:
        raise TrainError('no pictures to show; increase --count, or add --real')
    if widest > width:
        raise TrainError(f'--width {width} is too narrow for a picture of {widest} pixels')
    rows: list[list[NDArray[np.uint8]]] = [[]]
    for picture in pictures:
        if sum(p.shape[1] for p in rows[-1]) + picture.shape[1] > width:
            rows.append([])
        rows[-1].append(picture)
    full = [np.concatenate(r, 1) for r in rows if r]
    return np.concatenate([np.pad(r, ((0, 4), (0, width - r.shape[1]), (0, 0))) for r in full])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(
        prog='python -m train.worlds.sheet',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, required=True, help='the picture to write')
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument('--real', type=Path, help='folder of real frames to show beside')
    parser.add_argument('--kind', choices=sorted(KINDS), action='append', help='default: all')
    parser.add_argument(
        '--count', type=int, default=12, help='frames per kind (default: %(default)s)'
    )
    parser.add_argument(
        '--seed', type=count, default=0, help='seed of the worlds (default: %(default)s)'
    )
    parser.add_argument(
        '--width', type=int, default=1536, help='sheet width, pixels (default: %(default)s)'
    )
    args = parser.parse_args(argv)
    return in_one_line(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    check_picture(args.out)
    picture = flow(_pictures(args), args.width)[..., ::-1]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(args.out, picture)


def _pictures(args: argparse.Namespace) -> list[NDArray[np.uint8]]:
    """Return pairs of the real frames, then of every kind of world."""
    assets = Assets.load(args.assets)
    pictures = real_pairs(args.real) if args.real else []
    for kind in args.kind or sorted(KINDS):
        worlds = Worlds(
            args.seed, WorldConfig(size=None, kinds={kind: 1.0}, views=1, size_block=4), assets
        )
        for index in range(args.count):
            sample = worlds[index]
            pictures.append(pair(sample.rgb[..., ::-1], sample.depth))
    return pictures


if __name__ == '__main__':
    sys.exit(main())
