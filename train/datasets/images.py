# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures without depth, for the self-supervised stage: ImageNet, Places365, any folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, camera_from_fov, read_list, read_rgb

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
# The cameras are unknown. The value only completes the record; stage 0 does not use it.
PLACEHOLDER_TAN_HALF_VFOV = 0.5


class ImageFolder(Reader):
    """All pictures below a folder (ILSVRC2012 train, Places365 data_large, your own).

    list_file: paths relative to the folder, one per line, to avoid a slow search through millions
    of files.
    """

    dataset = 'images'
    tree = '<any depth of folders>/*.jpg'

    def __init__(self, root: str | Path, list_file: str | Path | None = None) -> None:
        """Find the pictures; raises `TrainError`."""
        self.list_file = list_file
        super().__init__(root)

    def _scan(self) -> list[Path]:
        if self.list_file:
            # Lines of Places365: a path that starts with a slash, and a class number.
            return [self.root / words[0].lstrip('/') for words in read_list(Path(self.list_file))]
        return sorted(p for p in self.root.rglob('*') if p.suffix.lower() in SUFFIXES)

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        height, width = rgb.shape[:2]
        tan_v = PLACEHOLDER_TAN_HALF_VFOV
        camera = camera_from_fov(tan_v * width / height, tan_v, width, height)
        return RawSample(rgb, np.full((height, width), np.nan, np.float32), camera)
