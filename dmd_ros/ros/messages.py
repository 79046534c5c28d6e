# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outgoing messages: allocated once, written through a NumPy view, published again and again.

rclpy checks a NumPy array assigned to `data` byte by byte, 33 million in a 1080p cloud; writing
through a view of the message's own memory costs nothing beyond the write. publish() serialises
before it returns, so a buffer can be reused afterwards.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from dmd_ros.core.camera import Camera
from dmd_ros.core.camera_info import info_fields
from dmd_ros.core.pointcloud import POINT_BYTES

_DTYPES: dict[str, tuple[type[np.generic], int]] = {
    '32FC1': (np.float32, 1),
    '16UC1': (np.uint16, 1),
    'rgb8': (np.uint8, 3),
}


class ImageBuffer:
    """A sensor_msgs/Image of one encoding whose pixels are written through `pixels`."""

    def __init__(self, encoding: str) -> None:
        """Allocate nothing yet: the size is known with the first frame."""
        self._dtype, self._channels = _DTYPES[encoding]
        self.message = Image(encoding=encoding)
        self._pixels: NDArray[Any] = np.empty((0, 0), self._dtype)

    def pixels(self, height: int, width: int) -> NDArray[Any]:
        """Return the message's pixels, [H, W] or [H, W, C], to write into."""
        message = self.message
        if (message.height, message.width) != (height, width):
            shape = (height, width) if self._channels == 1 else (height, width, self._channels)
            message.step = width * self._channels * np.dtype(self._dtype).itemsize
            message.height, message.width = height, width
            message.data = array('B', bytes(height * message.step))
            self._pixels = np.frombuffer(message.data, self._dtype).reshape(shape)
        return self._pixels


class CloudBuffer:
    """An organised sensor_msgs/PointCloud2 of x, y, z, rgb, written through `points`."""

    def __init__(self) -> None:
        """Allocate nothing yet."""
        self.message = PointCloud2(point_step=POINT_BYTES, is_dense=False, is_bigendian=False)
        self.message.fields = [
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(('x', 'y', 'z', 'rgb'))
        ]
        self._points: NDArray[np.float32] = np.empty((0, 0, 4), np.float32)

    def points(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the message's points, float32 [H, W, 4], to write into."""
        message = self.message
        if (message.height, message.width) != (height, width):
            message.height, message.width = height, width
            message.row_step = width * POINT_BYTES
            message.data = array('B', bytes(height * message.row_step))
            self._points = np.frombuffer(message.data, np.float32).reshape(height, width, 4)
        return self._points


def info_from_camera(camera: Camera, header: Any) -> CameraInfo:
    """Return a new message that describes the depth image of `camera`, with its header."""
    return CameraInfo(header=header, **info_fields(camera))
