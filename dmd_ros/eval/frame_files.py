# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of one labelled frame: its picture, and its depth as codes or as metres."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_file
from dmd_ros.eval.errors import EvalError

# Endings of a picture and of a depth map, also in capitals.
PICTURES = ('.png', '.jpg', '.jpeg')
DEPTHS = ('.png', '.npy')
# Codes per metre. Below it, a scale was meant the other way round: metres per code.
MILLIMETRES, _FEWEST, _MOST = 1000.0, 1.0, 1e6


def check_per_metre(value: Any) -> float:
    """Give `value` as codes of depth.png per metre; raises `EvalError` if it cannot be that."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not _FEWEST <= value <= _MOST:
        raise EvalError(
            f'depth_per_metre={value!r}; allowed: a number from {_FEWEST:g} to {_MOST:.0f}, how '
            f'many codes of depth.png are a metre: {MILLIMETRES:g} in millimetres (the default), '
            '5000 in TUM RGB-D, 256 in KITTI'
        )
    return float(value)


def read_rgb(stem: Path) -> NDArray[np.uint8]:
    """Read the picture `stem`.png, .jpg or .jpeg as uint8 [H, W, 3]."""
    path = _only(stem, PICTURES)
    try:
        # EXIF orientation would turn the picture but not its intrinsics.
        image = _decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except CoreError as error:
        raise EvalError(f'cannot decode {path}: {error}') from None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_depth(stem: Path, per_metre: float | None) -> NDArray[np.float32]:
    """Read `stem`.png or .npy, and what `stem`_full.npz adds: metres [h, w], NaN = unlabelled.

    per_metre: of the codes of a png, None for the default.
    """
    path = _only(stem, DEPTHS)
    if path.suffix.lower() != '.npy':
        codes = _codes(path)
        depth = codes.astype(np.float32) / np.float32(per_metre or MILLIMETRES)
    elif per_metre is None:
        depth = _array(path)
    else:
        raise EvalError(
            f'{path} is in metres, and depth_per_metre={per_metre:g} is said of it, which is for '
            'the codes of a png; take one of the two away'
        )
    full = stem.with_name(f'{stem.name}_full.npz')
    if full.is_file():
        _add_points(depth, full)
    depth[depth <= 0.0] = np.nan  # in any file it says that nothing was measured
    return depth


def has_depth(stem: Path) -> bool:
    """Tell whether there is a file of depth of this name."""
    return any(_file(stem, ending) for ending in DEPTHS)


def _only(stem: Path, endings: Sequence[str]) -> Path:
    """Find the one file of a name; raises `EvalError` if there is none, or more than one."""
    found = [path for ending in endings if (path := _file(stem, ending))]
    if not found:
        names = ', '.join(f'{stem.name}{ending}' for ending in endings)
        raise EvalError(f'{stem.parent} has none of {names}')
    if len(found) > 1:
        names = ' and '.join(path.name for path in found)
        raise EvalError(f'{stem.parent} has {names}; keep the one that is meant')
    return found[0]


def _file(stem: Path, ending: str) -> Path | None:
    # Not by listing the folder: in one of many frames, that would be done for each of them.
    names = (f'{stem.name}{text}' for text in (ending, ending.upper()))
    return next((path for name in names if (path := stem.with_name(name)).is_file()), None)


def _codes(path: Path) -> NDArray[np.uint16]:
    try:
        image = _decoded(path, cv2.IMREAD_UNCHANGED)
    except CoreError as error:
        found = str(error)
    else:
        if image.dtype == np.uint16 and image.ndim == 2:
            return image
        channels = 1 if image.ndim == 2 else image.shape[2]
        found = f'it has {channels} channel(s) of {8 * image.itemsize} bits'
    raise EvalError(f'{path} must be a readable 16-bit grey png (0 = unlabelled): {found}')


def _array(path: Path) -> NDArray[np.float32]:
    try:
        with path.open('rb') as file:
            # Not np.load, which would take an archive too, and advises to unpickle the rest.
            metres = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # those of NumPy share no base
        raise EvalError(f'cannot read {path}: {error}') from None
    if metres.dtype.kind != 'f' or metres.ndim != 2 or not metres.size:
        raise EvalError(
            f'{path} must be an array [height, width] of float metres, it is {metres.dtype} '
            f'{metres.shape}'
        )
    with np.errstate(over='ignore'):  # beyond any range it is sky, as inf is
        return np.array(metres, np.float32, order='C')


def _add_points(depth: NDArray[np.float32], path: Path) -> None:
    """Write the points of a file, u, v (pixels) and z (metres), into depth [h, w]."""
    try:
        # A cast of NaN is pixel 0 on ARM.
        with np.load(path) as points, np.errstate(invalid='raise'):
            height, width = depth.shape
            u, v = _nearest(points['u'], width), _nearest(points['v'], height)
            z = points['z']
        # Unlike an index in brackets, it knows no negative pixels.
        places = np.ravel_multi_index((v, u), depth.shape)
        depth.reshape(-1)[places] = z
    except Exception as error:  # those of NumPy, zip and zlib share no base
        raise EvalError(f'{path} must hold u, v (pixels) and z (metres): {error}') from None


def _nearest(places: NDArray[Any], size: int) -> NDArray[np.intp]:
    """Round to whole pixels; the half pixel before `size` belongs to the last one."""
    last = (places > size - 1) & (places < size)
    return np.where(last, size - 1, np.rint(places)).astype(np.intp)


def _decoded(path: Path, flags: int) -> NDArray[Any]:
    # Not with cv2.imread, which ends the process where a name is not UTF-8.
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalError(f'cannot read {path}: {error.strerror}') from None
    return decode_file(content, flags, path.suffix)
