# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Your own robot's bag: colour pictures, their camera_info, and depth registered to them.

A bag is a stream, training wants any frame at any time: the pairs are written once as a folder of
labelled frames beside the bag, and read from there. Lens distortion is removed on the way.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.camera_info import camera_from_info
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import (
    depth_from_compressed,
    depth_from_image,
    rgb_from_compressed,
    rgb_from_image,
)
from dmd_ros.core.records import RawSample
from dmd_ros.eval.bag_file import Bag
from dmd_ros.eval.errors import EvalError
from train.datasets import points
from train.datasets.frames import Frames
from train.errors import TrainError

_IMAGES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_INFO = 'sensor_msgs/msg/CameraInfo'
# Stamps of one shot may differ by this much.
MAX_APART_S = 0.03
_MILLIMETRES_MAX = 65535


@dataclass(frozen=True)
class Topics:
    """The three topics of a bag that make labelled frames."""

    image: str
    info: str
    depth: str


class BagFrames(Frames):
    """Frames of a bag; topics are found by themselves if the bag leaves no choice.

    every: keep one pair in so many. cache: folder to write the frames to (default: beside the bag,
    '<bag>.frames'); it is used as it is if it exists. Delete it after a change of options.
    """

    dataset = 'bag'
    tree = 'a rosbag2 folder, or a .mcap, .db3 or .bag file, with image, camera_info and depth'

    def __init__(
        self,
        root: str | Path,
        image: str = '',
        info: str = '',
        depth: str = '',
        every: int = 1,
        cache: str | Path | None = None,
    ) -> None:
        """Extract the frames unless that was done before; raises `TrainError`."""
        bag = Path(root).expanduser()
        folder = Path(cache) if cache else bag.with_name(bag.name + '.frames')
        if not folder.is_dir():
            if not bag.exists():
                raise TrainError(f'bag: {bag} does not exist; expected {self.tree}')
            try:
                extract(bag, folder, image, info, depth, every)
            except (EvalError, CoreError) as error:
                raise TrainError(f'bag {bag}: {error}') from None
        super().__init__(folder)


def extract(
    path: Path,
    folder: Path,
    image: str = '',
    info: str = '',
    depth: str = '',
    every: int = 1,
) -> int:
    """Write the labelled frames of a bag to `folder`; gives their number."""
    with Bag(path) as bag:
        topics = _choose(bag, image, info, depth)
        camera_info = _first_info(bag, topics.info)
        pairs = _pairs(bag, topics)[::every]
        if not pairs:
            raise TrainError(
                f'{path}: no picture of {topics.image} and depth of {topics.depth} lie within '
                f'{MAX_APART_S * 1e3:g} ms of each other'
            )
        building = folder.with_name(folder.name + '.part')
        shutil.rmtree(building, ignore_errors=True)
        count = _write_pairs(bag, topics, camera_info, pairs, building)
    building.rename(folder)
    return count


def _choose(bag: Bag, image: str, info: str, depth: str) -> Topics:
    """Take the named topics, or the only ones there are."""
    pictures = [t.name for t in bag.topics.values() if t.msgtype in _IMAGES and t.count]
    infos = [t.name for t in bag.topics.values() if t.msgtype == _INFO and t.count]
    depth = depth or _only('depth', [name for name in pictures if 'depth' in name.lower()], bag)
    colour = [name for name in pictures if 'depth' not in name.lower()]
    image = image or _only('image', colour, bag)
    namespace = image.removesuffix('/compressed').rsplit('/', 1)[0]
    own = f'{namespace}/camera_info'
    info = info or (own if own in infos else _only('info', infos, bag))
    for name in (image, info, depth):
        if name not in bag.topics:
            raise TrainError(f'{bag.path} has no topic {name}; it has {", ".join(bag.topics)}')
    return Topics(image, info, depth)


def _only(role: str, names: list[str], bag: Bag) -> str:
    if len(names) == 1:
        return names[0]
    found = ', '.join(names) or 'none'
    raise TrainError(
        f'{bag.path}: cannot tell which topic is the {role} one (candidates: {found}); name it '
        f'with {role}=. Topics: {", ".join(bag.topics)}'
    )


def _first_info(bag: Bag, topic: str) -> Any:
    for message in bag.raw([topic]):
        return bag.decode(message)
    raise TrainError(f'{bag.path}: {topic} has no message')


def _pairs(bag: Bag, topics: Topics) -> list[tuple[int, int]]:
    """Match every picture's stamp with the nearest depth stamp (nanoseconds)."""
    stamps: dict[str, list[int]] = {topics.image: [], topics.depth: []}
    for message in bag.raw(list(stamps)):
        stamps[message.topic].append(bag.stamp_ns(message))
    depth = np.sort(np.array(stamps[topics.depth], np.int64))
    pairs = []
    for stamp in sorted(stamps[topics.image]):
        place = int(np.searchsorted(depth, stamp))
        near = depth[max(place - 1, 0) : place + 1]
        if near.size:
            best = int(near[np.abs(near - stamp).argmin()])
            if abs(best - stamp) <= MAX_APART_S * 1e9:
                pairs.append((stamp, best))
    return pairs


def _write_pairs(
    bag: Bag, topics: Topics, info: Any, pairs: list[tuple[int, int]], folder: Path
) -> int:
    """Go through the bag once, keeping a picture or a depth until its partner is there."""
    depth_of = dict(pairs)
    picture_of: dict[int, list[int]] = {}
    for picture, depth in pairs:
        picture_of.setdefault(depth, []).append(picture)
    rgb_waiting: dict[int, Any] = {}
    depth_waiting: dict[int, Any] = {}
    count = 0
    for message in bag.raw([topics.image, topics.depth]):
        stamp = bag.stamp_ns(message)
        ready: list[int] = []
        if message.topic == topics.image and stamp in depth_of:
            rgb_waiting[stamp] = _rgb(bag.decode(message))
            ready = [stamp] if depth_of[stamp] in depth_waiting else []
        elif message.topic == topics.depth and stamp in picture_of:
            depth_waiting[stamp] = _depth(bag.decode(message))
            ready = [picture for picture in picture_of[stamp] if picture in rgb_waiting]
        for picture in ready:
            partner = depth_of[picture]
            sample = _sample(rgb_waiting.pop(picture), depth_waiting[partner], info)
            write_frame(folder / f'{picture}', sample, str(bag.path.name))
            picture_of[partner].remove(picture)
            if not picture_of[partner]:
                del depth_waiting[partner]
            count += 1
    return count


def _rgb(message: Any) -> Any:
    return (
        rgb_from_image(message) if hasattr(message, 'encoding') else rgb_from_compressed(message)
    )


def _depth(message: Any) -> Any:
    if hasattr(message, 'encoding'):
        return depth_from_image(message)
    return depth_from_compressed(message)


def _sample(rgb: Any, depth: Any, info: Any) -> RawSample:
    if depth.shape != rgb.shape[:2]:
        raise TrainError(
            f'depth is {depth.shape[1]}x{depth.shape[0]}, the picture {rgb.shape[1]}x'
            f'{rgb.shape[0]}: record depth registered to colour (aligned_depth_to_color)'
        )
    camera: Camera = camera_from_info(info, rgb.shape[1], rgb.shape[0], rectified=False)
    if not camera.is_distorted:
        return RawSample(rgb, depth, camera.rectified())
    v, u = np.nonzero(np.isfinite(depth))
    return points.rectified(rgb, camera, u, v, depth[v, u])


def write_frame(folder: Path, sample: RawSample, source: str) -> None:
    """Write one labelled frame in the layout that `dmd_ros.eval.frame_folder` reads."""
    folder.mkdir(parents=True)
    millimetres = np.rint(
        np.nan_to_num(sample.depth, posinf=0.0, neginf=0.0).astype(np.float64) * 1e3
    )
    far = millimetres > _MILLIMETRES_MAX
    if far.any():
        v, u = np.nonzero(far)
        np.savez(folder / 'depth_full.npz', u=u, v=v, z=sample.depth[v, u])
    codes = np.where(far, 0, millimetres).astype(np.uint16)
    camera = sample.camera
    meta = {key: getattr(camera, key) for key in ('fx', 'fy', 'cx', 'cy', 'width', 'height')}
    cv2.imwrite(str(folder / 'rgb.png'), cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / 'depth.png'), codes)
    text = json.dumps({**meta, 'source': source}, indent=1)
    (folder / 'meta.json').write_text(text, encoding='utf-8')
