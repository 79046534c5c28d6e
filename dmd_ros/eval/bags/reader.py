# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read frames from a bag: every image with its camera and, if there is one, its true depth.

The bag is read twice: first the stamps and CameraInfos, which determine the pairs, and then the
images and depth maps, of which only those that still wait for their partner are in memory.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.camera_info import camera_frame, camera_from_info
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import rgb_from_compressed, rgb_from_image
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.pairing import Infos, info_for, nearest_apart, pair, repeated_stamps
from dmd_ros.eval.bags.recovery import Raw
from dmd_ros.eval.bags.sensor_truth import Picture, SensorTruth
from dmd_ros.eval.bags.topics import COMPRESSED, Topics
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.reasons import count_reason
from dmd_ros.fov import CameraSource


@dataclass(frozen=True)
class BagFrame:
    """One image of a bag, with its camera and ground truth."""

    index: int  # among all images of the bag
    stamp_ns: int  # header.stamp
    logged_ns: int  # time of recording
    frame_id: str  # of the header
    rgb: NDArray[np.uint8]  # [H, W, 3]
    camera: Camera  # of `rgb`, with its distortion
    truth_m: NDArray[np.float32] | None  # [h, w], metres, of any size; None without ground truth
    timings: dict[str, float]  # seconds per stage: 'decode', and 'fov' with a camera source
    truth_frame_id: str = ''  # of the camera whose pixels `truth_m` is on


class BagReader:
    """Frames of one camera in a bag.

    Parameters. tolerance_s: maximum difference of the stamps of a depth and its image. rectified:
    whether the images are (then P is used, not K and D). camera_source: determines the camera of
    each image, instead of CameraInfos. depth_as_is: take depth images as they are, whatever their
    frame_id. stride, limit: every stride-th image, at most limit of them (0: all).
    Attributes. truth: brings depth to the images, and records how. stamps_ns: of all images of the
    bag. skipped: number of images that could not be used, by reason; filled while iterating, like
    the bag's warnings.
    """

    def __init__(
        self,
        bag: Bag,
        topics: Topics,
        *,
        rectified: bool = False,
        camera_source: CameraSource | None = None,
        depth_as_is: bool = False,
        tolerance_s: float = 0.02,
        stride: int = 1,
        limit: int = 0,
    ) -> None:
        """Read stamps and CameraInfos; raises `EvalError` if there are none."""
        self.bag = bag
        self.topics = topics
        self.rectified = rectified
        self.camera_source = camera_source
        self.skipped: Counter[str] = Counter()
        self.inexact_infos = 0
        self._lost_depths: Counter[str] = Counter()
        self._farthest_info_s = 0.0
        self._last_ns = 0
        infos, images, depths = _index(bag, topics)
        self._infos = infos.get(topics.camera_info, {})
        self.images_in_bag, self.stamps_ns = len(images), images
        if not images:
            raise EvalError(f'topic {topics.image} of bag {bag.path} has no readable message')
        if camera_source is None and not self._infos:
            raise EvalError(
                f'topic {topics.camera_info} of bag {bag.path} has no readable message, so the '
                'camera is unknown; record it together with the images'
            )
        self.truth = SensorTruth(bag, topics, infos, rectified=rectified, as_is=depth_as_is)
        chosen = range(0, len(images), stride)
        self.chosen = list(chosen[:limit] if limit else chosen)
        self._partner = pair(images, depths, round(tolerance_s * 1e9), self.chosen)
        repeated = repeated_stamps(images, f'{len(depths)} depths')
        if topics.depth and repeated:
            bag.warn(repeated)
        if topics.depth and not any(p is not None for p in self._partner):
            bag.warn(
                f'no depth on {topics.depth} is stamped within {tolerance_s:g} s of an image '
                f'({nearest_apart(images, depths)}): there is no ground truth (see '
                '--depth-tolerance)'
            )

    def __iter__(self) -> Iterator[BagFrame]:
        """Yield the chosen images in order; unusable ones are counted in `skipped`."""
        place = 0
        try:
            for place, (image, depth) in self._matched():
                try:
                    frame = self._frame(self.chosen[place], image, depth)
                except (CoreError, EvalError) as error:
                    count_reason(self.skipped, str(error))
                else:
                    yield frame
        finally:  # also if the caller stops early
            for why, count in self._lost_depths.items():
                self.bag.warn(f'{count} depth message(s) left out: {why}')
            if self.inexact_infos:
                self.bag.warn(
                    f'{self.inexact_infos} of {place + 1} images have no camera_info of equal '
                    'stamp; the nearest one of the same frame_id was taken, up to '
                    f'{self._farthest_info_s:.3g} s away'
                )

    def frame_id(self) -> str:
        """Return the frame_id of the first readable image; raises `EvalError` if there is none."""
        for raw in self.bag.raw([self.topics.image]):
            with contextlib.suppress(EvalError):
                return str(self.bag.decode(raw).header.frame_id)
        raise EvalError(
            f'topic {self.topics.image} of bag {self.bag.path} has no readable message'
        )

    def _matched(self) -> Iterator[tuple[int, tuple[Raw, Raw | None]]]:
        """Yield (place in `chosen`, (image, depth)) in order, as soon as both have been read."""
        place_of_image = {index: place for place, index in enumerate(self.chosen)}
        wanted_depths = {p for p in self._partner if p is not None}
        images: dict[int, Raw] = {}
        depths: dict[int, Raw] = {}
        counts: Counter[str] = Counter()
        following = 0
        for message in self.bag.raw([t for t in (self.topics.image, self.topics.depth) if t]):
            number = counts[message.topic]
            counts[message.topic] += 1
            if message.topic == self.topics.image:
                if number in place_of_image:
                    images[place_of_image[number]] = message
            elif number in wanted_depths:
                depths[number] = message
            while following in images:
                partner = self._partner[following]
                if partner is not None and partner not in depths:
                    break
                depth = None if partner is None else depths.pop(partner)
                yield following, (images.pop(following), depth)
                following += 1
            if following == len(self.chosen):
                return
        # The bag ended before the partners of these images.
        for place in sorted(images):
            partner = self._partner[place]
            yield place, (images[place], None if partner is None else depths.get(partner))

    def _frame(self, index: int, image: Raw, depth: Raw | None) -> BagFrame:
        started = time.perf_counter()
        message = self.bag.decode(image)
        compressed = image.msgtype == COMPRESSED
        rgb = rgb_from_compressed(message) if compressed else rgb_from_image(message)
        timings = {'decode': time.perf_counter() - started}
        stamp_ns = self.bag.stamp_ns(image)
        frame_id = str(message.header.frame_id)
        if self.camera_source is not None:
            if stamp_ns < self._last_ns:  # a looped or spliced bag
                self.camera_source.reset()
            started = time.perf_counter()
            camera = self.camera_source.camera(rgb)
            timings['fov'] = time.perf_counter() - started
        else:
            info = self._info_for(stamp_ns, frame_id)
            camera = camera_from_info(info, rgb.shape[1], rgb.shape[0], self.rectified)
        self._last_ns = stamp_ns
        truth, truth_frame = None, ''
        if depth is not None:
            height, width = rgb.shape[:2]
            truth, truth_frame = self._truth(depth, Picture(stamp_ns, frame_id, width, height))
        return BagFrame(
            index, stamp_ns, image.time_ns, frame_id, rgb, camera, truth, timings, truth_frame
        )

    def _truth(self, depth: Raw, picture: Picture) -> tuple[NDArray[np.float32] | None, str]:
        """Decode a depth message; return it with its frame_id, or None if it cannot be used."""
        try:
            return self.truth(depth, picture)
        except (CoreError, EvalError) as error:
            count_reason(self._lost_depths, str(error))
            return None, ''

    def _info_for(self, stamp_ns: int, frame_id: str) -> Any:
        """Choose the CameraInfo of an image."""
        stamp, info = info_for(self._infos, stamp_ns, frame_id, self.topics.camera_info)
        if stamp != stamp_ns:
            self.inexact_infos += 1
            self._farthest_info_s = max(self._farthest_info_s, abs(stamp - stamp_ns) * 1e-9)
        return info


def _index(bag: Bag, topics: Topics) -> tuple[dict[str, Infos], list[int], list[int]]:
    """Read CameraInfos (by topic, see `Infos`) and the stamps of images and depths."""
    of_infos = (topics.camera_info, topics.truth_info, topics.depth_info)
    infos: dict[str, Infos] = {topic: {} for topic in of_infos if topic}
    known: dict[bytes, Any] = {}  # most infos differ only in the stamp; one object serves them all
    stamps: dict[str | None, list[int]] = {topics.image: [], topics.depth: []}
    for message in bag.raw([t for t in (topics.image, topics.depth, *infos) if t]):
        try:
            stamp = bag.stamp_ns(message)
            if message.topic in infos:
                content = bag.without_stamp(message)
                info = known.get(content) or known.setdefault(content, bag.decode(message))
                found = infos[message.topic].setdefault(camera_frame(info), [])
                found.append((stamp, info))
        except EvalError as error:
            bag.warn(str(error))
            stamp = 0  # keeps the numbering; the message will fail to decode
        if message.topic not in infos:
            stamps[message.topic].append(stamp)
    for by_frame in infos.values():
        for found in by_frame.values():
            found.sort(key=itemgetter(0))
    return infos, stamps[topics.image], stamps[topics.depth]
