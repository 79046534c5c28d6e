# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's camera driver: publishes image and camera_info from a bag at the recorded rate."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.topics import COMPRESSED, Topics
from dmd_ros.ros.demo.source import messages
from dmd_ros.ros.processes import run_child, say

# Longer pauses in a recording are shortened to this, in seconds.
_LONGEST_GAP = 2.0
_DISCOVERY = 0.5


def main() -> None:
    """Play; arguments: bag, image topic, camera_info topic (may be empty), number of images."""
    path, image, info, limit = sys.argv[1:]
    rclpy.init(args=[])
    node = rclpy.create_node('dmd_demo_player')
    with Bag(Path(path)) as bag:
        topics = Topics(image, info, None)
        compressed = bag.topics[image].msgtype == COMPRESSED
        publishers = {
            image: node.create_publisher(CompressedImage, 'image/compressed', 5)
            if compressed
            else node.create_publisher(Image, 'image', 5),
        }
        if info:
            publishers[info] = node.create_publisher(CameraInfo, 'camera_info', 5)
        while not all(p.get_subscription_count() for p in publishers.values()):
            time.sleep(0.02)
        # The publisher has found the subscription; let the subscription find the publisher.
        time.sleep(_DISCOVERY)
        say('ready')
        sys.stdin.readline()
        _play(bag, topics, publishers, int(limit))
    # Keep the publisher alive for reliable delivery of the last messages.
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.readline()


def _play(bag: Bag, topics: Topics, publishers: dict[str, Any], limit: int) -> None:
    sent = 0
    previous_ns = 0
    due = time.monotonic()
    for message, data in messages(bag, topics):
        if message.topic == topics.image and sent == limit:
            break
        gap = (message.time_ns - previous_ns) * 1e-9 if previous_ns else 0.0
        previous_ns = message.time_ns
        due += min(max(gap, 0.0), _LONGEST_GAP)
        time.sleep(max(due - time.monotonic(), 0.0))
        at = time.monotonic_ns()
        publishers[message.topic].publish(data)
        if message.topic == topics.image:
            sent += 1
            say('sent', stamp=bag.stamp_ns(message), at=at)
    say('done')


if __name__ == '__main__':
    run_child(main, __doc__, 'dmd_ros.ros.demo')
