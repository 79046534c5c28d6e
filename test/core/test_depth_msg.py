# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading (16UC1, 32FC1, png, compressedDepth) and writing (16UC1) of depth images."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_images import depth_image

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import (
    depth_from_compressed,
    depth_from_image,
    millimetres_from_depth,
)

INF, NAN = np.inf, np.nan
MM = np.array([[0, 1, 999], [1000, 40000, 65535]])
METRES = np.array([[NAN, 0.001, 0.999], [1.0, 40.0, 65.535]], np.float32)


@pytest.mark.parametrize('padding', [0, 2, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_16uc1_is_millimetres(encoding: str, big_endian: bool, padding: int) -> None:
    message = depth_image(encoding, MM, padding=padding, big_endian=big_endian)
    depth = depth_from_image(message)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES, rtol=1e-6)


@pytest.mark.parametrize('padding', [0, 4, 5])
@pytest.mark.parametrize('big_endian', [False, True])
def test_32fc1_is_metres(big_endian: bool, padding: int) -> None:
    values = np.array([[0.0, 0.5, -1.0], [NAN, INF, -INF]], np.float32)
    message = depth_image('32FC1', values, padding=padding, big_endian=big_endian)
    np.testing.assert_array_equal(
        depth_from_image(message), np.array([[NAN, 0.5, NAN], [NAN, INF, -INF]], np.float32)
    )


def test_the_message_is_not_modified() -> None:
    message = depth_image('32FC1', np.zeros((2, 3), np.float32))
    message.data = bytearray(message.data)
    depth_from_image(message)
    assert message.data == bytearray(24)


@pytest.mark.parametrize('encoding', ['rgb8', '64FC1', '16SC1', ''])
def test_other_encodings_are_refused(encoding: str) -> None:
    message = depth_image('32FC1', np.zeros((2, 3), np.float32))
    message.encoding = encoding
    with pytest.raises(CoreError, match='allowed: 16UC1, mono16, 32FC1'):
        depth_from_image(message)


def png(values: np.ndarray) -> bytes:
    return cv2.imencode('.png', values)[1].tobytes()


def test_png_of_millimetres() -> None:
    message = SimpleNamespace(format='16UC1; png compressed', data=png(MM.astype(np.uint16)))
    np.testing.assert_allclose(depth_from_compressed(message), METRES, rtol=1e-6)


def test_compressed_depth_of_millimetres() -> None:
    data = struct.pack('<iff', 0, 0.0, 0.0) + png(MM.astype(np.uint16))
    message = SimpleNamespace(format='16UC1; compressedDepth', data=data)
    np.testing.assert_allclose(depth_from_compressed(message), METRES, rtol=1e-6)


def test_compressed_depth_of_metres_is_inverse_depth() -> None:
    """The formulas of compressed_depth_image_transport: code = a / depth + b, 0 = no value."""
    depth_max, z0 = 10.0, 100.0
    a = z0 * (z0 + 1.0)
    b = 1.0 - a / depth_max
    depth = np.array([[0.5, 1.0, 2.5], [5.0, 9.9, NAN]], np.float32)
    code = np.nan_to_num(a / depth + b, nan=0.0).astype(np.uint16)
    for name in ('32FC1; compressedDepth', '32FC1; compressedDepth png'):
        message = SimpleNamespace(format=name, data=struct.pack('<iff', 0, a, b) + png(code))
        np.testing.assert_allclose(depth_from_compressed(message), depth, rtol=5e-3)


@pytest.mark.parametrize(
    ('name', 'data', 'expected'),
    [
        ('16UC1; compressedDepth', b'', 'shorter than its header'),
        ('16UC1; compressedDepth', b'\0' * 12, 'shorter than its header'),
        ('16UC1; compressedDepth rvl', b'\0' * 30, 'cannot decode'),
        ('16UC1; compressedDepth', b'\0' * 12 + png(MM.astype(np.uint16))[:-5], 'cut off'),
        ('png', b'', 'is empty'),
        ('png', png(np.zeros((2, 3, 3), np.uint16)), 'one channel is expected'),
        ('png', png(np.zeros((2, 3), np.uint8)), 'depth image of uint8'),
        ('32FC1; compressedDepth', b'\0' * 12 + png(np.zeros((2, 3, 3), np.uint8)), 'one channel'),
    ],
)
def test_bad_compressed_depth_is_refused(name: str, data: bytes, expected: str) -> None:
    with pytest.raises(CoreError, match=expected):
        depth_from_compressed(SimpleNamespace(format=name, data=data))


def millimetres(values: list[float]) -> list[int]:
    out = np.full((1, len(values)), 7, np.uint16)
    millimetres_from_depth(np.array([values], np.float32), out)
    return out[0].tolist()


def test_writing_16uc1_rounds_and_never_wraps() -> None:
    assert millimetres([1.0004, 1.0006, 0.0, NAN, INF, -INF]) == [1000, 1001, 0, 0, 0, 0]
    assert millimetres([65.535, 65.536, 66.0, 1e30, 131.072]) == [65535, 0, 0, 0, 0]
    assert millimetres([-0.001, -5.0, 0.0004, 0.0006]) == [0, 0, 0, 1]


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_written_millimetres_are_within_half_a_millimetre_or_zero(values: list[float]) -> None:
    for metres, written in zip(values, millimetres(values), strict=True):
        if 0.0006 <= metres <= 65.535:
            assert abs(written - metres * 1000) <= 0.5 + 0.005
        elif not 0 <= metres < 65.54:
            assert written == 0


def test_writing_does_not_modify_the_depth() -> None:
    depth = np.array([[NAN, 1.0, 99.0]], np.float32)
    millimetres_from_depth(depth, np.empty((1, 3), np.uint16))
    np.testing.assert_array_equal(depth, np.array([[NAN, 1.0, 99.0]], np.float32))


@pytest.mark.parametrize('layout', [np.rot90, np.asfortranarray, np.fliplr, lambda d: d[:, ::2]])
def test_written_depth_may_have_any_memory_layout(layout) -> None:
    depth = np.geomspace(0.1, 90.0, 96).astype(np.float32).reshape(8, 12)
    depth[2, 3:6] = np.nan, np.inf, -np.inf
    expected, found = np.empty((8, 12), np.uint16), np.empty(layout(depth).shape, np.uint16)
    millimetres_from_depth(depth, expected)
    millimetres_from_depth(layout(depth), found)
    np.testing.assert_array_equal(found, layout(expected))
