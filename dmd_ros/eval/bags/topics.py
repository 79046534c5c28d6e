# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag to use: by type where that leaves no doubt, else the user must say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dmd_ros.core.camera_info import is_rectified_by_name
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.errors import EvalError

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
CLOUD = 'sensor_msgs/msg/PointCloud2'
# What image_transport appends to a base topic.
_TRANSPORTS = ('compressed', 'compressedDepth', 'zstd', 'theora', 'ffmpeg')
# What a user gives instead of a depth topic to do without.
NONE = 'none'
# Images of floats beside depth that tell how good it is: this node's, and drivers' (ZED's).
_OF_DEPTH = ('uncertainty', 'confidence')
# How this package's node calls its estimate, and what it publishes with it: one is enough to know
# it by. Drivers that call their depth so have neither there.
_OUR_DEPTH = '/depth/image'
_OUR_INFO = '/depth/camera_info'  # other drivers have one, too
_BESIDE_OURS = ('/points', '/depth/color', '/depth/uncertainty')
# Said of a camera_info that is not there.
_BLIND = '; it may be missing where fov_source is estimate or fixed'


@dataclass(frozen=True)
class Topics:
    """The topics of one camera; depth, an image or a cloud, is None without ground truth.

    camera_info: empty where the field of view comes from elsewhere. truth_info: the CameraInfo of
    the images there, by which what another sensor measured is brought to them; empty: none.
    depth_info: the CameraInfo of a depth image's own camera, empty: none.
    """

    image: str
    camera_info: str
    depth: str | None
    depth_info: str = ''
    truth_info: str = ''


def choose(
    bag: Bag,
    image: str | None = None,
    camera_info: str | None = None,
    depth: str | None = None,
    calibrated: bool = True,
    depth_info: str | None = None,
    estimate: str | None = None,
) -> Topics:
    """Take what is named, find the rest; raises `EvalError` that lists the candidates.

    image: the only colour topic (of a raw and a compressed one of the same camera, the raw).
    camera_info: the only one, or the one beside the image. depth: the only topic of depth images,
    if there is one; 'none' to do without. What may be an estimate must be named: a cloud, and
    what this package's node leaves, its camera_info too. No picture or depth of theirs: see
    `_OF_DEPTH`.
    calibrated: whether depth is estimated by a camera_info. depth_info: the one beside the depth.
    estimate: a depth topic that is neither, in whatever transport.
    """
    ours = outputs_of_the_node(bag)
    pictures = [name for name in _pictures(bag) if name not in ours]
    if estimate is not None:
        if estimate in (image, depth):
            other = 'image' if estimate == image else 'ground truth'
            raise EvalError(f'{estimate} cannot be both estimate and {other}; choose another')
        choose_estimate(bag, estimate)
        pictures = [name for name in pictures if _base(name) != _base(estimate)]
    depths = [name for name in pictures if is_depth(bag, name)]
    colours = [name for name in pictures if name not in depths]
    image = _image(bag, image, colours, estimate)
    camera_info = _camera_info(bag, camera_info, image, calibrated, ours)
    if depth is None:
        found = _without_transports([name for name in depths if name != image])
        depth = _only(bag, found, 'depth', '--depth-topic') if found else None
        if depth is None:
            _hint_at_others(bag, ours, estimate)
    elif depth == NONE:
        depth = None
    else:
        _check(bag, depth, (IMAGE, COMPRESSED, CLOUD), 'depth')
        if depth == image:
            raise EvalError(f'{image} cannot be both image and depth topic; choose another')
    infos = (camera_info, '') if calibrated else ('', camera_info)
    return Topics(image, infos[0], depth, _depth_info(bag, depth, depth_info), infos[1])


def _image(bag: Bag, named: str | None, colours: Sequence[str], estimate: str | None) -> str:
    """Take the topic of images that is named, or the only one."""
    if named is not None:
        _check(bag, named, (IMAGE, COMPRESSED), 'image')
        return named
    if estimate is not None and not colours and not is_depth(bag, estimate):
        raise EvalError(
            f'{estimate} is the only image of bag {bag.path}; an estimate is a topic of depth'
        )
    return _only(bag, _without_transports(colours), 'image', '--image-topic')


def _camera_info(
    bag: Bag, named: str | None, image: str, calibrated: bool, ours: Sequence[str]
) -> str:
    """Take the CameraInfo that is named, or that of the image; empty if it may be missing."""
    if named is not None:
        _check(bag, named, (CAMERA_INFO,), 'camera_info')
        return named
    beside = infos_beside(bag, image)
    if not calibrated or len(beside) == 1:
        return _single(beside)
    infos = _named(bag, CAMERA_INFO)
    found = [name for name in infos if name not in ours]
    if infos and not found:
        # It tells of a picture without distortion, and may be of an angle that was estimated.
        raise EvalError(
            f'bag {bag.path} has no camera_info topic of its images: {", ".join(infos)} is of '
            'what dmd_node has estimated; if the images are free of distortion and the node knew '
            f'their calibration, name it with --camera-info-topic{_BLIND}'
        )
    return _only(bag, found, 'camera_info', '--camera-info-topic')


def _depth_info(bag: Bag, depth: str | None, named: str | None) -> str:
    """Give the CameraInfo of a depth image; empty if there is none."""
    is_cloud = depth is not None and bag.topics[depth].msgtype == CLOUD
    if named is None:
        return '' if depth is None or is_cloud else _single(infos_beside(bag, depth))
    if depth is None or is_cloud:
        what = f'{depth} is a cloud, which' if is_cloud else 'there is no depth image, and it'
        raise EvalError(f'{what} has no camera_info; leave --depth-info-topic out')
    _check(bag, named, (CAMERA_INFO,), 'camera_info')
    return named


def choose_estimate(bag: Bag, estimate: str | None = None) -> str:
    """Take the topic of estimates that is named, or the only depth topic of the bag."""
    if estimate is None:
        depths = [name for name in _pictures(bag) if is_depth(bag, name)]
        return _only(bag, _without_transports(depths), 'depth', '--estimate-topic')
    _check(bag, estimate, (IMAGE, COMPRESSED), 'estimate')
    return estimate


def infos_beside(bag: Bag, picture: str) -> list[str]:
    """List the camera_info topics in the namespace of a picture topic."""
    infos = _named(bag, CAMERA_INFO)
    return [name for name in infos if _folder(name) == _folder(_base(picture))]


def is_depth(bag: Bag, name: str) -> bool:
    """Say whether a picture topic carries depth.

    Its first message says so or, where that is not enough (a 16-bit png may be either), its name.
    """
    first = next(bag.raw([name]), None)
    if first is None:
        return False
    named = 'depth' in name.lower()
    try:
        message: Any = bag.decode(first)
    except EvalError:  # of this or of another camera: what is chosen in the end will say so
        return named
    if bag.topics[name].msgtype == IMAGE:
        return message.encoding in ('16UC1', '32FC1') or (message.encoding == 'mono16' and named)
    if 'compressedDepth' in message.format:
        return True
    return named and message.format.split(';')[0].strip() in ('png', '16UC1', 'mono16', '32FC1')


def outputs_of_the_node(bag: Bag) -> list[str]:
    """List what this package's node, in any namespace, has left in a bag of its input."""
    found = []
    for name in {_base(topic) for topic in bag.topics if _base(topic).endswith(_OUR_DEPTH)}:
        beside = [name.removesuffix(_OUR_DEPTH) + other for other in _BESIDE_OURS]
        if any(_base(topic) in beside for topic in bag.topics):
            ours = (name, *beside, name.removesuffix(_OUR_DEPTH) + _OUR_INFO)
            found += [topic for topic in bag.topics if _base(topic) in ours]
    return found


def is_rectified(image: str, setting: str) -> bool:
    """Say whether the images of a topic are rectified, by the rule of the node's input_rectified.

    setting: true, false, or auto, which goes by the topic's name. Raises `EvalError` for others.
    """
    meaning = {'auto': is_rectified_by_name(_base(image)), 'true': True, 'false': False}
    if setting not in meaning:
        raise EvalError(f'input_rectified is {setting!r}; allowed: {", ".join(meaning)}')
    return meaning[setting]


def _named(bag: Bag, *msgtypes: str) -> list[str]:
    """List the topics of some types that have messages."""
    return [n for n, t in bag.topics.items() if t.msgtype in msgtypes and t.count]


def _single(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ''


def _pictures(bag: Bag) -> list[str]:
    """List the topics of images and depth."""
    names = _named(bag, IMAGE, COMPRESSED)
    return [name for name in names if not any(word in name.lower() for word in _OF_DEPTH)]


def _hint_at_others(bag: Bag, ours: Sequence[str], estimate: str | None) -> None:
    """Tell what could give ground truth, but must be named."""
    estimated = [n for n in ours if _base(n).endswith(_OUR_DEPTH) and n != estimate]
    if estimated:
        bag.warn(
            f'{", ".join(estimated)} is taken for what dmd_node has estimated, by what lies '
            'beside it, and not for ground truth; if it was measured, name it with --depth-topic'
        )
    if clouds := [name for name in _named(bag, CLOUD) if name not in ours]:
        bag.warn(
            'no depth image gives ground truth; points that were measured, not estimated, can: '
            f'--depth-topic takes one of {", ".join(clouds)}'
        )


def _only(bag: Bag, names: Sequence[str], what: str, option: str) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        instead = _BLIND if what == 'camera_info' else ''
        raise EvalError(f'bag {bag.path} has no {what} topic; it has: {_listing(bag)}{instead}')
    raise EvalError(
        f'bag {bag.path} has several {what} topics; choose one with {option}: {", ".join(names)}'
    )


def _check(bag: Bag, name: str, allowed: Sequence[str], what: str) -> None:
    if name not in bag.topics:
        raise EvalError(f'bag {bag.path} has no topic {name}; it has: {_listing(bag)}')
    topic = bag.topics[name]
    if topic.msgtype not in allowed:
        raise EvalError(
            f'{what} topic {name} is of type {topic.msgtype}; allowed: {", ".join(allowed)}'
        )
    if not topic.count:
        raise EvalError(f'{what} topic {name} of bag {bag.path} has no message')


def _listing(bag: Bag) -> str:
    return ', '.join(f'{t.name} ({t.msgtype} x{t.count})' for t in bag.topics.values()) or 'none'


def _without_transports(names: Sequence[str]) -> list[str]:
    """Drop the compressed copies of topics that are there in the raw."""
    return [name for name in names if _base(name) == name or _base(name) not in names]


def _base(name: str) -> str:
    head, _, tail = name.rpartition('/')
    return head if tail in _TRANSPORTS else name


def _folder(name: str) -> str:
    return name.rpartition('/')[0]
