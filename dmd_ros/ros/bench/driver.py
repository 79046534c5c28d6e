# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera and a listener in one process, for timing the live node from outside.

Reads orders as JSON lines from stdin: {"width", "height", "frames", "rate"}. rate in Hz; 0 sends
the next image as soon as the cloud of the previous one has arrived. {"first": true, "width",
"height"} sends images until the first depth has arrived.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from dmd_ros.ros.bench import scene
from dmd_ros.ros.diagnostics import values_of
from dmd_ros.ros.messages import info_from_camera
from dmd_ros.ros.processes import run_child, say

# Closed loop: a dropped frame must not stop the run.
_PATIENCE = 1.0
LOST = 'dropped: lost in transport'
# Seconds for which counters must not change (diagnostics are sent four times a second): if images
# may be lost in transport; and if some still wait in the node for a lost camera_info.
_STILL, _STUCK = 1.0, 10.0


class Driver:
    """Publishes images with a serial number as stamp and notes when the outputs arrive."""

    def __init__(self, node: Any) -> None:
        """Create the publishers and subscriptions."""
        self._images = node.create_publisher(Image, 'image', 2)
        self._infos = node.create_publisher(CameraInfo, 'camera_info', 2)
        self._serial = 0
        self._sent: dict[int, int] = {}
        self._came: dict[str, dict[int, int]] = {'depth': {}, 'cloud': {}}
        self._cloud_came = threading.Event()
        self._told = threading.Event()
        self.diagnostics: dict[str, str] = {}
        node.create_subscription(Image, 'depth/image', self._note('depth'), 2, raw=True)
        node.create_subscription(PointCloud2, 'points', self._note('cloud'), 2, raw=True)
        node.create_subscription(CameraInfo, 'depth/camera_info', lambda _: None, 2, raw=True)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 5)

    def first(self, width: int, height: int) -> None:
        """Send images at 30 Hz until the first depth has arrived, and report when."""
        image, info = _messages(width, height)
        while not self._came['depth']:
            self._send(image, info)
            time.sleep(1 / 30)
        say('first', at=min(self._came['depth'].values()))

    def run(self, width: int, height: int, frames: int, rate: float) -> None:
        """Carry out one order and report latencies in milliseconds, in order of sending."""
        image, info = _messages(width, height)
        before = self._settled()
        self._sent, self._came = {}, {'depth': {}, 'cloud': {}}
        due = started = time.monotonic()
        for number in range(frames):
            self._cloud_came.clear()
            self._send(image, info)
            if rate:
                due += 1 / rate
                time.sleep(max(due - time.monotonic(), 0))
            else:
                self._cloud_came.wait(_PATIENCE)
            if number % 100 == 99:
                say('progress', frames=number + 1)
        seconds = time.monotonic() - started
        after = self._settled(_arrived(before) + frames)
        say(
            'run',
            sent=len(self._sent),
            seconds=seconds,
            latency_ms={name: self._latencies(name) for name in self._came},
            before=before,
            after=after,
        )

    def _settled(self, expected: int | None = None) -> dict[str, str]:
        """Wait until the node has handled every image, and return its counters.

        expected: images that should then have arrived or be known as lost.
        """
        counts, since = (0, 0), time.monotonic()
        while True:
            self._told.clear()
            self._told.wait(_PATIENCE)
            said = dict(self.diagnostics)
            now = (_arrived(said), _unfinished(said))
            if now != counts:
                counts, since = now, time.monotonic()
            still = time.monotonic() - since
            if still > _STUCK or (not now[1] and (now[0] == expected or still > _STILL)):
                return said

    def _send(self, image: Any, info: Any) -> None:
        self._serial += 1
        stamp = Time(sec=self._serial)
        image.header.stamp = stamp
        info.header.stamp = stamp
        self._infos.publish(info)
        self._sent[self._serial] = time.monotonic_ns()
        self._images.publish(image)

    def _note(self, name: str) -> Any:
        def take(data: bytes) -> None:
            at = time.monotonic_ns()
            serial = struct.unpack_from('<i', data, 4)[0]
            self._came[name][serial] = at
            if name == 'cloud' and serial == self._serial:
                self._cloud_came.set()

        return take

    def _latencies(self, name: str) -> list[float]:
        came = self._came[name]
        return [(came[s] - at) * 1e-6 for s, at in self._sent.items() if s in came]

    def _on_diagnostics(self, message: Any) -> None:
        if found := values_of(message):
            self.diagnostics = found
            self._told.set()


def main() -> None:
    """Follow orders until stdin ends."""
    rclpy.init(args=[])
    node = rclpy.create_node('dmd_bench_driver')
    driver = Driver(node)
    spinner = threading.Thread(target=_spin, args=(node,))
    spinner.start()
    say('ready')
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            order = json.loads(line)
            if order.pop('first', False):
                driver.first(**order)
            else:
                driver.run(**order)
    rclpy.try_shutdown()
    spinner.join()


def _spin(node: Any) -> None:
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)


def _arrived(said: Mapping[str, str]) -> int:
    return int(said.get('images', 0)) + int(said.get(LOST, 0))


def _unfinished(said: Mapping[str, str]) -> int:
    """Count images that the node has neither processed nor dropped."""
    done = ('processed', 'idle (nobody listens)', 'dropped')
    return _arrived(said) - sum(int(said.get(key, 0)) for key in done)


def _messages(width: int, height: int) -> tuple[Any, Any]:
    image = Image(encoding='bgr8', height=height, width=width, step=3 * width)
    image.data.frombytes(np.ascontiguousarray(scene.picture(width, height)[..., ::-1]).data)
    image.header.frame_id = 'camera'
    info = info_from_camera(scene.camera(width, height), image.header)
    return image, info


if __name__ == '__main__':
    run_child(main, __doc__, 'dmd_ros.ros.bench')
