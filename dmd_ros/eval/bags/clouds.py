# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert sensor_msgs/PointCloud2 of any field order, padding and byte order to points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval.errors import EvalError

# PointField's datatypes for coordinates, as NumPy formats.
_FORMATS = {7: 'f4', 8: 'f8'}


def points_from_cloud(msg: Any) -> NDArray[np.float64]:
    """Return the measured points [N, 3] of a cloud, metres in its frame.

    Left out are points that are not finite, whatever `is_dense` says, and points at the origin,
    where some drivers (Ouster's) put beams without a return.
    Raises `EvalError` if x, y or z is missing, or if `data` is too short.
    """
    places = [_place(msg, name) for name in 'xyz']
    height, width = int(msg.height), int(msg.width)
    point, row = int(msg.point_step), int(msg.row_step)
    if height == 1:
        row = width * point  # some drivers set row_step of a single row to 0
    data = np.ascontiguousarray(msg.data).view(np.uint8)
    if not height or not width:
        return np.empty((0, 3))
    needed = (height - 1) * row + width * point
    if row < width * point or data.size < needed:
        raise EvalError(
            f'cloud of {width}x{height} points with point_step {point} and row_step '
            f'{int(msg.row_step)} has {data.size} bytes: its driver is faulty'
        )
    points = np.empty((height * width, 3))
    for axis, (kind, offset) in enumerate(places):
        table = np.ndarray((height, width), kind, data, offset, (row, point))
        points[:, axis] = table.reshape(-1)
    return points[np.isfinite(points).all(axis=1) & points.any(axis=1)]


def _place(msg: Any, name: str) -> tuple[str, int]:
    """Return the NumPy format of a field and its offset in a point, bytes."""
    field = next((f for f in msg.fields if f.name == name), None)
    if field is None or field.datatype not in _FORMATS:
        has = ', '.join(f'{f.name} (datatype {f.datatype})' for f in msg.fields) or 'none'
        raise EvalError(
            f'cloud has no field {name} of FLOAT32 (7) or FLOAT64 (8); its fields: {has}; choose '
            'a topic with points in metres'
        )
    kind, offset = _FORMATS[field.datatype], int(field.offset)
    if offset + np.dtype(kind).itemsize > msg.point_step:
        raise EvalError(
            f'field {name} of a cloud begins at byte {offset} of a point of {msg.point_step} '
            '(point_step): its driver is faulty'
        )
    return ('>' if msg.is_bigendian else '<') + kind, offset
