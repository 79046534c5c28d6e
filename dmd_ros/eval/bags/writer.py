# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write estimates, in the messages that the node publishes, to an mcap for RViz and Foxglove."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from dmd_ros.core.camera import Camera
from dmd_ros.core.pointcloud import POINT_BYTES
from dmd_ros.eval.bags.messages import make_header, make_info
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.paths import real

IMAGE, INFO = '/image', '/camera_info'
DEPTH, DEPTH_INFO, POINTS = '/depth/image', '/depth/camera_info', '/points'
_TYPES = {
    IMAGE: 'sensor_msgs/msg/Image',
    INFO: 'sensor_msgs/msg/CameraInfo',
    DEPTH: 'sensor_msgs/msg/Image',
    DEPTH_INFO: 'sensor_msgs/msg/CameraInfo',
    POINTS: 'sensor_msgs/msg/PointCloud2',
}


def check_replaceable(folder: Path, read: Path, ours: str = '') -> None:
    """Raise `EvalError` if `folder` contains anything but the output of an earlier run.

    read: the input of this run, which may be in it. ours: pattern of the names of our files;
    empty: `folder` is a bag.
    """
    if real(folder) in (real(read), *real(read).parents):
        raise EvalError(f'{read} would be overwritten; choose another --out')
    ours = ours or rf'metadata\.yaml|{re.escape(folder.name)}\.mcap'
    foreign = {path.name for path in folder.glob('*') if not re.fullmatch(ours, path.name)}
    if foreign:
        raise EvalError(
            f'{folder / min(foreign)} is not from an earlier run; choose another --out'
        )


class DepthBagWriter:
    """A new rosbag2 folder (mcap) of depth, its camera, clouds and, optionally, images.

    Not compressed, because float depth shrinks by only a sixth, and writing takes ten times as
    long. To be used in a `with` statement. Raises `EvalError` if the folder exists.
    """

    def __init__(self, path: Path, with_images: bool = False) -> None:
        """Create the bag; with_images: also write the images, with their own camera_info."""
        if path.exists():
            raise EvalError(f'{path} exists already; remove it or choose another --out')
        # Jazzy is the oldest release that reads this bag version.
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._types = self._store.types
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(topic, kind, typestore=self._store)
            for topic, kind in _TYPES.items()
            if with_images or topic not in (IMAGE, INFO)
        }

    def __enter__(self) -> DepthBagWriter:
        """Return the writer, which is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the index and close."""
        self._writer.close()

    def write(
        self,
        stamp_ns: int,
        logged_ns: int,
        frame_id: str,
        depth_m: NDArray[np.float32],
        camera: Camera,
        points: NDArray[np.float32] | None = None,
        rgb: NDArray[np.uint8] | None = None,
    ) -> None:
        """Write one estimate: depth [H, W] metres, its camera, and points [h, w, 4] (xyz rgb).

        rgb: the image [H, W, 3] on the grid of depth.
        """
        header = make_header(self._types, stamp_ns, frame_id)
        info = make_info(self._types, header, camera)
        if rgb is not None:
            self._put(IMAGE, logged_ns, self._image(header, rgb, 'rgb8'))
            self._put(INFO, logged_ns, info)
        depth = np.ascontiguousarray(depth_m, '<f4')
        self._put(DEPTH, logged_ns, self._image(header, depth, '32FC1'))
        self._put(DEPTH_INFO, logged_ns, info)
        if points is not None:
            self._put(POINTS, logged_ns, self._cloud(header, points))

    def _put(self, topic: str, logged_ns: int, message: Any) -> None:
        data = self._store.serialize_cdr(message, _TYPES[topic])
        self._writer.write(self._connections[topic], logged_ns, data)

    def _image(self, header: Any, pixels: NDArray[Any], encoding: str) -> Any:
        height, width = pixels.shape[:2]
        return self._types['sensor_msgs/msg/Image'](
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=pixels.nbytes // height,
            data=np.ascontiguousarray(pixels).view(np.uint8).reshape(-1),
        )

    def _cloud(self, header: Any, points: NDArray[np.float32]) -> Any:
        field = self._types['sensor_msgs/msg/PointField']
        names = ('x', 'y', 'z', 'rgb')
        height, width = points.shape[:2]
        return self._types['sensor_msgs/msg/PointCloud2'](
            header=header,
            height=height,
            width=width,
            fields=[field(name, 4 * i, 7, 1) for i, name in enumerate(names)],
            is_bigendian=False,
            point_step=POINT_BYTES,
            row_step=POINT_BYTES * width,
            data=np.ascontiguousarray(points, '<f4').view(np.uint8).reshape(-1),
            is_dense=False,
        )
