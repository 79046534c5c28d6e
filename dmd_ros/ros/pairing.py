# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Match each image with its camera_info. No rclpy, no threads: messages in, pairs out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmd_ros.core.camera_info import camera_frame, same_frame

# Images that may wait for their camera_info: bounds memory; only the newest is used anyway.
_MAX_WAITING = 4
_MAX_INFOS = 64
# A stamp that steps back further than this is a time jump (a looped bag); a smaller step is a
# message that arrived out of order.
JUMP_NS = 100_000_000


@dataclass(frozen=True)
class Pair:
    """An image with its camera_info (None if camera_info is not used).

    epoch: increases with every time jump.
    """

    image: Any
    info: Any
    received: float  # seconds, monotonic
    epoch: int


def stamp_ns(msg: Any) -> int:
    """Return the header's stamp in nanoseconds."""
    return int(msg.header.stamp.sec) * 1_000_000_000 + int(msg.header.stamp.nanosec)


class Pairing:
    """Pairs by exact stamp, or with the latest camera_info; frame_ids must match or be empty.

    latest: use the newest camera_info if none has the image's stamp. max_age_ns: use the nearest
    instead, if the stamps differ by at most this; 0 = the newest, whatever its stamp.
    on_drop(reason, message) is called for every dropped image. alone: images need no camera_info.
    """

    def __init__(
        self,
        latest: bool,
        max_age_ns: int,
        on_drop: Callable[[str, str], None],
        alone: bool = False,
    ) -> None:
        """Start empty."""
        self.alone = alone
        self.latest = latest
        self.max_age_ns = max_age_ns
        self.epoch = 0
        self._on_drop = on_drop
        self._infos: OrderedDict[int, Any] = OrderedDict()
        self._waiting: OrderedDict[int, tuple[Any, float]] = OrderedDict()
        self._last_image: int | None = None

    def add_image(self, image: Any, received: float) -> Pair | None:
        """Add an image; return a pair if its camera_info has already arrived."""
        stamp = stamp_ns(image)
        if self._last_image is not None and stamp < self._last_image:
            if self._last_image - stamp <= JUMP_NS:
                self._on_drop('out_of_order', 'an image is older than the one before it')
                return None
            self.reset(stamp)
        self._last_image = stamp
        if self.alone:
            return Pair(image, None, received, self.epoch)
        info = self._info_for(stamp)
        if info is not None:
            return self._pair(image, info, received)
        if self._waiting.pop(stamp, None) is not None:
            self._on_drop('superseded', 'another image with the same stamp arrived')
        self._waiting[stamp] = (image, received)
        if len(self._waiting) > _MAX_WAITING:
            self._drop_waiting(next(iter(self._waiting)))
        return None

    def add_info(self, info: Any) -> Pair | None:
        """Add a camera_info; return a pair if its image was waiting for it."""
        stamp = stamp_ns(info)
        self._infos.pop(stamp, None)
        self._infos[stamp] = info
        if len(self._infos) > _MAX_INFOS:
            self._infos.popitem(last=False)
        # The newest image may be too recent for a camera_info that arrives late.
        for waiting in reversed(self._waiting):
            match = self._info_for(waiting)
            if match is not None:
                image, received = self._waiting.pop(waiting)
                return self._pair(image, match, received)
        return None

    def reset(self, start: int | None = None) -> None:
        """Discard everything from before a time jump.

        start: first stamp after the jump. A camera_info close to it arrived before the image that
        revealed the jump, and is kept.
        """
        self.epoch += 1
        for _ in self._waiting:
            self._on_drop('time jump', 'time went back while the image was waiting')
        self._waiting.clear()
        self._last_image = None
        if not self.latest:
            for stamp in [other for other in self._infos if _is_old(other, start)]:
                del self._infos[stamp]

    def _info_for(self, stamp: int) -> Any:
        if stamp in self._infos or not self.latest or not self._infos:
            return self._infos.get(stamp)
        if not self.max_age_ns:
            return self._infos[next(reversed(self._infos))]
        nearest = min(self._infos, key=lambda other: abs(stamp - other))
        return self._infos[nearest] if abs(stamp - nearest) <= self.max_age_ns else None

    def _pair(self, image: Any, info: Any, received: float) -> Pair | None:
        stamp = stamp_ns(image)
        for waiting in [other for other in self._waiting if other <= stamp]:
            self._drop_waiting(waiting)
        frame, other = image.header.frame_id, camera_frame(info)
        if not same_frame(frame, other):
            self._on_drop(
                'frame_id',
                f'image is in frame {frame!r}, camera_info in {other!r}: they are not of the same '
                'camera; remap camera_info',
            )
            return None
        return Pair(image, info, received, self.epoch)

    def _drop_waiting(self, stamp: int) -> None:
        del self._waiting[stamp]
        self._on_drop('unpaired', f'no camera_info with stamp {stamp * 1e-9:.9f} arrived in time')


def _is_old(stamp: int, start: int | None) -> bool:
    return start is None or abs(stamp - start) > JUMP_NS
