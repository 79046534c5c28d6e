# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The receiver of the stage table: notes when each message arrived."""

from __future__ import annotations

import contextlib
import struct
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from dmd_ros.ros.processes import run_child, say

_TOPICS = {
    'info': ('bench/camera_info', CameraInfo),
    'depth': ('bench/depth', Image),
    'cloud': ('bench/cloud', PointCloud2),
}


def main() -> None:
    """Listen until ordered to stop."""
    rclpy.init(args=[])
    node = rclpy.create_node('dmd_bench_listener')
    came: dict[str, dict[int, int]] = {name: {} for name in _TOPICS}

    def note(name: str) -> Any:
        def take(data: bytes) -> None:
            at = time.monotonic_ns()
            came[name][struct.unpack_from('<i', data, 4)[0]] = at

        return take

    for name, (topic, kind) in _TOPICS.items():
        node.create_subscription(kind, topic, note(name), 2, raw=True)
    ended = Future()
    threading.Thread(target=_follow_orders, args=(ended,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin_until_future_complete(node, ended)
    say('came', came=came)


def _follow_orders(ended: Future) -> None:
    sys.stdin.readline()
    ended.set_result(None)  # rclpy.shutdown() would fail the current callback


if __name__ == '__main__':
    run_child(main, __doc__, 'dmd_ros.ros.bench')
