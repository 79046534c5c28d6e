# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs as cameras and phones mark them."""

from __future__ import annotations

import struct


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Insert an APP1 segment with one entry: tag 0x0112."""
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + jpeg[2:]
