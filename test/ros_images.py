# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes sensor_msgs images pixel by pixel from the definitions, sharing nothing with the decoder.

Messages are plain namespaces with the fields of sensor_msgs: the decoder is duck-typed, and these
tests run where no ROS is installed.
"""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np

# Channel order of interleaved encodings; 16-bit samples are 8-bit ones times 257 (255 -> 65535).
_INTERLEAVED = {
    'rgb8': 'rgb',
    'bgr8': 'bgr',
    '8UC3': 'bgr',
    'rgba8': 'rgba',
    'bgra8': 'bgra',
    'rgb16': 'rgb',
    'bgr16': 'bgr',
}
# The colour of the four pixels of each 2x2 block: first row, then second row.
_BAYER = {'rggb': 'rggb', 'bggr': 'bggr', 'gbrg': 'gbrg', 'grbg': 'grbg'}


def image(
    encoding: str,
    rgb: np.ndarray,
    *,
    padding: int = 0,
    big_endian: bool = False,
) -> SimpleNamespace:
    """Write uint8 [H, W, 3] in `encoding`, with `padding` bytes of 0xAB after each row."""
    height, width = rgb.shape[:2]
    rows = _rows(encoding, rgb, '>' if big_endian else '<')
    data = b''.join(row + b'\xab' * padding for row in rows)
    return SimpleNamespace(
        encoding=encoding,
        height=height,
        width=width,
        step=len(rows[0]) + padding,
        is_bigendian=int(big_endian),
        data=data,
    )


def depth_image(
    encoding: str,
    values: np.ndarray,
    *,
    padding: int = 0,
    big_endian: bool = False,
) -> SimpleNamespace:
    """Write [H, W] numbers unchanged: metres (32FC1) or millimetres (16UC1, mono16)."""
    code = ('>' if big_endian else '<') + ('f' if encoding == '32FC1' else 'H')
    rows = [b''.join(struct.pack(code, v) for v in row.tolist()) for row in values]
    return SimpleNamespace(
        encoding=encoding,
        height=values.shape[0],
        width=values.shape[1],
        step=len(rows[0]) + padding,
        is_bigendian=int(big_endian),
        data=b''.join(row + b'\xab' * padding for row in rows),
    )


def _rows(encoding: str, rgb: np.ndarray, order: str) -> list[bytes]:
    if encoding in _INTERLEAVED:
        return [_interleaved(row, encoding, order) for row in rgb.tolist()]
    if encoding in ('mono8', '8UC1'):
        return [bytes(pixel[0] for pixel in row) for row in rgb.tolist()]
    if encoding == 'mono16':
        return [
            b''.join(struct.pack(order + 'H', p[0] * 257) for p in row) for row in rgb.tolist()
        ]
    if encoding.startswith('bayer_'):
        return _bayer_rows(encoding, rgb, order)
    if encoding in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'):
        return [_yuv422(row, encoding in ('yuv422', 'uyvy')) for row in rgb.tolist()]
    if encoding in ('nv12', 'nv21'):
        return _semi_planar(rgb, encoding == 'nv21')
    raise ValueError(encoding)


def _interleaved(row: list[list[int]], encoding: str, order: str) -> bytes:
    out = b''
    for r, g, b in row:
        named = {'r': r, 'g': g, 'b': b, 'a': 255}
        for channel in _INTERLEAVED[encoding]:
            value = named[channel]
            wide = encoding.endswith('16')
            out += struct.pack(order + 'H', value * 257) if wide else bytes([value])
    return out


def _bayer_rows(encoding: str, rgb: np.ndarray, order: str) -> list[bytes]:
    pattern = _BAYER[encoding[len('bayer_') :].rstrip('168')]
    rows = []
    for y, row in enumerate(rgb.tolist()):
        out = b''
        for x, pixel in enumerate(row):
            value = pixel['rgb'.index(pattern[2 * (y % 2) + x % 2])]
            wide = encoding.endswith('16')
            out += struct.pack(order + 'H', value * 257) if wide else bytes([value])
        rows.append(out)
    return rows


def yuv_from_rgb(r: float, g: float, b: float) -> tuple[int, int, int]:
    """Convert by ITU-R BT.601, studio range, which is the YUV of cameras."""
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    return round(y), round(u), round(v)


def _yuv422(row: list[list[int]], chroma_first: bool) -> bytes:
    out = []
    for left, right in zip(row[::2], row[1::2], strict=True):
        (y0, u0, v0), (y1, u1, v1) = yuv_from_rgb(*left), yuv_from_rgb(*right)
        u, v = (u0 + u1) // 2, (v0 + v1) // 2
        out += [u, y0, v, y1] if chroma_first else [y0, u, y1, v]
    return bytes(out)


def _semi_planar(rgb: np.ndarray, v_first: bool) -> list[bytes]:
    yuv = [[yuv_from_rgb(*pixel) for pixel in row] for row in rgb.tolist()]
    rows = [bytes(pixel[0] for pixel in row) for row in yuv]
    for upper, lower in zip(yuv[::2], yuv[1::2], strict=True):
        out = []
        for x in range(0, len(upper), 2):
            block = (upper[x], upper[x + 1], lower[x], lower[x + 1])
            u, v = (round(sum(p[k] for p in block) / 4) for k in (1, 2))
            out += [v, u] if v_first else [u, v]
        rows.append(bytes(out))
    return rows
