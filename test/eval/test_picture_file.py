# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from dmd_ros.core.errors import CoreError
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.picture_file import Exif, find_pictures, names_of, read_exif, read_picture

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
# All lossless except for the first.
FORMATS = {
    'JPEG': {'quality': 100, 'subsampling': 0},
    'PNG': {},
    'WEBP': {'lossless': True},
    'TIFF': {},
    'BigTIFF': {'big_tiff': True},
}
ORIENTATION, DETAILS, FOCAL_35MM, WIDTH, HEIGHT = 0x0112, 0x8769, 0xA405, 0xA002, 0xA003
ZOOM = 0xA404


def photo(path, rgb=RGB, orientation=None, kind=None, **details):
    """Write a picture with the given EXIF."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    tags = {'focal': FOCAL_35MM, 'width': WIDTH, 'height': HEIGHT, 'zoom': ZOOM}
    exif.get_ifd(DETAILS).update({tags[name]: value for name, value in details.items()})
    kind = kind or ('PNG' if path.suffix == '.png' else 'JPEG')
    Image.fromarray(rgb).save(path, kind.removeprefix('Big'), exif=exif, **FORMATS[kind])
    return path


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_pictures_are_turned_as_in_viewers(tmp_path, kind, orientation):
    path = photo(tmp_path / 'a', orientation=orientation, kind=kind)
    found = read_picture(path)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    assert found.exif.orientation == orientation
    assert found.rgb.flags.c_contiguous
    np.testing.assert_allclose(found.rgb.astype(int), shown, atol=9 if kind == 'JPEG' else 0)


@pytest.mark.parametrize('suffix', ['.bmp', '.ppm', '.tif', '.webp'])
def test_other_formats_of_opencv_are_read(tmp_path, suffix):
    smooth = cv2.resize(RGB, (60, 40))
    cv2.imwrite(str(tmp_path / f'a{suffix}'), smooth[..., ::-1])
    found = read_picture(tmp_path / f'a{suffix}')
    assert found.exif == Exif()
    np.testing.assert_allclose(found.rgb.astype(int), smooth, atol=40)


def test_grey_and_transparent_pictures_have_three_colours(tmp_path):
    for mode in ('L', 'RGBA', 'I;16'):
        grey = np.full(
            (4, 6), 90 * 257 if mode == 'I;16' else 90, 'u2' if mode == 'I;16' else 'u1'
        )
        Image.fromarray(grey).convert(mode).save(tmp_path / 'a.png')
        assert (read_picture(tmp_path / 'a.png').rgb == 90).all()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'ftypheic', r"format '\.heic', 8 bytes; convert it to jpeg or png"),
        (b'BM' + bytes(60), 'convert it to jpeg or png'),
        (b'\xff\xd8\xff\xd9', 'no frame header'),
    ],
)
def test_a_file_that_is_not_a_picture_is_an_error(tmp_path, content, message):
    (tmp_path / 'a.heic').write_bytes(content)
    with pytest.raises(CoreError, match=message):
        read_picture(tmp_path / 'a.heic')


@pytest.mark.parametrize(
    ('height', 'message'),
    [(9_000, r'declares 12000x9000 pixels, at most \d+ are'), (16_000, r'192000000 pixels')],
)
def test_too_large_a_picture_is_refused_in_every_format(tmp_path, height, message):
    """In black and white, a picture of gigabytes is a file of a few thousand bytes."""
    Image.new('1', (12_000, height)).save(tmp_path / 'a.tif', compression='group4')
    with pytest.raises(CoreError, match=f'{message}.* [Mm]ake it smaller, if it is not damaged'):
        read_picture(tmp_path / 'a.tif')


@pytest.mark.parametrize(
    ('details', 'exif'),
    [
        ({'focal': 26}, Exif(1, 26.0)),
        ({'focal': 0}, Exif()),
        ({'orientation': 99}, Exif()),
        ({'orientation': 6, 'focal': 26}, Exif(6, 26.0)),
        ({'width': 4032, 'height': 3024}, Exif(size=(4032, 3024))),
        ({'width': 4032, 'height': 0}, Exif()),
        ({'focal': 'long'}, Exif()),
        ({'zoom': 2.5}, Exif(zoom=2.5)),
        ({'zoom': IFDRational(0, 0)}, Exif()),
        ({'zoom': 0}, Exif()),
    ],
)
def test_exif_is_read(tmp_path, details, exif):
    assert read_exif(photo(tmp_path / 'a.jpg', **details).read_bytes()) == exif


def test_damaged_exif_is_ignored(tmp_path, recwarn):
    data = photo(tmp_path / 'a.jpg', orientation=6, focal=26).read_bytes()
    start = data.index(b'Exif')
    for place in range(start + 6, start + 50):
        for value in (0, 255):
            (tmp_path / 'a.jpg').write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            assert sorted(read_picture(tmp_path / 'a.jpg').rgb.shape) == [3, 4, 6]
    (tmp_path / 'a.jpg').write_bytes(data[: start + 6] + bytes(30) + data[start + 36 :])
    assert read_picture(tmp_path / 'a.jpg').exif == Exif()
    assert not recwarn
    assert read_exif(io.BytesIO().getvalue()) == Exif()


def test_pictures_of_folders_are_in_order(tmp_path):
    for name in ('b.jpg', 'a.PNG', 'notes.txt', '._b.jpg', 'c.mp4', 'photo'):
        (tmp_path / name).touch()
    (tmp_path / 'below.jpg').mkdir()
    found, others = find_pictures([tmp_path / 'photo', tmp_path, tmp_path / 'b.jpg'])
    assert [path.name for path in found] == ['photo', 'a.PNG', 'b.jpg']
    assert others == 4


@pytest.mark.parametrize(
    ('given', 'message'),
    [('none.jpg', r'none\.jpg does not exist'), ('.', r'no picture in .* \(1 other file.*\.webp')],
)
def test_the_error_if_no_picture_is_found(tmp_path, given, message):
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(EvalError, match=message):
        find_pictures([tmp_path / given])


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['x/a.jpg', 'y/b.png'], ['a', 'b']),
        (['x/a.jpg', 'x/a.png', 'x/b.png'], ['a_jpg', 'a_png', 'b']),
        (['left/a.jpg', 'right/a.jpg'], ['left_a', 'right_a']),
        (['x/a.jpg', 'x/a.png', 'y/a.jpg'], ['x_a_jpg', 'a_png', 'y_a']),
        (['x/a.jpg', 'x/A.jpg'], ['x_a_jpg_1', 'x_A_jpg_2']),
        (['x/a.jpg', 'x/a.png', 'x/a_png.jpg'], ['a_jpg', 'a_png', 'a_png_jpg']),
        (['p/x/a.jpg', 'q/x/a.jpg', 'x/x_a_jpg_1.png'], ['x_a_jpg_1', 'x_a_jpg_2', '...']),
        (['x/IMG.01.jpg', 'x/IMG.02.jpg'], ['IMG.01', 'IMG.02']),
    ],
)
def test_no_two_pictures_share_a_name(tmp_path, paths, names):
    found = names_of([tmp_path / path for path in paths])
    assert len({name.lower() for name in found}) == len(paths)
    wanted = [found[i] if name == '...' else name for i, name in enumerate(names)]
    assert found == wanted
