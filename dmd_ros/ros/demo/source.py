# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bag that the demo plays: its topics, and the node parameters for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.recovery import Raw
from dmd_ros.ros.errors import NodeError

# Fraction of images that must have a camera_info with the same stamp for exact pairing.
_EXACT_SHARE = 0.9
# Only a CDR header.
_NOTHING = b'\0\1\0\0'


@dataclass(frozen=True)
class Source:
    """A camera in a bag.

    images: number of images to play. stamps_agree: whether images have a camera_info with the same
    stamp. If the camera_info topic is empty, the node must not use one.
    """

    path: Path
    topics: topics.Topics
    compressed: bool
    rectified: bool
    images: int
    stamps_agree: bool

    def node_parameters(self) -> dict[str, Any]:
        """Return the node parameters for this camera."""
        return {
            'image_transport': 'compressed' if self.compressed else 'raw',
            'input_rectified': 'true' if self.rectified else 'false',
            'info_pairing': 'exact' if self.stamps_agree else 'latest',
        }


def inspect(bag: Bag, chosen: topics.Topics, limit: int, rectified: str = 'auto') -> Source:
    """Inspect the stamps of a bag. limit: maximum number of images to play, 0 = all.

    rectified: whether its images are: auto (by the name of their topic in the bag), true, false.
    Raises `NodeError` if two images have the same stamp.
    """
    images, infos = [], set()
    for message in bag.raw([chosen.image, chosen.camera_info]):
        if message.topic == chosen.image:
            images.append(bag.stamp_ns(message))
        else:
            infos.add(bag.stamp_ns(message))
    images = images[:limit] if limit else images
    repeated = len(images) - len(set(images))
    if repeated:
        raise NodeError(
            f'{repeated} of the {len(images)} images of {chosen.image} in {bag.path} have the '
            'stamp of an earlier one (a looped bag, or a driver that sets no stamps): the demo '
            'tracks images by stamp and would count wrongly; play fewer with --limit, or evaluate '
            'the bag with python -m dmd_ros.eval.replay'
        )
    exact = sum(stamp in infos for stamp in images)
    return Source(
        path=bag.path,
        topics=chosen,
        compressed=bag.topics[chosen.image].msgtype == topics.COMPRESSED,
        rectified=topics.is_rectified(chosen.image, rectified),
        images=len(images),
        stamps_agree=exact >= _EXACT_SHARE * len(images),
    )


def messages(bag: Bag, chosen: topics.Topics) -> Iterator[tuple[Raw, bytes]]:
    """Yield image and camera_info messages with their ROS 2 serialisation.

    Damaged messages are sent too: the node counts those that it cannot use.
    """
    # ROS 2 definitions: the conversion drops seq, which only ROS 1 headers have.
    store = get_typestore(Stores.ROS2_JAZZY)
    for message in bag.raw([chosen.image, chosen.camera_info]):
        data = message.data
        if bag.ros1:
            try:
                data = store.ros1_to_cdr(data, message.msgtype)
            except Exception:  # the converter's exceptions have no common base
                data = _NOTHING
        yield message, bytes(data)
