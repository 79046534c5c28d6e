# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time each stage of a frame and a memcpy of the same bytes.

Runs as a separate process; arguments: width, height, number of frames and model file. The stages
are the node's own functions in the node's order; the denoiser returns immediately.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.duration import Duration
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from dmd_ros.core.contract import Contract
from dmd_ros.core.edges import flying_pixels
from dmd_ros.core.image_msg import rgb_from_compressed, rgb_from_image
from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.core.preprocess import network_size
from dmd_ros.estimator import DepthEstimator
from dmd_ros.loading import contract_of
from dmd_ros.ros.bench import scene
from dmd_ros.ros.memory import keep_freed_memory
from dmd_ros.ros.messages import CloudBuffer, ImageBuffer, info_from_camera
from dmd_ros.ros.params import Settings
from dmd_ros.ros.processes import run_child, say
from dmd_ros.ros.transport import send_in_background
from dmd_ros.runtime.backend import OUTPUT, Feeds, Outputs

_EDGE_FILTER = Settings.edge_filter  # the node's default
# Seconds from frame to frame, by pixels: 30 Hz at 640x480, 10 Hz at 1920x1080.
_PERIOD, _PERIOD_OF_PIXEL = 0.03, 5e-8
_PATIENCE = Duration(seconds=10)


class _Instant:
    """A denoiser that returns a fixed answer immediately."""

    name, device, precision = 'instant', 'cpu', 'fp32'

    def __init__(self, code: NDArray[np.float32]) -> None:
        # At t = 1 the v of a code x is -x; at other times it is some finite number.
        self._prediction = -code

    def run(self, feeds: Feeds) -> Outputs:
        return {OUTPUT: np.repeat(self._prediction, feeds['z'].shape[0], axis=0)}

    def close(self) -> None:
        pass


class Bench:
    """One camera's frame, stage by stage; `times` collects seconds per stage and per memcpy."""

    def __init__(self, node: Any, width: int, height: int, contract: Contract) -> None:
        """Allocate everything that the node allocates once."""
        self.times: dict[str, list[float]] = defaultdict(list)
        self.copies: dict[str, list[float]] = defaultdict(list)
        self.sent: dict[int, dict[str, int]] = {}
        rows, columns = network_size(height, width, contract)
        self._net_bytes = 3 * 4 * rows * columns
        self._camera = scene.camera(width, height)
        self._rays = self._camera.rays()
        self._estimator = DepthEstimator(contract, _Instant(scene.code(rows, columns)))
        bgr = np.ascontiguousarray(scene.picture(width, height)[..., ::-1])
        self._image = Image(encoding='bgr8', height=height, width=width, step=3 * width)
        self._image.data.frombytes(bgr.data)
        jpeg = cv2.imencode('.jpg', bgr)[1].tobytes()
        self._jpeg = CompressedImage(format='jpeg', data=jpeg)
        self._depth, self._cloud = ImageBuffer('32FC1'), CloudBuffer()
        self._size = (height, width)
        self._buffers = np.zeros((2, 16 * height * width), np.uint8)
        self.publishers = {
            'info': node.create_publisher(CameraInfo, 'bench/camera_info', 2),
            'depth': node.create_publisher(Image, 'bench/depth', 2),
            'cloud': node.create_publisher(PointCloud2, 'bench/cloud', 2),
        }

    def frame(self, number: int) -> None:
        """Do all the work of the node for one frame."""
        height, width = self._size
        pixels = height * width
        rgb = self._lap('decode bgr8', 3 * pixels, lambda: rgb_from_image(self._image))
        result = self._estimator(rgb, self._camera)
        for stage, size in (
            ('prepare', 3 * pixels),
            ('sample arithmetic', self._net_bytes),
            ('restore', 4 * pixels),
        ):
            self.times[stage].append(result.timings[stage.split()[0]])
            self._copy(stage, size)
        holes = self._lap(
            'edge filter',
            pixels,
            lambda: flying_pixels(result.coarse, result.view, _EDGE_FILTER),
        )
        header = Header(frame_id='camera')
        header.stamp.sec = number
        self.sent[number] = {}
        self._lap('camera_info', 0, lambda: self._publish_info(number, header))
        target = self._depth.pixels(height, width)
        self._lap('fill depth', 4 * pixels, lambda: np.copyto(target, result.depth))
        self._lap('publish depth', 4 * pixels, lambda: self._publish('depth', number, header))
        points = self._cloud.points(height, width)
        self._lap(
            'cloud',
            16 * pixels,
            lambda: write_cloud(result.depth, self._rays, rgb, 0.0, np.inf, points, holes),
        )
        self._lap('publish cloud', 16 * pixels, lambda: self._publish('cloud', number, header))

    def jpeg(self) -> None:
        """Decode a JPEG, instead of 'decode bgr8', for cameras that send JPEGs."""
        pixels = self._size[0] * self._size[1]
        self._lap('decode jpeg', 3 * pixels, lambda: rgb_from_compressed(self._jpeg))

    def _publish_info(self, number: int, header: Any) -> None:
        self.sent[number]['info'] = time.monotonic_ns()
        self.publishers['info'].publish(info_from_camera(self._camera, header))

    def _publish(self, topic: str, number: int, header: Any) -> None:
        message = self._depth.message if topic == 'depth' else self._cloud.message
        message.header = header
        self.sent[number][topic] = time.monotonic_ns()
        self.publishers[topic].publish(message)

    def _lap(self, stage: str, size: int, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self.times[stage].append(time.perf_counter() - started)
        self._copy(stage, size)
        return result

    def _copy(self, stage: str, size: int) -> None:
        if not size:  # nothing to compare with
            return
        started = time.perf_counter()
        np.copyto(self._buffers[0, :size], self._buffers[1, :size])
        self.copies[stage].append(time.perf_counter() - started)


def main() -> None:
    """Run the frames and report the medians and the send times."""
    keep_freed_memory()
    send_in_background()
    width, height, frames = (int(text) for text in sys.argv[1:4])
    contract = contract_of(sys.argv[4])
    rclpy.init(args=[])
    node = rclpy.create_node('dmd_bench_stages')
    bench = Bench(node, width, height, contract)
    while not all(p.get_subscription_count() for p in bench.publishers.values()):
        time.sleep(0.02)
    time.sleep(0.5)
    for number in range(frames):
        started = time.monotonic()
        bench.frame(number)
        bench.jpeg()
        # Let the listener finish, as in the pause between camera frames.
        period = max(_PERIOD, _PERIOD_OF_PIXEL * width * height)
        time.sleep(max(0.005, period - (time.monotonic() - started)))
    # Deliver the outstanding messages; then give the listener time to note them.
    for publisher in bench.publishers.values():
        publisher.wait_for_all_acked(_PATIENCE)
    time.sleep(1.0)
    say(
        'stages',
        milliseconds={k: float(np.median(v)) * 1e3 for k, v in bench.times.items()},
        memcpy={k: float(np.median(v)) * 1e3 for k, v in bench.copies.items()},
        sent=bench.sent,
    )
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.readline()


if __name__ == '__main__':
    run_child(main, __doc__, 'dmd_ros.ros.bench')
