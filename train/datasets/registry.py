# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the dataset readers. A reader's module is imported on its first use."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from train.datasets.base import Reader
from train.errors import TrainError
from train.infill import METHODS

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
    'folder': ('rgbd_folder', 'RgbdFolder'),
    'frames': ('frames', 'Frames'),
    'bag': ('bag', 'BagFrames'),
}


def reader_class(name: str) -> type[Reader]:
    """Return the class of a reader; raises `TrainError` that lists the known names."""
    if name not in READERS:
        raise TrainError(f'dataset {name!r} is unknown; allowed: {", ".join(sorted(READERS))}')
    module, cls = READERS[name]
    return getattr(importlib.import_module(f'train.datasets.{module}'), cls)


def options_of(query: str) -> dict[str, str]:
    """Split the 'option=value&...' after a path; raises `TrainError`."""
    for part in query.split('&'):
        if part and not part.partition('=')[2]:
            raise TrainError(f'option {part!r} after a path must be OPTION=VALUE')
    return dict(parse_qsl(query))


def open_dataset(name: str, root: str | Path, **options: Any) -> Reader:
    """Open a dataset by name, with the options of its class and two common ones for the trainer.

    fov: 'on' or 'off'. infill: a method of `train.infill`. See `train.sources.tuned` for both.
    Values may be strings, as in 'kitti:/data/kitti?split=val&cameras=02+03'.
    """
    cls = reader_class(name)
    fov, infill = options.pop('fov', ''), options.pop('infill', '')
    if fov not in ('', 'on', 'off') or infill not in ('', *METHODS):
        raise TrainError(
            f'dataset {name!r}: fov={fov!r}, infill={infill!r}; allowed: on, off; '
            f'{", ".join(METHODS)}'
        )
    reader = cls(root, **_typed(name, cls, options))
    reader.fov, reader.infill = fov, infill
    return reader


def _typed(name: str, cls: type[Reader], options: dict[str, Any]) -> dict[str, Any]:
    """Convert string options to the types of the defaults of the class."""
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(cls).parameters.items()
        if key != 'root'
    }
    unknown = sorted(options.keys() - defaults.keys())
    if unknown:
        known = ', '.join(defaults) or 'none'
        raise TrainError(f'dataset {name!r} has no option {", ".join(unknown)}; it has: {known}')
    typed = {}
    for key, value in options.items():
        try:
            typed[key] = _parse(value, defaults[key]) if isinstance(value, str) else value
        except ValueError:
            raise TrainError(
                f'dataset {name!r}: {key}={value!r} must be like {defaults[key]!r}'
            ) from None
    if typed.get('every', 1) < 1:
        raise TrainError(f'dataset {name!r}: every={typed["every"]}; allowed: 1 or more')
    return typed


def _parse(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in ('true', 'false'):
            raise ValueError(text)
        return text.lower() == 'true'
    if isinstance(like, (int, float)):
        return type(like)(text)
    if isinstance(like, tuple):
        # A plus sign in a URL is decoded as a space.
        words = text.replace('+', ' ').split()
        return tuple(_parse(word, like[0] if like else '') for word in words)
    return text
