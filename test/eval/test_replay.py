# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_factory import (
    CAMERA,
    DEPTH,
    INFO,
    KINDS,
    T0,
    frames,
    storage_file,
    write_bag,
)
from fov_oracle import grey as fov_grey
from fov_oracle import tan_of, write_fov_oracle
from oracle_model import grey_from_depth

from dmd_ros.eval import replay
from dmd_ros.eval.bags.file import Bag
from dmd_ros.runtime.errors import BackendError

SHARED = Path(os.environ.get('DMD_SHARED', Path(__file__).parents[2].parent / 'shared'))
COUNT = 5


def scene(i):
    """Return frames of a slope with a box in front of it, both nearer from frame to frame."""
    depth = np.repeat(np.geomspace(1.0, 4.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    depth[10:30, 20:40] = 1.5
    return depth * np.float32(1.0 - 0.02 * i)


@pytest.fixture(scope='module')
def items():
    depths = [scene(i) for i in range(COUNT)]
    return frames([grey_from_depth(d) for d in depths], depths)


def run(bag, out, model, *options):
    replay.main([str(bag), '--model', model, '--out', str(out), '--quiet', *options])
    return json.loads((out / 'results.json').read_text())


def messages(path):
    with Bag(path) as bag:
        return {t: [(m.time_ns, bag.decode(m)) for m in bag.raw([t])] for t in bag.topics}


def stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_device_names_are_those_of_load_estimator(items, tmp_path, model):
    bag = write_bag(tmp_path / 'bag', items)
    results = run(bag, tmp_path / 'out', model, '--device', 'auto', '--backend', 'onnxruntime')
    assert results['settings']['device'] in ('cpu', 'cuda')
    with pytest.raises(BackendError, match="device 'tpu'; allowed: auto, cpu, cuda, cuda:0"):
        run(bag, tmp_path / 'other', model, '--device', 'tpu')


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_bag_is_replayed_whole(items, tmp_path, model, kind, capsys):
    results = run(write_bag(tmp_path / 'bag', items, kind), tmp_path / 'out', model)
    assert results['images_in_bag'] == results['images_evaluated'] == COUNT
    assert results['images_skipped'] == {}
    assert results['warnings'] == []
    total = results['total']
    assert total['score']['abs_rel'] < 0.06  # errors at edges: the network's picture is coarse
    assert total['score']['delta1'] > 0.9
    assert total['score']['coverage'] == 1.0
    assert total['beats_best_const'] == COUNT
    assert total['beats_const'] is None  # a bag does not record its kind of scene
    assert set(total['buckets']) == {'0-1 m', '1-2 m', '2-4 m'}
    assert len(results['frames']) == COUNT
    assert set(results['latency_ms']) >= {'decode', 'prepare', 'denoise', 'restore', 'total'}
    assert 'AbsRel' in capsys.readouterr().out


def test_the_written_bag_is_what_the_node_would_publish(items, tmp_path, model):
    recorded = [replace(i, logged_ns=i.stamp_ns + 7) for i in items]
    run(write_bag(tmp_path / 'bag', recorded), tmp_path / 'out', model)
    written = messages(tmp_path / 'out' / 'depth')
    assert set(written) == {'/depth/image', '/depth/camera_info', '/points'}
    for topic, found in written.items():
        assert [stamp(m) for _, m in found] == [T0 + i * 10**8 for i in range(COUNT)], topic
        assert [t for t, _ in found] == [T0 + i * 10**8 + 7 for i in range(COUNT)]
        assert {m.header.frame_id for _, m in found} == {'camera'}
    for i in range(COUNT):
        image, info, cloud = (
            written[t][i][1] for t in ('/depth/image', '/depth/camera_info', '/points')
        )
        assert (image.encoding, image.step, image.is_bigendian) == ('32FC1', 256, 0)
        assert (info.width, info.height) == (image.width, image.height) == (64, 48)
        np.testing.assert_allclose(info.k, CAMERA.matrix.reshape(-1))
        np.testing.assert_allclose(np.reshape(info.p, (3, 4))[:, :3], CAMERA.matrix)
        assert not info.d.any()
        depth = image.data.view(np.float32).reshape(48, 64)
        assert np.median(np.abs(depth / scene(i) - 1)) < 0.02
        assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step) == (64, 48, 16, 1024)
        assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
            ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('rgb', 12, 7, 1)
        ]  # fmt: skip
        assert not cloud.is_dense
        points = cloud.data.view(np.float32).reshape(48, 64, 4)
        np.testing.assert_allclose(points[..., 2], depth)
        u = (np.arange(64) - CAMERA.cx) / CAMERA.fx
        np.testing.assert_allclose(points[..., 0], depth * u, rtol=1e-5, atol=1e-6)
        grey = points[..., 3].view(np.uint32)
        np.testing.assert_array_equal(grey & 0xFF, grey_from_depth(scene(i))[..., 0])
        np.testing.assert_array_equal((grey >> 16) & 0xFF, grey & 0xFF)


def test_clouds_have_no_flying_pixels_as_in_the_node(tmp_path, model):
    depth = np.full((96, 128), 4.0, np.float32)
    depth[20:60, 40:80] = 1.5
    camera = CAMERA.resized(128, 96)
    bag = write_bag(tmp_path / 'bag', frames([grey_from_depth(depth)], camera=camera))
    run(bag, tmp_path / 'out', model)
    ((_, cloud),) = messages(tmp_path / 'out' / 'depth')['/points']
    z = cloud.data.view(np.float32).reshape(96, 128, 4)[..., 2]
    missing = np.argwhere(np.isnan(z))
    assert len(missing) and not np.isnan(z[30:50, 50:70]).any() and not np.isnan(z[:15]).any()
    known = z[np.isfinite(z)]
    assert (np.minimum(abs(known / 1.5 - 1), abs(known / 4.0 - 1)) < 0.05).all()


@pytest.mark.parametrize('source', ['fixed', 'estimate'])
def test_a_bag_without_calibration_is_judged_as_the_node_would_run_it(tmp_path, model, source):
    grey = np.full((48, 64, 3), 200, np.uint8)
    bare = [item for item in frames([grey] * 2) if item.topic != INFO]
    bag = write_bag(tmp_path / 'bag', bare)
    fov_model = write_fov_oracle(tmp_path / 'fov.onnx')
    options = {'fixed': ('--vfov', '60'), 'estimate': ('--fov-model', str(fov_model))}[source]
    results = run(bag, tmp_path / 'out', model, '--fov-source', source, *options)
    expected = {'fixed': np.tan(np.radians(30)), 'estimate': tan_of(200)}[source]
    assert [f['tan_half_vfov'] for f in results['frames']] == pytest.approx([expected] * 2, 1e-3)
    assert (results['settings']['fov_source'], results['topics']['camera_info']) == (source, '')
    assert results['latency_ms']['fov']['p50'] > 0  # part of the time per frame


def test_the_field_of_view_of_a_turned_bag_is_estimated_from_upright_pictures(tmp_path, model):
    bare = [item for item in frames([fov_grey(200)]) if item.topic != INFO]
    fov_model = write_fov_oracle(tmp_path / 'fov.onnx')
    options = ('--fov-source', 'estimate', '--fov-model', str(fov_model))
    bag = write_bag(tmp_path / 'bag', bare)
    (found,) = run(bag, tmp_path / 'out', model, *options, '--image-rotation', '90')['frames']
    # The oracle gets the middle 36 of the 64 upright rows, which are columns in the bag.
    assert found['tan_half_vfov'] == pytest.approx(tan_of(200) * 48 / 36, 1e-3)


def test_two_runs_differ_only_in_time(items, tmp_path, model):
    bag = write_bag(tmp_path / 'bag', items)
    options = ('--steps', '2', '--samples', '2', '--temporal', 'random')
    first, second = (run(bag, tmp_path / n, model, *options) for n in 'ab')
    assert first.pop('latency_ms').keys() == second.pop('latency_ms').keys()
    assert first == second
    a, b = (storage_file(tmp_path / n / 'depth').read_bytes() for n in 'ab')
    assert a == b
    for name in ('sheet.png', 'cloud.png', 'cloud.ply'):
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()


def test_the_working_directory_as_a_bag_has_a_name(items, tmp_path, model, monkeypatch):
    monkeypatch.chdir(write_bag(tmp_path / 'bag', items))
    assert run('.', tmp_path / 'out', model)['bag'] == 'bag'


def test_pictures_are_written(items, tmp_path, model):
    run(write_bag(tmp_path / 'bag', items), tmp_path / 'out', model)
    assert cv2.imread(str(tmp_path / 'out' / 'sheet.png')).shape[1] > 1700
    assert cv2.imread(str(tmp_path / 'out' / 'cloud.png')).shape == (800, 1280, 3)


def test_the_middle_cloud_is_written_as_points(items, tmp_path, model):
    run(write_bag(tmp_path / 'bag', items), tmp_path / 'out', model)
    clouds = messages(tmp_path / 'out' / 'depth')['/points']
    points = clouds[len(clouds) // 2][1].data.view(np.float32).reshape(-1, 4)
    known = points[np.isfinite(points[:, 2])]
    data = (tmp_path / 'out' / 'cloud.ply').read_bytes()
    vertices = np.frombuffer(data.partition(b'end_header\n')[2], np.uint8).reshape(-1, 15)
    assert f'element vertex {len(known)}\n'.encode() in data
    np.testing.assert_array_equal(vertices[:, :12].copy().view('<f4'), known[:, :3])


def test_without_ground_truth_only_the_metrics_are_missing(items, tmp_path, model):
    bare = [item for item in items if item.topic != DEPTH]
    results = run(write_bag(tmp_path / 'bag', bare), tmp_path / 'out', model, '--no-points')
    assert results['total'] is None
    assert results['topics']['depth'] is None
    assert all(f['verdict'] is None and f['median_m'] > 0 for f in results['frames'])
    assert set(messages(tmp_path / 'out' / 'depth')) >= {'/depth/image', '/depth/camera_info'}
    assert not messages(tmp_path / 'out' / 'depth').get('/points')
    assert not (tmp_path / 'out' / 'cloud.ply').exists()


def test_truth_of_another_size(items, tmp_path, model):
    small = [
        replace(item, content=np.ascontiguousarray(item.content[::2, ::2]))
        if item.topic == DEPTH
        else item
        for item in items
    ]
    results = run(write_bag(tmp_path / 'bag', small), tmp_path / 'out', model)
    assert results['total']['score']['abs_rel'] < 0.08
    assert results['total']['score']['pixels'] == COUNT * 24 * 32


def test_flicker_of_truth_of_another_size(tmp_path, model):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3), np.uint8), (0, 0), 3)
    depths = [np.full((240, 320), 3.0 * 1.1**i, np.float32) for i in range(3)]
    camera = replace(CAMERA, fx=500.0, fy=500.0, cx=319.5, cy=239.5, width=640, height=480)
    bag = write_bag(tmp_path / 'bag', frames([picture] * 3, depths, camera=camera))
    found = run(bag, tmp_path / 'out', model)['flicker']
    assert found['truth_median'] == pytest.approx(np.log(1.1), rel=1e-4)


@pytest.mark.parametrize('value', [np.nan, 200.0])
def test_truth_without_valid_depth_is_reported_as_missing(items, tmp_path, model, value, capsys):
    empty = np.full((48, 64), value, np.float32)
    hollow = [replace(i, content=empty) if i.topic == DEPTH else i for i in items]
    results = run(write_bag(tmp_path / 'bag', hollow), tmp_path / 'out', model)
    assert results['total'] is None
    assert any(f'{COUNT} of {COUNT} images have a depth' in w for w in results['warnings'])
    assert 'without a value between 0.001 and 80 m' in capsys.readouterr().err


def test_a_camera_outside_the_range_of_the_model_gives_a_warning(items, tmp_path, model):
    narrow = replace(CAMERA, fx=900.0, fy=900.0)
    bag = [
        replace(i, content=narrow) if i.kind == 'info' and i.stamp_ns > T0 else i for i in items
    ]
    (warning,) = run(write_bag(tmp_path / 'bag', bag), tmp_path / 'out', model)['warnings']
    assert warning.startswith(f'{COUNT - 1} of {COUNT} images: the camera has tan(vfov/2) = 0.027')


def test_options_take_effect(items, tmp_path, model):
    late = [replace(i, stamp_ns=i.stamp_ns + 30_000_000) if i.topic == DEPTH else i for i in items]
    p = np.array([50.0, 0, 31.5, 0, 0, 80, 23.5, 0, 0, 0, 1, 0])
    late = [replace(i, extra={'p': p}) if i.kind == 'info' else i for i in late]
    bag = write_bag(tmp_path / 'bag', late)
    plain = run(bag, tmp_path / 'plain', model)
    assert plain['total'] is None and plain['frames'][0]['tan_half_vfov'] == 24 / 50
    options = ('--depth-tolerance', '0.04', '--rectified', 'true', '--temporal', 'random')
    options += ('--steps', '3', '--samples', '2', '--seed', '7', '--sampler', 'ddim')
    found = run(bag, tmp_path / 'out', model, *options)
    assert found['total']['frames'] == COUNT and found['frames'][0]['tan_half_vfov'] == 24 / 80
    asked = {'steps': 3, 'samples': 2, 'seed': 7, 'sampler': 'ddim', 'temporal': 'random'}
    assert {**found['settings'], **asked, 'input_rectified': True} == found['settings']


def test_printed_figures_are_the_written_ones(items, tmp_path, model, capsys):
    bag = [*items, replace(items[0], stamp_ns=T0 + 10**9, content=b'no picture', kind='bytes')]
    bag = [replace(i, kind='png') if i.kind == 'image' else i for i in bag]
    total = run(write_bag(tmp_path / 'bag', bag), tmp_path / 'out', model)['total']
    said = capsys.readouterr()
    assert 'warning: 1 image(s) skipped: ' in said.err
    rows = [[c.strip() for c in line.strip('|').split('|')] for line in said.out.splitlines()]
    table = {row[0]: row[1] for row in rows if len(row) == 2}
    score = total['score']
    for name, figure in {
        'AbsRel': score['abs_rel'],
        'AbsRel after median scaling': total['scaled']['abs_rel'],
        'AbsRel of the best constant per frame': total['best_const']['abs_rel'],
        'delta1': score['delta1'],
        'RMSE m': score['rmse'],
        'log10': score['log10'],
        'SILog': score['silog'],
        'scale, median truth / median estimate': total['median_scale'],
        'coverage': score['coverage'],
    }.items():
        assert table[name] == f'{figure:.3f}', name
    assert (table['evaluated'], table['skipped']) == (str(COUNT), '1')


def test_depth_topic_can_be_left_out(items, tmp_path, model):
    results = run(
        write_bag(tmp_path / 'bag', items), tmp_path / 'out', model, '--depth-topic', 'none'
    )
    assert results['total'] is None


def test_stride_and_limit(items, tmp_path, model):
    bag = write_bag(tmp_path / 'bag', items)
    results = run(bag, tmp_path / 'out', model, '--stride', '2', '--limit', '2')
    assert [f['index'] for f in results['frames']] == [0, 2]
    assert (results['images_in_bag'], results['images_chosen']) == (5, 2)


def test_a_looped_bag_resets_the_estimator(items, tmp_path, model):
    looped = [
        *(replace(i, logged_ns=i.stamp_ns) for i in items),
        *(replace(i, logged_ns=i.stamp_ns + 10**10) for i in items if i.topic != DEPTH),
    ]
    bag = write_bag(tmp_path / 'bag', looped)
    options = ('--temporal', 'random', '--steps', '2')
    found = run(bag, tmp_path / 'out', model, *options)['frames']
    assert len(found) == 2 * COUNT
    assert found[COUNT]['flicker'] is None
    assert [f['median_m'] for f in found[:COUNT]] == [f['median_m'] for f in found[COUNT:]]


def test_a_looped_bag_resets_the_estimate_of_the_camera(tmp_path, model):
    bare = [i for i in frames([fov_grey(60), *[fov_grey(200)] * 2]) if i.topic != INFO]
    looped = [replace(i, logged_ns=i.stamp_ns + k * 10**10) for k in range(2) for i in bare]
    fov_model = write_fov_oracle(tmp_path / 'fov.onnx')
    options = ('--fov-source', 'estimate', '--fov-model', str(fov_model))
    found = run(write_bag(tmp_path / 'bag', looped), tmp_path / 'out', model, *options)['frames']
    assert [found[k]['tan_half_vfov'] for k in (0, 3)] == pytest.approx([tan_of(60)] * 2, 1e-3)
    assert found[2]['tan_half_vfov'] == pytest.approx(tan_of(200), 1e-3)


def test_a_cut_bag_is_replayed_as_far_as_it_goes(items, tmp_path, model, capsys):
    path = write_bag(tmp_path / 'bag', items)
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.7)])
    results = run(path, tmp_path / 'out', model)
    assert 2 <= results['images_evaluated'] < COUNT
    assert 'read as far as it goes' in results['warnings'][0]
    assert 'warning: ' in capsys.readouterr().err


def test_the_command_line_runs_as_documented(items, tmp_path, model):
    bag = write_bag(tmp_path / 'bag', items)
    argv = [sys.executable, '-m', 'dmd_ros.eval.replay', str(bag), '--model', model]
    done = subprocess.run(
        [*argv, '--out', str(tmp_path / 'out')],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '5/5' in done.stderr  # the progress bar
    assert 'written: ' in done.stdout


FIDUCIALS = SHARED / 'real' / 'bags' / 'fiducials_raspicam'
KITCHEN = SHARED / 'real' / 'bags' / 'sevenscenes_repackaged'


@pytest.mark.skipif(not FIDUCIALS.is_dir(), reason='no real bags here')
@pytest.mark.parametrize('name', ['aruco_images.bag', 'ros2_mcap', 'ros2_sqlite3'])
def test_the_real_bag_without_equal_stamps(tmp_path, model, name, capsys):
    results = run(FIDUCIALS / name, tmp_path / 'out', model)
    assert results['images_evaluated'] == 1
    assert results['camera_info_of_other_stamp'] == 1
    assert 'no camera_info of equal stamp' in capsys.readouterr().err
    ((_, info),) = messages(tmp_path / 'out' / 'depth')['/depth/camera_info']
    assert not info.d.any()


@pytest.mark.skipif(not KITCHEN.is_dir(), reason='no real bags here')
@pytest.mark.parametrize('name', ['ros2_mcap', 'ros2_sqlite3'])
def test_the_real_video(tmp_path, model, name):
    results = run(KITCHEN / name, tmp_path / 'out', model, '--stride', '6', '--no-points')
    assert results['images_evaluated'] == 5
    assert 0 < results['flicker']['predicted_median'] < 1
