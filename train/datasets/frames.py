# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Your own labelled frames, in the layouts of `dmd_ros.eval.frame_folder`."""

from __future__ import annotations

from pathlib import Path

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames, read_camera, read_frame
from train.datasets.base import Reader
from train.errors import TrainError

PARTS = ('all', 'train', 'held_out')


def check_part(dataset: str, part: str, held_out: int) -> None:
    """Raise `TrainError` for an unknown part or share."""
    if part not in PARTS or not 0 < held_out < 100:
        raise TrainError(
            f'{dataset}: part={part!r}, held_out={held_out}; allowed: {", ".join(PARTS)}; 1 to 99 '
            'per cent'
        )


class Frames(Reader):
    """One folder per frame; the format is described in `dmd_ros.eval.frame_folder`.

    part: 'all', 'train' or 'held_out', the last `held_out` per cent in the order of names. (Frames
    of a recording resemble their neighbours, so a random choice would not hold anything out.)
    """

    dataset = 'frames'
    tree = (
        '<name>/rgb.png (or .jpg)\n'
        '<name>/depth.png   (uint16 millimetres, 0 = unlabelled; or depth.npy, float metres)\n'
        '<name>/meta.json   (fx, fy, cx, cy, width, height; or one meta.json for all)\n'
        '<name>/depth_full.npz   (optional: u, v, z in metres; z of inf is sky, learned as far)\n'
        'or rgb/<name>.png, depth/<name>.png (or .npy) and one meta.json'
    )

    def __init__(self, root: str | Path, part: str = 'all', held_out: int = 20) -> None:
        """Find the frames; raises `TrainError`."""
        check_part(self.dataset, part, held_out)
        self.part, self.held_out = part, held_out
        super().__init__(root)

    def camera(self, i: int) -> Camera:
        """Read the camera of frame `i`, without its picture; raises `TrainError`."""
        try:
            return read_camera(self._items[i])
        except EvalError as error:
            raise TrainError(f'{self.name(i)}: {error}') from None

    def _scan(self) -> list[Path]:
        try:
            found = find_frames(self.root)
        except EvalError as error:
            raise TrainError(f'{self.dataset}: {error}; expected {self._where()}') from None
        if self.part == 'all':
            return found
        first = len(found) - round(len(found) * self.held_out / 100)
        if not 0 < first < len(found):
            raise TrainError(
                f'{self.dataset}: {len(found)} frames cannot be split with held_out='
                f'{self.held_out} per cent; record more'
            )
        return found[:first] if self.part == 'train' else found[first:]

    def _load(self, item: Path) -> RawSample:
        try:
            return read_frame(item).sample
        except EvalError as error:
            raise TrainError(str(error)) from None
