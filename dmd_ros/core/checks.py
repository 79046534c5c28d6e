# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that a caller gives, made Python's own: NumPy's are numbers too, True is none."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from dmd_ros.core.errors import CoreError


def whole(name: str, value: Any, least: int, of: str = '') -> int:
    """Give a whole number as int; raises `CoreError` unless it is one, and `least` or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise CoreError(f'{name}={value!r} must be a whole number{of} >= {least}')
    return int(value)


def real(name: str, value: Any) -> float:
    """Give a camera's number as float, finite or not; raises `CoreError` unless it is one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise CoreError(f'{name}={value!r} of a camera must be a number')
    return float(value)
