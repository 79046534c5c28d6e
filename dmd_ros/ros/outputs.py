# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's publishers: each output is built only while someone subscribes to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from dmd_ros.core.camera import Camera
from dmd_ros.core.colormap import colorize
from dmd_ros.core.image_msg import millimetres_from_depth
from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.core.records import DepthFrame
from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.messages import CloudBuffer, ImageBuffer, info_from_camera
from dmd_ros.ros.params import Settings, reach

TOPICS = {
    'depth/camera_info': CameraInfo,
    'depth/image': Image,
    'points': PointCloud2,
    'depth/uncertainty': Image,
    'depth/color': Image,
}
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


class Outputs:
    """Publishers and their message buffers. Used by one thread at a time."""

    def __init__(self, node: Any, depth_encoding: str) -> None:
        """Create lifecycle publishers on `node`; raises `NodeError` for an invalid QoS."""
        self._node = node
        self._publishers: dict[str, Any] = {}
        for topic, kind in TOPICS.items():
            try:
                self._publishers[topic] = _publisher(node, kind, topic)
            except Exception as error:  # rclpy has a class for every way to misspell a QoS
                self.close()
                raise NodeError(
                    f'cannot publish {topic} ({error}); check the qos_overrides parameters'
                ) from None
        self._names = [str(publisher.topic_name) for publisher in self._publishers.values()]
        self._depth = ImageBuffer(depth_encoding)
        self._uncertainty = ImageBuffer('32FC1')
        self._color = ImageBuffer('rgb8')
        self._cloud = CloudBuffer()
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None

    def wanted(self) -> frozenset[str]:
        """Return the topics that have subscribers."""
        return frozenset(
            topic
            for topic, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def shared(self) -> list[str]:
        """Return the topics on which another node also publishes."""
        return [name for name in self._names if self._node.count_publishers(name) > 1]

    def closed(self) -> bool:
        """Return whether rclpy has been shut down, so that nothing can be published or logged."""
        return not self._node.context.ok()

    def camera_info(self, header: Any, camera: Camera) -> None:
        """Publish depth/camera_info."""
        self._publishers['depth/camera_info'].publish(info_from_camera(camera, header))

    def depth(self, header: Any, depth: NDArray[np.float32]) -> None:
        """Publish depth/image."""
        pixels = self._depth.pixels(*depth.shape)
        if pixels.dtype == np.uint16:
            millimetres_from_depth(depth, pixels)
        else:
            np.copyto(pixels, depth)
        self._publish('depth/image', header, self._depth.message)

    def uncertainty(self, header: Any, uncertainty: NDArray[np.float32]) -> None:
        """Publish depth/uncertainty."""
        np.copyto(self._uncertainty.pixels(*uncertainty.shape), uncertainty)
        self._publish('depth/uncertainty', header, self._uncertainty.message)

    def color(self, header: Any, depth: NDArray[np.float32], settings: Settings) -> None:
        """Publish depth/color."""
        picture = colorize(depth, settings.color_near, settings.color_far)
        np.copyto(self._color.pixels(*depth.shape), picture)
        self._publish('depth/color', header, self._color.message)

    def cloud(
        self,
        header: Any,
        frame: DepthFrame,
        holes: NDArray[np.bool_] | None,
        settings: Settings,
    ) -> None:
        """Publish the frame's points, in the colours of its picture, without those in `holes`."""
        stride = settings.cloud_stride
        picture = frame.rgb[::stride, ::stride]
        points = self._cloud.points(*picture.shape[:2])
        write_cloud(
            frame.depth[::stride, ::stride],
            self._rays_of(frame.camera)[::stride, ::stride],
            picture,
            settings.cloud_min_range,
            reach(settings.cloud_max_range),
            points,
            None if holes is None else holes[::stride, ::stride],
        )
        self._publish('points', header, self._cloud.message)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def _publish(self, topic: str, header: Any, message: Any) -> None:
        message.header = header
        self._publishers[topic].publish(message)

    def _rays_of(self, camera: Camera) -> NDArray[np.float32]:
        """Return the rays of all pixels, cached until the camera changes."""
        if self._rays is None or self._rays[0] != camera:
            self._rays = (camera, camera.rays())
        return self._rays[1]


def _publisher(node: Any, kind: type, topic: str) -> Any:
    # Best effort loses messages over 0.5 MB with the default transport; a queue of two is enough,
    # because old depth is of no use.
    qos = QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.RELIABLE
    )
    options = QoSOverridingOptions(_OVERRIDABLE)
    return node.create_lifecycle_publisher(kind, topic, qos, qos_overriding_options=options)
