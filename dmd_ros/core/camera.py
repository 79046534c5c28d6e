# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pinhole cameras, how they change when a picture is cropped or scaled, and rectification.

Pixel centres have integer coordinates (OpenCV and ROS convention): the picture spans
[-0.5, width - 0.5], so scaling a picture by s moves cx to (cx + 0.5) s - 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.checks import real
from dmd_ros.core.errors import CoreError

# Allowed numbers of coefficients per model. OpenCV and image_geometry treat the first two names
# as one model and go by the number; some drivers (Orbbec's) call eight coefficients plumb_bob.
_OPENCV = (4, 5, 8, 12, 14)
DISTORTION_MODELS = {
    'plumb_bob': _OPENCV,
    'rational_polynomial': _OPENCV,
    'equidistant': (4,),
}

# Largest aspect ratio of a picture, either way. The network's picture has the same aspect and is
# at least one stride high: beyond this limit it would take too much time and memory.
_MAX_ASPECT = 30000.0

# Search grid of `fold_radius`: to 84 degrees off the axis, in steps far smaller than a pixel.
_MAX_RADIUS, _RADIUS_STEPS = 10.0, 20001

# Termination criteria of the search in `_searched_rays`.
_SEARCH = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-3)
# Largest distance, in pixels, between a pixel and its found ray, projected back.
_SEARCH_PX = 1.0
# Pixels or rays passed to OpenCV at once: it allocates 400 bytes for each.
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Camera:
    """A calibrated camera: focal lengths and principal point in pixels, size in pixels.

    (cx, cy) = (0, 0) is the centre of the top left pixel. `distortion_model` is one of
    `DISTORTION_MODELS` with its coefficients in `distortion`, of any shape that OpenCV returns;
    both are empty for a rectified (pinhole) camera.
    Raises `CoreError` for values that no camera can have.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion_model: str = ''
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Reject an impossible camera before it can corrupt the metric scale."""
        self._make_plain()
        if self.width <= 0 or self.height <= 0:
            raise CoreError(f'camera size {self.width}x{self.height} must be positive')
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(map(math.isfinite, numbers)):
            raise CoreError(f'camera has a value that is not finite: {numbers}; recalibrate it')
        if self.fx <= 0 or self.fy <= 0:
            raise CoreError(
                f'focal lengths fx={self.fx:g}, fy={self.fy:g} must be > 0 pixels; '
                'K[0] == 0 means an uncalibrated camera: run a calibration first'
            )
        aspect = self.width * self.fy / (self.height * self.fx)
        if not 1.0 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
            raise CoreError(
                f'camera of {self.width}x{self.height} pixels with fx={self.fx:g}, '
                f'fy={self.fy:g}: the aspect ratio of its picture is {aspect:.4g}; allowed: up to '
                f'{_MAX_ASPECT:g}, either way. Check sizes and focal lengths'
            )
        if self.distortion_model != '':
            self._check_distortion()
        elif self.distortion:
            raise CoreError('distortion coefficients without a distortion model; name the model')

    def _make_plain(self) -> None:
        """Convert NumPy numbers, which compare, hash, print and overflow differently."""
        # Check first: every frame creates several cameras, and most values are plain already.
        if not type(self.fx) is type(self.fy) is type(self.cx) is type(self.cy) is float:
            for name in ('fx', 'fy', 'cx', 'cy'):
                object.__setattr__(self, name, real(name, getattr(self, name)))
        if not type(self.width) is type(self.height) is int:
            sides = (self.width, self.height)
            if not all(isinstance(v, Integral) and not isinstance(v, bool) for v in sides):
                raise CoreError(f'camera size {sides[0]!r} x {sides[1]!r} must be whole numbers')
            object.__setattr__(self, 'width', int(sides[0]))
            object.__setattr__(self, 'height', int(sides[1]))
        if type(self.distortion) is not tuple or self.distortion:
            object.__setattr__(self, 'distortion', _coefficients(self.distortion))

    def _check_distortion(self) -> None:
        if self.distortion_model not in list(DISTORTION_MODELS):  # a list allows unhashable values
            raise CoreError(
                f'unknown distortion model {self.distortion_model!r}; allowed: '
                f'{", ".join(DISTORTION_MODELS)}. Rectify the images first, or recalibrate'
            )
        counts = DISTORTION_MODELS[self.distortion_model]
        if len(self.distortion) not in counts:
            raise CoreError(
                f'{self.distortion_model} has {len(self.distortion)} coefficients, '
                f'expected {" or ".join(map(str, counts))}'
            )

    @classmethod
    def assumed(cls, tan_half_vfov: float, width: int, height: int) -> Camera:
        """Return the pinhole camera with a field of view: square pixels, principal point centred.

        Raises `CoreError` unless the tangent is a finite number > 0.
        """
        if not 0.0 < real('tan_half_vfov', tan_half_vfov) < math.inf:
            raise CoreError(f'tan(vfov / 2) = {tan_half_vfov} must be a finite number > 0')
        focal = height / (2.0 * tan_half_vfov)
        return cls(focal, focal, (width - 1) / 2.0, (height - 1) / 2.0, width, height)

    @property
    def tan_half_vfov(self) -> float:
        """tan(vfov / 2) = height / (2 fy), the value the network is conditioned on.

        For an off-centre principal point the two half-angles differ; height / (2 fy) is the mean
        of their tangents. The paper feeds this value. It depends only on focal length and rows, so
        scaling the picture leaves it unchanged. A shifted principal point (lens shift) does not
        change the apparent size of objects, from which the metric scale follows.
        """
        return self.height / (2.0 * self.fy)

    @property
    def is_distorted(self) -> bool:
        """Whether pixels must be rectified before rays are straight.

        An equidistant lens bends rays even with all coefficients 0: r = f theta, not f tan(theta).
        """
        return self.distortion_model == 'equidistant' or any(c != 0.0 for c in self.distortion)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The 3x3 intrinsic matrix K."""
        return np.array(
            [[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]], np.float64
        )

    def resized(self, width: int, height: int) -> Camera:
        """Return the camera of the same picture scaled to width x height pixels."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """Return the camera of a window of the picture, which may extend beyond it (uncrop)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def binned(self, binning_x: int, binning_y: int) -> Camera:
        """Return the camera after binning by whole factors; 0 means 1 (ROS convention).

        K is simply divided, as in image_geometry: agreeing with other ROS nodes on the same
        CameraInfo is worth more than the quarter pixel that `resized` would add.
        """
        bx, by = max(binning_x, 1), max(binning_y, 1)
        return replace(
            self,
            fx=self.fx / bx,
            fy=self.fy / by,
            cx=self.cx / bx,
            cy=self.cy / by,
            width=self.width // bx,
            height=self.height // by,
        )

    def flipped(self) -> Camera:
        """Return the camera of the picture mirrored left-right; `CoreError` if distorted."""
        if self.is_distorted:
            raise CoreError('mirroring changes the distortion coefficients; use rectified() first')
        return replace(self, cx=self.width - 1 - self.cx)

    def turned(self, degrees: int) -> Camera:
        """Return the camera of the picture turned clockwise by a multiple of 90 degrees.

        Raises `CoreError` for another angle, and for a distorted camera.
        """
        if not isinstance(degrees, Integral) or degrees % 90:
            raise CoreError(f'degrees={degrees!r} must be a multiple of 90 to turn a picture')
        if self.is_distorted:
            raise CoreError('turning changes the distortion coefficients; use rectified() first')
        camera = self
        for _ in range(degrees // 90 % 4):
            camera = replace(
                camera,
                fx=camera.fy,
                fy=camera.fx,
                cx=camera.height - 1 - camera.cy,
                cy=camera.cx,
                width=camera.height,
                height=camera.width,
            )
        return camera

    def rectified(self) -> Camera:
        """Return the pinhole camera of the picture after `Rectifier` removed the distortion."""
        return replace(self, distortion_model='', distortion=())

    def rays(self) -> NDArray[np.float32]:
        """Return ray directions (x/z, y/z) of all pixels, float32 [H, W, 2].

        Raises `CoreError` if the camera is distorted.
        """
        if self.is_distorted:
            raise CoreError('rays of a distorted camera are not straight; use rectified() first')
        # One contiguous plane per component: the point cloud reads them one after the other.
        planes = np.empty((2, self.height, self.width), np.float32)
        planes[0] = (np.arange(self.width) - self.cx) / self.fx
        planes[1] = ((np.arange(self.height) - self.cy) / self.fy)[:, None]
        return np.moveaxis(planes, 0, -1)


def _coefficients(values: Any) -> tuple[float, ...]:
    """Flatten distortion coefficients: calibrateCamera returns [1, N] or [N, 1]."""
    if type(values) is tuple and all(type(value) is float for value in values):
        return values
    numbers = np.ravel(values)
    if numbers.dtype.kind not in 'iuf':
        raise CoreError(f'distortion={values!r} must be the numeric coefficients of the model')
    return tuple(numbers.astype(np.float64).tolist())


def tan_half_from_degrees(fov_deg: float) -> float:
    """Convert an angle of view to the tangent of half of it; `CoreError` for an invalid angle."""
    if not 0.0 < real('fov_deg', fov_deg) < 180.0:
        raise CoreError(f'a field of view of {fov_deg} degrees; allowed: above 0, below 180')
    return math.tan(math.radians(fov_deg) / 2.0)


def degrees_from_tan_half(tan_half_fov: float) -> float:
    """Convert the tangent of half an angle of view to the whole angle, in degrees."""
    return math.degrees(2.0 * math.atan(tan_half_fov))


class Rectifier:
    """Removes the distortion of a camera's pictures; the maps are computed once per camera.

    K and the size are kept, so depth has the input's size and the conditioning value is the
    calibrated one.
    source, camera: before and after rectification.
    inside: [H, W], True for pixels that the source picture covers.
    outside_index: flat indices of the other pixels.
    """

    def __init__(self, camera: Camera) -> None:
        """Precompute fixed-point maps for `camera` (raises `CoreError` if it is not distorted)."""
        if not camera.is_distorted:
            raise CoreError('camera has no distortion: nothing to rectify')
        self.source = camera
        self.camera = camera.rectified()
        d = np.asarray(camera.distortion, np.float64)
        size = (camera.width, camera.height)
        build = (
            cv2.fisheye.initUndistortRectifyMap
            if camera.distortion_model == 'equidistant'
            else cv2.initUndistortRectifyMap
        )
        mx, my = build(camera.matrix, d, np.eye(3), camera.matrix, size, cv2.CV_32FC1)
        # Outside the source picture there is nothing to estimate from: NaN, not a guess.
        self.inside = (
            (mx >= -0.5) & (mx <= camera.width - 0.5) & (my >= -0.5) & (my <= camera.height - 0.5)
        )
        self.inside &= np.hypot(*np.moveaxis(self.camera.rays(), -1, 0)) <= fold_radius(camera)
        self.outside_index = np.flatnonzero(~self.inside)
        self._maps = cv2.convertMaps(mx, my, cv2.CV_16SC2)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Rectify uint8 [H, W, 3]; pixels outside the source repeat the border."""
        pixel, fraction = self._maps
        return cv2.remap(rgb, pixel, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def nearest(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rectify float32 [H, W] by the nearest pixel; NaN outside the source."""
        pixel, fraction = self._maps
        # Fractions are in units of 1/32; x has the lower five bits.
        half = np.stack([fraction & 31, fraction >> 5], axis=-1) >= 16
        nearest = pixel + half.astype(np.int16)
        found = cv2.remap(depth, nearest, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        found[~self.inside] = np.nan
        return found


def rectified_pixels(camera: Camera, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the positions of pixels [N, 2] (x, y) in the picture after `Rectifier`.

    Unchanged for an undistorted camera. NaN where the lens model has no usable direction.
    """
    if not camera.is_distorted:
        return pixels.astype(np.float64)
    rays = np.empty((len(pixels), 2))
    for start in range(0, len(pixels), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        rays[part] = _searched_rays(camera, pixels[part].astype(np.float64))
    rays[~(np.hypot(*rays.T) <= fold_radius(camera))] = np.nan
    return rays * (camera.fx, camera.fy) + (camera.cx, camera.cy)


def pixels_of_rays(camera: Camera, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project directions (x/z, y/z) [N, 2] to pixels of the (distorted) picture.

    NaN farther from the axis than the lens model is usable.
    """
    if not camera.is_distorted:
        return rays * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    usable = np.hypot(*rays.T) <= min(fold_radius(camera), _MAX_RADIUS)
    pixels = np.full(rays.shape, np.nan)
    for start in range(0, len(rays), _AT_ONCE):
        part = np.arange(start, min(start + _AT_ONCE, len(rays)))
        part = part[usable[part]]
        if part.size:
            pixels[part] = _projected(camera, rays[part])
    return pixels


def _projected(camera: Camera, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the lens model to directions [N, 2], N > 0, usable or not."""
    fisheye = camera.distortion_model == 'equidistant'
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    d, zero = np.asarray(camera.distortion, np.float64), np.zeros(3)
    points = cv2.convertPointsToHomogeneous(rays[:, None])
    return project(points, zero, zero, camera.matrix, d)[0][:, 0]


def _searched_rays(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Search for the directions (x/z, y/z) [N, 2] that project to pixels [N, 2]; NaN: none."""
    k, d, places = camera.matrix, np.asarray(camera.distortion, np.float64), pixels[:, None]
    if camera.distortion_model == 'equidistant':
        rays = cv2.fisheye.undistortPoints(places, k, d)
    elif hasattr(cv2, 'undistortPointsIter'):  # OpenCV 4
        rays = cv2.undistortPointsIter(places, k, d, None, None, _SEARCH)
    else:
        rays = cv2.undistortPoints(places, k, d, criteria=_SEARCH)
    rays = rays[:, 0]
    off = np.hypot(*(_projected(camera, rays) - pixels).T)
    rays[~(off <= _SEARCH_PX)] = np.nan
    return rays


def fold_radius(camera: Camera) -> float:
    """Return the radius (tangent of the angle to the axis) up to which the lens model is usable.

    A polynomial fitted to the centre of a picture may fold back farther out: there, two directions
    project to one pixel, and rectification would repeat the picture's centre along its border.
    """
    r = np.linspace(0.0, _MAX_RADIUS, _RADIUS_STEPS)
    if camera.distortion_model == 'equidistant':
        theta = np.arctan(r)
        powers = np.stack([theta**2, theta**4, theta**6, theta**8])
        bent = theta * (1.0 + np.tensordot(camera.distortion, powers, 1))
    else:
        # OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6 ...; the small tangential part is left out.
        k1, k2, _, _, k3, k4, k5, k6 = (*camera.distortion, 0.0, 0.0, 0.0, 0.0)[:8]
        below = 1.0 + k4 * r**2 + k5 * r**4 + k6 * r**6
        with np.errstate(divide='ignore', invalid='ignore'):
            bent = r * (1.0 + k1 * r**2 + k2 * r**4 + k3 * r**6) / below
    turns = np.flatnonzero(~(np.diff(bent) > 0.0))
    return float(r[turns[0]]) if turns.size else math.inf
