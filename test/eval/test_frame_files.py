# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and depth of every format: read correctly, or refused with the reason."""

import cv2
import numpy as np
import pytest
from frame_factory import slope, write_frame
from jpegs import png_with_palette, with_exif_orientation

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import read_frame


def paint(folder, image):
    (folder / 'rgb.png').write_bytes(cv2.imencode('.png', image)[1].tobytes())
    return read_frame(folder).sample.rgb


def test_pictures_of_any_bit_depth_and_channels_are_read_alike(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    bgr = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    rgb = bgr[..., ::-1]
    np.testing.assert_array_equal(paint(folder, bgr), rgb)
    np.testing.assert_array_equal(paint(folder, bgr.astype(np.uint16) * 257), rgb)
    # Transparent pixels keep their colours.
    np.testing.assert_array_equal(paint(folder, np.dstack([bgr, bgr[..., 0]])), rgb)
    grey = np.repeat(bgr[..., :1], 3, axis=2)
    np.testing.assert_array_equal(paint(folder, bgr[..., 0]), grey)
    np.testing.assert_array_equal(paint(folder, bgr[..., 0].astype(np.uint16) * 257), grey)


@pytest.mark.parametrize('alphas', [b'', b'\0\xff'], ids=['opaque', 'transparent'])
def test_pictures_with_a_palette_are_read_in_colour(alphas, tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    places = [bytes([0, 1] * 32)] * 48
    (folder / 'rgb.png').write_bytes(
        png_with_palette(places, bytes([255, 0, 0, 0, 9, 255]), alphas)
    )
    rgb = read_frame(folder).sample.rgb
    assert (rgb[:, ::2] == (255, 0, 0)).all() and (rgb[:, 1::2] == (0, 9, 255)).all()


ONES = np.ones((48, 64), np.uint8)


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (ONES, r'it has 1 channel\(s\) of 8 bits'),
        (np.dstack([ONES] * 3), r'it has 3 channel\(s\) of 8 bits'),
        (np.dstack([ONES] * 3).astype(np.uint16), r'it has 3 channel\(s\) of 16 bits'),
        (np.dstack([ONES] * 4).astype(np.uint16), r'it has 4 channel\(s\) of 16 bits'),
        (png_with_palette([bytes(64)] * 48, bytes([1, 2, 3])), r'it has 3 channel\(s\) of 8 bits'),
        (cv2.imencode('.jpg', ONES)[1].tobytes(), r'it has 1 channel\(s\) of 8 bits'),
        (cv2.imencode('.png', ONES)[1].tobytes()[:-20], r'png of \d+ bytes is cut off'),
        (b'', 'compressed image is empty'),
    ],
    ids=['8 bits', 'colour', '16-bit colour', 'RGBA', 'palette', 'jpeg', 'cut off', 'empty'],
)
def test_the_error_of_depth_other_than_16_bit_grey_has_its_format(content, found, tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    if isinstance(content, np.ndarray):
        content = cv2.imencode('.png', content)[1].tobytes()
    (folder / 'depth.png').write_bytes(content)
    with pytest.raises(
        EvalError, match=rf'depth\.png must be a readable 16-bit grey png .*{found}'
    ):
        read_frame(folder)


def test_an_incomplete_picture_is_refused(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    content = (folder / 'rgb.png').read_bytes()
    (folder / 'rgb.png').write_bytes(content[:-20])
    with pytest.raises(EvalError, match=r'cannot decode .*rgb\.png: png of \d+ bytes is cut off'):
        read_frame(folder)


def test_a_size_of_the_picture_as_viewers_show_it_is_refused(tmp_path):
    """A phone stores its orientation in EXIF; meta.json may have the upright size."""
    folder = write_frame(tmp_path / 'f', slope(), width=48, height=64)
    (folder / 'rgb.png').unlink()
    jpeg = cv2.imencode('.jpg', ONES)[1].tobytes()
    (folder / 'rgb.JPG').write_bytes(with_exif_orientation(jpeg, 6))
    with pytest.raises(
        EvalError, match=r'rgb is \(48, 64\), .* says \(64, 48\) .*not rotated by EXIF'
    ):
        read_frame(folder)


def pickled(path):
    np.save(path, np.array([[None]], object), allow_pickle=True)


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (lambda path: np.save(path, np.ones((48, 64), np.uint16)), r'it is uint16 \(48, 64\)'),
        (lambda path: np.save(path, np.ones((48, 64, 1))), r'it is float64 \(48, 64, 1\)'),
        (lambda path: np.save(path, np.ones((0, 64))), r'it is float64 \(0, 64\)'),
        (lambda path: np.savez(path.open('wb'), np.ones((48, 64))), r'.* magic string'),
        (lambda path: path.write_bytes(b''), r'.*'),
        (lambda path: path.write_bytes(b'no array at all'), r'.* magic string'),
        (pickled, r'Object arrays cannot be loaded'),
    ],
    ids=['codes', 'channel', 'nothing', 'archive', 'empty', 'text', 'pickle'],
)
def test_an_array_that_is_not_depth_is_refused(write, message, tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    (folder / 'depth.png').unlink()
    write(folder / 'depth.npy')
    with pytest.raises(EvalError, match=rf'f/depth\.npy(:| must be an array .*,) {message}'):
        read_frame(folder)


def test_an_incomplete_array_is_refused(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    (folder / 'depth.png').unlink()
    np.save(folder / 'depth.npy', slope())
    content = (folder / 'depth.npy').read_bytes()
    (folder / 'depth.npy').write_bytes(content[: len(content) // 2])
    with pytest.raises(EvalError, match=r'cannot read .*depth\.npy'):
        read_frame(folder)


def test_an_array_may_have_inf_for_sky_and_added_points(tmp_path):
    depth = slope().astype(np.float64)
    depth[0, :4] = [np.inf, 1e300, -np.inf, 70.0]
    folder = write_frame(tmp_path / 'f', slope())
    (folder / 'depth.png').unlink()
    np.save(folder / 'depth.npy', depth)
    np.savez(folder / 'depth_full.npz', u=[4], v=[0], z=[75.0])
    truth = read_frame(folder).sample.depth
    np.testing.assert_array_equal(truth[0, :5], np.float32([np.inf, np.inf, np.nan, 70.0, 75.0]))
