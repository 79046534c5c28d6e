# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the files of one labelled frame: its picture, and its depth as integers or metres."""

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

# Suffixes of a picture and of a depth map, in lower or upper case.
PICTURES = ('.png', '.jpg', '.jpeg')
DEPTHS = ('.png', '.npy')
# Units of a depth png per metre. Below 1, the value is probably the inverse: metres per unit.
MILLIMETRES, _MIN_PER_METRE, _MAX_PER_METRE = 1000.0, 1.0, 1e6


def check_per_metre(value: Any) -> float:
    """Return `value` as units of depth.png per metre; raises `EvalError` if it is invalid."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not _MIN_PER_METRE <= value <= _MAX_PER_METRE:
        raise EvalError(
            f'depth_per_metre={value!r}; allowed: a number from {_MIN_PER_METRE:g} to '
            f'{_MAX_PER_METRE:.0f}, the value of a metre in depth.png: {MILLIMETRES:g} for '
            'millimetres (the default), 5000 in TUM RGB-D, 256 in KITTI'
        )
    return float(value)


def read_rgb(stem: Path) -> NDArray[np.uint8]:
    """Read the picture `stem`.png, .jpg or .jpeg as uint8 [H, W, 3]."""
    path = _only(stem, PICTURES)
    try:
        # EXIF orientation would rotate the picture but not its intrinsics.
        image = _decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except CoreError as error:
        raise EvalError(f'cannot decode {path}: {error}') from None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_depth(stem: Path, per_metre: float | None) -> NDArray[np.float32]:
    """Read `stem`.png or .npy, and add the points of `stem`_full.npz: metres [h, w], NaN = none.

    per_metre: units of a png per metre; None for the default.
    """
    path = _only(stem, DEPTHS)
    if path.suffix.lower() != '.npy':
        codes = _codes(path)
        depth = codes.astype(np.float32) / np.float32(per_metre or MILLIMETRES)
    elif per_metre is None:
        depth = _array(path)
    else:
        raise EvalError(
            f'{path} is in metres, but depth_per_metre={per_metre:g}, which is for the integers '
            'of a png, is given for it; remove one of the two'
        )
    full = stem.with_name(f'{stem.name}_full.npz')
    if full.is_file():
        _add_points(depth, full)
    depth[depth <= 0.0] = np.nan  # not measured, in every format
    return depth


def has_depth(stem: Path) -> bool:
    """Return whether there is a depth file of this name."""
    return any(_file(stem, ending) for ending in DEPTHS)


def _only(stem: Path, endings: Sequence[str]) -> Path:
    """Find the one file of a name; raises `EvalError` if there is none, or more than one."""
    found = [path for ending in endings if (path := _file(stem, ending))]
    if not found:
        names = ', '.join(f'{stem.name}{ending}' for ending in endings)
        raise EvalError(f'{stem.parent} has none of {names}')
    if len(found) > 1:
        names = ' and '.join(path.name for path in found)
        raise EvalError(f'{stem.parent} has {names}; keep the right one')
    return found[0]


def _file(stem: Path, ending: str) -> Path | None:
    # Listing the folder would be slow if it holds many frames, because this runs for each of them.
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
            # np.load would accept archives, too, and its errors advise to enable pickle.
            metres = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # NumPy's errors have no common base
        raise EvalError(f'cannot read {path}: {error}') from None
    if metres.dtype.kind != 'f' or metres.ndim != 2 or not metres.size:
        raise EvalError(
            f'{path} must be an array [height, width] of float metres, it is {metres.dtype} '
            f'{metres.shape}'
        )
    with np.errstate(over='ignore'):  # too large for float32 becomes inf, which is sky
        return np.array(metres, np.float32, order='C')


def _add_points(depth: NDArray[np.float32], path: Path) -> None:
    """Write the points of a file, u, v (pixels) and z (metres), into depth [h, w]."""
    try:
        # Without the error, NaN would become pixel 0 on ARM.
        with np.load(path) as points, np.errstate(invalid='raise'):
            height, width = depth.shape
            u, v = _nearest(points['u'], width), _nearest(points['v'], height)
            z = points['z']
        # Unlike indexing, this raises for negative pixels.
        places = np.ravel_multi_index((v, u), depth.shape)
        depth.reshape(-1)[places] = z
    except Exception as error:  # the errors of NumPy, zip and zlib have no common base
        raise EvalError(f'{path} must hold u, v (pixels) and z (metres): {error}') from None


def _nearest(places: NDArray[Any], size: int) -> NDArray[np.intp]:
    """Round to whole pixels; the half pixel before `size` belongs to the last one."""
    last = (places > size - 1) & (places < size)
    return np.where(last, size - 1, np.rint(places)).astype(np.intp)


def _decoded(path: Path, flags: int) -> NDArray[Any]:
    # cv2.imread would end the process if the name is not UTF-8.
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalError(f'cannot read {path}: {error.strerror}') from None
    return decode_file(content, flags, path.suffix)
