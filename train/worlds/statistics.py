# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare depth and brightness of worlds with those of real frames, through the same lenses.

    python -m train.worlds.statistics [--assets DIR] [--real DIR]

Prints a Markdown table: medians over the pictures of a kind. Depth in metres along the optical
axis up to 80 m, brightness as grey levels of 255; outdoors in the lower 65 % of the picture only,
because laser scanners see no sky. For the layout of the folder of real frames, see "your own
frames" in docs/datasets.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from dmd_ros.core.records import RawSample
from dmd_ros.eval.frame_folder import find_frames, read_frame
from dmd_ros.eval.options import positive
from dmd_ros.eval.output.report import markdown_table
from train.errors import in_one_line
from train.worlds.generate import WorldConfig, Worlds, held_out
from train.worlds.render.assets import Assets

# (kind of worlds, group of real frames, picture size): the rows of the table.
ROWS = (
    ('indoor', 'indoor', (192, 256)),
    ('tabletop', 'table top', (192, 256)),
    ('outdoor', 'outdoor', (192, 256)),
    ('outdoor', 'outdoor', (96, 320)),
)
LOWER = 0.65
FARTHEST = 80.0
HEADER = (
    'pictures', 'n', 'nearest 10 %', 'median', 'farthest 10 %', 'farthest 1 %',
    'spread of log depth', 'darkest 5 %', 'middle grey', 'contrast',
)  # fmt: skip


def measure(sample: RawSample, outdoor: bool) -> list[float]:
    """Return figures of a picture in the order of `HEADER`; contrast: deviation of grey levels."""
    share = 1.0 - LOWER if outdoor else 0.0
    depth = sample.depth[round(share * len(sample.depth)) :]
    depth = depth[(depth > 0.0) & (depth <= FARTHEST)]
    if not depth.size:
        return [np.nan] * 8
    grey = cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2GRAY)
    grey = grey[round(share * len(grey)) :]
    return [
        *(float(v) for v in np.percentile(depth, (10, 50, 90, 99))),
        float(np.log(depth).std()),
        float(np.percentile(grey, 5)),
        float(np.median(grey)),
        float(grey.std()),
    ]


def fitted(sample: RawSample, size: tuple[int, int]) -> RawSample:
    """Crop the middle of a picture and scale it to the aspect and rows of size (height, width)."""
    camera = sample.camera
    wide = min(camera.width, round(camera.height * size[1] / size[0]))
    left = (camera.width - wide) // 2
    camera = camera.cropped(left, 0, wide, camera.height)
    width = round(wide * size[0] / camera.height)
    rgb = np.ascontiguousarray(sample.rgb[:, left : left + wide])
    return RawSample(
        cv2.resize(rgb, (width, size[0]), interpolation=cv2.INTER_AREA),
        sample.depth[:, left : left + wide],
        camera.resized(width, size[0]),
    )


def table(count: int, seed: int, assets: Assets, real: Sequence[tuple[str, RawSample]]) -> str:
    """Return a Markdown table of `count` worlds per row and of real frames (group, sample).

    The worlds of a row are rendered with the median lens of its real frames, if there are any.
    """
    lines = []
    for kind, group, size in ROWS:
        label = f'{kind} {size[0]}x{size[1]}'
        # A picture far from the aspect of a row would be cut down to an atypical strip.
        frames = [fitted(s, size) for g, s in real if g == group and _suits(s, size)]
        lens = {kind: float(np.median([f.camera.tan_half_vfov for f in frames]))} if frames else {}
        config = WorldConfig(size=size, kinds={kind: 1.0}, views=1, cameras=lens)
        worlds = Worlds(held_out(seed), config, assets)
        samples = [worlds[i] for i in range(count)]
        for name, found in (('worlds', samples), ('real', frames)):
            if found:
                values = [measure(sample, kind == 'outdoor') for sample in found]
                middle = np.nanmedian(np.array(values), axis=0)
                cells = [f'{v:.0f}' if v >= 20 else f'{v:.2f}' for v in middle]
                lines.append([f'{label}, {name}', len(found), *cells])
    return markdown_table(HEADER, lines)


def _suits(sample: RawSample, size: tuple[int, int]) -> bool:
    return sample.rgb.shape[1] / sample.rgb.shape[0] > 0.7 * size[1] / size[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog='python -m train.worlds.statistics',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--assets', default='', help='folder of photographic materials')
    parser.add_argument('--real', type=Path, help='folder of real frames to compare with')
    parser.add_argument(
        '--count', type=positive, default=100, help='worlds per row (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the held-out worlds')
    args = parser.parse_args(argv)
    return in_one_line(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    assets = Assets.load(args.assets)
    frames = [read_frame(path) for path in find_frames(args.real)] if args.real else []
    print(table(args.count, args.seed, assets, [(f.group, f.sample) for f in frames]))


if __name__ == '__main__':
    sys.exit(main())
