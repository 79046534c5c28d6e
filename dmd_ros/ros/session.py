# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions, pairing, worker and counters of a node while it is active."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from dmd_ros.core.camera_info import is_rectified_by_name
from dmd_ros.estimator import DepthEstimator
from dmd_ros.fov import CAMERA_INFO
from dmd_ros.ros.diagnostics import problems
from dmd_ros.ros.outputs import Outputs
from dmd_ros.ros.pace import Pace
from dmd_ros.ros.pairing import Pair, Pairing
from dmd_ros.ros.params import Settings
from dmd_ros.ros.pipeline import Pipeline
from dmd_ros.ros.report import Reporter
from dmd_ros.ros.stats import Stats, Summary
from dmd_ros.ros.subscriptions import LadderSubscription, image_ladder, info_ladder
from dmd_ros.ros.worker import Worker

# Seconds between two log messages about a persistent problem.
_REMIND_PERIOD = 30.0


class Session:
    """In the executor's thread: receive messages, pair them, pass the newest pair to the worker.

    topics: full names of the subscribed topics: the image, and the camera_info if it is used.
    """

    def __init__(
        self,
        node: Any,
        estimator: DepthEstimator,
        settings: Settings,
        outputs: Outputs,
    ) -> None:
        """Start the worker and subscribe; on failure, undo both."""
        self._stats = Stats(time.monotonic())
        self._report = Reporter(node.get_logger(), self._stats)
        self._mount = settings.mount()
        self._stats.mounted(self._mount is not None)
        self._outputs = outputs
        latest = settings.info_pairing == 'latest'
        self._pairing = Pairing(
            latest,
            _ns(settings.info_max_age),
            self._report.drop,
            alone=settings.fov_source != CAMERA_INFO,
        )
        self._pace = Pace(settings.max_rate)
        clock = node.get_clock()
        image_topic = _image_topic(node, settings.image_transport)
        self._pipeline = Pipeline(
            estimator,
            settings,
            outputs,
            _is_rectified(image_topic, settings.input_rectified),
            self._stats,
            self._report,
            clock_ns=lambda: clock.now().nanoseconds,
        )
        with contextlib.ExitStack() as started:
            self._worker: Worker[Pair] = Worker(self._pipeline)
            started.callback(self._worker.stop)
            self._subscribe(node, settings, image_topic, started)
            self._started = started.pop_all()

    def _subscribe(
        self, node: Any, settings: Settings, image_topic: str, started: contextlib.ExitStack
    ) -> None:
        """Subscribe to clock jumps and to the camera."""
        # A looped bag under sim time; without sim time the stamps reveal it (see Pairing).
        jump = node.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
            ),
            post_callback=self._on_time_jump,
        )
        started.callback(jump.unregister)
        images = LadderSubscription(
            node,
            CompressedImage if settings.image_transport == 'compressed' else Image,
            image_topic,
            image_ladder(settings.image_reliability),
            self._on_image,
            lambda number: self._report.drop('lost in transport', '', number),
        )
        started.callback(images.close)
        self.topics: tuple[str, ...] = (images.topic,)
        self._subscriptions = [images]
        if settings.fov_source != CAMERA_INFO:
            return
        info = LadderSubscription(
            node,
            CameraInfo,
            node.resolve_topic_name('camera_info'),
            info_ladder(settings.info_pairing == 'latest'),
            self._on_info,
        )
        started.callback(info.close)
        self.topics += (info.topic,)
        self._subscriptions.append(info)

    def use(self, estimator: DepthEstimator, settings: Settings) -> None:
        """Use new settings from the next frame on."""
        self._pairing.max_age_ns = _ns(settings.info_max_age)
        if settings.max_rate != self._pace.rate:
            self._pace = Pace(settings.max_rate)
        self._pipeline.use(estimator, settings)
        if settings.mount() != self._mount:
            self._mount = settings.mount()
            self._stats.mounted(self._mount is not None)

    def judge(self) -> tuple[Summary, dict[str, str]]:
        """Return a summary and the current problems; log persistent ones from time to time."""
        summary = self._stats.summary(time.monotonic())
        pairing = self._pairing
        max_age = 1e-9 * pairing.max_age_ns if pairing.latest else None
        found = problems(
            summary,
            *self.topics,
            info_max_age=max_age,
            why_silent=self._why_silent,
            shared=self._outputs.shared(),
            mount=self._pipeline.doubt_of_mount(),
        )
        for kind in ('silent', 'unpaired', 'mount', 'floor', 'shared'):
            if kind in found:
                self._report.warn(kind, found[kind], _REMIND_PERIOD)
        return summary, found

    def close(self) -> None:
        """Unsubscribe, finish the current frame, and stop."""
        self._started.close()  # in reverse order: nothing arrives while the worker stops

    def _why_silent(self, topic: str) -> str:
        return self._subscriptions[self.topics.index(topic)].why_silent(topic)

    def _on_image(self, image: Any) -> None:
        now = time.monotonic()
        self._stats.image(now)
        self._hand_over(self._pairing.add_image(image, now))

    def _on_info(self, info: Any) -> None:
        self._stats.info()
        self._hand_over(self._pairing.add_info(info))

    def _hand_over(self, pair: Pair | None) -> None:
        if pair is None:
            return
        self._stats.pair(time.monotonic())
        if not self._pace.passes(pair.received):
            self._report.drop('over max_rate', '')
        elif self._worker.offer(pair) is not None:
            self._report.drop('superseded', '')

    def _on_time_jump(self, jump: Any) -> None:
        self._pairing.reset()
        if self._worker.clear() is not None:
            self._report.drop('time jump', 'the clock went back')


def _is_rectified(topic: str, parameter: str) -> bool:
    if parameter == 'auto':
        return is_rectified_by_name(topic.removesuffix('/compressed'))
    return parameter == 'true'


def _image_topic(node: Any, transport: str) -> str:
    """Follow image_transport: <image topic>/compressed, unless that name itself is remapped."""
    base = str(node.resolve_topic_name('image'))
    if transport == 'raw':
        return base
    own = node.resolve_topic_name('image/compressed')
    unchanged = node.resolve_topic_name('image/compressed', only_expand=True)
    return str(own) if own != unchanged else f'{base}/compressed'


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
