# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Your own labelled frames: <name>/{rgb.png|jpg, depth.png, meta.json}, read by `dmd_ros.eval`."""

from __future__ import annotations

from pathlib import Path

from dmd_ros.core.records import RawSample
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames, read_frame
from train.datasets.base import Reader
from train.errors import TrainError


class Frames(Reader):
    """One folder per frame; the format is described in `dmd_ros.eval.frame_folder`."""

    dataset = 'frames'
    tree = (
        '<name>/rgb.png (or .jpg)\n<name>/depth.png   (uint16 millimetres, 0 = unlabelled)\n'
        '<name>/meta.json   (fx, fy, cx, cy, width, height)\n'
        '<name>/depth_full.npz   (optional: u, v, z in metres)'
    )

    def _scan(self) -> list[Path]:
        try:
            return find_frames(self.root)
        except EvalError as error:
            raise TrainError(f'{self.dataset}: {error}; expected {self._where()}') from None

    def _load(self, item: Path) -> RawSample:
        try:
            return read_frame(item).sample
        except EvalError as error:
            raise TrainError(str(error)) from None
