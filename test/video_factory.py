# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos as real files, for the tests that read them."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

# Matrices in an mp4's track header that rotate its display clockwise, by degrees.
_MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
# The nested boxes of an mp4, down to the one that describes the coding of its pictures.
_TO_THE_STREAM = (b'moov', b'trak', b'mdia', b'minf', b'stbl', b'stsd', b'mp4v')


def write_video(path: Path, pictures: list[np.ndarray], fps: float = 10.0) -> Path:
    """Write uint8 [H, W, 3] RGB; .mkv and .avi are lossless, .mp4 is lossy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fourcc = cv2.VideoWriter.fourcc(*('mp4v' if path.suffix == '.mp4' else 'FFV1'))
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def turn(path: Path, degrees: int) -> Path:
    """Set the metadata of an mp4 to be displayed rotated clockwise, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b'tkhd') + 44  # of version 0
    a, b, c, d = (value << 16 for value in _MATRICES[degrees])
    data[at : at + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def widen(path: Path, wide: int, high: int) -> Path:
    """Set the metadata of an mp4 to be displayed with non-square pixels, as camcorders do."""
    data = bytearray(path.read_bytes())
    boxes = [data.rindex(name) - 4 for name in _TO_THE_STREAM]
    assert data.index(b'mdat') < boxes[0]  # or the samples would be elsewhere then
    sizes = [struct.unpack_from('>I', data, at)[0] for at in boxes]
    end = boxes[-1] + sizes[-1]
    for at, size in zip(boxes, sizes, strict=True):
        struct.pack_into('>I', data, at, size + 16)
    data[end:end] = struct.pack('>I4sII', 16, b'pasp', wide, high)
    path.write_bytes(data)
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    """Read uint8 [H, W, 3] RGB."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = []
    while (read := capture.read())[0]:
        found.append(read[1][..., ::-1])
    return found
