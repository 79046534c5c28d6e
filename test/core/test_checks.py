# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors for invalid pictures say how to convert them, and the tests follow that advice."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from dmd_ros.core.checks import check_picture
from dmd_ros.core.errors import CoreError

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = np.ascontiguousarray(PICTURE[..., 0])


def refusal(picture: object) -> str:
    with pytest.raises(CoreError, match=r'uint8 \[H, W, 3\] RGB is expected: ') as caught:
        check_picture(picture)
    return str(caught.value)


def advised(picture: object) -> object:
    """Follow the advice of the error until the result is a picture."""
    for _ in range(3):
        (code,) = re.findall(r'(?:pass|file,) (.*?)(?:, o\w+ .*)?$', refusal(picture))
        picture = eval(code, {'np': np, 'cv2': cv2, 'picture': picture})
        try:
            check_picture(picture)
        except CoreError:
            continue
        return picture
    raise AssertionError


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (PICTURE.tolist(), PICTURE),
        (PICTURE.astype(np.uint16) * 257, PICTURE),
        (PICTURE / 255, PICTURE),
        ((PICTURE / 255).astype(np.float32).transpose(2, 0, 1), PICTURE),
        (PICTURE[None], PICTURE),
        ((PICTURE[None] / 255).transpose(0, 3, 1, 2), PICTURE),
        (cv2.cvtColor(PICTURE, cv2.COLOR_RGB2RGBA), PICTURE),
        (GREY, np.dstack([GREY] * 3)),
        (GREY[..., None], np.dstack([GREY] * 3)),
        (GREY.astype(np.uint16) * 257, np.dstack([GREY] * 3)),
        (GREY / 255, np.dstack([GREY] * 3)),
    ],
)
def test_following_the_advice_gives_a_valid_picture(given: object, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(advised(given), expected)


@pytest.mark.parametrize('kind', [str, Path])
def test_a_file_is_read(tmp_path: Path, kind: type) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), PICTURE[..., ::-1])
    np.testing.assert_array_equal(advised(kind(tmp_path / 'a.png')), PICTURE)


def test_pictures_of_pillow_and_torch() -> None:
    image = pytest.importorskip('PIL.Image')
    np.testing.assert_array_equal(advised(image.fromarray(PICTURE)), PICTURE)
    np.testing.assert_array_equal(advised(image.fromarray(GREY)), np.dstack([GREY] * 3))
    torch = pytest.importorskip('torch')
    np.testing.assert_array_equal(advised(torch.from_numpy(PICTURE)), PICTURE)


@pytest.mark.parametrize(
    ('picture', 'message'),
    [
        (cv2.imread('/nowhere.png'), 'NoneType; .* None for a file that is missing'),
        (Camera(9.0, 9.0, 4.0, 3.0, 8, 6), 'picture is Camera; .* then its camera'),
        (PICTURE[:0], r'uint8 \(0, 8, 3\); .* has no pixels'),
        (PICTURE[:, :0], r'uint8 \(6, 0, 3\); .* has no pixels'),
        (PICTURE.astype(np.int8), r'int8 \(6, 8, 3\)'),
        (np.zeros((6, 8, 2), np.uint8), r'uint8 \(6, 8, 2\)'),
        (np.zeros((), np.uint8), r'uint8 \(\)'),
    ],
)
def test_other_invalid_pictures_are_described(picture: object, message: str) -> None:
    assert re.search(message, refusal(picture))
