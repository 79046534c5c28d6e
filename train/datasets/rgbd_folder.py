# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RGB-D folders: <set>/meta.json, <id>_rgb.jpg, <id>_depth.png (uint16 mm, 0 = invalid)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.errors import TrainError


class RgbdFolder:
    """All frames of a set, or of every set below a folder, in order of name."""

    def __init__(self, path: str) -> None:
        """List the frames; pictures are read when they are asked for."""
        root = Path(path)
        metas = [root / 'meta.json'] if (root / 'meta.json').is_file() else []
        metas += sorted(root.glob('*/meta.json'))
        if not metas:
            raise TrainError(f'{root} has no meta.json, nor has a folder in it')
        self._frames = [
            (meta.parent, frame)
            for meta in metas
            for frame in json.loads(meta.read_text())['frames']
        ]

    def __len__(self) -> int:
        """Count frames."""
        return len(self._frames)

    def name(self, index: int) -> str:
        """Name a frame, for messages about broken ones."""
        folder, frame = self._frames[index]
        return f'{folder.name}/{frame["id"]}'

    def load(self, index: int) -> RawSample:
        """Read a frame; raises `TrainError` if a file is missing, unreadable or inconsistent."""
        folder, frame = self._frames[index]
        rgb = _read(folder / f'{frame["id"]}_rgb.jpg', cv2.IMREAD_COLOR)
        depth_mm = _read(folder / f'{frame["id"]}_depth.png', cv2.IMREAD_UNCHANGED)
        if depth_mm.dtype != np.uint16 or depth_mm.shape != rgb.shape[:2]:
            raise TrainError(
                f'{self.name(index)}: depth is {depth_mm.dtype} {depth_mm.shape}, expected uint16 '
                f'{rgb.shape[:2]}'
            )
        depth = depth_mm.astype(np.float32) * np.float32(1e-3)
        depth[depth_mm == 0] = np.nan
        k = np.asarray(frame['K'], np.float64)
        height, width = depth.shape
        camera = Camera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
        return RawSample(cv2.cvtColor(rgb, cv2.COLOR_BGR2RGB), depth, camera)  # type: ignore[arg-type]


def _read(path: Path, flags: int) -> Any:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise TrainError(f'{path} is missing or not a picture')
    return image
