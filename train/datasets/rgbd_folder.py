# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RGB-D folders: the pictures of a set in one folder, and a list of them with their cameras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dmd_ros.core.records import RawSample
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_files import MILLIMETRES, check_per_metre
from train.datasets.base import (
    Reader,
    camera_from_matrix,
    metres_from_codes,
    read_codes,
    read_rgb,
)
from train.errors import TrainError

Item = tuple[Path, list[list[float]], float]  # folder / id, K, depth codes per metre


class RgbdFolder(Reader):
    """All frames of a set, or of all sets below a folder, ordered by name."""

    dataset = 'folder'
    tree = (
        'meta.json or <set>/meta.json: {"frames": [{"id": "000", "K": [[fx, 0, cx], ...]}, ...]}\n'
        'beside it <id>_rgb.jpg and <id>_depth.png   (uint16 millimetres, 0 = unlabelled)\n'
        'another unit: {"depth_per_metre": 5000, "frames": ...}'
    )

    def _scan(self) -> list[Item]:
        metas = [self.root / 'meta.json'] if (self.root / 'meta.json').is_file() else []
        metas += sorted(self.root.glob('*/meta.json'))
        return [item for meta in metas for item in _listed(meta)]

    def _name(self, item: Item) -> str:
        return f'{item[0].parent.name}/{item[0].name}'

    def _load(self, item: Item) -> RawSample:
        path, k, per_metre = item
        rgb = read_rgb(path.with_name(f'{path.name}_rgb.jpg'))
        depth = metres_from_codes(read_codes(path.with_name(f'{path.name}_depth.png')), per_metre)
        height, width = rgb.shape[:2]
        return RawSample(rgb, depth, camera_from_matrix(np.asarray(k, np.float64), width, height))


def _listed(meta: Path) -> list[Item]:
    """Read the items listed in a meta.json."""
    values = json.loads(meta.read_text())
    frames = values['frames']
    try:
        per_metre = check_per_metre(values.get('depth_per_metre', MILLIMETRES))
    except EvalError as error:
        raise TrainError(f'folder: {meta}: {error}') from None
    return [(meta.parent / frame['id'], frame['K'], per_metre) for frame in frames]
