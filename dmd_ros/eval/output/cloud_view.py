# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render a point cloud without a GUI: points as splats, seen from above and from the side."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera

# Rendered larger by this factor, then scaled down, for smooth edges.
_SUPERSAMPLE = 2
_MAX_SPLAT_PX = 9
# Larger pictures are drawn with every n-th row and column: the canvas has only this many pixels.
_MAX_POINTS = 1280 * 800 * _SUPERSAMPLE**2
_SKY, _GROUND = (244, 245, 247), (206, 210, 216)
_FRUSTUM = (236, 98, 32)
# Pixels up to this distance apart shade each other: one that is 5 % behind loses a quarter of its
# light.
_REACH, _SHADE = 4, 5.8
_EDGE = 0.12
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def render(
    depth_m: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    camera: Camera,
    *,
    width: int = 1280,
    height: int = 800,
    raise_deg: float = 26.0,
    turn_deg: float = 24.0,
) -> NDArray[np.uint8]:
    """Render depth [H, W] with its colours as a cloud; return uint8 [height, width, 3] RGB.

    The viewpoint is behind the camera, raised and turned about the middle of the cloud by the
    given angles. The camera itself, if in view, is drawn as a pyramid. The farthest 3 % of the
    points are left out.
    """
    points, colours, sizes = _cloud(depth_m, rgb, camera)
    canvas = _background(width * _SUPERSAMPLE, height * _SUPERSAMPLE)
    if len(points):
        eye = _Eye(points, canvas.shape[1], canvas.shape[0], raise_deg, turn_deg)
        _splat(canvas, eye, points, colours, sizes)
        _draw_frustum(canvas, eye, camera, float(np.percentile(points[:, 2], 10)))
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


class _Eye:
    """The viewer's camera: rotation, position and focal length that frame a cloud."""

    def __init__(
        self,
        points: NDArray[np.float32],
        width: int,
        height: int,
        raise_deg: float,
        turn_deg: float,
    ) -> None:
        pitch, yaw = math.radians(-raise_deg), math.radians(turn_deg)
        about_x = np.array(
            [
                [1, 0, 0],
                [0, math.cos(pitch), math.sin(pitch)],
                [0, -math.sin(pitch), math.cos(pitch)],
            ]
        )
        about_y = np.array(
            [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
        )
        self._rotation = (about_x @ about_y).astype(np.float32)
        near, far = np.percentile(points[:, 2], (3, 97))
        self._middle = np.median(points, axis=0).astype(np.float32)
        self._middle[2] = math.sqrt(near * far)
        self._back = np.float32(0.9 * self._middle[2] + 0.6 * (far - near))
        self._centre = np.array([width / 2, height / 2], np.float32)
        self.focal = 1.0
        seen, z = self.project(points)
        # Fit nearly all of the cloud into the picture, without stray points.
        inside = z > 0
        low, high = np.percentile(seen[inside], (1, 99), axis=0) - self._centre
        reach = (high - low) / 2
        self.focal = float(0.92 * np.min(self._centre / np.maximum(reach, 1e-6)))
        self._centre = self._centre - (low + high) / 2 * np.float32(self.focal)

    def project(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pixels [N, 2] and distances along the view [N]."""
        seen = (points - self._middle) @ self._rotation.T
        z = seen[:, 2] + self._back
        with np.errstate(divide='ignore', invalid='ignore'):
            pixels = seen[:, :2] / z[:, None] * np.float32(self.focal) + self._centre
        return pixels, z


def _cloud(
    depth_m: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    camera: Camera,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]]:
    """Return points [N, 3], their colours [N, 3], and the size [N], metres, of their pixels."""
    known = np.isfinite(depth_m) & ~steep_pixels(depth_m, _EDGE)
    if known.any():
        with np.errstate(invalid='ignore'):
            known &= depth_m <= float(np.percentile(depth_m[known], 97))
    step = math.ceil(math.sqrt(depth_m.size / _MAX_POINTS))
    grid = np.s_[::step, ::step]
    known, rgb, rays = known[grid], rgb[grid], camera.rays()[grid]
    z = depth_m[grid][known]
    points = np.column_stack([rays[known] * z[:, None], z]).astype(np.float32)
    return points, rgb[known], z * np.float32(step / camera.fx)


def steep_pixels(depth: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Mark the pixels [H, W] where depth changes fast, which would clutter the rendering.

    There, the farthest depth of the 3x3 neighbourhood exceeds the nearest by more than `threshold`
    (relative, > 0). Unlike `core.edges`, this works for any depth image, but also marks a floor
    near the horizon.
    """
    known = np.isfinite(depth)
    near = np.where(known, depth, np.float32(np.inf))
    # Sky (+inf) is behind everything.
    far = np.where(known | np.isposinf(depth), depth, np.float32(0.0))
    near, far = cv2.erode(near, _NEIGHBOURS), cv2.dilate(far, _NEIGHBOURS)
    with np.errstate(over='ignore'):  # without known neighbours, OpenCV's border value is huge
        return known & (far > near * np.float32(1.0 + threshold))


def _splat(
    canvas: NDArray[np.uint8],
    eye: _Eye,
    points: NDArray[np.float32],
    colours: NDArray[np.uint8],
    sizes: NDArray[np.float32],
) -> None:
    """Draw points as squares of the size they cover, the nearest on top, shaded at depth edges."""
    height, width = canvas.shape[:2]
    pixels, z = eye.project(points)
    # Slanted surfaces have gaps between their points, so draw them a little larger than a pixel.
    splat = np.clip(np.ceil(2.0 * sizes * eye.focal / z), 1, _MAX_SPLAT_PX).astype(np.intp)
    zbuffer = np.full(height * width, np.inf, np.float32)
    flat = canvas.reshape(-1, 3)
    order = np.argsort(-z)
    for size in np.unique(splat):
        chosen = order[(splat == size)[order] & (z > 0)[order]]
        corner = np.rint(pixels[chosen]).astype(np.intp) - size // 2
        for dy in range(size):
            for dx in range(size):
                x, y = corner[:, 0] + dx, corner[:, 1] + dy
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                at, near = (y * width + x)[inside], z[chosen][inside]
                front = near < zbuffer[at]
                # Sorted far to near: of several points on one pixel, NumPy keeps the last.
                zbuffer[at[front]] = near[front]
                flat[at[front]] = colours[chosen][inside][front]
    _shade(canvas, zbuffer.reshape(height, width))


def _shade(canvas: NDArray[np.uint8], zbuffer: NDArray[np.float32]) -> None:
    """Darken pixels behind their neighbours (eye-dome lighting), so that shapes are visible."""
    height, width = zbuffer.shape
    drawn = np.isfinite(zbuffer)
    # Empty pixels count as far away, so that they shade nothing.
    log_z = cv2.log(np.where(drawn, zbuffer, np.float32(1e9)))
    framed = cv2.copyMakeBorder(log_z, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    occlusion = np.zeros_like(log_z)
    for top, left in ((0, _REACH), (2 * _REACH, _REACH), (_REACH, 0), (_REACH, 2 * _REACH)):
        behind = log_z - framed[top : top + height, left : left + width]
        occlusion += np.clip(behind, np.float32(0.0), np.float32(0.07), out=behind)
    light = cv2.exp(occlusion * np.float32(-_SHADE))
    light[~drawn] = 1.0
    canvas[:] = cv2.multiply(canvas, cv2.merge([light] * 3), dtype=cv2.CV_8U)


def _draw_frustum(canvas: NDArray[np.uint8], eye: _Eye, camera: Camera, near_m: float) -> None:
    """Draw the pyramid of the camera that took the picture."""
    depth = 0.35 * near_m
    corners = [(0, 0), (camera.width, 0), (camera.width, camera.height), (0, camera.height)]
    rim = [
        ((u - camera.cx) / camera.fx * depth, (v - camera.cy) / camera.fy * depth, depth)
        for u, v in corners
    ]
    pixels, z = eye.project(np.array([(0, 0, 0), *rim], np.float32))
    inside = (pixels >= 0).all() and (pixels < (canvas.shape[1], canvas.shape[0])).all()
    if not (z > 0).all() or not inside:
        return
    tip, *ends = [(round(float(x)), round(float(y))) for x, y in pixels]
    for i, end in enumerate(ends):
        cv2.line(canvas, tip, end, _FRUSTUM, 2 * _SUPERSAMPLE, cv2.LINE_AA)
        cv2.line(canvas, end, ends[(i + 1) % 4], _FRUSTUM, 2 * _SUPERSAMPLE, cv2.LINE_AA)


def _background(width: int, height: int) -> NDArray[np.uint8]:
    ramp = np.linspace(0.0, 1.0, height)[:, None, None]
    shade = (1.0 - ramp) * np.array(_SKY) + ramp * np.array(_GROUND)
    return np.repeat(np.rint(shade).astype(np.uint8), width, axis=1)
