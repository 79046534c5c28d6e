# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's recorder: receives the node's outputs and writes them to an mcap."""

from __future__ import annotations

import contextlib
import queue
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.serialization import deserialize_message
from rclpy.task import Future
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from dmd_ros.ros.diagnostics import values_of
from dmd_ros.ros.processes import run_child, say

DEPTH, INFO, POINTS, DIAGNOSTICS = '/depth/image', '/depth/camera_info', '/points', '/diagnostics'
# Diagnostics last: see `_follow_orders`.
_TOPICS = {DEPTH: Image, INFO: CameraInfo, POINTS: PointCloud2, DIAGNOSTICS: DiagnosticArray}
# On a busy machine a message is taken up to a second late; none may be overwritten.
_QUEUE = 100


class Recorder:
    """Notes the arrival time of each message; a thread writes them, so that noting never waits.

    on_failure is called in that thread if the bag can no longer be written.
    """

    def __init__(self, node: Any, folder: Path, on_failure: Callable[[], None]) -> None:
        """Subscribe, and open the bag."""
        self._on_failure = on_failure
        self._failure: OSError | None = None
        self.counts: Counter[str] = Counter()
        self.node_found_us = threading.Event()
        self._bag = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._bag.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._bag.open()
        store = get_typestore(Stores.ROS2_JAZZY)
        self._jobs: queue.SimpleQueue[tuple[Any, int, bytes] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        for topic, kind in _TOPICS.items():
            name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
            connection = self._bag.add_connection(topic, name, typestore=store)
            callback = self._callback(topic, connection)
            node.create_subscription(kind, topic, callback, _QUEUE, raw=True)

    def close(self) -> None:
        """Finish the bag; raises `OSError` if it could not be written."""
        self._jobs.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._bag.close()

    def _callback(self, topic: str, connection: Any) -> Any:
        def take(data: bytes) -> None:
            at = time.monotonic_ns()
            self.counts[topic] += 1
            self._jobs.put((connection, time.time_ns(), data))
            if topic != DIAGNOSTICS:
                say('received', topic=topic, stamp=_stamp(data), at=at)
            elif values := values_of(deserialize_message(data, DiagnosticArray)):
                self.node_found_us.set()
                say('diagnostics', values=values)

        return take

    def _write(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                self._bag.write(*job)
        except OSError as error:  # full disk: the bag may play for hours more
            self._failure = error
            self._on_failure()


def main() -> int:
    """Record into the folder given as argument until ordered to stop; return the exit status."""
    rclpy.init(args=[])
    node = rclpy.create_node('dmd_demo_recorder')
    ended = Future()
    folder = Path(sys.argv[1])
    recorder = Recorder(node, folder, lambda: ended.set_result(None))
    threading.Thread(target=_follow_orders, args=(node, recorder, ended), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin_until_future_complete(node, ended)
    try:
        recorder.close()
    except OSError as error:
        print(f'cannot write {folder}: {error}', file=sys.stderr)
        return 1
    say('closed', counts=dict(recorder.counts))
    return 0


def _follow_orders(node: Any, recorder: Recorder, ended: Future) -> None:
    # Publishers show that we have found the node; its diagnostics show that it has found us:
    # middleware announces subscriptions in the order of their creation.
    while not (recorder.node_found_us.is_set() and all(map(node.count_publishers, _TOPICS))):
        time.sleep(0.05)
    say('ready')
    sys.stdin.readline()
    ended.set_result(None)  # rclpy.shutdown() would fail the current callback


def _stamp(data: bytes) -> int:
    """Read header.stamp of a serialised message: after 4 bytes of encapsulation."""
    seconds, nanoseconds = struct.unpack_from('<iI', data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)


if __name__ == '__main__':
    run_child(main, __doc__, 'dmd_ros.ros.demo')
