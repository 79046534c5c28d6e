# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of arguments: pictures, and numbers (NumPy's are converted, booleans are rejected)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from dmd_ros.core.errors import CoreError


def whole(name: str, value: Any, least: int, of: str = '') -> int:
    """Return a whole number as int; raises `CoreError` unless it is one and >= `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise CoreError(f'{name}={value!r} must be a whole number{of} >= {least}')
    return int(value)


def real(name: str, value: Any) -> float:
    """Return a number of a camera as float, finite or not; raises `CoreError` if it is not one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise CoreError(f'{name}={value!r} of a camera must be a number')
    return float(value)


def check_picture(rgb: Any) -> None:
    """Raise `CoreError` for anything that is not an 8-bit RGB picture."""
    is_array = isinstance(rgb, np.ndarray)
    if is_array and rgb.dtype == np.uint8 and rgb.shape[2:] == (3,) and rgb.size:
        return
    found = f'{rgb.dtype} {rgb.shape}' if is_array else type(rgb).__name__
    fix = _array_fix(rgb) if is_array else _object_fix(rgb)
    raise CoreError(f'picture is {found}; uint8 [H, W, 3] RGB is expected: {fix}')


def _object_fix(picture: Any) -> str:
    if picture is None:
        return 'cv2.imread returns None for a file that is missing or not a picture'
    if isinstance(picture, str) or hasattr(picture, '__fspath__'):
        return 'read the file, cv2.cvtColor(cv2.imread(picture), cv2.COLOR_BGR2RGB)'
    if hasattr(picture, 'convert'):  # PIL image
        return "pass np.asarray(picture.convert('RGB'))"
    if hasattr(picture, 'cpu'):  # torch tensor
        return 'pass picture.cpu().numpy()'
    if isinstance(picture, (list, tuple)):
        return 'pass np.asarray(picture, np.uint8)'
    return 'pass the picture first, then its camera'


def _array_fix(picture: np.ndarray[Any, Any]) -> str:
    shape = picture.shape
    if not picture.size:
        return 'this one has no pixels'
    if len(shape) == 4:
        return 'pass picture[0], one at a time'
    if len(shape) == 3 and shape[2] not in (1, 3, 4) and shape[0] == 3:
        return 'pass picture.transpose(1, 2, 0)'
    if picture.dtype.kind == 'f':
        return 'if white is 1, pass (255 * picture).round().astype(np.uint8)'
    if picture.dtype == np.uint16:
        return 'pass (picture / 257).round().astype(np.uint8)'
    if len(shape) == 2 or shape[2:] == (1,):
        return 'pass cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)'
    if shape[2:] == (4,):
        return 'pass cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), or COLOR_BGRA2RGB'
    return 'convert it'
