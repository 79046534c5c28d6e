# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Process a pair in the worker: convert, estimate, convert, publish."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, degrees_from_tan_half
from dmd_ros.core.camera_info import camera_from_info, info_size
from dmd_ros.core.edges import flying_pixels
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import rgb_from_compressed, rgb_from_image
from dmd_ros.core.pointcloud import limit_range
from dmd_ros.core.records import DepthFrame
from dmd_ros.estimator import DepthEstimator
from dmd_ros.ros.outputs import Outputs
from dmd_ros.ros.pairing import Pair, stamp_ns
from dmd_ros.ros.params import Settings, reach
from dmd_ros.ros.report import Reporter
from dmd_ros.ros.stats import Stats
from dmd_ros.runtime.errors import BackendError


class _DroppedError(Exception):
    """A frame that cannot be used; later ones may be usable."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Pipeline:
    """Processes pairs one at a time, in the worker's thread; reports those it cannot use.

    rectified: whether images are rectified already. clock_ns: the node's clock.
    """

    def __init__(
        self,
        estimator: DepthEstimator,
        settings: Settings,
        outputs: Outputs,
        rectified: bool,
        stats: Stats,
        reporter: Reporter,
        clock_ns: Callable[[], int],
    ) -> None:
        """Store the dependencies."""
        # One attribute, so that no frame combines new settings with an old estimator.
        self._in_use = (estimator, settings)
        self._outputs = outputs
        self._rectified = rectified
        self._stats = stats
        self._report = reporter
        self._clock_ns = clock_ns
        self._epoch = -1  # matches no pair, so the estimator is reset at the first one
        self._reported: Camera | None = None  # the last camera reported to the diagnostics
        self._scaled: Camera | None = None  # the last one whose scaling was logged

    def use(self, estimator: DepthEstimator, settings: Settings) -> None:
        """Use new settings from the next pair on (called from the executor's thread)."""
        self._in_use = (estimator, settings)

    def doubt_of_mount(self) -> str:
        """Return why the camera is unlikely to be mounted as specified; empty if plausible."""
        return self._in_use[0].doubt_of_mount()

    def __call__(self, pair: Pair) -> None:
        """Process one pair; no exception ends the node."""
        try:
            self._process(pair)
        except _DroppedError as dropped:
            self._report.drop(dropped.reason, str(dropped))
        except Exception:
            # In a composed process Ctrl-C may be left to rclpy, which does not wait for a frame.
            if not self._outputs.closed():
                self._report.drop('internal', traceback.format_exc())

    def _process(self, pair: Pair) -> None:
        estimator, settings = self._in_use
        wanted = self._outputs.wanted()
        if estimator.samples == 1:
            wanted -= {'depth/uncertainty'}  # needs several samples
        if not wanted:
            self._stats.idle()
            return
        if pair.epoch != self._epoch:
            self._epoch = pair.epoch
            estimator.reset()
        self._check_age(pair, settings)
        timings: dict[str, float] = {}
        with _lap(timings, 'decode'), _blamed('bad image'):
            rgb = _decode(pair.image)
        with _blamed('bad camera_info'):
            camera = self._calibrated(pair, rgb)
        if wanted == {'depth/camera_info'}:
            with _blamed('inference'):
                used = estimator.camera_of(rgb, camera).rectified()
            self._report_camera(used, estimator)
            self._outputs.camera_info(pair.image.header, used)
        else:
            with _blamed('inference'):
                frame = estimator(rgb, camera)
            self._report_camera(frame.camera, estimator)
            self._stats.floor(frame.floor)
            timings.update(frame.timings)
            self._publish(frame, pair, settings, wanted, timings)
        self._stats.processed(time.monotonic() - pair.received, timings, self._age(pair))

    def _publish(
        self,
        frame: DepthFrame,
        pair: Pair,
        settings: Settings,
        wanted: frozenset[str],
        timings: dict[str, float],
    ) -> None:
        depth, header = frame.depth, pair.image.header
        with _lap(timings, 'filter'):
            if settings.depth_scale != 1.0:
                depth *= np.float32(settings.depth_scale)
            if settings.max_uncertainty > 0 and frame.uncertainty is not None:
                doubtful = frame.uncertainty > settings.max_uncertainty
                np.copyto(depth, np.float32(np.nan), where=doubtful)
            limit_range(depth, settings.min_depth, reach(settings.max_depth))
            holes = None
            if settings.edge_filter > 0 and (settings.edge_filter_depth or 'points' in wanted):
                holes = flying_pixels(frame.coarse, frame.view, settings.edge_filter)
                if settings.edge_filter_depth:
                    np.copyto(depth, np.float32(np.nan), where=holes)
        if 'depth/camera_info' in wanted:
            self._outputs.camera_info(header, frame.camera)
        if 'depth/image' in wanted:
            with _lap(timings, 'depth'):
                self._outputs.depth(header, depth)
        if 'points' in wanted:
            with _lap(timings, 'cloud'):
                self._outputs.cloud(header, frame, holes, settings)
        if 'depth/uncertainty' in wanted and frame.uncertainty is not None:
            with _lap(timings, 'uncertainty'):
                # The limits and the filter have removed depths since it was computed.
                frame.uncertainty[~np.isfinite(depth)] = np.nan
                self._outputs.uncertainty(header, frame.uncertainty)
        if 'depth/color' in wanted:
            with _lap(timings, 'color'):
                self._outputs.color(header, depth, settings)

    def _age(self, pair: Pair) -> float:
        """Return the seconds since the image's stamp, by the node clock."""
        return (self._clock_ns() - stamp_ns(pair.image)) * 1e-9

    def _check_age(self, pair: Pair, settings: Settings) -> None:
        if settings.max_frame_age <= 0:
            return
        age = self._age(pair)
        if age > settings.max_frame_age:
            raise _DroppedError(
                'stale',
                f'the image is {age:.3f} s old by the node clock, max_frame_age is '
                f'{settings.max_frame_age} s; bags need use_sim_time and play --clock',
            )

    def _calibrated(self, pair: Pair, rgb: NDArray[np.uint8]) -> Camera | None:
        """Return the camera of this pair; None if camera_info is not used."""
        if pair.info is None:
            return None
        height, width = rgb.shape[:2]
        camera = camera_from_info(pair.info, width, height, self._rectified)
        described = info_size(pair.info)
        if described != (width, height) and camera != self._scaled:
            self._scaled = camera
            self._report.warn(
                'scaled',
                f'camera_info describes {described[0]}x{described[1]}, the image is '
                f'{width}x{height}: the intrinsics are scaled to it',
            )
        return camera

    def _report_camera(self, camera: Camera, estimator: DepthEstimator) -> None:
        """Report a new camera to the diagnostics, and warn if the model was not trained for it."""
        if camera == self._reported:
            return
        self._reported = camera
        self._stats.vfov(degrees_from_tan_half(camera.tan_half_vfov))
        message = estimator.untrained_for(camera)
        if message:
            self._report.warn('untrained', message)
        self._stats.untrained(message)


def _decode(image: object) -> NDArray[np.uint8]:
    return rgb_from_image(image) if hasattr(image, 'encoding') else rgb_from_compressed(image)


@contextlib.contextmanager
def _blamed(reason: str) -> Iterator[None]:
    """Drop the frame for `reason` if the block fails."""
    try:
        yield
    except (CoreError, BackendError) as error:
        raise _DroppedError(reason, str(error)) from None


@contextlib.contextmanager
def _lap(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Store the duration of the block in seconds under `stage`."""
    started = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - started
