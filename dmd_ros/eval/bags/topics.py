# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the topics of a bag: by type if that is unambiguous, otherwise the user must specify."""

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
# Suffixes that image_transport appends to a base topic.
_TRANSPORTS = ('compressed', 'compressedDepth', 'zstd', 'theora', 'ffmpeg')
# The value of --depth-topic for no ground truth.
NONE = 'none'
# Words in the names of float images that hold the quality of depth, of this node and of the ZED.
_QUALITY_WORDS = ('uncertainty', 'confidence')
# The topic of this package's estimate. It is recognised by any of the topics that the node
# publishes beside it, which drivers with the same name for their depth do not have.
_OUR_DEPTH = '/depth/image'
_OUR_INFO = '/depth/camera_info'  # other drivers have one, too
_BESIDE_OURS = ('/points', '/depth/color', '/depth/uncertainty')
# Added to the error if there is no camera_info.
_NOT_NEEDED = '; it may be missing if fov_source is estimate or fixed'


@dataclass(frozen=True)
class Topics:
    """The topics of one camera; an empty name: there is none."""

    image: str
    camera_info: str  # empty if the field of view comes from another source
    depth: str | None  # depth image or cloud; None without ground truth
    depth_info: str = ''  # CameraInfo of the camera of a depth image
    truth_info: str = ''  # if camera_info is empty: CameraInfo of the images, to register truth


def choose(
    bag: Bag,
    image: str | None = None,
    camera_info: str | None = None,
    depth: str | None = None,
    calibrated: bool = True,
    depth_info: str | None = None,
    estimate: str | None = None,
) -> Topics:
    """Choose topics; raises `EvalError` with the candidates if the choice is ambiguous.

    Given topics are checked; the others are found as follows. image: the only colour topic (the
    raw one, if there is a compressed copy). camera_info: the only one, or the one in the image's
    namespace. depth: the only topic of depth images, if any; 'none' for no ground truth.
    depth_info: the one in the namespace of the depth.
    Topics that may be estimates must be given: clouds, and the outputs of this package's node,
    including its camera_info. Images of the quality of depth (`_QUALITY_WORDS`) are ignored.
    calibrated: whether the model gets its camera from a camera_info. estimate: the topic of
    estimates, which, in any transport, is neither image nor depth.
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
    """Return the given image topic, or the only one."""
    if named is not None:
        _check(bag, named, (IMAGE, COMPRESSED), 'image')
        return named
    if estimate is not None and not colours and not is_depth(bag, estimate):
        raise EvalError(
            f'{estimate} is the only image topic of bag {bag.path}; an estimate is a depth topic'
        )
    return _only(bag, _without_transports(colours), 'image', '--image-topic')


def _camera_info(
    bag: Bag, named: str | None, image: str, calibrated: bool, ours: Sequence[str]
) -> str:
    """Return the given CameraInfo topic, or that of the image; '' if there need not be one."""
    if named is not None:
        _check(bag, named, (CAMERA_INFO,), 'camera_info')
        return named
    beside = infos_beside(bag, image)
    if not calibrated or len(beside) == 1:
        return _single(beside)
    infos = _named(bag, CAMERA_INFO)
    found = [name for name in infos if name not in ours]
    if infos and not found:
        # It describes rectified pictures, and its field of view may be an estimate.
        raise EvalError(
            f'bag {bag.path} has no camera_info topic of its images: {", ".join(infos)} belongs '
            'to the output of dmd_node; if the images have no distortion and the node had their '
            f'calibration, name it with --camera-info-topic{_NOT_NEEDED}'
        )
    return _only(bag, found, 'camera_info', '--camera-info-topic')


def _depth_info(bag: Bag, depth: str | None, named: str | None) -> str:
    """Return the CameraInfo topic of a depth image; '' if there is none."""
    is_cloud = depth is not None and bag.topics[depth].msgtype == CLOUD
    if named is None:
        return '' if depth is None or is_cloud else _single(infos_beside(bag, depth))
    if depth is None or is_cloud:
        what = f'{depth} is a cloud' if is_cloud else 'there is no depth image'
        raise EvalError(f'{what}, so --depth-info-topic has no use; leave it out')
    _check(bag, named, (CAMERA_INFO,), 'camera_info')
    return named


def choose_estimate(bag: Bag, estimate: str | None = None) -> str:
    """Return the given topic of estimates, or the only depth topic of the bag."""
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
    """Return whether an image topic carries depth.

    Decided by its first message or, if that is ambiguous (a 16-bit png may be either), its name.
    """
    first = next(bag.raw([name]), None)
    if first is None:
        return False
    named = 'depth' in name.lower()
    try:
        message: Any = bag.decode(first)
    except EvalError:  # reported later, if the topic is chosen
        return named
    if bag.topics[name].msgtype == IMAGE:
        return message.encoding in ('16UC1', '32FC1') or (message.encoding == 'mono16' and named)
    if 'compressedDepth' in message.format:
        return True
    return named and message.format.split(';')[0].strip() in ('png', '16UC1', 'mono16', '32FC1')


def outputs_of_the_node(bag: Bag) -> list[str]:
    """List the topics in a bag that this package's node published, in any namespace."""
    found = []
    for name in {_base(topic) for topic in bag.topics if _base(topic).endswith(_OUR_DEPTH)}:
        beside = [name.removesuffix(_OUR_DEPTH) + other for other in _BESIDE_OURS]
        if any(_base(topic) in beside for topic in bag.topics):
            ours = (name, *beside, name.removesuffix(_OUR_DEPTH) + _OUR_INFO)
            found += [topic for topic in bag.topics if _base(topic) in ours]
    return found


def is_rectified(image: str, setting: str) -> bool:
    """Return whether the images of a topic are rectified, by the rule of the node's parameter.

    setting: true, false, or auto (by the topic's name). Raises `EvalError` for other values.
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
    return [name for name in names if not any(word in name.lower() for word in _QUALITY_WORDS)]


def _hint_at_others(bag: Bag, ours: Sequence[str], estimate: str | None) -> None:
    """Warn of topics that could be ground truth but are not chosen by themselves."""
    estimated = [n for n in ours if _base(n).endswith(_OUR_DEPTH) and n != estimate]
    if estimated:
        bag.warn(
            f'{", ".join(estimated)} is not used as ground truth: the topics in its namespace '
            'are those of dmd_node, so it is an estimate; if it was measured, name it with '
            '--depth-topic'
        )
    if clouds := [name for name in _named(bag, CLOUD) if name not in ours]:
        bag.warn(
            'there is no depth image as ground truth; if one of these clouds was measured, not '
            f'estimated, name it with --depth-topic: {", ".join(clouds)}'
        )


def _only(bag: Bag, names: Sequence[str], what: str, option: str) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        instead = _NOT_NEEDED if what == 'camera_info' else ''
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
    """Leave out the compressed copies of raw topics."""
    return [name for name in names if _base(name) == name or _base(name) not in names]


def _base(name: str) -> str:
    """Return the base topic of an image topic, without the suffix of its transport."""
    head, _, tail = name.rpartition('/')
    return head if tail in _TRANSPORTS else name


def _folder(name: str) -> str:
    return name.rpartition('/')[0]
