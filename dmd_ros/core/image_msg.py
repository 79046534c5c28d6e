# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of sensor_msgs/Image and CompressedImage into RGB or metres.

Duck-typed on .encoding, .height, .width, .step, .is_bigendian and .data (.format and .data), so
messages of both rclpy and rosbags work. cv_bridge is not used: its Python module does not run with
NumPy 2, and it copies where a view suffices. Where it is installed, tests compare against it.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_file

# encoding -> (sample type, channels, cv2 conversion to RGB or None).
# OpenCV names a Bayer pattern by its second row, ROS by its first: rggb is "BG".
# 8UC3 does not define a channel order; it is written by OpenCV programs, which use BGR.
_PACKED: dict[str, tuple[str, int, int | None]] = {
    'rgb8': ('u1', 3, None),
    'bgr8': ('u1', 3, cv2.COLOR_BGR2RGB),
    '8UC3': ('u1', 3, cv2.COLOR_BGR2RGB),
    'rgba8': ('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgra8': ('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono8': ('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC1': ('u1', 1, cv2.COLOR_GRAY2RGB),
    'mono16': ('u2', 1, cv2.COLOR_GRAY2RGB),
    'rgb16': ('u2', 3, None),
    'bgr16': ('u2', 3, cv2.COLOR_BGR2RGB),
    'bayer_rggb8': ('u1', 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': ('u1', 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': ('u1', 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': ('u1', 1, cv2.COLOR_BayerGB2RGB),
    'bayer_rggb16': ('u2', 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr16': ('u2', 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg16': ('u2', 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg16': ('u2', 1, cv2.COLOR_BayerGB2RGB),
    'yuv422': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
}
# Full-resolution luma rows, then half as many rows of interleaved chroma.
_SEMI_PLANAR = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}
_DEPTH = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}

COLOR_ENCODINGS = (*_PACKED, *_SEMI_PLANAR)
DEPTH_ENCODINGS = tuple(_DEPTH)

# 12 bytes before the PNG: int32 format, float32 quantisation a and b (compressed_depth).
_COMPRESSED_DEPTH_HEADER = struct.Struct('<iff')


def rgb_from_image(msg: Any) -> NDArray[np.uint8]:
    """Decode sensor_msgs/Image to uint8 [H, W, 3] RGB.

    Returns a view of the message's memory where the encoding allows it (rgb8): do not modify it.
    Raises `CoreError` for an unknown encoding or inconsistent sizes.
    """
    if msg.encoding in _SEMI_PLANAR:
        return _rgb_from_semi_planar(msg)
    if msg.encoding not in _PACKED:
        raise CoreError(
            f'image encoding {msg.encoding!r} is not a supported colour encoding; '
            f'allowed: {", ".join(COLOR_ENCODINGS)}. Convert it with image_proc, or set the '
            "driver's pixel format"
        )
    kind, channels, _ = _PACKED[msg.encoding]
    return _rgb_from_packed(_samples(msg, kind, channels, msg.height), msg.encoding)


def rgb_from_compressed(msg: Any) -> NDArray[np.uint8]:
    """Decode sensor_msgs/CompressedImage (jpeg, png) to uint8 [H, W, 3] RGB.

    Raises `CoreError` for anything else, and for damaged files.
    """
    data = bytes(msg.data)
    encoding = msg.format.partition(';')[0].strip()
    if encoding.startswith('bayer') and encoding in _PACKED and not msg.format.endswith('mono8'):
        # image_transport compresses the raw mosaic; for jpeg, the one of ROS 2 converts it to grey
        # first and notes mono8. Other drivers have already converted it to colour.
        image = decode_file(data, cv2.IMREAD_UNCHANGED, msg.format)
        if image.ndim == 2:
            return _rgb_from_packed(image, encoding)
    # EXIF orientation would turn the picture, but not its CameraInfo: ignore it.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = decode_file(data, flags, msg.format)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def depth_from_image(msg: Any) -> NDArray[np.float32]:
    """Decode a depth image to float32 [H, W] metres; NaN = no value, infinities as in REP-117.

    +inf = beyond, -inf = too close. 16UC1 is in millimetres, 0 = invalid. In 32FC1, zero and
    negative numbers are invalid.
    Raises `CoreError` as `rgb_from_image` does.
    """
    if msg.encoding not in _DEPTH:
        raise CoreError(
            f'depth encoding {msg.encoding!r}; allowed: {", ".join(DEPTH_ENCODINGS)} (REP-118)'
        )
    return _metres(_samples(msg, _DEPTH[msg.encoding], 1, msg.height))


def depth_from_compressed(msg: Any) -> NDArray[np.float32]:
    """Decode a 16-bit png or a compressedDepth message to float32 [H, W] metres.

    Raises `CoreError` for anything else, and for damaged files.
    """
    data = bytes(msg.data)
    if 'compressedDepth' not in msg.format:
        return _metres(decode_file(data, cv2.IMREAD_UNCHANGED, msg.format))
    head = _COMPRESSED_DEPTH_HEADER.size
    if len(data) <= head:
        raise CoreError(f'compressedDepth of {len(data)} bytes is shorter than its header')
    _, quant_a, quant_b = _COMPRESSED_DEPTH_HEADER.unpack(data[:head])
    codes = decode_file(data[head:], cv2.IMREAD_UNCHANGED, msg.format)
    if not msg.format.startswith('32FC1'):
        return _metres(codes)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        depth = np.float32(quant_a) / (codes.astype(np.float32) - np.float32(quant_b))
    depth[codes == 0] = np.nan
    return _metres(depth)


def millimetres_from_depth(
    depth_m: NDArray[np.float32],
    out: NDArray[np.uint16],
) -> None:
    """Write metres as 16UC1, rounded millimetres; 0 if not finite or beyond 65.535 m."""
    with np.errstate(over='ignore'):
        millimetres = np.multiply(depth_m, np.float32(1000.0), dtype=np.float32, order='C')
    np.rint(millimetres, out=millimetres)
    cv2.patchNaNs(millimetres, 0.0)
    np.copyto(millimetres, np.float32(0.0), where=millimetres > 65535.0)
    np.maximum(millimetres, np.float32(0.0), out=millimetres)
    np.copyto(out, millimetres, casting='unsafe')


def _metres(samples: NDArray[Any]) -> NDArray[np.float32]:
    if samples.ndim != 2:
        raise CoreError(f'depth image has shape {samples.shape}; one channel is expected')
    if samples.dtype == np.uint16:
        depth = samples.astype(np.float32) * np.float32(1e-3)
    elif samples.dtype == np.float32:
        depth = samples.astype(np.float32)  # a copy: the message must not change
    else:
        raise CoreError(f'depth image of {samples.dtype}; allowed: uint16 (mm), float32 (m)')
    np.copyto(depth, np.float32(np.nan), where=(depth <= 0) & (depth > -np.inf))
    return depth


def _rgb_from_packed(pixels: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    """Convert samples [H, W] or [H, W, C] of one of the `_PACKED` encodings."""
    height, width = pixels.shape[:2]
    conversion = _PACKED[encoding][2]
    if conversion in (cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2RGB_YUY2) and width % 2:
        raise CoreError(f'{encoding} shares chroma in pixel pairs, but the width {width} is odd')
    if encoding.startswith('bayer') and min(width, height) < 3:
        raise CoreError(f'{encoding} of {width}x{height} is too small to demosaic')
    if conversion is not None:
        pixels = cv2.cvtColor(pixels, conversion)
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)
    return pixels


def _rgb_from_semi_planar(msg: Any) -> NDArray[np.uint8]:
    if msg.width % 2 or msg.height % 2:
        raise CoreError(
            f'{msg.encoding} shares chroma in 2x2 pixels, but {msg.width}x{msg.height} is odd'
        )
    planes = np.ascontiguousarray(_samples(msg, 'u1', 1, msg.height * 3 // 2))
    return cv2.cvtColor(planes, _SEMI_PLANAR[msg.encoding])


def _samples(msg: Any, kind: str, channels: int, rows: int) -> NDArray[Any]:
    """Return msg.data as [rows, width(, channels)] in native byte order, without padding."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    if height <= 0 or width <= 0:
        raise CoreError(f'image is {width}x{height}; both must be > 0')
    row_bytes = width * channels * np.dtype(kind).itemsize
    if step < row_bytes:
        raise CoreError(
            f'step {step} is shorter than a row of {width} {msg.encoding} pixels '
            f'({row_bytes} bytes)'
        )
    buffer = np.frombuffer(msg.data, np.uint8)
    if buffer.size != step * rows:
        raise CoreError(
            f'image data has {buffer.size} bytes, {msg.encoding} {width}x{height} with step '
            f'{step} needs {step * rows}; the driver fills the message incorrectly'
        )
    table = buffer.reshape(rows, step)[:, :row_bytes]
    if kind != 'u1':
        order = '>' if msg.is_bigendian else '<'
        typed = np.ascontiguousarray(table).view(order + kind)
        table = typed.astype(typed.dtype.newbyteorder('='), copy=False)
    shape = (rows, width) if channels == 1 else (rows, width, channels)
    return table.reshape(shape)
