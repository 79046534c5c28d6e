# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bring the ground truth of a bag, from any sensor, to the pixels of its pictures.

Depth with the pictures' frame_id is used as it is. Depth of another camera, and the points of a
LiDAR, are transformed to the frame of the pictures by the bag's static transforms, and projected
to the pixels of the recorded picture, distorted or not, because drivers register depth to those.
If several points fall on a pixel, the nearest one is used.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera, pixels_of_rays, rectified_pixels
from dmd_ros.core.camera_info import (
    camera_from_info,
    is_second_camera,
    rectified_turn_deg,
)
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import depth_from_compressed, depth_from_image
from dmd_ros.eval.bags.clouds import points_from_cloud
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.pairing import Infos, info_for
from dmd_ros.eval.bags.recovery import Raw
from dmd_ros.eval.bags.topics import CLOUD, COMPRESSED, Topics, is_rectified
from dmd_ros.eval.bags.transforms import StaticTransforms
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.points import apply, depth_from_pixels, depth_from_points
from dmd_ros.eval.registration import other_view

# Points nearer to the pictures' camera are left out: they belong to its own mount.
_MIN_Z_M = 0.1
# Rotations by rectification below this are ignored: one pixel, at a focal length of 600.
_MAX_TURN_DEG = 0.1
# Pixels of depth are enlarged by this margin, in pixels of the picture. Otherwise, a surface that
# the depth camera sees at a grazing angle would have gaps that show the background, as the one at
# 65 degrees and 1.2 m in test_sensor_geometry.py.
_MARGIN_PX = 0.25


@dataclass(frozen=True)
class Picture:
    """The image whose ground truth is requested: stamp, frame_id, size in pixels."""

    stamp_ns: int
    frame_id: str
    width: int
    height: int


class SensorTruth:
    """Register the messages of a bag's depth topic to its pictures.

    infos: CameraInfos by topic, of the pictures and of the depth. rectified: whether the pictures
    are. as_is: use depth images as they are, whatever their frame_id.
    how: the ways of registration that were used, for the record. obstacle: why depth with another
    frame_id was not registered, or ''.
    Raises `EvalError` if the first cloud cannot be registered.
    """

    def __init__(
        self,
        bag: Bag,
        topics: Topics,
        infos: dict[str, Infos],
        *,
        rectified: bool = False,
        as_is: bool = False,
    ) -> None:
        """Check the first messages."""
        self.how: list[str] = []
        self.obstacle = ''
        self._bag = bag
        self._topics = topics
        self._infos = infos
        self._rectified = rectified
        self._as_is = as_is
        if topics.depth and bag.topics[topics.depth].msgtype == CLOUD:
            self._check_cloud(topics.depth)

    def __call__(self, raw: Raw, picture: Picture) -> tuple[NDArray[np.float32], str]:
        """Return depth, float32 [H, W] metres along Z, and the frame_id of its camera.

        Raises `CoreError` or `EvalError` if the message cannot be used.
        """
        message = self._bag.decode(raw)
        frame_id = str(message.header.frame_id)
        if raw.msgtype == CLOUD:
            return self._of_cloud(message, picture), picture.frame_id
        depth = depth_of(message, raw.msgtype)
        if frame_id.lstrip('/') != picture.frame_id.lstrip('/'):
            frames = (
                f'depth of {raw.topic} is in frame {frame_id!r}, the images in '
                f'{picture.frame_id!r}'
            )
            try:
                # Without both frame_ids, there is no transform to look up.
                if not self._as_is and frame_id and picture.frame_id:
                    return self._of_depth(raw, depth, frame_id, picture, frames), picture.frame_id
                why = ''
            except (CoreError, EvalError) as error:
                self.obstacle = str(error)
                why = f'. It is not registered: {error}'
            self._bag.warn(f'{frames}: unless both are the same camera, errors mean nothing{why}')
        elif not self._as_is:
            self._check_view(raw, depth, picture)
        self._note('as it is')
        return depth, frame_id

    def _of_depth(
        self,
        raw: Raw,
        depth_m: NDArray[np.float32],
        frame_id: str,
        picture: Picture,
        frames: str,
    ) -> NDArray[np.float32]:
        """Register depth of another camera; frames: names both frames, for the warning."""
        source = self._depth_camera(raw, depth_m, frame_id)
        matrix = self._transforms.between(picture.frame_id, frame_id)
        target = self._target(picture)
        depth = registered(depth_m, source, matrix, target)
        by = f'by {", ".join(self._transforms.topics)} and {self._topics.depth_info}'
        self._bag.warn(f'{frames}; it was registered to them {by} (--depth-as-is would not)')
        if source.rectified() == target.rectified() and not np.allclose(matrix, np.eye(4)):
            self._bag.warn(
                f'{self._topics.depth_info}, of the depth, equals the camera of the images: if '
                'the driver registered the depth already, but kept the old frame_id, it has now '
                'been registered twice; give --depth-as-is'
            )
        if np.isfinite(depth_m).any():
            self._warn_if_empty(depth, 'depth image', picture)
        self._note(f'registered {by}')
        return depth

    def _depth_camera(self, raw: Raw, depth_m: NDArray[np.float32], frame_id: str) -> Camera:
        """Return the camera of a depth image, from its own camera_info."""
        topic = self._topics.depth_info
        if not topic:
            raise EvalError(
                f'bag {self._bag.path} has no camera_info beside {raw.topic}; record that of the '
                'depth camera, or name it with --depth-info-topic'
            )
        _, info = info_for(
            self._infos[topic], self._bag.stamp_ns(raw), frame_id, topic, '--depth-info-topic'
        )
        height, width = depth_m.shape
        return camera_from_info(info, width, height, is_rectified(raw.topic, 'auto'))

    def _check_view(self, raw: Raw, depth_m: NDArray[np.float32], picture: Picture) -> None:
        """Warn of depth in the pictures' frame whose camera_info shows another view."""
        # The camera_infos serve only this check, so their errors do not matter.
        with contextlib.suppress(CoreError, EvalError):
            theirs = self._depth_camera(raw, depth_m, picture.frame_id)
            ours = self._camera(picture)
            start = f'{self._topics.depth_info}, of the depth, '
            if differs := other_view(theirs, ours):
                self._bag.warn(start + differs)
            if ours.is_distorted and not theirs.is_distorted:
                self._bag.warn(
                    f'{start}has no distortion, but that of the images has: depth is assumed to '
                    'be on the distorted grid; if it is on the rectified one, it is off at the '
                    'border of the images'
                )

    def _of_cloud(self, message: Any, picture: Picture) -> NDArray[np.float32]:
        points = apply(self._link(message, picture.frame_id), points_from_cloud(message))
        depth = depth_from_points(points, self._target(picture), _MIN_Z_M)
        if len(points):
            self._warn_if_empty(depth, 'cloud', picture)
        moved = message.header.frame_id != picture.frame_id
        by = f'projected by {", ".join(self._transforms.topics)}' if moved else 'projected'
        self._note(by)
        return depth

    def _warn_if_empty(self, depth_m: NDArray[np.float32], what: str, picture: Picture) -> None:
        if np.isnan(depth_m).all():
            self._bag.warn(
                f'a {what} of {self._topics.depth} has no point in its picture; if all of them '
                f'are like this, check that {picture.frame_id!r}, the frame_id of the images, is '
                'an optical frame: x right, y down, z ahead'
            )

    def _link(self, cloud: Any, frame_id: str) -> NDArray[np.float64]:
        return self._transforms.between(frame_id, str(cloud.header.frame_id))

    def _target(self, picture: Picture) -> Camera:
        """Return the camera of a picture, to register to; warn if its frame is in doubt."""
        turn_deg = rectified_turn_deg(self._info(picture)) if self._rectified else 0.0
        if turn_deg > _MAX_TURN_DEG:
            self._bag.warn(
                f'R of {self._calibration()} rotates the rectified images by {turn_deg:.2g} '
                f'degrees; {picture.frame_id!r} is assumed to be their frame: if it is that of '
                'the camera before rectification, the depth of another sensor is displaced. The '
                'images before rectification avoid this'
            )
        if is_second_camera(self._info(picture)):
            self._bag.warn(
                f'P of {self._calibration()} has Tx or Ty, like the second camera of a stereo '
                f'pair; {picture.frame_id!r} is assumed to be the frame of this camera: if it is '
                'that of the first one, the depth of another sensor is displaced'
            )
        return self._camera(picture)

    def _camera(self, picture: Picture) -> Camera:
        """Return the calibrated camera of a picture, even if the model gets another one."""
        info = self._info(picture)
        return camera_from_info(info, picture.width, picture.height, self._rectified)

    def _info(self, picture: Picture) -> Any:
        topic = self._calibration()
        return info_for(self._infos[topic], picture.stamp_ns, picture.frame_id, topic)[1]

    def _calibration(self) -> str:
        topic = self._topics.camera_info or self._topics.truth_info
        if not self._infos.get(topic):
            raise EvalError(
                f'the depth of another sensor can be registered only with the camera_info of '
                f'{self._topics.image}, and bag {self._bag.path} has none in its namespace; name '
                'it with --camera-info-topic'
            )
        return topic

    def _check_cloud(self, topic: str) -> None:
        if self._as_is:
            raise EvalError(
                f'{topic} has points, which must be projected to pixels: leave --depth-as-is out, '
                'or name a depth image with --depth-topic'
            )
        self._calibration()
        first: list[Any] = []
        for name in (topic, self._topics.image):
            # A damaged message must not stop the others.
            with contextlib.suppress(StopIteration, EvalError):
                first.append(self._bag.decode(next(self._bag.raw([name]))))
        if len(first) == 2:
            cloud, image = first
            points_from_cloud(cloud)
            self._link(cloud, str(image.header.frame_id))

    def _note(self, how: str) -> None:
        note = f'{self._topics.depth}, {how}'
        if note not in self.how:
            self.how.append(note)

    @functools.cached_property
    def _transforms(self) -> StaticTransforms:
        return StaticTransforms(self._bag, self._topics.image)


def depth_of(message: Any, msgtype: str) -> NDArray[np.float32]:
    """Decode a depth message to float32 [H, W] metres; raises `CoreError` if it cannot be."""
    decode = depth_from_compressed if msgtype == COMPRESSED else depth_from_image
    return decode(message)


def registered(
    depth_m: NDArray[np.float32],
    source: Camera,
    target_from_source: NDArray[np.float64],
    target: Camera,
) -> NDArray[np.float32]:
    """Register depth [h, w] of one camera to the picture [H, W] of another; NaN: no depth there.

    Each pixel is a patch of its own size that faces its camera, and fills the rectangle of its
    corners in the picture. So depth of lower resolution leaves no holes that show the background.
    """
    height, width = depth_m.shape
    z_m = np.where(np.isfinite(depth_m), depth_m, np.nan).astype(np.float64)[..., None]
    rays = _corner_rays(source) @ target_from_source[:3, :3].T  # [h + 1, w + 1, 3]
    low, high = np.full((2, height * width, 2), np.inf) * [[[1.0]], [[-1.0]]]
    middle_m = np.zeros(height * width)
    for down, right in itertools.product((0, 1), repeat=2):
        corners = z_m * rays[down : height + down, right : width + right]
        corners = (corners + target_from_source[:3, 3]).reshape(-1, 3)
        corners[~(corners[:, 2] > _MIN_Z_M)] = np.nan
        pixels = pixels_of_rays(target, corners[:, :2] / corners[:, 2:])
        low, high = np.minimum(low, pixels), np.maximum(high, pixels)
        middle_m += corners[:, 2] / 4.0
    u, v, patch = _covered(low - _MARGIN_PX, high + _MARGIN_PX, target)
    return depth_from_pixels(u, v, middle_m[patch], target.height, target.width)


@functools.lru_cache(maxsize=1)
def _corner_rays(camera: Camera) -> NDArray[np.float64]:
    """Return rays (x/z, y/z, 1) of the pixel corners [H + 1, W + 1, 3]; NaN beyond the lens."""
    v, u = np.mgrid[: camera.height + 1, : camera.width + 1] - 0.5
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
    rays = (rectified_pixels(camera, pixels) - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return np.insert(rays, 2, 1.0, axis=1).reshape(*u.shape, 3)


def _covered(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    camera: Camera,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the pixels whose centres are in rectangles [N, 2]: column, row, rectangle index."""
    size = (camera.width, camera.height)
    first, end = (np.ceil(np.clip(edge, 0.0, size)) for edge in (low, high))
    sides = np.nan_to_num(end - first).astype(np.int64)
    count = sides.prod(axis=1)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(place, np.repeat(sides[:, 0], count))
    left, top = (np.repeat(edge, count) for edge in first.T)
    return left + column, top + row, np.repeat(np.arange(len(count)), count)
