# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of picture files in memory; jpeg and png with checks that decoders do not make."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError

# One flipped bit in a header can declare gigabytes, which decoders allocate before they notice.
MAX_PIXELS = 8192 * 8192
# Deflate compresses at most 1032 bytes, of eight one-bit pixels each, into one; jpeg less.
_MAX_PIXELS_PER_BYTE = 8 * 1032

_JPEG, _JPEG_END, _PNG = b'\xff\xd8', b'\xff\xd9', b'\x89PNG\r\n\x1a\n'
# Start-of-frame markers, which contain the size: 0xC0 to 0xCF except DHT, JPG and DAC.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode_file(data: bytes, flags: int, name: str) -> NDArray[Any]:
    """Decode a complete jpeg or png.

    flags: of cv2.imdecode. name: the message's format, for errors.
    Raises `CoreError` for other formats, truncated files and implausible sizes.
    """
    if data and not data.startswith((_JPEG, _PNG)):
        raise _undecodable(data, name, '; jpeg and png are supported')
    return decode_picture(data, flags, name)


def decode_picture(
    data: bytes,
    flags: int,
    name: str,
    size_of: Callable[[bytes], tuple[int, int]] | None = None,
) -> NDArray[Any]:
    """Decode a complete jpeg or png like `decode_file`, or another format of OpenCV (webp, bmp).

    size_of: reads the (width, height), pixels, that a file of another format declares.
    Raises `CoreError` if the file cannot be decoded, or is too large.
    """
    if not data:
        raise CoreError('compressed image is empty')
    checked = data.startswith((_JPEG, _PNG))
    if checked:
        _check_size(data, name)
    elif size_of is not None:
        _check_pixels(data, *size_of(data))
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _undecodable(data, name, f': {error.err}') from None
    if image is None:
        raise _undecodable(data, name, '' if checked else '; convert it to jpeg or png')
    return image


def _check_pixels(data: bytes, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = f'{MAX_PIXELS} are allowed: make it smaller, if it is not damaged'
        raise _too_large(data, width, height, limit)


def _too_large(data: bytes, width: int, height: int, limit: str) -> CoreError:
    return CoreError(
        f'compressed image of {len(data)} bytes declares {width}x{height} pixels, at most {limit}'
    )


def _check_size(data: bytes, name: str) -> None:
    """Reject a jpeg or png that declares more pixels than it can contain, or than are allowed."""
    width, height = _jpeg_size(data, name) if data.startswith(_JPEG) else _png_size(data)
    possible = _MAX_PIXELS_PER_BYTE * len(data)
    if not 0 < width * height <= possible:
        limit = f'{possible} are possible: the file is damaged'
        raise _too_large(data, width, height, limit)
    _check_pixels(data, width, height)


def _png_size(data: bytes) -> tuple[int, int]:
    """Read (width, height), pixels, and check all chunks.

    Some decoders take minutes for a chunk with a wrong length.
    """
    view = memoryview(data)
    position, kind = len(_PNG), b''
    while kind != b'IEND':
        if position + 12 > len(data):
            raise CoreError(f'png of {len(data)} bytes is cut off (no end marker)')
        length, kind = struct.unpack_from('>I4s', data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise CoreError(f'png of {len(data)} bytes is cut off or damaged (in {kind!r})')
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from('>I', data, end)[0]:
            raise CoreError(f'png of {len(data)} bytes is damaged (checksum of {kind!r})')
        position = end + 4
    if data[12:16] != b'IHDR':
        raise CoreError(f'png of {len(data)} bytes is damaged (no header)')
    width, height = struct.unpack_from('>II', data, 16)
    return width, height


def _jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    """Read (width, height), pixels, and check that the file has an end marker.

    Decoders fill the missing rows of a truncated file with grey, which looks like a wall.
    """
    # Some cameras leave old buffer contents after the end marker; a thumbnail before the frame has
    # an end marker of its own.
    end = data.rfind(_JPEG_END)
    position = len(_JPEG)
    while position + 9 <= len(data) and data[position] == 0xFF and position < end:
        marker = data[position + 1]
        if marker == 0xFF:  # padding before a marker
            position += 1
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack_from('>HH', data, position + 5)
            return width, height
        else:
            position += 2 + struct.unpack_from('>H', data, position + 2)[0]
    if end < position:
        raise CoreError(f'jpeg of {len(data)} bytes is cut off (no end marker)')
    raise _undecodable(data, name, ': no frame header')


def _undecodable(data: bytes, name: str, reason: str) -> CoreError:
    return CoreError(
        f'cannot decode compressed image of format {name!r}, {len(data)} bytes{reason}'
    )
