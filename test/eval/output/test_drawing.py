# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The content of drawings; their look was checked by eye."""

import errno
import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.core.camera import Camera
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import canvas, cloud_view, sheet

NAN = np.float32(np.nan)


@pytest.mark.parametrize('far_m', [4.0, 50.0, 1000.0])
def test_the_scale_of_depth_and_its_last_label_stay_in_their_room(far_m):
    picture = np.full((40, 300, 3), 255, np.uint8)
    canvas.depth_bar(picture, 20, 4, 240, 0.5, far_m)
    (drawn,) = np.nonzero((picture != 255).any(axis=(0, 2)))
    assert 20 + 240 - 3 <= drawn.max() < 20 + 240


def test_equal_ratios_of_depth_are_equal_steps_of_colour():
    ramp = np.geomspace(0.5, 8.0, 5, dtype=np.float32)
    colours = canvas.depth_colours(ramp[None], 0.5, 8.0)[0].astype(int)
    fine = canvas.depth_colours(np.geomspace(0.5, 8.0, 253, dtype=np.float32)[None], 0.5, 8.0)[0]
    for k, colour in enumerate(colours):
        assert np.abs(fine[63 * k] - colour).max() <= 12


def test_colours_of_nan_and_infinities():
    depth = np.array([[NAN, np.inf, -np.inf]], np.float32)
    colours = canvas.depth_colours(depth, 0.5, 10)
    assert tuple(colours[0, 0]) == canvas.NOTHING
    assert tuple(colours[0, 1]) == (255, 255, 255)


def test_error_is_blue_when_too_near_and_red_when_too_far():
    p = np.array([[1, 2, 4, 2, NAN, -np.inf, np.inf]], np.float32)
    g = np.array([[2, 2, 2, NAN, 2, 2, 2]], np.float32)
    near, right, far, nothing, *others = canvas.error_colours(p, g)[0].astype(int)
    assert near[2] > near[0] + 100
    assert far[0] > far[2] + 100
    assert right.min() > 220
    assert tuple(nothing) == canvas.NOTHING
    np.testing.assert_array_equal(others, [nothing, near, far])


def test_sparse_points_stay_visible_when_scaled():
    truth = np.full((400, 1200), NAN, np.float32)
    truth[::40, ::40] = 5.0
    colours = canvas.depth_colours(truth, 1, 10)
    small = canvas.panel(colours, np.isfinite(truth), 300)
    assert small.shape == (100, 300, 3)
    lit = (small != np.array(canvas.NOTHING)).any(axis=-1)
    assert lit.sum() >= 300  # one square of full colour per point
    assert (small[lit] == colours[0, 0]).all()


def row(truth=True, height=48, width=64, section='a'):
    depth = np.full((height, width), 2.0, np.float32)
    rgb = np.full((height, width, 3), 90, np.uint8)
    return sheet.Row(section, 'caption', 'figures', rgb, depth, depth if truth else None)


def test_long_names_stay_in_their_column():
    long = 'm' * 200
    rgb, depth = np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 2.0, np.float32)
    named = sheet.Row(long, long, 'figures', rgb, depth)
    short = sheet.Row('a', 'caption', 'figures', rgb, depth)
    pictures = [sheet.draw_sheet([r], {r.section: (1, 10)}, 'title') for r in (named, short)]
    beside = 24 + sheet.COLUMN + 8  # where the next column begins
    np.testing.assert_array_equal(*(picture[:, beside:] for picture in pictures))


def test_a_line_is_shrunk_before_it_is_cut():
    assert canvas.fitted('front', 22, 420) == ('front', 22)
    for name in ('/front_stereo/camera_left/color/image_raw', 'x' * 200):
        text, size = canvas.fitted(name, 22, 420)
        assert canvas.text_width(text, size) <= 420 and 16 <= size < 22
        assert text == name or '...' in text
        assert text[-4:] == name[-4:]


def test_a_name_with_line_ends_is_written_in_one_line():
    assert canvas.fitted('a\nb \t.mp4', 22, 420) == ('a b .mp4', 22)


def test_sheet_has_fewer_columns_without_truth():
    full = sheet.draw_sheet([row()], {'a': (1, 10)}, 'title')
    bare = sheet.draw_sheet([row(truth=False)], {'a': (1, 10)}, 'title')
    assert full.shape[1] == 2 * 24 + 4 * sheet.COLUMN + 3 * 8
    assert bare.shape[1] == 2 * 24 + 2 * sheet.COLUMN + 8


def test_sheet_mixes_sizes_and_sections(tmp_path):
    rows = [row(), row(height=30, width=100), row(section='b', truth=False)]
    picture = sheet.draw_sheet(rows, {'a': (1, 10), 'b': (2, 80)}, 'title', 'subtitle')
    sheet.write_picture(tmp_path / 's.png', picture)
    read = cv2.imread(str(tmp_path / 's.png'))
    assert read.shape == picture.shape
    np.testing.assert_array_equal(read[..., ::-1], picture)


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('no/such.png', r'no/such\.png: No such file or directory; make its folder first'),
        ('full.png', r'full\.png: No space left on device; free some space, or choose another'),
        ('file/such.png', r'file/such\.png: Not a directory; choose another place'),
        ('folder.png', r'folder\.png: Is a directory; choose another place'),
        ('such.txt', r'such\.txt: give a name that ends in \.png or \.jpg'),
    ],
)
def test_the_error_of_a_sheet_that_cannot_be_written_has_path_and_reason(tmp_path, name, reason):
    (tmp_path / 'full.png').symlink_to('/dev/full')
    (tmp_path / 'folder.png').mkdir()
    (tmp_path / 'file').touch()
    with pytest.raises(EvalError, match=f'cannot write .*{reason}'):
        sheet.write_picture(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    # An incomplete file is removed.
    assert (tmp_path / 'full.png').is_symlink() is (name != 'full.png')


@pytest.mark.parametrize(
    ('error', 'reason'),
    [
        (errno.EACCES, "Permission denied; check the folder's permissions"),
        (errno.EDQUOT, 'quota exceeded; free some space'),  # the file was not even created
    ],
)
def test_the_error_of_a_file_that_cannot_be_created_has_the_reason(
    tmp_path, monkeypatch, error, reason
):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(sheet.Path, 'write_bytes', refuse)
    with pytest.raises(EvalError, match=reason):
        sheet.write_picture(tmp_path / 's.png', np.zeros((2, 2, 3), np.uint8))


def test_a_picture_too_large_for_jpeg_is_an_error(tmp_path):
    with pytest.raises(EvalError, match=r'\.jpg: 1 x 70000 is too large; \.png takes more'):
        sheet.write_picture(tmp_path / 's.jpg', np.zeros((70_000, 1, 3), np.uint8))


@pytest.mark.parametrize(
    ('low', 'high', 'scale'), [(0.6, 3.7, (0.6, 4.0)), (2.1, 70, (2.0, 80.0)), (1, 1, (1.0, 2.0))]
)
def test_scale_is_round_and_covers_the_depths(low, high, scale):
    ramp = np.linspace(low, high, 1000, dtype=np.float32)
    assert sheet.nice_scale([ramp, np.array([NAN, np.inf], np.float32)]) == scale


@pytest.mark.parametrize(
    ('count', 'rows', 'places'),
    [(7, 3, {0, 3, 6}), (2, 6, {0, 1}), (30, 2, {0, 29}), (5, 1, {0}), (0, 6, set())],
)
def test_rows_are_spread_from_the_first_frame_to_the_last(count, rows, places):
    assert sheet.places(count, rows) == places


def test_scale_without_depths():
    assert sheet.nice_scale([np.array([NAN], np.float32)]) == (0.5, 10.0)


def corner_scene():
    """Return a red floor and wall, and a green box in front of the middle."""
    camera = Camera(fx=100, fy=100, cx=79.5, cy=59.5, width=160, height=120)
    depth = np.full((120, 160), 4.0, np.float32)
    v = np.arange(60, 120)
    floor = 1.2 * camera.fy / np.maximum(v - camera.cy, 1e-3)
    depth[60:] = np.minimum(floor, 4.0)[:, None]
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[..., 0] = 200
    depth[40:70, 70:90] = 2.0
    rgb[40:70, 70:90] = (0, 200, 0)
    return depth, rgb, camera


def test_cloud_is_drawn_with_its_colours_and_the_nearest_point_on_top():
    depth, rgb, camera = corner_scene()
    picture = cloud_view.render(depth, rgb, camera, width=320, height=200, raise_deg=0, turn_deg=0)
    red = (picture[..., 0] > 120) & (picture[..., 1] < 60)
    green = (picture[..., 1] > 120) & (picture[..., 0] < 60)
    assert picture.shape == (200, 320, 3)
    assert red.sum() > 5000
    assert green.sum() > 300
    rows, columns = np.nonzero(green)
    # The wall does not show through the box.
    box = red[rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1]
    assert box.mean() < 0.02


def test_a_cloud_with_more_points_than_pixels_is_thinned(monkeypatch):
    depth, rgb, camera = corner_scene()
    large = [np.repeat(np.repeat(values, 3, axis=0), 3, axis=1) for values in (depth, rgb)]
    size = {'width': 320, 'height': 200}
    plain = cloud_view.render(depth, rgb, camera, **size)
    monkeypatch.setattr(cloud_view, '_MAX_POINTS', depth.size)
    thinned = cloud_view.render(*large, camera.resized(480, 360), **size)
    assert np.abs(thinned.astype(int) - plain).mean() < 8
    drawn = []
    splat = cloud_view._splat
    monkeypatch.setattr(
        cloud_view, '_splat', lambda *args: drawn.append(len(args[2])) or splat(*args)
    )
    cloud_view.render(*large, camera.resized(480, 360), **size)
    assert 0.8 * depth.size < drawn[0] <= depth.size


def test_near_points_move_down_from_a_raised_viewpoint():
    depth, rgb, camera = corner_scene()

    def row_of_box(raise_deg):
        picture = cloud_view.render(
            depth, rgb, camera, width=320, height=200, raise_deg=raise_deg, turn_deg=0
        )
        return np.nonzero((picture[..., 1] > 120) & (picture[..., 0] < 60))[0].mean()

    assert row_of_box(26) > row_of_box(0) + 20


@pytest.mark.parametrize('pixels', [(2000, 20), (20, 2000)])
def test_a_very_narrow_picture_does_not_make_a_sheet_of_gigabytes(pixels):
    depth = np.full(pixels, 2.0, np.float32)
    row = sheet.Row('a', 'b', 'c', np.full((*pixels, 3), 200, np.uint8), depth)
    drawn = sheet.draw_sheet([row], {'a': (1, 4)}, 'title', panel=640)
    assert drawn.shape[1] == 1336 and drawn.shape[0] < 6000
    assert (drawn == 200).all(axis=-1).sum() >= 640


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3, 2.0]))
def test_steep_pixels_are_those_of_the_definition(seed, threshold):
    random = np.random.default_rng(seed)
    values = np.float32([1.0, 1.2, 1.5, 4.0, np.nan, np.inf, -np.inf])
    depth = random.choice(values, (9, 11))
    expected = np.zeros(depth.shape, bool)
    for y, x in np.argwhere(np.isfinite(depth)):
        around = depth[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        near = around[np.isfinite(around)].min()
        expected[y, x] = around[~np.isnan(around)].max() > near * np.float32(1 + threshold)
    np.testing.assert_array_equal(cloud_view.steep_pixels(depth, threshold), expected)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_cloud_without_points_is_an_empty_picture(value):
    _, rgb, camera = corner_scene()
    depth = np.full((120, 160), value, np.float32)
    assert cloud_view.render(depth, rgb, camera, width=64, height=40).shape == (40, 64, 3)
