# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of driving sets, on small fixtures written in each set's own format."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pictures import grey, labels, write

from train.datasets.registry import open_dataset
from train.errors import TrainError

# KITTI

CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 7.215377e+02 0.0 6.095593e+02 4.485728e+01 0.0 7.215377e+02 1.728540e+02 2.163791e-01 \
0.0 0.0 1.0 2.745884e-03
P_rect_03: 7.3e+02 0.0 6.1e+02 -3.395242e+02 0.0 7.4e+02 1.7e+02 2.199936e+00 0.0 0.0 1.0 2.7e-03
"""


@pytest.fixture
def kitti_root(tmp_path):
    drive = '2011_09_26_drive_0002_sync'
    day = tmp_path / 'raw' / '2011_09_26'
    codes = np.zeros((375, 1242), np.uint16)
    codes[200, 300] = 256 * 17 + 64
    for camera, split, frame, suffix in (
        ('02', 'train', 5, '.png'), ('03', 'train', 5, '.jpg'), ('02', 'val', 69, '.png'),
    ):  # fmt: skip
        name = f'{frame:010d}.png'
        picture = (day / drive / f'image_{camera}' / 'data' / name).with_suffix(suffix)
        write(picture, grey(375, 1242))
        truth = Path('proj_depth') / 'groundtruth' / f'image_{camera}' / name
        write(tmp_path / 'depth' / split / drive / truth, codes)
    (day / 'calib_cam_to_cam.txt').write_text(CALIBRATION)
    other = '2011_09_26_drive_0001_sync'  # without its pictures
    write(tmp_path / 'depth' / 'train' / other / truth, codes)
    return tmp_path


def test_kitti(kitti_root):
    reader = open_dataset('kitti', kitti_root)
    assert [name.split('/')[-3] for name in reader.index()] == ['image_02', 'image_03']
    left, right = reader.load(0), reader.load(1)
    assert labels(left.depth) == {(200, 300): 17.25}
    assert left.camera.fx == pytest.approx(721.5377)
    assert left.camera.cy == pytest.approx(172.854)
    assert (right.camera.fx, right.camera.fy) == (730.0, 740.0)
    assert len(open_dataset('kitti', kitti_root, split='all')) == 3


def test_kitti_list(kitti_root, tmp_path):
    drive = '2011_09_26_drive_0002_sync'
    picture = f'2011_09_26/{drive}/image_02/data/0000000069.png'
    truth = f'{drive}/proj_depth/groundtruth/image_02/0000000069.png'
    listed = tmp_path / 'eigen.txt'
    lines = (f'{picture} {truth} 721.5377', f'{picture} None 721.5377', f'{picture} val/{truth}')
    listed.write_text('\n'.join(lines))
    reader = open_dataset('kitti', kitti_root, list_file=listed)
    assert len(reader) == 2 and reader.load(0).depth[200, 300] == 17.25
    assert reader.load(1).depth[200, 300] == 17.25
    listed.write_text(f'{picture.replace("69", "70")} {truth} 721.5377\n')
    with pytest.raises(TrainError, match=r'0000000070\.png does not exist'):
        open_dataset('kitti', kitti_root, list_file=listed)


# nuScenes


def write_nuscenes(root: Path) -> None:
    """Write one sample: between sweep and picture, the car drives 2 m and turns by 90 degrees."""
    # z forward, x right, y down, relative to a car with x forward, y left, z up.
    looking_ahead = [0.5, -0.5, 0.5, -0.5]
    half = math.sqrt(0.5)
    tables = {
        'sensor': [
            {'token': 's1', 'channel': 'CAM_FRONT', 'modality': 'camera'},
            {'token': 's2', 'channel': 'LIDAR_TOP', 'modality': 'lidar'},
        ],
        'calibrated_sensor': [
            {
                'token': 'c1',
                'sensor_token': 's1',
                'translation': [1.5, 0.0, 1.5],
                'rotation': looking_ahead,
                'camera_intrinsic': [[100.0, 0.0, 80.0], [0.0, 100.0, 45.0], [0.0, 0.0, 1.0]],
            },
            {
                'token': 'c2',
                'sensor_token': 's2',
                'translation': [1.0, 0.0, 1.8],
                'rotation': [1.0, 0.0, 0.0, 0.0],
                'camera_intrinsic': [],
            },
        ],
        'ego_pose': [
            {'token': 'e1', 'rotation': [1.0, 0.0, 0.0, 0.0], 'translation': [10.0, 20.0, 0.0]},
            {'token': 'e2', 'rotation': [half, 0.0, 0.0, half], 'translation': [12.0, 20.0, 0.0]},
            {'token': 'e3', 'rotation': [1.0, 0.0, 0.0, 0.0], 'translation': [0.0, 0.0, 0.0]},
        ],
        'sample_data': [
            row('d1', 'c1', 'e2', 'samples/CAM_FRONT/a.jpg', True),
            row('d2', 'c2', 'e1', 'samples/LIDAR_TOP/a.pcd.bin', True),
            row('d3', 'c1', 'e3', 'sweeps/CAM_FRONT/b.jpg', False),
        ],
    }
    folder = root / 'v1.0-mini'
    folder.mkdir()
    for name, rows in tables.items():
        (folder / f'{name}.json').write_text(json.dumps(rows, indent=0))


def row(token: str, mounted: str, pose: str, filename: str, key: bool) -> dict[str, object]:
    return {
        'token': token,
        'sample_token': 'one',
        'ego_pose_token': pose,
        'calibrated_sensor_token': mounted,
        'filename': filename,
        'is_key_frame': key,
    }


def test_nuscenes_goes_through_both_car_poses(tmp_path):
    write_nuscenes(tmp_path)
    write(tmp_path / 'samples' / 'CAM_FRONT' / 'a.jpg', grey(90, 160))
    # In the world at (12, 29.5, 1.5): 9.5 m to the left of the first car, ahead of the turned one,
    # 8 m in front of its camera. A second point is hidden behind it, a third is on the bonnet.
    world = np.array([[12.0, 29.5, 1.5], [12.0, 31.5, 1.5], [12.0, 22.2, 1.5]])
    scan = np.zeros((3, 5), '<f4')
    scan[:, :3] = world - np.array([10.0, 20.0, 0.0]) - np.array([1.0, 0.0, 1.8])
    path = tmp_path / 'samples' / 'LIDAR_TOP' / 'a.pcd.bin'
    path.parent.mkdir(parents=True)
    path.write_bytes(scan.tobytes())
    reader = open_dataset('nuscenes', tmp_path, version='v1.0-mini')
    assert reader.index() == ['samples/CAM_FRONT/a.jpg']
    sample = reader.load(0)
    assert labels(sample.depth) == {(45, 80): pytest.approx(8.0, abs=1e-5)}
    assert sample.camera.fx == 100.0
    path.write_bytes(scan.tobytes()[:-4])
    with pytest.raises(TrainError, match='truncated'):
        reader.load(0)


def test_nuscenes_tables(tmp_path, monkeypatch):
    from train.datasets import nuscenes

    rows = [{'token': f't{i}', 'text': 'a {brace} "in" text'} for i in range(50)]
    path = tmp_path / 'table.json'
    path.write_text(json.dumps(rows, indent=0))
    monkeypatch.setattr(nuscenes, '_CHUNK', 37)  # rows straddle the chunks
    assert list(nuscenes._rows_of(path)) == rows
    path.write_text(json.dumps(rows)[:-20])
    with pytest.raises(TrainError, match='middle of a row'):
        list(nuscenes._rows_of(path))


# DDAD


def write_ddad(root: Path, camel: bool) -> Path:
    scene = root / '000150'

    def pose(translation: list[float], rotation: dict[str, float]) -> dict:
        return {
            'translation': dict(zip('xyz', translation, strict=True)),
            'rotation': rotation,
        }

    key = (
        (lambda s: s)
        if not camel
        else (
            lambda s: {
                'datum_keys': 'datumKeys',
                'point_cloud': 'pointCloud',
                'calibration_key': 'calibrationKey',
                'scene_splits': 'sceneSplits',
            }[s]
        )
    )
    # Sensor to world: the camera's z is the world's x.
    ahead = {'qw': 0.5, 'qx': -0.5, 'qy': 0.5, 'qz': -0.5}
    data = [
        {
            'key': 'k1',
            'id': {'name': 'CAMERA_01'},
            'datum': {
                'image': {'filename': 'rgb/CAMERA_01/1.png', 'pose': pose([5.0, 0, 1.5], ahead)}
            },
        },
        {
            'key': 'k2',
            'id': {'name': 'LIDAR'},
            'datum': {
                key('point_cloud'): {
                    'filename': 'point_cloud/LIDAR/1.npz',
                    # Protobuf omits fields that are zero.
                    'pose': {'translation': {'x': 4.0, 'z': 2.0}, 'rotation': {'qw': 1.0}},
                }
            },
        },
    ]
    sample = {key('datum_keys'): ['k1', 'k2'], key('calibration_key'): 'cal'}
    blind = {**sample, key('datum_keys'): ['k1']}
    scene.mkdir()
    (scene / 'scene_ab.json').write_text(json.dumps({'samples': [blind, sample], 'data': data}))
    k = {'fx': 200.0, 'fy': 210.0, 'cx': 100.0, 'cy': 60.0}
    table = {'names': ['LIDAR', 'CAMERA_01'], 'intrinsics': [{}, k], 'extrinsics': [{}, {}]}
    (scene / 'calibration').mkdir()
    (scene / 'calibration' / 'cal.json').write_text(json.dumps(table))
    splits = {'1': {'filenames': ['000150/scene_ab.json']}}
    (root / 'ddad.json').write_text(json.dumps({key('scene_splits'): splits}))
    write(scene / 'rgb' / 'CAMERA_01' / '1.png', grey(121, 193))
    (scene / 'point_cloud' / 'LIDAR').mkdir(parents=True)
    return scene / 'point_cloud' / 'LIDAR' / '1.npz'


@pytest.mark.parametrize('structured', [False, True])
def test_ddad(tmp_path, structured):
    cloud_file = write_ddad(tmp_path, camel=structured)
    # In the world (25, -1, 1.5): 20 m ahead of the camera and 1 m to its right.
    cloud = np.array([[21.0, -1.0, -0.5, 7.0]], np.float32)
    if structured:
        plain = cloud[0]
        cloud = np.zeros((1, 1), [(name, '<f4') for name in ('X', 'Y', 'Z', 'INTENSITY')])
        cloud['X'], cloud['Y'], cloud['Z'] = plain[:3]
    np.savez_compressed(cloud_file, data=cloud)
    reader = open_dataset('ddad', tmp_path, cameras='CAMERA_01')
    assert reader.index() == ['000150/rgb/CAMERA_01/1.png']
    sample = reader.load(0)
    assert labels(sample.depth) == {(60, 110): pytest.approx(20.0, abs=1e-5)}
    assert sample.camera.fy == 210.0
    with pytest.raises(TrainError, match='no split train'):
        open_dataset('ddad', tmp_path, split='train')


def test_damaged_files_are_named(tmp_path):
    cloud_file = write_ddad(tmp_path, camel=False)
    reader = open_dataset('ddad', tmp_path)
    cloud_file.write_bytes(b'PK\x03\x04 cut off')
    with pytest.raises(TrainError, match=r'ddad 000150/rgb/CAMERA_01/1\.png: BadZipFile'):
        reader.load(0)
    scene = tmp_path / '000150' / 'scene_ab.json'
    scene.write_text(scene.read_text().replace('"samples"', '"others"'))
    with pytest.raises(TrainError, match=r"ddad: cannot index .*KeyError: 'samples'"):
        open_dataset('ddad', tmp_path)
    scene.write_text('{')
    with pytest.raises(TrainError, match=r'scene_ab\.json is not JSON'):
        open_dataset('ddad', tmp_path)
