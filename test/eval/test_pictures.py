# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command for pictures, from the command line to its output files."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from fov_oracle import tan_of
from frame_factory import slope
from oracle_model import grey_from_depth
from PIL import Image

from dmd_ros.core.camera import Camera, degrees_from_tan_half
from dmd_ros.eval import pictures
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.options import run_command
from dmd_ros.eval.output.canvas import depth_colours
from dmd_ros.eval.picture_session import PictureResult, figures_of, stride_for

ROOT = Path(__file__).parents[2]
ENDINGS = ('.npy', '_depth.png', '_color.png', '.ply')
DEPTH = slope(1, 6)


@pytest.fixture
def model(models):
    return models[0]


def photo(path, depth_m=DEPTH, focal_35mm=None, orientation=1):
    """Write a png for which the oracle estimates this depth, after turning it by EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if focal_35mm is not None:
        exif.get_ifd(0x8769)[0xA405] = focal_35mm
    image = Image.fromarray(grey_from_depth(depth_m))
    # The inverse of orientation 6, which turns clockwise.
    image = image.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else image
    image.save(path, 'PNG', exif=exif)
    return path


def run(out, *words):
    pictures.main([*map(str, words), '--out', str(out)])
    return json.loads((out / 'pictures.json').read_text())


def names(out):
    return sorted(path.name for path in out.iterdir())


def test_depth_of_a_photograph_is_written_in_every_form(tmp_path, model, capsys):
    path, out = photo(tmp_path / 'in' / 'room.png', focal_35mm=28), tmp_path / 'out'
    results = run(out, path, *model)
    assert names(out) == sorted([*(f'room{ending}' for ending in ENDINGS), 'pictures.json'])
    depth = np.load(out / 'room.npy')
    assert (depth.dtype, depth.shape) == (np.float32, DEPTH.shape)
    np.testing.assert_allclose(depth, DEPTH, rtol=0.03)
    millimetres = cv2.imread(str(out / 'room_depth.png'), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16
    np.testing.assert_allclose(millimetres, depth * 1000, atol=0.5)
    color = cv2.imread(str(out / 'room_color.png'))
    assert color.shape[0] > 480 and color.shape[1] > 1280  # both, 640 wide
    assert b'element vertex' in (out / 'room.ply').read_bytes()[:200]
    (found,) = results['pictures']
    focal = 28 * np.hypot(64, 48) / np.hypot(36, 24)
    assert found['camera']['fx'] == found['camera']['fy'] == pytest.approx(focal)
    assert found['vfov_deg'] == pytest.approx(degrees_from_tan_half(24 / focal))
    assert (found['fov_source'], found['picture']) == ('exif', str(path))
    wanted = [np.median(depth), depth.min(), depth.max()]
    assert [found[f'{key}_m'] for key in ('median', 'min', 'max')] == pytest.approx(wanted)
    assert (found['coverage'], found['cloud_stride']) == (1.0, 1)
    assert results['settings']['model'] == 'oracle' and results['warnings'] == []
    said = capsys.readouterr().out
    assert f'| room    | EXIF (28 mm on 35 mm film) | {found["vfov_deg"]:.1f} |' in said


def test_each_picture_has_its_own_source_and_an_estimate_a_warning(tmp_path, models, capsys):
    told, silent = photo(tmp_path / 'a.png', focal_35mm=28), photo(tmp_path / 'b.png')
    results = run(tmp_path / 'out', told, silent, *models[0], *models[1])
    a, b = results['pictures']
    assert (a['fov_source'], b['fov_source']) == ('exif', 'estimate')
    level = grey_from_depth(DEPTH).mean()
    assert b['vfov_deg'] == pytest.approx(degrees_from_tan_half(tan_of(level)), abs=0.5)
    assert results['warnings'][0].startswith('1 of 2 picture(s): the field of view is estimated')
    said = capsys.readouterr()
    assert 'estimated (no FocalLengthIn35mmFilm in EXIF)' in said.out
    assert 'warning: 1 of 2 picture(s)' in said.err


def test_a_picture_does_not_depend_on_earlier_ones(tmp_path, models):
    paths = [photo(tmp_path / f'{n}.png', slope(near, 9)) for n, near in (('a', 1), ('b', 3))]
    run(tmp_path / 'both', *paths, *models[0], *models[1])
    run(tmp_path / 'one', paths[1], *models[0], *models[1])
    for ending in ENDINGS:
        both, one = ((tmp_path / name / f'b{ending}').read_bytes() for name in ('both', 'one'))
        assert both == one


def test_a_picture_that_exif_turns_is_estimated_upright(tmp_path, model):
    path = photo(tmp_path / 'a.png', focal_35mm=28, orientation=6)
    assert cv2.imread(str(path), cv2.IMREAD_IGNORE_ORIENTATION).shape[:2] == (64, 48)
    (found,) = run(tmp_path / 'out', path, *model)['pictures']
    assert (found['camera']['width'], found['camera']['height']) == (64, 48)
    np.testing.assert_allclose(np.load(tmp_path / 'out' / 'a.npy'), DEPTH, rtol=0.03)


def test_pictures_of_a_calibrated_lens_are_rectified(tmp_path, model):
    (tmp_path / 'camera.yaml').write_text(
        'image_width: 128\nimage_height: 96\ncamera_matrix: {data: [120, 0, 63.5, 0, 120, 47.5, 0,'
        ' 0, 1]}\ndistortion_model: plumb_bob\ndistortion_coefficients: {data: [0.3, 0, 0, 0, 0]}'
    )
    path = photo(tmp_path / 'a.png')
    calibration = ['--calibration', tmp_path / 'camera.yaml']
    (found,) = run(tmp_path / 'out', path, *calibration, *model)['pictures']
    assert found['rectified'] and found['camera']['distortion'] == []
    assert found['camera']['fx'] == 60.0
    depth = np.load(tmp_path / 'out' / 'a.npy')
    known = np.isfinite(depth)
    assert not known[0, 0] and known[24, 32]  # the lens shows nothing there
    assert found['coverage'] == pytest.approx(known.mean()) and found['points'] <= known.sum()
    millimetres = cv2.imread(str(tmp_path / 'out' / 'a_depth.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(millimetres > 0, known)


def test_a_picture_of_sky_alone_is_not_an_error(tmp_path, model):
    path = photo(tmp_path / 'a.png', np.full((48, 64), 80, np.float32))
    (found,) = run(tmp_path / 'out', path, '--vfov', 40, *model)['pictures']
    assert (found['median_m'], found['coverage'], found['points']) == (None, 0.0, 0)
    assert np.isposinf(np.load(tmp_path / 'out' / 'a.npy')).all()


@pytest.mark.parametrize(
    ('coverage', 'beyond', 'said'),
    [
        (1.0, 0.0, 'median 2.00 m, 1.00 to 9.00 m'),
        (0.6, 0.4, 'median 2.00 m, 1.00 to 9.00 m; white (40%): beyond the range'),
        (0.0, 1.0, 'no depth within the range of the model'),
    ],
)
def test_the_caption_explains_white(coverage, beyond, said):
    camera = Camera.assumed(0.4, 8, 6)
    figures = {'median_m': 2.0, 'min_m': 1.0, 'max_m': 9.0, 'coverage': coverage}
    result = PictureResult('a', 'a.png', 'fixed', '--vfov', 43.6, camera, False, **figures,
                           cloud_stride=None, points=None, floor=None)  # fmt: skip
    assert figures_of(result, beyond) == said


def test_colours_mean_the_same_metres_in_every_picture(tmp_path, model):
    metres = {'near': 1.5, 'far': 6.0}
    for name, depth_m in metres.items():
        photo(tmp_path / 'in' / f'{name}.png', np.full((48, 64), depth_m, np.float32))
    scale = ('--color-near', 1, '--color-far', 9)
    run(tmp_path / 'out', tmp_path / 'in', '--vfov', 40, *model, *scale)
    for name, depth_m in metres.items():
        shown = cv2.imread(str(tmp_path / 'out' / f'{name}_color.png'))[300, 1000, ::-1]
        wanted = depth_colours(np.full((1, 1), depth_m, np.float32), 1, 9)[0, 0]
        np.testing.assert_allclose(shown.astype(int), wanted, atol=8)


def test_clouds_are_thinned_or_left_out(tmp_path, model):
    path = photo(tmp_path / 'a.png')
    (found,) = run(tmp_path / 'o', path, '--vfov', 40, '--cloud-stride', 4, *model)['pictures']
    assert (found['cloud_stride'], found['points']) == (4, 12 * 16)
    options = ('--vfov', 40, '--no-points', '--overwrite')
    (found,) = run(tmp_path / 'o', path, *options, *model)['pictures']
    assert found['cloud_stride'] is found['points'] is None
    assert not (tmp_path / 'o' / 'a.ply').exists()  # the old one would not match this depth


@pytest.mark.parametrize(
    ('size', 'stride'), [((1, 1), 1), ((1000, 1000), 1), ((1001, 1000), 2), ((3024, 4032), 4)]
)
def test_a_cloud_of_a_large_photograph_has_a_million_points_at_most(size, stride):
    assert stride_for(size[0] * size[1]) == stride
    assert np.prod([len(range(0, side, stride)) for side in size]) <= 1.01e6


def test_folders_of_pictures_with_the_same_names(tmp_path, model, capsys):
    for place in ('left', 'right'):
        photo(tmp_path / place / 'a.png')
    (tmp_path / 'left' / 'notes.txt').touch()
    results = run(tmp_path / 'out', tmp_path / 'left', tmp_path / 'right', '--vfov', 40, *model)
    assert [found['name'] for found in results['pictures']] == ['left_a', 'right_a']
    assert len(names(tmp_path / 'out')) == 2 * len(ENDINGS) + 1
    assert results['other_files'] == 1
    assert 'warning: 1 other file(s) in the folders' in capsys.readouterr().err


def test_bad_pictures_do_not_stop_the_others_and_are_listed(tmp_path, model, capsys):
    for name in 'ace':
        photo(tmp_path / 'in' / f'{name}.png')
    (tmp_path / 'in' / 'b.jpg').write_bytes(b'no picture')
    whole = (tmp_path / 'in' / 'c.png').read_bytes()
    (tmp_path / 'in' / 'd.png').write_bytes(whole[: len(whole) // 2])
    argv = [tmp_path / 'in', '--vfov', 40, '--out', tmp_path / 'out', *model]
    assert run_command(lambda _: pictures.main([*map(str, argv)])) == 2
    results = json.loads((tmp_path / 'out' / 'pictures.json').read_text())
    assert [found['name'] for found in results['pictures']] == ['a', 'c', 'e']
    left = results['pictures_left_out']
    assert [Path(path).name for path in left] == ['b.jpg', 'd.png']
    said = capsys.readouterr().err
    for path, reason in left.items():
        assert f'warning: {path} is left out: {reason}\n' in said
    assert said.splitlines()[-1].startswith('error: 2 of 5 picture(s) left out')


def test_only_the_json_is_written_if_every_picture_is_bad(tmp_path, model, capsys):
    (tmp_path / 'a.jpg').touch()
    argv = [tmp_path / 'a.jpg', tmp_path, '--out', tmp_path / 'out', *model]
    assert run_command(lambda _: pictures.main([*map(str, argv)])) == 2
    assert names(tmp_path / 'out') == ['pictures.json']
    assert 'error: 1 of 1 picture(s) left out' in capsys.readouterr().err


def test_a_field_of_view_outside_the_range_of_the_model_gives_a_warning(tmp_path, model):
    warnings = run(tmp_path / 'out', photo(tmp_path / 'a.png'), '--vfov', 130, *model)['warnings']
    assert warnings[0].startswith(f'{tmp_path}/a.png: the camera has tan(vfov/2) = 2.1')


def test_names_need_not_be_valid_text(tmp_path, model, capsys):
    """Archives of other systems contain such names; OpenCV ends the process at such a path."""
    path = photo(tmp_path / 'b.png').rename(tmp_path / os.fsdecode(b'caf\xe9\n.png'))
    (found,) = run(tmp_path / 'out', path, '--vfov', 40, *model)['pictures']
    assert found['picture'] == str(path)
    assert (tmp_path / 'out' / f'{path.stem}_color.png').is_file()
    assert r'caf\udce9' in capsys.readouterr().out


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, model):
    for last in 'ab':  # 252 bytes that differ at the end
        photo(tmp_path / 'in' / f'{"深" * 82}{last}{last}.png')
    results = run(tmp_path / 'out', tmp_path / 'in', '--vfov', 40, *model)
    long = f'in_{"深" * 72}'
    assert [found['name'] for found in results['pictures']] == [f'{long}_1', f'{long}_2']
    assert len(names(tmp_path / 'out')) == 2 * len(ENDINGS) + 1


@pytest.mark.parametrize('stale', ['pictures.json', 'a.npy', 'a.ply'])
def test_an_earlier_run_is_kept_unless_overwrite_is_given(tmp_path, model, stale):
    path, out = photo(tmp_path / 'a.png'), tmp_path / 'out'
    out.mkdir()
    (out / stale).write_text('mine')
    with pytest.raises(Exception, match=f'{stale} exists already; choose another --out'):
        run(out, path, '--vfov', 40, *model)
    assert names(out) == [stale] and (out / stale).read_text() == 'mine'
    run(out, path, '--vfov', 40, '--overwrite', *model)
    assert len(names(out)) == 5 and b'mine' not in (out / stale).read_bytes()


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['none.png'], r'none\.png does not exist'),
        (['a.png', '--out', '.'], 'is a folder of the pictures'),
        (['a.png', '--color-near', '9', '--color-far', '2'], '0 < near < far'),
        (['a.png', '--model', 'none.onnx'], r'none\.onnx does not exist'),
        (['a.png', '--calibration', 'a.png'], 'cannot read a.png as a calibration'),
        (['a.png', '--out', 'a.png/out'], 'Not a directory'),
        (['a.png', '--fov-model', 'none.onnx'], r'none\.onnx does not exist'),
    ],
)
def test_errors_reach_the_user_as_one_line(tmp_path, model, words, message, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / 'a.png')
    assert run_command(lambda _: pictures.main([*model, *words])) == 2
    assert names(tmp_path) == ['a.png']
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
    assert re.search(message, error)


@pytest.mark.parametrize('place', ['links', 'disk'])
def test_results_are_not_written_among_links_to_pictures(tmp_path, model, place):
    photo(tmp_path / 'disk' / 'a.png')
    (tmp_path / 'links').mkdir()
    (tmp_path / 'links' / 'a.png').symlink_to(tmp_path / 'disk' / 'a.png')
    with pytest.raises(EvalError, match=f'{place} is a folder of the pictures'):
        run(tmp_path / place, tmp_path / 'links', '--vfov', 40, *model)


def test_a_full_disk_ends_the_command_with_the_name_of_the_file(tmp_path, model, capsys):
    paths, out = [photo(tmp_path / f'{name}.png') for name in 'ab'], tmp_path / 'out'
    out.mkdir()
    (out / '.a.ply.partial').symlink_to('/dev/full')
    argv = [*map(str, paths), '--vfov', '40', '--out', str(out), *model]
    assert run_command(lambda _: pictures.main(argv)) == 2
    assert f"No space left on device: '{out}/a.ply'" in capsys.readouterr().err
    assert names(out) == ['a.npy', 'a_depth.png']  # complete files only


def test_ctrl_c_keeps_the_results_so_far(tmp_path, models):
    count = 400
    for number in range(count):
        photo(tmp_path / 'in' / f'{number:03d}.png')
    words = [sys.executable, '-m', 'dmd_ros.eval.pictures', str(tmp_path / 'in'), '--vfov', '40']
    out = tmp_path / 'out'
    command = [*words, '--out', str(out), *models[0]]
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not (out / '001_color.png').exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and error.endswith('interrupted\n')
    results = json.loads((out / 'pictures.json').read_text())
    done = len(results['pictures'])
    assert 2 <= done < count and results['pictures_found'] == count
    assert results['warnings'] == [f'interrupted after {done} of {count} pictures']
    assert len(names(out)) == 4 * done + 1


def test_from_the_command_line_with_the_shipped_models(tmp_path):
    """As in the README: a photograph and a folder, without options."""
    photo(tmp_path / 'photo.png')
    Image.open(photo(tmp_path / 'folder' / 'b.png', focal_35mm=28)).save(
        tmp_path / 'folder' / 'c.jpg', exif=Image.open(tmp_path / 'folder' / 'b.png').getexif()
    )
    command = [sys.executable, '-m', 'dmd_ros.eval.pictures', 'photo.png', 'folder/']
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / 'out' / 'pictures' / 'pictures.json').read_text())
    sources = {found['name']: found['fov_source'] for found in results['pictures']}
    assert sources == {'photo': 'estimate', 'b': 'exif', 'c': 'exif'}
    assert '3/3' in done.stderr and 'out/pictures/pictures.json' in done.stdout
