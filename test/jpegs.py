# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture files in variants of cameras, phones and drawing programs that OpenCV cannot write."""

from __future__ import annotations

import struct
import zlib


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Insert an APP1 segment with one entry: tag 0x0112."""
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + jpeg[2:]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a png file: length, type, content and checksum."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_with_palette(places: list[bytes], colours: bytes, alphas: bytes = b'') -> bytes:
    """Return a png with a palette: its bytes are indices into a list of RGB colours."""
    header = struct.pack('>IIBBBBB', len(places[0]), len(places), 8, 3, 0, 0, 0)
    parts = [(b'IHDR', header), (b'PLTE', colours), (b'tRNS', alphas)]
    parts += [(b'IDAT', zlib.compress(b''.join(b'\0' + row for row in places))), (b'IEND', b'')]
    chunks = [png_chunk(kind, data) for kind, data in parts if data or kind == b'IEND']
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunks)
