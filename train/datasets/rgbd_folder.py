# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RGB-D folders: pictures of a set side by side, and one list of them with their cameras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    camera_from_matrix,
    metres_from_codes,
    read_codes,
    read_rgb,
)

Item = tuple[Path, list[list[float]]]  # folder / id, K


class RgbdFolder(Reader):
    """All frames of a set, or of every set below a folder, in order of name."""

    dataset = 'folder'
    tree = (
        'meta.json or <set>/meta.json: {"frames": [{"id": "000", "K": [[fx, 0, cx], ...]}, ...]}\n'
        'beside it <id>_rgb.jpg and <id>_depth.png   (uint16 millimetres, 0 = unlabelled)'
    )

    def _scan(self) -> list[Item]:
        metas = [self.root / 'meta.json'] if (self.root / 'meta.json').is_file() else []
        metas += sorted(self.root.glob('*/meta.json'))
        return [
            (meta.parent / frame['id'], frame['K'])
            for meta in metas
            for frame in json.loads(meta.read_text())['frames']
        ]

    def _name(self, item: Item) -> str:
        return f'{item[0].parent.name}/{item[0].name}'

    def _load(self, item: Item) -> RawSample:
        path, k = item
        rgb = read_rgb(path.with_name(f'{path.name}_rgb.jpg'))
        depth = metres_from_codes(read_codes(path.with_name(f'{path.name}_depth.png')), 1000.0)
        height, width = rgb.shape[:2]
        return RawSample(rgb, depth, camera_from_matrix(np.asarray(k, np.float64), width, height))
