# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SUN RGB-D: four depth cameras; PNG codes whose bits are rotated left by three."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    camera_from_matrix,
    metres_from_codes,
    read_codes,
    read_rgb,
    require,
)
from train.errors import TrainError

# The set's toolbox ignores depth beyond this.
FAR_M = 8.0
SPLIT_FILE = 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat'
_SPLITS = {'train': 'alltrain', 'test': 'alltest'}


class SunRgbd(Reader):
    """Frames of a split ('all' needs no split file); depth: 'raw', or 'bfx' (refined, filled)."""

    dataset = 'sunrgbd'
    tree = (
        'SUNRGBD/kv1/NYUdata/NYU0001/{image/*.jpg,depth/*.png,depth_bfx/*.png,intrinsics.txt}\n'
        f'{SPLIT_FILE}   (for split train or test)'
    )

    def __init__(self, root: str | Path, split: str = 'all', depth: str = 'raw') -> None:
        """Find the frames; raises `TrainError`."""
        if split not in ('all', *_SPLITS) or depth not in ('raw', 'bfx'):
            raise TrainError(
                f'sunrgbd: split={split!r}, depth={depth!r}; allowed: all, train, test; raw, bfx'
            )
        self.split = split
        self.folder = 'depth' if depth == 'raw' else 'depth_bfx'
        super().__init__(root)

    def _scan(self) -> list[Path]:
        base = self.need(self.root / 'SUNRGBD')
        if self.split == 'all':
            return sorted(path.parent for path in base.glob('**/intrinsics.txt'))
        loadmat = require('scipy.io', 'allsplit.mat of SUN RGB-D').loadmat
        names = loadmat(self.need(self.root / SPLIT_FILE))[_SPLITS[self.split]]
        # Entries are folders on the authors' machine: use the part after SUNRGBD/.
        inner = [str(np.ravel(cell)[0]).split('SUNRGBD/')[-1] for cell in np.ravel(names)]
        return sorted(self.need(base / name.strip('/')) for name in inner)

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(_only(item / 'image', '*.jpg'))
        codes = unrotated(read_codes(_only(item / self.folder, '*.png')))
        depth = metres_from_codes(codes, 1000.0)
        with np.errstate(invalid='ignore'):
            depth[depth > FAR_M] = np.nan
        k = np.loadtxt(self.need(item / 'intrinsics.txt')).reshape(3, 3)
        return RawSample(rgb, depth, camera_from_matrix(k, rgb.shape[1], rgb.shape[0]))


def unrotated(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Rotate the bits of every code right by three, to millimetres."""
    return (codes >> np.uint16(3)) | (codes << np.uint16(13))


def _only(folder: Path, pattern: str) -> Path:
    """Return the only file of a folder (its name is a time stamp)."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise TrainError(f'{folder} has {len(found)} files {pattern}, expected 1')
    return found[0]
