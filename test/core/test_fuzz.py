# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""10,000 seeded messages, damaged in every way the types allow: only our errors are raised."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ros_images import image
from ros_infos import info

from dmd_ros.core.camera_info import camera_from_info, info_size
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_msg import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    depth_from_compressed,
    depth_from_image,
    rgb_from_compressed,
    rgb_from_image,
)

COUNT = 2500  # of each kind
ENCODINGS = (*COLOR_ENCODINGS, *DEPTH_ENCODINGS, '', 'rgb', 'RGB8', '16SC1', '64FC1', 'nv24', '\0')
ODD_NUMBERS = (0, 1, 2, 3, 5, 2**16, 2**31, 2**32 - 1)
ODD_FLOATS = (0.0, -1.0, 1e-300, 1e300, float('nan'), float('inf'), float('-inf'))


def check(decode: Callable[[object], object], message: object, outcomes: Counter[str]) -> None:
    try:
        result = decode(message)
    except CoreError as error:
        assert str(error)
        outcomes['refused'] += 1
    else:
        assert result is not None
        outcomes['decoded'] += 1


def damaged_image(random: np.random.Generator) -> SimpleNamespace:
    rgb = random.integers(0, 256, (2 * random.integers(1, 6), 2 * random.integers(1, 6), 3))
    written = COLOR_ENCODINGS[random.integers(len(COLOR_ENCODINGS))]
    message = image(written, rgb.astype(np.uint8), padding=int(random.integers(0, 4)))
    for _ in range(random.integers(0, 3)):
        field = ('height', 'width', 'step', 'data', 'encoding', 'is_bigendian')[random.integers(6)]
        if field == 'data':
            size = int(random.integers(0, 2 * len(message.data) + 1))
            message.data = random.bytes(size)
        elif field == 'encoding':
            message.encoding = ENCODINGS[random.integers(len(ENCODINGS))]
        else:
            odd = ODD_NUMBERS[random.integers(len(ODD_NUMBERS))]
            near = max(0, getattr(message, field) + int(random.integers(-2, 3)))
            setattr(message, field, odd if random.random() < 0.4 else near)
    return message


def damaged_file(random: np.random.Generator) -> SimpleNamespace:
    side = random.integers(1, 24, 2)
    kind = random.integers(4)
    if kind == 0:
        pixels, extension = random.integers(0, 256, (*side, 3)).astype(np.uint8), '.jpg'
    elif kind == 1:
        pixels, extension = random.integers(0, 256, (*side, 3)).astype(np.uint8), '.png'
    else:
        pixels, extension = random.integers(0, 65536, side).astype(np.uint16), '.png'
    data = bytearray(cv2.imencode(extension, pixels)[1].tobytes())
    if kind == 3:
        data[:0] = struct.pack('<iff', 0, *random.choice(ODD_FLOATS[:2] + ODD_FLOATS[4:], 2))
    for _ in range(random.integers(0, 3)):
        data[random.integers(len(data))] = random.integers(256)
    if random.random() < 0.2:
        del data[random.integers(len(data)) :]
    names = ('jpeg', 'png', '16UC1; png compressed', '32FC1; compressedDepth')
    pick = kind if random.random() < 0.7 else random.integers(len(names))
    return SimpleNamespace(format=names[pick], data=bytes(data))


def damaged_info(random: np.random.Generator) -> SimpleNamespace:
    message = info()
    for _ in range(random.integers(1, 4)):
        field = ('k', 'd', 'p', 'width', 'height', 'binning_x', 'roi', 'model')[random.integers(8)]
        odd = int(random.choice(ODD_NUMBERS))
        if field in ('k', 'd', 'p'):
            values = np.array(getattr(message, field), np.float64)
            values[random.integers(len(values))] = random.choice(ODD_FLOATS)
            cut = random.integers(1, len(values) + 1) if random.random() < 0.2 else len(values)
            setattr(message, field, values[:cut])
        elif field == 'roi':
            name = ('x_offset', 'y_offset', 'width', 'height')[random.integers(4)]
            setattr(message.roi, name, odd)
        elif field == 'model':
            names = ('', 'equidistant', 'rational_polynomial', 'fov')
            message.distortion_model = names[random.integers(len(names))]
        else:
            setattr(message, field, odd)
    return message


@pytest.mark.parametrize('seed', [1])
def test_raw_images(seed: int) -> None:
    random, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(COUNT):
        message = damaged_image(random)
        check(rgb_from_image, message, outcomes)
        check(depth_from_image, message, outcomes)
    assert min(outcomes['refused'], outcomes['decoded']) > COUNT // 10


@pytest.mark.parametrize('seed', [2])
@pytest.mark.parametrize('decode', [rgb_from_compressed, depth_from_compressed])
def test_compressed_images(decode: Callable[[object], object], seed: int) -> None:
    random, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(COUNT):
        check(decode, damaged_file(random), outcomes)
    assert min(outcomes['refused'], outcomes['decoded']) > COUNT // 10


@pytest.mark.parametrize('seed', [3])
def test_infos(seed: int) -> None:
    random, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(COUNT):
        message = damaged_info(random)
        size = (640, 480) if random.random() < 0.7 else tuple(random.integers(0, 700, 2).tolist())
        rectified = bool(random.integers(2))
        info_size(message)
        check(lambda m, s=size, r=rectified: camera_from_info(m, *s, r), message, outcomes)
    assert min(outcomes['refused'], outcomes['decoded']) > COUNT // 10
