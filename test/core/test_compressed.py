# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CompressedImage: jpeg and png, rotated by EXIF, truncated, and empty."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import ros_images
from jpegs import with_exif_orientation

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import rgb_from_compressed, rgb_from_image

RGB = np.zeros((24, 40, 3), np.uint8)
RGB[..., 0] = np.linspace(0, 250, 40, dtype=np.uint8)
RGB[..., 1] = np.linspace(20, 200, 24, dtype=np.uint8)[:, None]
RGB[..., 2] = 90


def packed(extension: str, image: np.ndarray = RGB[..., ::-1]) -> bytes:
    ok, data = cv2.imencode(extension, image)
    assert ok
    return data.tobytes()


def message(data: object, name: str = 'jpeg') -> SimpleNamespace:
    return SimpleNamespace(format=name, data=data)


JPEG, PNG = packed('.jpg'), packed('.png')


@pytest.mark.parametrize('name', ['png', 'rgb8; png compressed bgr8', ''])
def test_png_is_exact(name: str) -> None:
    np.testing.assert_array_equal(rgb_from_compressed(message(PNG, name)), RGB)


@pytest.mark.parametrize('wrap', [bytes, bytearray, lambda raw: np.frombuffer(raw, np.uint8)])
def test_jpeg_is_close(wrap: type) -> None:
    decoded = rgb_from_compressed(message(wrap(JPEG), 'bgr8; jpeg compressed bgr8'))
    np.testing.assert_allclose(decoded.astype(int), RGB, atol=8)


def test_grey_transparent_and_deep_pictures_become_rgb() -> None:
    grey = RGB[..., 0]
    for data in (packed('.png', grey), packed('.png', grey.astype(np.uint16) * 257)):
        np.testing.assert_array_equal(
            rgb_from_compressed(message(data, 'png')), np.repeat(grey[..., None], 3, axis=2)
        )
    transparent = np.dstack([RGB[..., ::-1], np.full((24, 40), 200, np.uint8)])
    decoded = rgb_from_compressed(message(packed('.png', transparent), 'png'))
    np.testing.assert_array_equal(decoded, RGB)


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_gbrg16'])
def test_a_packed_mosaic_is_a_colour_picture(encoding: str) -> None:
    """image_transport compresses a Bayer picture as its raw mosaic, in one channel."""
    raw = ros_images.image(encoding, RGB)
    mosaic = np.frombuffer(raw.data, np.uint16 if encoding.endswith('16') else np.uint8)
    data = packed('.png', mosaic.reshape(RGB.shape[:2]))
    found = rgb_from_compressed(message(data, f'{encoding}; png compressed '))
    np.testing.assert_array_equal(found, rgb_from_image(raw))


def test_a_mosaic_converted_to_grey_stays_grey() -> None:
    """As image_transport of ROS 2 converts it for a jpeg."""
    grey = np.random.default_rng(1).integers(0, 256, RGB.shape[:2], np.uint8)
    data = packed('.jpg', grey)
    found = rgb_from_compressed(message(data, 'bayer_rggb8; jpeg compressed mono8'))
    np.testing.assert_array_equal(found, rgb_from_compressed(message(data, 'jpeg')))


def test_a_mosaic_converted_to_colour_by_the_driver_is_kept() -> None:
    name = 'bayer_rggb8; png compressed bgr8'
    np.testing.assert_array_equal(rgb_from_compressed(message(PNG, name)), RGB)


def test_exif_does_not_turn_the_picture_away_from_its_camera_info() -> None:
    turned = with_exif_orientation(JPEG, 6)
    as_viewers_show_it = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert as_viewers_show_it.shape == (40, 24, 3)  # the tag is there and is understood
    decoded = rgb_from_compressed(message(turned))
    np.testing.assert_array_equal(decoded, rgb_from_compressed(message(JPEG)))


@pytest.mark.parametrize('rest', [b'\0' * 100, b'\xff' * 9, JPEG[300:400]])
def test_bytes_after_the_end_marker_are_harmless(rest: bytes) -> None:
    """A jpeg from a USB camera is followed by the rest of its buffer."""
    np.testing.assert_array_equal(
        rgb_from_compressed(message(JPEG + rest)), rgb_from_compressed(message(JPEG))
    )


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture() -> None:
    thumbnail = b'\xff\xe1' + struct.pack('>H', len(JPEG) + 2) + JPEG
    whole = JPEG[:2] + thumbnail + JPEG[2:]
    np.testing.assert_array_equal(
        rgb_from_compressed(message(whole)), rgb_from_compressed(message(JPEG))
    )
    with pytest.raises(CoreError, match='cut off'):
        rgb_from_compressed(message(whole[:-40]))


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (b'', 'is empty'),
        (JPEG[:-40], 'jpeg of .* bytes is cut off'),
        (JPEG[: len(JPEG) // 2], 'cut off'),
        (JPEG[:3], 'cut off'),
        (PNG[:-6], 'png of .* bytes is cut off'),
        (PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:], 'damaged .checksum of'),
        (PNG[:33] + b'\x7f' + PNG[34:], 'cut off or damaged'),
        (PNG[: len(PNG) // 2], 'cut off'),
        (b'hello, this is no picture', "cannot decode .* 'jpeg', 25 bytes; jpeg and png"),
        (packed('.bmp'), 'jpeg and png are supported'),
        (b'\xff\xd8\xff\xd9', 'no frame header'),
        (PNG[:8] + PNG[-12:], 'no header'),
        (PNG[:33] + PNG[-12:], 'cannot decode'),
    ],
)
def test_incomplete_files_are_refused(data: bytes, expected: str) -> None:
    with pytest.raises(CoreError, match=expected):
        rgb_from_compressed(message(data))


def announcing(width: int, height: int) -> tuple[bytes, bytes]:
    """Return a png and a jpeg whose headers declare another size."""
    header = b'IHDR' + struct.pack('>II', width, height) + PNG[24:29]
    png = PNG[:12] + header + struct.pack('>I', zlib.crc32(header)) + PNG[33:]
    frame = JPEG.index(b'\xff\xc0')
    size = struct.pack('>HH', min(height, 65500), min(width, 65500))
    return png, JPEG[: frame + 5] + size + JPEG[frame + 9 :]


@pytest.mark.parametrize('side', [2**31 - 1, 8000])  # more than a picture has, than so few bytes
def test_a_damaged_header_does_not_take_gigabytes(side: int) -> None:
    for data in announcing(side, side):
        with pytest.raises(CoreError, match=r'declares .* the file is damaged'):
            rgb_from_compressed(message(data))


def test_a_picture_above_the_pixel_limit_is_not_called_damaged() -> None:
    """Phone cameras have up to 108 megapixels."""
    for data in announcing(12000, 9000):
        with pytest.raises(CoreError, match=r'12000x9000 .* are allowed: make it smaller'):
            rgb_from_compressed(message(data + bytes(20000)))


@pytest.mark.parametrize('cut', range(4, len(JPEG) - 2, 7))
def test_a_jpeg_cut_off_anywhere_is_never_shown(cut: int) -> None:
    with pytest.raises(CoreError):
        rgb_from_compressed(message(JPEG[:cut]))
