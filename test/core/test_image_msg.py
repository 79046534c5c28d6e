# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every encoding, written pixel by pixel by `ros_images` and read back."""

from __future__ import annotations

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ros_images import image

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import COLOR_ENCODINGS, rgb_from_image

EXACT = ['rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', 'rgb16', 'bgr16']
GREY = ['mono8', '8UC1', 'mono16']
BAYER = [f'bayer_{p}{bits}' for p in ('rggb', 'bggr', 'gbrg', 'grbg') for bits in (8, 16)]
YUV = ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21']


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def colour_fields(height: int, width: int) -> np.ndarray:
    """Large areas of uniform colours, with a different level in each channel."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (220, 60, 30)
    rgb[: height // 2, width // 2 :] = (40, 200, 70)
    rgb[height // 2 :, : width // 2] = (50, 80, 210)
    rgb[height // 2 :, width // 2 :] = (130, 120, 110)
    return rgb


def field_middles(height: int, width: int) -> list[tuple[int, int]]:
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [(y, x) for y in rows for x in columns]


def test_these_are_all_the_encodings() -> None:
    assert sorted(EXACT + GREY + BAYER + YUV) == sorted(COLOR_ENCODINGS)


@pytest.mark.parametrize('padding', [0, 1, 7])
@pytest.mark.parametrize('size', [(6, 8), (5, 7), (1, 1)])
@pytest.mark.parametrize('encoding', EXACT)
def test_interleaved_encodings_are_exact(encoding: str, size: tuple, padding: int) -> None:
    rgb = noise(*size)
    decoded = rgb_from_image(image(encoding, rgb, padding=padding))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, rgb)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('size', [(6, 8), (5, 7)])
@pytest.mark.parametrize('encoding', GREY)
def test_grey_fills_all_channels(encoding: str, size: tuple, padding: int) -> None:
    rgb = noise(*size)
    decoded = rgb_from_image(image(encoding, rgb, padding=padding))
    np.testing.assert_array_equal(decoded, np.repeat(rgb[..., :1], 3, axis=2))


@pytest.mark.parametrize('encoding', ['mono16', 'rgb16', 'bgr16', 'bayer_rggb16'])
def test_byte_order_follows_the_message(encoding: str) -> None:
    rgb = noise(6, 8)
    little = rgb_from_image(image(encoding, rgb))
    big = rgb_from_image(image(encoding, rgb, big_endian=True, padding=2))
    np.testing.assert_array_equal(little, big)


def test_sixteen_bits_are_rounded_not_cut_off() -> None:
    message = image('mono16', noise(1, 4))
    message.data = np.array([[0, 128, 129, 65535]], '<u2').tobytes()
    assert rgb_from_image(message)[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('size', [(16, 24), (15, 23)])
@pytest.mark.parametrize('encoding', BAYER)
def test_bayer_patterns_map_each_colour_to_its_channel(
    encoding: str, size: tuple, padding: int
) -> None:
    rgb = colour_fields(*size)
    decoded = rgb_from_image(image(encoding, rgb, padding=padding))
    assert decoded.shape == rgb.shape
    for y, x in field_middles(*size):
        np.testing.assert_allclose(decoded[y, x], rgb[y, x], atol=1)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', YUV)
def test_yuv_gives_the_colours_back(encoding: str, padding: int) -> None:
    rgb = colour_fields(16, 24)
    decoded = rgb_from_image(image(encoding, rgb, padding=padding))
    assert decoded.shape == rgb.shape
    for y, x in field_middles(16, 24):
        np.testing.assert_allclose(decoded[y, x], rgb[y, x], atol=4)


@pytest.mark.parametrize('encoding', YUV)
def test_yuv_keeps_the_detail_of_brightness(encoding: str) -> None:
    rgb = np.repeat(noise(8, 12)[..., :1], 3, axis=2)
    decoded = rgb_from_image(image(encoding, rgb))
    np.testing.assert_allclose(decoded.astype(int), rgb, atol=3)


@pytest.mark.parametrize('container', ['bytes', 'bytearray', 'array', 'ndarray', 'memoryview'])
def test_data_may_be_any_buffer(container: str) -> None:
    rgb = noise(4, 6)
    message = image('bgr8', rgb)
    message.data = {
        'bytes': bytes,
        'bytearray': bytearray,
        'array': lambda raw: array.array('B', raw),
        'ndarray': lambda raw: np.frombuffer(raw, np.uint8),
        'memoryview': memoryview,
    }[container](message.data)
    np.testing.assert_array_equal(rgb_from_image(message), rgb)


def test_rgb8_is_a_view_of_the_message() -> None:
    message = image('rgb8', noise(4, 6))
    assert np.shares_memory(rgb_from_image(message), np.frombuffer(message.data, np.uint8))


def broken(written_as: str = 'rgb8', **changes: object) -> SimpleNamespace:
    message = image(written_as, noise(4, 6))
    vars(message).update(changes)
    return message


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        (broken(encoding='rgb9'), "'rgb9' is not a supported colour encoding; allowed: rgb8"),
        (broken(encoding=''), "'' is not a supported colour encoding"),
        (broken(encoding='32FC1'), 'not a supported colour encoding'),
        (broken(height=0), '6x0; both must be > 0'),
        (broken(width=0), '0x4; both must be > 0'),
        (broken(step=17), 'step 17 is shorter than a row of 6 rgb8 pixels .18 bytes.'),
        (broken(step=0), 'step 0 is shorter'),
        (broken(data=b''), 'image data has 0 bytes'),
        (broken(data=b'\0' * 71), 'has 71 bytes, rgb8 6x4 with step 18 needs 72'),
        (broken(data=b'\0' * 73), 'has 73 bytes'),
        (broken(height=5), 'needs 90'),
        (broken('yuyv', width=5, step=12), 'width 5 is odd'),
        (broken('nv12', width=5), 'nv12 .* 5x4 is odd'),
        (broken('nv21', height=3), 'nv21 .* 6x3 is odd'),
        (broken('nv12', data=b'\0' * 24), 'needs 36'),
        (image('bayer_rggb8', noise(2, 2)), '2x2 is too small'),
    ],
)
def test_contradictions_are_named(message: SimpleNamespace, expected: str) -> None:
    with pytest.raises(CoreError, match=expected):
        rgb_from_image(message)


CV_BRIDGE_READS = ['bgr8', 'rgb8', 'rgba8', 'bgra8', 'mono8', 'mono16', 'rgb16', 'bgr16', *BAYER]


@pytest.mark.parametrize('encoding', [*CV_BRIDGE_READS, 'yuv422', 'yuv422_yuy2'])
def test_same_picture_as_cv_bridge(encoding: str) -> None:
    """Oracle, where installed: cv_bridge reads the same colours from real messages."""
    cv_bridge = pytest.importorskip('cv_bridge')
    messages = pytest.importorskip('sensor_msgs.msg')
    source = image(encoding, cv2.GaussianBlur(noise(16, 24), (0, 0), 2))
    message = messages.Image(encoding=encoding, height=16, width=24, step=source.step)
    message.data = source.data
    try:
        expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except (cv_bridge.CvBridgeError, ImportError) as error:
        pytest.skip(f'this cv_bridge cannot: {error}')
    np.testing.assert_allclose(rgb_from_image(message).astype(int), expected, atol=1)
