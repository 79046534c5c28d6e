# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in the layouts of other tools: the same data gives the same figures in every layout."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_factory import META, slope, write_frame
from oracle_model import grey_from_depth

from dmd_ros.eval import frames
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_folder import find_frames, read_frame
from dmd_ros.eval.options import run_command

DOCS = Path(__file__).parents[2] / 'docs' / 'datasets.md'


def judged(folder, model):
    """Return the results of the command for a folder, without the latency."""
    out = folder.with_name(folder.name + '.out')
    argv = [str(folder), '--model', model, '--out', str(out), '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 0
    results = json.loads((out / 'results.json').read_text())
    del results['latency_ms']
    return results


def refused(folder, model, capsys):
    """Return the last line that the command prints for a faulty folder."""
    argv = [str(folder), '--model', model, '--out', str(folder) + '.out', '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 2
    return capsys.readouterr().err.splitlines()[-1]


def steps(near, far):
    """Return a slope with holes, in steps of 1/8 m, which are integers in all units used here."""
    depth = np.round(slope(near, far) * 8) / 8
    depth[3:9, 5:60] = np.nan
    return depth


# Both estimates are wrong, so that the figures of the two frames differ.
TRUTH = {'room': steps(2, 6), 'street': steps(4, 12)}
PAINTED = {'room': slope(2, 6) * 1.3, 'street': slope(4, 12) * 0.8}
SCENES = {'room': 'indoor', 'street': 'outdoor'}


def write_standard(root, **meta):
    for name, depth in TRUTH.items():
        write_frame(root / name, depth, PAINTED[name], **{'scene': SCENES[name], **meta})
    return root


def write_codes(path, depth, per_metre):
    path.parent.mkdir(parents=True, exist_ok=True)
    codes = np.nan_to_num(depth * per_metre).astype(np.uint16)
    path.write_bytes(cv2.imencode('.png', codes)[1].tobytes())


def in_other_units(per_metre):
    def write(root):
        write_standard(root, depth_per_metre=per_metre)
        for name, depth in TRUTH.items():
            write_codes(root / name / 'depth.png', depth, per_metre)

    return write


def as_array(kind, nothing):
    def write(root):
        write_standard(root)
        for name, depth in TRUTH.items():
            (root / name / 'depth.png').unlink()
            metres = np.nan_to_num(depth, nan=nothing).astype(kind)
            np.save(root / name / 'depth.npy', np.asfortranarray(metres))

    return write


def with_one_camera(root):
    write_standard(root)
    (root / 'meta.json').write_text(json.dumps({**META, 'scene': 'outdoor'}))
    (root / 'room' / 'meta.json').write_text('{"scene": "indoor"}')
    (root / 'street' / 'meta.json').unlink()


def side_by_side(picture, depth_map, per_metre=1000):
    def write(root):
        for name, depth in TRUTH.items():
            image = grey_from_depth(PAINTED[name])
            (root / 'rgb').mkdir(parents=True, exist_ok=True)
            (root / 'rgb' / f'{name}{picture}').write_bytes(
                cv2.imencode('.png', image)[1].tobytes()
            )
            place = root / 'depth' / f'{name}{depth_map}'
            if depth_map == '.npy':
                place.parent.mkdir(exist_ok=True)
                np.save(place, depth)
            else:
                write_codes(place, depth, per_metre)
        (root / 'depth' / '._room.png').write_bytes(b'what a Mac adds to an archive')
        (root / 'rgb' / 'unlabelled.png').write_bytes(b'not looked at')
        (root / 'meta.json').write_text(json.dumps({**META, 'depth_per_metre': per_metre}))
        if depth_map == '.npy':
            (root / 'meta.json').write_text(json.dumps(META))

    return write


def in_capitals(root):
    write_standard(root)
    for name in TRUTH:
        for part in ('rgb', 'depth'):
            (root / name / f'{part}.png').rename(root / name / f'{part}.PNG')


LAYOUTS = {
    'KITTI codes': in_other_units(256),
    'TUM codes': in_other_units(5000),
    'eighths of a metre': in_other_units(8.0),
    'float32, NaN': as_array(np.float32, np.nan),
    'float64, 0': as_array(np.float64, 0.0),
    'float16, negative': as_array(np.float16, -1.0),
    'big-endian': as_array('>f4', -np.inf),
    'one camera': with_one_camera,
    'capitals': in_capitals,
}
FLAT = {
    'folders of pictures': side_by_side('.png', '.png'),
    'folders, TUM': side_by_side('.PNG', '.PNG', 5000),
    'folders, arrays': side_by_side('.png', '.npy'),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_figures_are_those_of_the_standard_layout(layout, tmp_path, model):
    LAYOUTS[layout](tmp_path / 'other')
    assert judged(tmp_path / 'other', model) == judged(
        write_standard(tmp_path / 'standard'), model
    )


@pytest.mark.parametrize('layout', FLAT)
def test_all_pictures_and_all_depth_may_be_in_one_folder_each(layout, tmp_path, model):
    """They share one meta.json, so that both frames are of one group."""
    FLAT[layout](tmp_path / 'other')
    standard = write_standard(tmp_path / 'standard', scene='indoor')
    assert judged(tmp_path / 'other', model) == judged(standard, model)


@pytest.mark.parametrize('flat', [False, True])
def test_depth_of_lower_resolution_is_judged_on_its_own_grid(flat, tmp_path, model):
    """As if only the picture's pixels at the centres of depth pixels were labelled."""
    picture, small = grey_from_depth(np.kron(PAINTED['room'], np.ones((3, 3), np.float32))), None
    camera = {'fx': 180.0, 'fy': 180.0, 'cx': 95.5, 'cy': 71.5, 'width': 192, 'height': 144}
    small = TRUTH['room']
    sparse = np.full((144, 192), np.nan, np.float32)
    sparse[1::3, 1::3] = small
    folder = write_frame(tmp_path / 'standard' / 'f', sparse, **camera)
    cv2.imwrite(str(folder / 'rgb.png'), picture)
    other = tmp_path / 'other'
    stem = other / 'depth' / 'f' if flat else other / 'f' / 'depth'
    write_codes(stem.with_suffix('.png'), small, 1000)
    rgb = other / 'rgb' / 'f.png' if flat else other / 'f' / 'rgb.png'
    rgb.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(rgb), picture)
    (other / 'meta.json').write_text(json.dumps({**camera, 'scene': 'indoor'}))
    results = judged(other, model)
    assert results == judged(tmp_path / 'standard', model)
    assert results['frames'][0]['score']['pixels'] == np.count_nonzero(~np.isnan(small))


def test_depth_of_lower_resolution_is_resampled_to_the_picture_without_new_values(tmp_path):
    """For the trainer: each pixel of the picture has the nearest depth, or the nearest hole."""
    folder = write_frame(tmp_path / 'f', slope(), scene='indoor')
    small = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    small[1, 2] = np.nan
    write_codes(folder / 'depth.png', small, 1000)
    frame = read_frame(folder)
    blocks = np.kron(small, np.ones((16, 16), np.float32))
    np.testing.assert_array_equal(frame.sample.depth, blocks)
    np.testing.assert_array_equal(frame.truth_m, small)


@pytest.mark.parametrize(
    'shape', [(24, 64), (48, 32), (47, 64), (24, 31)], ids=['half', 'narrow', 'cut', 'aspect']
)
def test_depth_of_another_view_is_refused(shape, tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    write_codes(folder / 'depth.png', np.ones(shape, np.float32), 1000)
    said = rf'depth \({shape[0]}, {shape[1]}\), .*meta\.json says \(48, 64\) .* scaled from it'
    with pytest.raises(EvalError, match=said):
        read_frame(folder)


def test_odd_sizes_may_be_rounded(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    write_codes(folder / 'depth.png', np.ones((16, 21), np.float32), 1000)
    assert read_frame(folder).sample.depth.shape == (48, 64)


@pytest.mark.parametrize(
    'value', [0, -1000, '1000', float('nan'), float('inf'), True, None, [1000], 0.001, 10**400]
)
def test_a_bad_depth_per_metre_is_refused(value, tmp_path, model, capsys):
    """0.001 is the inverse: metres per unit."""
    write_frame(tmp_path / 'frames' / 'f', slope(), depth_per_metre=value)
    said = refused(tmp_path / 'frames', model, capsys)
    assert f'f/meta.json: depth_per_metre={value!r}; allowed: a number from 1' in said
    assert '1000 for millimetres (the default), 5000 in TUM RGB-D, 256 in KITTI' in said


def test_depth_per_metre_is_refused_for_an_array_in_metres(tmp_path, model, capsys):
    folder = write_frame(tmp_path / 'frames' / 'f', slope(), depth_per_metre=1000)
    (folder / 'depth.png').unlink()
    np.save(folder / 'depth.npy', slope())
    said = refused(tmp_path / 'frames', model, capsys)
    assert 'f/depth.npy is in metres, but depth_per_metre=1000, which is for the' in said


@pytest.mark.parametrize(
    ('first', 'second'),
    [('depth.png', 'depth.npy'), ('rgb.png', 'rgb.jpg'), ('rgb.png', 'rgb.JPEG')],
)
def test_two_pictures_or_two_depths_of_a_frame_are_refused(first, second, tmp_path, model, capsys):
    folder = write_frame(tmp_path / 'frames' / 'f', slope())
    (folder / second).write_bytes((folder / first).read_bytes())
    said = refused(tmp_path / 'frames', model, capsys)
    assert f'f has {first} and {second}; keep the right one' in said


# One meta.json for all


def test_the_meta_of_a_frame_overrides_the_other_and_cameras_are_not_mixed(tmp_path):
    folder = write_frame(tmp_path / 'f', slope(), fx=90.0, cx=30.0)
    shared = {**META, 'cx': 7.0, 'group': 'outdoor', 'scene': 'outdoor', 'depth_per_metre': 500}
    (tmp_path / 'meta.json').write_text(json.dumps(shared))
    frame = read_frame(folder)
    assert (frame.sample.camera.fx, frame.sample.camera.cx) == (90.0, 30.0)
    assert (frame.meta['scene'], frame.group) == ('indoor', 'outdoor')
    np.testing.assert_allclose(frame.truth_m, 2 * slope(), atol=2e-3)
    (folder / 'meta.json').write_text('{"fx": 90.0, "cx": 30.0}')
    with pytest.raises(EvalError, match=r"f/meta\.json has no 'fy'; it must have the camera: fx"):
        read_frame(folder)


def test_the_error_names_the_file_that_has_the_bad_value(tmp_path):
    folder = write_frame(tmp_path / 'f', slope())
    shared = tmp_path / 'meta.json'
    (folder / 'meta.json').write_text('{"scene": "indoor"}')
    for text, said in (
        ('{', 'cannot read {}'),
        ('[]', '{} must hold a JSON object, not list'),
        (json.dumps({**META, 'fx': -60.0}), '{}: focal lengths fx=-60, fy=60 must be > 0'),
        (json.dumps({**META, 'depth_per_metre': 0}), '{}: depth_per_metre=0'),
        (json.dumps({**META, 'width': 65}), '{} says (48, 65)'),
    ):
        shared.write_text(text)
        with pytest.raises(EvalError, match=re.escape(said.format(shared))):
            read_frame(folder)
    (folder / 'meta.json').unlink()
    shared.unlink()
    with pytest.raises(EvalError, match=r'cannot read .*f/meta\.json or .*: no such file'):
        read_frame(folder)


def test_one_frame_of_many_is_judged_with_the_camera_of_all(tmp_path, monkeypatch):
    with_one_camera(tmp_path / 'frames')
    street = tmp_path / 'frames' / 'street'
    assert find_frames(street) == [street]
    assert read_frame(street).group == 'outdoor'
    monkeypatch.chdir(street)
    assert find_frames(Path('.')) == [Path('.')]
    assert read_frame(Path('.')).sample.camera.fx == META['fx']


# Pictures and depth in a folder each


def test_a_depth_map_without_its_picture_gives_an_error(tmp_path, model, capsys):
    root = tmp_path / 'frames'
    FLAT['folders of pictures'](root)
    (root / 'rgb' / 'room.png').unlink()
    argv = [str(root), '--model', model, '--out', str(tmp_path / 'out'), '--quiet']
    assert run_command(lambda _: frames.main(argv)) == 2
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    left = f'{root / "rgb"} has none of room.png, room.jpg, room.jpeg'
    assert results['frames_left_out'] == {'room': left}
    assert [frame['name'] for frame in results['frames']] == ['street']


def test_without_a_camera_the_error_names_the_missing_file(tmp_path, model, capsys):
    root = tmp_path / 'frames'
    FLAT['folders of pictures'](root)
    (root / 'meta.json').unlink()
    said = refused(root, model, capsys)
    assert f'cannot read {root / "meta.json"}: no such file; it must have the camera' in said


def test_names_may_be_stamps_and_depth_may_have_extra_points(tmp_path):
    """In a name like 1305031102.175304, the part after the dot is not a suffix."""
    root = tmp_path / 'frames'
    FLAT['folders of pictures'](root)
    for part in ('rgb', 'depth'):
        (root / part / 'room.png').rename(root / part / '1305031102.175304.png')
    np.savez(root / 'depth' / '1305031102.175304_full.npz', u=[4], v=[0], z=[75.0])
    assert [path.name for path in find_frames(root)] == ['1305031102.175304', 'street']
    assert read_frame(root / '1305031102.175304').truth_m[0, 4] == 75.0


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    FLAT['folders of pictures'](tmp_path)
    write_frame(tmp_path / 'own', slope())
    with pytest.raises(EvalError, match=r'rgb/ and depth/, and others .* such as own/; keep the'):
        find_frames(tmp_path)
    assert read_frame(*find_frames(tmp_path / 'own')).name == 'own'


def test_frames_may_be_called_rgb_and_depth(tmp_path):
    FLAT['folders of pictures'](tmp_path / 'flat')
    for old, new in (('room', 'rgb'), ('street', 'depth')):
        for part in ('rgb', 'depth'):
            folder = tmp_path / 'flat' / part
            (folder / f'{old}.png').rename(folder / f'{new}.png')
    found = [read_frame(path) for path in find_frames(tmp_path / 'flat')]
    assert [frame.name for frame in found] == ['depth', 'rgb']
    np.testing.assert_array_equal(found[1].truth_m, TRUTH['room'])
    for name in ('rgb', 'depth'):
        write_frame(tmp_path / 'own' / name, slope())
    assert [path.name for path in find_frames(tmp_path / 'own')] == ['depth', 'rgb']


def test_the_error_of_a_folder_without_depth_names_the_layouts(tmp_path):
    for part in ('rgb', 'depth'):
        (tmp_path / part).mkdir()
    (tmp_path / 'depth' / 'a.tiff').touch()
    with pytest.raises(EvalError, match=r'nor rgb/ with depth/: there is no frame'):
        find_frames(tmp_path)


@pytest.mark.parametrize(
    'centre', [{'cx': 64.0}, {'cx': -3.0}, {'cy': 48.5}, {'cy': -0.6}], ids=str
)
def test_a_principal_point_outside_of_the_picture_gives_a_warning(centre, tmp_path, model):
    write_frame(tmp_path / 'frames' / 'f', slope(), **centre)
    write_frame(tmp_path / 'frames' / 'g', slope(), cx=63.5, cy=-0.5)
    (warning,) = judged(tmp_path / 'frames', model)['warnings']
    place = ', '.join(f'{({**META, **centre})[key]:g}' for key in ('cx', 'cy'))
    assert warning.startswith(
        f'f: the principal point ({place}) is outside of the picture of 64x48'
    )


def test_the_folder_in_the_documentation_is_judged(tmp_path, model):
    section = DOCS.read_text().partition('## Your own frames')[2].partition('\n## ')[0]
    (example,) = re.findall(r'```json\n(.*?)```', section, re.DOTALL)
    meta = json.loads(example)
    depth = cv2.resize(TRUTH['room'], (meta['width'], meta['height']))
    results = []
    for rgb, depth_map in (('000/rgb.png', '000/depth.png'), ('rgb/000.png', 'depth/000.png')):
        root = tmp_path / rgb[:3]
        assert f'DIR/{rgb}' in section and f'DIR/{depth_map}' in section
        write_codes(root / depth_map, depth, meta['depth_per_metre'])
        (root / rgb).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(root / rgb), grey_from_depth(np.nan_to_num(depth, nan=1.0)))
        (root / 'meta.json').write_text(example)
        results.append(judged(root, model))
    assert results[0] == results[1]
    (frame,) = results[0]['frames']
    assert (frame['name'], frame['group']) == ('000', meta['scene'])
    assert frame['score']['abs_rel'] < 0.02
    assert set(meta) <= set(re.findall(r'`(\w+)`', section))
