# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Taskonomy, also as a part of Omnidata: codes of 1/512 m, a field of view per picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    camera_from_fov,
    metres_from_codes,
    read_codes,
    read_mask,
    read_rgb,
)
from train.errors import TrainError

# 65535 (128 m) marks pixels where the scan has no surface.
_PER_METRE, _HOLE = 512.0, 65535


class Taskonomy(Reader):
    """Pictures with their z-buffer depth; buildings: names of buildings to use (default: all)."""

    dataset = 'taskonomy'
    tree = (
        'rgb/taskonomy/<building>/point_0_view_0_domain_rgb.png\n'
        'depth_zbuffer/taskonomy/<building>/point_0_view_0_domain_depth_zbuffer.png\n'
        'point_info/taskonomy/<building>/point_0_view_0_domain_point_info.json\n'
        'mask_valid/taskonomy/<building>/..._depth_zbuffer.png   (if there)\n'
        'or, as first published, <building>/{rgb,depth_zbuffer,point_info}/...'
    )

    def __init__(self, root: str | Path, buildings: tuple[str, ...] = ()) -> None:
        """Find the pictures; raises `TrainError`."""
        self.buildings = buildings
        super().__init__(root)

    def _scan(self) -> list[Path]:
        found = sorted(self.root.glob('**/*_domain_rgb.png'))
        if not self.buildings:
            return found
        return [path for path in found if set(path.parts) & set(self.buildings)]

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        height, width = rgb.shape[:2]
        if width != height:
            raise TrainError(f'{item} is {width}x{height}; pictures of this set are square')
        half = math.tan(self._field_of_view(item) / 2.0)
        depth_file = self._beside(item, 'depth_zbuffer', 'depth_zbuffer', '.png')
        depth = metres_from_codes(read_codes(depth_file), _PER_METRE, unknown=(0, _HOLE))
        mask_file = self._beside(item, 'mask_valid', 'depth_zbuffer', '.png')
        if mask_file.is_file():
            depth[~read_mask(mask_file)] = np.nan
        return RawSample(rgb, depth, camera_from_fov(half, half, width, height))

    def _field_of_view(self, item: Path) -> float:
        tried = [
            self._beside(item, folder, 'point_info', '.json')
            for folder in ('point_info', 'points')
        ]
        path = next((p for p in tried if p.is_file()), None)
        if path is None:
            raise self.missing(tried[0])
        return float(json.loads(path.read_text(encoding='utf-8'))['field_of_view_rads'])

    def _beside(self, item: Path, folder: str, domain: str, suffix: str) -> Path:
        """Return the file of another domain, whose folder replaces the last "rgb" in the path."""
        parts = list(item.relative_to(self.root).parts)
        place = len(parts) - 1 - parts[::-1].index('rgb')
        parts[place] = folder
        parts[-1] = parts[-1].removesuffix('rgb.png') + domain + suffix
        return self.root.joinpath(*parts)
