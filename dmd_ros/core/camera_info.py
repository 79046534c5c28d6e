# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CameraInfo -> Camera. Duck-typed: ROS 2 (k, d, p) and ROS 1 (K, D, P) both work."""

from __future__ import annotations

import math
from typing import Any

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError

# Image and info may differ in scale, but a larger difference in aspect is another camera mode.
ASPECT_TOLERANCE = 0.01


def camera_from_info(
    info: Any,
    image_width: int,
    image_height: int,
    rectified: bool,
) -> Camera:
    """Return the camera that took an image of the given size, in pixels.

    rectified: use the left 3x3 of P without distortion; otherwise K with D.
    The ROI offset (unbinned pixels) is subtracted first, then K is divided by the binning (0 means
    1; an all-zero ROI means full frame). If the result and the image differ in size but agree in
    aspect, the camera is scaled; callers detect that by comparing sizes with `info_size`.
    Raises `CoreError` if the aspects differ, or for an invalid CameraInfo.
    """
    if image_width <= 0 or image_height <= 0:
        raise CoreError(f'image is {image_width}x{image_height}; both must be > 0')
    camera = _full_camera(info, rectified)
    _check_roi(info.roi, camera)
    camera = camera.cropped(int(info.roi.x_offset), int(info.roi.y_offset), *_roi_size(info))
    camera = camera.binned(int(info.binning_x), int(info.binning_y))
    if (camera.width, camera.height) == (image_width, image_height):
        return camera
    squash = (image_width / image_height) / (camera.width / camera.height)
    # A rounded odd size may shift the aspect of tiny pictures by a pixel.
    slack = max(
        ASPECT_TOLERANCE, 1.0 / min(image_width, image_height, camera.width, camera.height)
    )
    if abs(squash - 1.0) > slack:
        raise CoreError(
            f'camera_info describes {camera.width}x{camera.height}, the image is '
            f'{image_width}x{image_height} with another aspect; give the matching camera_info '
            '(or fill in its roi)'
        )
    return camera.resized(image_width, image_height)


def info_fields(camera: Camera) -> dict[str, Any]:
    """Return the fields of a CameraInfo that describes a rectified camera's picture exactly.

    ROI and binning are folded into K; D is zero, R the identity, P is K. The model is plumb_bob
    whatever the lens: many readers support no other, and equidistant with zeros is a fisheye.
    """
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return {
        'height': camera.height,
        'width': camera.width,
        'distortion_model': 'plumb_bob',
        'd': [0.0] * 5,
        'k': k,
        'r': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        'p': [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    }


def info_size(info: Any) -> tuple[int, int]:
    """Return (width, height), pixels, of the described image, after ROI and binning."""
    width, height = _roi_size(info)
    return width // max(int(info.binning_x), 1), height // max(int(info.binning_y), 1)


def camera_frame(info: Any) -> str:
    """Return the frame_id of the camera that an info describes; empty if it is unknown.

    P of the second camera of a stereo pair projects points from the frame of the first, so its
    info may carry that frame instead, as RealSense's driver does.
    """
    return '' if is_second_camera(info) else str(info.header.frame_id)


def is_second_camera(info: Any) -> bool:
    """Return whether an info is from the second camera of a stereo pair: its P has Tx or Ty."""
    return any(_numbers(info, 'p')[3:8:4])


def rectified_turn_deg(info: Any) -> float:
    """Return the rotation of the camera by rectification, the angle of R in degrees; 0 if unset.

    It is not 0 where the picture was aligned with another one, as in a stereo pair.
    """
    r = _numbers(info, 'r')
    if not any(r):
        return 0.0
    sine = math.hypot(r[7] - r[5], r[2] - r[6], r[3] - r[1])  # acos is imprecise for small angles
    return math.degrees(math.atan2(sine, sum(r[::4]) - 1.0))


def same_frame(one: str, other: str) -> bool:
    """Return whether two frame_ids may belong to one camera; an empty one matches any.

    ROS 1 frame_ids may have a leading slash, which is ignored.
    """
    return one.lstrip('/') == other.lstrip('/') or not one or not other


def is_rectified_by_name(image_topic: str) -> bool:
    """Return whether the last part of a topic name marks its images as rectified: image_rect...

    Neither the image nor its CameraInfo tells. Pass the name without a transport (/compressed).
    """
    return image_topic.rsplit('/', 1)[-1].startswith('image_rect')


def _full_camera(info: Any, rectified: bool) -> Camera:
    k, p, d = (_numbers(info, name) for name in ('k', 'p', 'd'))
    if rectified and len(p) == 12 and p[0] != 0.0:
        fx, cx, fy, cy = p[0], p[2], p[5], p[6]
    else:
        # Many drivers of undistorted cameras leave P empty; K then describes the same camera.
        if rectified and any(c != 0.0 for c in d):
            raise CoreError(
                'camera_info.p is empty though the lens is distorted (d is not 0), so the camera '
                'of the rectified image is unknown; fill in p, or set input_rectified to false'
            )
        if len(k) != 9:
            raise CoreError(f'camera_info.k has {len(k)} values, 9 are expected')
        fx, cx, fy, cy = k[0], k[2], k[4], k[5]
    if fx == 0.0:
        raise CoreError(
            'camera_info.k[0] is 0: the camera is not calibrated; run camera_calibration, or give '
            'the driver a camera_info_url; or set fov_source to estimate or fixed (the scale of '
            'depth is then no better than that guess)'
        )
    model, coefficients = ('', ()) if rectified else _distortion(info.distortion_model, d)
    return Camera(fx, fy, cx, cy, int(info.width), int(info.height), model, coefficients)


def _distortion(model: str, d: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """Read D; no coefficients, or only zeros, mean an ideal lens whatever the model's name.

    This includes equidistant: image_geometry does so, and drivers of rectified streams rely on it.
    """
    if any(not math.isfinite(c) for c in d):
        raise CoreError(f'camera_info.d has a value that is not finite: {list(d)}')
    return (model, d) if any(c != 0.0 for c in d) else ('', ())


def _numbers(info: Any, name: str) -> tuple[float, ...]:
    field = name if hasattr(info, name) else name.upper()
    return tuple(float(v) for v in getattr(info, field))


def _roi_size(info: Any) -> tuple[int, int]:
    """Return (width, height) of the ROI in unbinned pixels; a 0 in it means up to the edge."""
    roi = info.roi
    width = int(roi.width) or int(info.width) - int(roi.x_offset)
    height = int(roi.height) or int(info.height) - int(roi.y_offset)
    return width, height


def _check_roi(roi: Any, camera: Camera) -> None:
    right, bottom = roi.x_offset + roi.width, roi.y_offset + roi.height
    fits = right <= camera.width and bottom <= camera.height
    if not fits or roi.x_offset >= camera.width or roi.y_offset >= camera.height:
        raise CoreError(
            f'camera_info.roi {roi.width}x{roi.height}+{roi.x_offset}+{roi.y_offset} exceeds the '
            f'sensor of {camera.width}x{camera.height}; offsets are in unbinned pixels'
        )
