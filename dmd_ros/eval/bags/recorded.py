# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge depth that another node has recorded, without running a model.

Pairing: like ground truth, by the nearest stamp within a tolerance, each estimate at most once. An
image without an estimate is counted, not judged.

Values: NaN and values not above 0 are missing estimates; they lower the coverage, and do not count
as a depth of 0 m. -inf and +inf are judged as the ends of the estimator's range.

Grid: an estimate of another size must have the image's view, and is sampled by the nearest pixel.
An estimate of a distorted image is on the distorted grid, unless a camera_info without distortion
in its namespace shows that it was rectified.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from dmd_ros.core.camera import Camera, Rectifier
from dmd_ros.core.camera_info import camera_from_info, info_size, same_frame
from dmd_ros.core.errors import CoreError
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.pairing import nearest_apart, pair, repeated_stamps
from dmd_ros.eval.bags.reader import BagFrame, BagReader
from dmd_ros.eval.bags.recovery import Raw
from dmd_ros.eval.bags.sensor_truth import depth_of
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import Estimate, infinities_judged_as, on_image
from dmd_ros.eval.registration import other_view


class RecordedDepth:
    """The depth topic of a bag as a `DepthSource` for the images of `reader`.

    bag: opened separately from the reader's, even if both are the same recording, because a bag
    cannot be iterated twice at a time. range_m: see `DepthSource`. assumed: whether that is a
    guess; if so, infinities give a warning and stay infinite until depth is judged. rectified:
    whether depth of distorted images is on the rectified grid; None: decide by the camera_info in
    the topic's namespace. The attribute has the decision.
    """

    def __init__(
        self,
        bag: Bag,
        topic: str,
        reader: BagReader,
        range_m: tuple[float, float],
        *,
        assumed: bool = False,
        rectified: bool | None = None,
        tolerance_s: float = 0.02,
    ) -> None:
        """Read the stamps of all estimates; raises `EvalError` if no image has an estimate."""
        self.range_m = (-math.inf, math.inf) if assumed else range_m
        self._bag, self._topic, self._reader = bag, topic, reader
        self._tolerance_s = tolerance_s
        self._doubt = infinities_judged_as(range_m) if assumed else ''
        self._camera = _camera_beside(bag, topic, reader.rectified)
        if rectified is None:
            rectified = self._camera is not None and not self._camera.is_distorted
        self.rectified = rectified
        stamps = [_stamp_ns(bag, message) for message in bag.raw([topic])]
        # All images take part, so that none gets the estimate of one that is not chosen.
        partners = pair(reader.stamps_ns, stamps, round(tolerance_s * 1e9))
        self._image_of = {
            partner: image for image, partner in enumerate(partners) if partner is not None
        }
        if not self._image_of:
            raise EvalError(
                f'none of the {len(stamps)} estimates on {topic} of bag {bag.path} is stamped '
                f'within {tolerance_s:g} s of an image of {reader.topics.image} '
                f'({nearest_apart(reader.stamps_ns, stamps)}); estimates should carry the stamp '
                'of their image, otherwise give a longer --depth-tolerance'
            )
        self._warn_of_stamps(stamps)
        self._messages: Iterator[tuple[int, Raw]] = enumerate(bag.raw([topic]))
        self._read: dict[int, Raw] = {}  # by the index of their image
        self._has_estimate = set(self._image_of.values())

    def count(self, images: Sequence[int]) -> int:
        """Return how many of the images, by their indices, have an estimate."""
        return len(self._has_estimate.intersection(images))

    def reset(self) -> None:
        """Do nothing: recorded estimates do not depend on earlier images."""

    def close(self) -> None:
        """Pass on the warnings of the bag, which the caller closes."""
        for warning in self._bag.warnings:
            self._reader.bag.warn(warning)

    def __call__(self, frame: BagFrame) -> Estimate:
        """Return the estimate of an image; raises `EvalError` if there is none to judge."""
        if frame.index not in self._has_estimate:
            raise EvalError(
                f'no estimate on {self._topic} is stamped within {self._tolerance_s:g} s of it'
            )
        message = self._message_for(frame.index)
        try:
            decoded = self._bag.decode(message)
            depth = on_image(depth_of(decoded, message.msgtype), frame.camera)
        except CoreError as error:
            raise EvalError(f'its estimate cannot be read: {error}') from None
        self._check_view(frame, str(decoded.header.frame_id))
        camera, rgb = frame.camera, frame.rgb
        if camera.is_distorted and self.rectified:
            rgb, camera = _rectifier(camera)(rgb), camera.rectified()
        doubt = self._doubt if self._doubt and np.isinf(depth).any() else ''
        return Estimate(depth, rgb, camera, doubt=doubt)

    def _warn_of_stamps(self, stamps_ns: Sequence[int]) -> None:
        """Warn if the stamps do not determine from which images the estimates were made."""
        images, warn = self._reader.stamps_ns, self._reader.bag.warn
        apart = [abs(stamps_ns[k] - images[i]) for k, i in self._image_of.items()]
        if any(apart):
            warn(
                f'{len(apart) - apart.count(0)} of {len(apart)} estimates on {self._topic} do not '
                'carry the stamp of an image: each is judged on the nearest, up to '
                f'{max(apart) * 1e-9:.2g} s away; if the node sets new stamps, that is a later '
                'image than the one it used'
            )
        if repeated := repeated_stamps(images, f'{len(stamps_ns)} estimates on {self._topic}'):
            warn(repeated)

    def _message_for(self, index: int) -> Raw:
        """Read on until the estimate of an image, and return it."""
        self._read = {i: raw for i, raw in self._read.items() if i >= index}
        while index not in self._read:
            number, message = next(self._messages, (-1, None))
            if message is None:
                raise EvalError(f'the bag ends before its estimate on {self._topic}')
            image = self._image_of.get(number, -1)
            if image >= index:  # others belong to images that are not chosen
                self._read[image] = message
        return self._read.pop(index)

    def _check_view(self, frame: BagFrame, frame_id: str) -> None:
        """Warn if the estimate has another frame_id or another camera than its image."""
        warn = self._reader.bag.warn
        if not same_frame(frame_id, frame.frame_id):
            warn(
                f'estimates on {self._topic} are in frame {frame_id!r}, the images in '
                f'{frame.frame_id!r}: unless both are the same camera, errors mean nothing'
            )
        if self._camera is None or self._reader.camera_source is not None:
            return
        if differs := other_view(self._camera, frame.camera):
            warn(f'the camera_info beside {self._topic} {differs}')


@functools.lru_cache(maxsize=1)
def _rectifier(camera: Camera) -> Rectifier:
    return Rectifier(camera)


def _camera_beside(bag: Bag, topic: str, rectified: bool) -> Camera | None:
    """Read the camera from the only camera_info topic in a namespace; None if there is none."""
    beside = topics.infos_beside(bag, topic)
    first = next(bag.raw(beside), None) if len(beside) == 1 else None
    if first is None:
        return None
    try:
        info = bag.decode(first)
        return camera_from_info(info, *info_size(info), rectified)
    except (CoreError, EvalError) as error:
        bag.warn(f'the camera_info beside {topic} is not used: {error}')
        return None


def _stamp_ns(bag: Bag, message: Raw) -> int:
    try:
        return bag.stamp_ns(message)
    except EvalError as error:
        bag.warn(str(error))
        return 0  # keeps the numbering; the message will fail to decode
