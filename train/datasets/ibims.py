# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""iBims-1: a hundred rooms with laser depth, masks of invalid and of transparent pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    metres_from_codes,
    read_codes,
    read_list,
    read_mask,
    read_rgb,
)
from train.errors import TrainError

_PER_METRE = 65535.0 / 50.0


class IBims(Reader):
    """The core set in its raw (PNG) form. Both masks are non-zero where depth may be used."""

    dataset = 'ibims'
    tree = (
        'imagelist.txt\nrgb/<name>.png\ndepth/<name>.png\nmask_invalid/<name>.png\n'
        'mask_transp/<name>.png\ncalib/<name>.txt   (fx,fy,cx,cy)'
    )

    def _scan(self) -> list[Path]:
        names = [words[0] for words in read_list(self.need(self.root / 'imagelist.txt'))]
        return [self.root / 'rgb' / f'{name}.png' for name in names]

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        depth = metres_from_codes(read_codes(self.root / 'depth' / item.name), _PER_METRE)
        for mask in ('mask_invalid', 'mask_transp'):
            depth[~read_mask(self.root / mask / item.name)] = np.nan
        calib = self.need(self.root / 'calib' / f'{item.stem}.txt')
        numbers = calib.read_text(encoding='utf-8').replace(',', ' ').split()
        if len(numbers) < 4:
            raise TrainError(f'{calib} must contain fx,fy,cx,cy')
        fx, fy, cx, cy = (float(n) for n in numbers[:4])
        return RawSample(rgb, depth, Camera(fx, fy, cx, cy, rgb.shape[1], rgb.shape[0]))
