# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the dataset readers. A reader's module is imported when it is first asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from train.datasets.base import Reader
from train.errors import TrainError

# name -> (module in train.datasets, class)
READERS: dict[str, tuple[str, str]] = {
    'nyu': ('nyu', 'NyuLabelled'),
    'nyu_folder': ('nyu', 'NyuFolder'),
    'kitti': ('kitti', 'Kitti'),
    'nuscenes': ('nuscenes', 'NuScenes'),
    'taskonomy': ('taskonomy', 'Taskonomy'),
    'scannet': ('scannet', 'ScanNetFolder'),
    'scannet_sens': ('scannet', 'ScanNetSens'),
    'scenenet': ('scenenet', 'SceneNet'),
    'waymo': ('waymo', 'Waymo'),
    'diml_indoor': ('diml', 'DimlIndoor'),
    'diml_outdoor': ('diml', 'DimlOutdoor'),
    'sunrgbd': ('sunrgbd', 'SunRgbd'),
    'ibims': ('ibims', 'IBims'),
    'diode': ('diode', 'Diode'),
    'hypersim': ('hypersim', 'HyperSim'),
    'vkitti2': ('vkitti2', 'VirtualKitti2'),
    'ddad': ('ddad', 'Ddad'),
    'images': ('images', 'ImageFolder'),
    'frames': ('frames', 'Frames'),
    'bag': ('bag', 'BagFrames'),
}


def reader_class(name: str) -> type[Reader]:
    """Give the class of a reader; raises `TrainError` that lists the known names."""
    if name not in READERS:
        raise TrainError(f'dataset {name!r} is unknown; allowed: {", ".join(sorted(READERS))}')
    module, cls = READERS[name]
    return getattr(importlib.import_module(f'train.datasets.{module}'), cls)


def open_dataset(name: str, root: str | Path, **options: Any) -> Reader:
    """Open a dataset by name; options are those of its class."""
    cls = reader_class(name)
    try:
        return cls(root, **options)
    except TypeError as error:
        if 'argument' not in str(error):
            raise
        raise TrainError(f'dataset {name!r}: {error}; see {cls.__module__}') from None
