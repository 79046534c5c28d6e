# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""NYU Depth v2: the labelled .mat file, and folders of synchronised frames (BTS layout)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, metres_from_codes, read_codes, read_rgb, require
from train.errors import TrainError

# The toolbox's calibration of the colour camera; pictures and depth are undistorted to it.
CAMERA = Camera(518.857901, 519.469611, 325.582449, 253.736166, 640, 480)
# Maximum range of a Kinect v1; the value means "at least".
FAR_M = 10.0
# Rows and columns with colour; BTS and later work black out the rest.
BORDER = (slice(7, 474), slice(7, 632))
SPLITS = {'train': 'trainNdxs', 'test': 'testNdxs'}


class NyuLabelled(Reader):
    """The 1449 frames of nyu_depth_v2_labeled.mat (MATLAB 7.3, that is HDF5).

    split: 'all', or 'train'/'test' of splits.mat. depth: 'raw' as measured, or 'filled' by
    in-painting. black_border: blacken the border, as in the usual test set.
    """

    dataset = 'nyu'
    tree = 'nyu_depth_v2_labeled.mat\nsplits.mat   (for split train or test)'

    def __init__(
        self,
        root: str | Path,
        split: str = 'all',
        depth: str = 'raw',
        black_border: bool = False,
    ) -> None:
        """Read the split; raises `TrainError`."""
        if split not in ('all', *SPLITS) or depth not in ('raw', 'filled'):
            raise TrainError(
                f'nyu: split={split!r}, depth={depth!r}; allowed: all, train, test; raw, filled'
            )
        self.split = split
        self.field = 'rawDepths' if depth == 'raw' else 'depths'
        self.black_border = black_border
        super().__init__(root)

    def _scan(self) -> list[int]:
        h5py = require('h5py', 'the labelled .mat file of NYU Depth v2')
        self.file = self.need(self.root / 'nyu_depth_v2_labeled.mat')
        if self.split == 'all':
            with h5py.File(self.file, 'r') as mat:
                return list(range(mat['images'].shape[0]))
        loadmat = require('scipy.io', 'splits.mat of NYU Depth v2').loadmat
        numbers = loadmat(self.need(self.root / 'splits.mat'))[SPLITS[self.split]]
        # MATLAB counts from one.
        return sorted(int(n) - 1 for n in np.ravel(numbers))

    def _name(self, item: int) -> str:
        return f'{item:05d}'

    def _load(self, item: int) -> RawSample:
        h5py = require('h5py', 'the labelled .mat file of NYU Depth v2')
        with h5py.File(self.file, 'r') as mat:
            # In HDF5, the axes of MATLAB's arrays are reversed: [N, 3, W, H] and [N, W, H].
            rgb = np.ascontiguousarray(mat['images'][item].T)
            depth = np.ascontiguousarray(mat[self.field][item].T).astype(np.float32)
        if self.black_border:
            framed = np.zeros_like(rgb)
            framed[BORDER] = rgb[BORDER]
            rgb = framed
        return RawSample(rgb, _drop_unmeasured(depth), CAMERA)


class NyuFolder(Reader):
    """Synchronised frames in the layout of BTS's toolbox scripts and the usual archives."""

    dataset = 'nyu_folder'
    tree = '<scene>/rgb_00045.jpg\n<scene>/sync_depth_00045.png   (uint16 millimetres)'

    def _scan(self) -> list[tuple[Path, Path]]:
        pairs = []
        for rgb in sorted(self.root.glob('**/rgb_*.jpg')):
            depth = rgb.with_name(f'sync_depth_{rgb.stem[4:]}.png')
            if depth.is_file():
                pairs.append((rgb, depth))
        return pairs

    def _load(self, item: tuple[Path, Path]) -> RawSample:
        depth = metres_from_codes(read_codes(item[1]), 1000.0)
        return RawSample(read_rgb(item[0]), _drop_unmeasured(depth), CAMERA)


def _drop_unmeasured(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set depths of 0, or at and beyond the sensor's maximum range, to NaN."""
    with np.errstate(invalid='ignore'):
        depth[~((depth > 0.0) & (depth < FAR_M))] = np.nan
    return depth
