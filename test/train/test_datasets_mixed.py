# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of rendered and outdoor evaluation sets, unlabelled pictures, own frames; and errors."""

from __future__ import annotations

import importlib
import json
import math
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from jpegs import with_exif_orientation
from pictures import grey, write

from dmd_ros.core.preprocess import View, prepare_depth
from train.datasets import base, registry
from train.datasets.registry import READERS, open_dataset, reader_class
from train.errors import TrainError


@pytest.mark.parametrize('part', ['indoors', 'outdoor'])
def test_diode(tmp_path, part):
    scan = tmp_path / 'val' / part / 'scene_00019' / 'scan_00183'
    write(scan / '00019_00183_indoors_000_010.png', grey(768, 1024))
    depth = np.full((768, 1024, 1), 4.5, np.float32)
    depth[7, 8] = 0.0
    mask = np.ones((768, 1024), np.float64)
    mask[5, 6] = 0.0
    np.save(scan / '00019_00183_indoors_000_010_depth.npy', depth)
    np.save(scan / '00019_00183_indoors_000_010_depth_mask.npy', mask)
    sample = open_dataset('diode', tmp_path, part=part).load(0)
    assert sample.depth[0, 0] == 4.5 and np.isnan(sample.depth[[5, 7], [6, 8]]).all()
    assert (sample.camera.fx, sample.camera.fy) == (886.81, 927.06)


def test_hypersim_turns_ray_lengths_into_depth(tmp_path):
    h5py = pytest.importorskip('h5py')
    x = np.arange(1024) - 511.5
    y = np.arange(768) - 383.5
    distance = 3.0 * np.sqrt(886.81**2 + x[None] ** 2 + y[:, None] ** 2) / 886.81
    distance[4, 5] = np.nan
    for frame in (0, 3):
        images = tmp_path / 'ai_001_002' / 'images'
        preview = images / 'scene_cam_00_final_preview'
        write(preview / f'frame.{frame:04d}.tonemap.jpg', grey(768, 1024))
        geometry = images / 'scene_cam_00_geometry_hdf5'
        geometry.mkdir(exist_ok=True)
        with h5py.File(geometry / f'frame.{frame:04d}.depth_meters.hdf5', 'w') as file:
            file['dataset'] = distance.astype(np.float16)
    (tmp_path / 'metadata_images_split_scene_v1.csv').write_text(
        'scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,'
        'split_partition_name\nai_001_002,cam_00,0,True,,train\nai_001_002,cam_00,3,True,,test\n'
    )
    assert len(open_dataset('hypersim', tmp_path)) == 2
    reader = open_dataset('hypersim', tmp_path, split='test')
    assert [Path(name).name for name in reader.index()] == ['frame.0003.tonemap.jpg']
    depth = reader.load(0).depth
    assert math.isnan(depth[4, 5]) and np.isnan(depth).sum() == 1
    assert np.nanmax(np.abs(depth - 3.0)) < 3.0 * 1e-3  # half precision


@pytest.mark.parametrize('text', [True, False])
def test_vkitti2(tmp_path, text):
    codes = np.full((375, 1242), 1234, np.uint16)
    codes[0, 0] = 65535
    codes[1, 1] = 12000
    for name in ('Camera_0', 'Camera_1'):
        write(tmp_path / f'rgb/Scene01/clone/frames/rgb/{name}/rgb_00007.jpg', grey(375, 1242))
        write(tmp_path / f'depth/Scene01/clone/frames/depth/{name}/depth_00007.png', codes)
    if text:
        (tmp_path / 'textgt/Scene01/clone').mkdir(parents=True)
        (tmp_path / 'textgt/Scene01/clone/intrinsic.txt').write_text(
            'frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n7 0 700.5 725.0087 620.5 187\n'
            '7 1 710.5 725.0087 620.5 187\n'
        )
    sample = open_dataset('vkitti2', tmp_path).load(0)
    assert np.isposinf(sample.depth[0, 0])
    assert sample.depth[1, 1] == 120.0 and sample.depth[2, 2] == pytest.approx(12.34)
    assert sample.camera.fx == (700.5 if text else 725.0087)
    right = open_dataset('vkitti2', tmp_path, cameras='1').load(0)
    assert right.camera.fx == (710.5 if text else 725.0087)


def test_diml_outdoor(tmp_path):
    write(tmp_path / 'street' / 'outleft' / 'a.png', grey(72, 128))
    codes = np.full((72, 128), 9876, np.uint16)
    write(tmp_path / 'street' / 'depthmap' / 'a.png', codes)
    mask = np.full((72, 128), 255, np.uint8)
    mask[3, 4] = 0
    write(tmp_path / 'street' / 'confidencemap' / 'a.png', mask)
    reader = open_dataset('diml_outdoor', tmp_path)
    with pytest.raises(TrainError, match=r'128x72 have no nominal camera; write .*intrinsics'):
        reader.load(0)
    given = {'fx': 700, 'fy': 700, 'cx': 639.5, 'cy': 359.5, 'width': 1280, 'height': 720}
    (tmp_path / 'intrinsics.json').write_text(json.dumps(given))
    sample = reader.load(0)
    assert sample.depth[3, 4] == pytest.approx(9.876)
    assert sample.camera.fx == pytest.approx(70.0)
    confident = open_dataset('diml_outdoor', tmp_path, confident=True)
    assert math.isnan(confident.load(0).depth[3, 4])
    given['height'] = 640
    (tmp_path / 'intrinsics.json').write_text(json.dumps(given))
    with pytest.raises(TrainError, match='a different aspect ratio from its camera'):
        reader.load(0)


def test_images(tmp_path):
    write(tmp_path / 'n01440764' / 'a.JPEG.jpg', grey(30, 40))
    (tmp_path / 'n01440764' / 'b.JPEG').write_bytes(
        cv2.imencode('.jpg', np.full((20, 30), 55, np.uint8))[1].tobytes()
    )
    (tmp_path / 'readme.txt').write_text('no picture')
    reader = open_dataset('images', tmp_path)
    assert len(reader) == 2
    sample = reader.load(1)
    assert sample.rgb.shape == (20, 30, 3) and np.isnan(sample.depth).all()
    (tmp_path / 'list.txt').write_text('/n01440764/b.JPEG 17\n')
    assert open_dataset('images', tmp_path, list_file=tmp_path / 'list.txt').index() == [
        'n01440764/b.JPEG'
    ]


def write_frame(folder: Path) -> None:
    write(folder / 'rgb.png', grey(24, 32))
    codes = np.full((24, 32), 1500, np.uint16)
    codes[0] = 0
    write(folder / 'depth.png', codes)
    np.savez(folder / 'depth_full.npz', u=[3], v=[0], z=[70.5])
    meta = {'fx': 30.0, 'fy': 31.0, 'cx': 15.5, 'cy': 11.5, 'width': 32, 'height': 24}
    (folder / 'meta.json').write_text(json.dumps(meta))


def test_frames(tmp_path):
    write_frame(tmp_path / 'one')
    reader = open_dataset('frames', tmp_path)
    assert reader.index() == ['one']
    sample = reader.load(0)
    assert sample.depth[0, 3] == 70.5 and math.isnan(sample.depth[0, 0])
    assert sample.depth[1, 1] == pytest.approx(1.5)
    # Unmeasured pixels are not a depth of 0, which would be learned as the closest possible.
    np.savez(tmp_path / 'one' / 'depth_full.npz', u=[3, 4], v=[1, 1], z=[0.0, -1.0])
    assert np.isnan(reader.load(0).depth[1, 3:5]).all()
    (tmp_path / 'one' / 'depth.png').write_bytes(b'')
    with pytest.raises(TrainError, match=r'frames one: .*depth\.png'):
        reader.load(0)


def test_frames_may_be_in_two_folders_with_one_camera(tmp_path):
    """The trainer accepts the same layouts as the evaluation, and reads the same from them."""
    write_frame(tmp_path / 'own' / 'one')
    flat = tmp_path / 'flat'
    write(flat / 'rgb' / 'one.png', grey(24, 32))
    codes = np.full((24, 32), 7500, np.uint16)
    codes[0] = 0
    write(flat / 'depth' / 'one.png', codes)
    np.savez(flat / 'depth' / 'one_full.npz', u=[3], v=[0], z=[70.5])
    meta = json.loads((tmp_path / 'own' / 'one' / 'meta.json').read_text())
    (flat / 'meta.json').write_text(json.dumps({**meta, 'depth_per_metre': 5000}))
    readers = [open_dataset('frames', tmp_path / kind) for kind in ('own', 'flat')]
    assert readers[0].index() == readers[1].index() == ['one']
    own, other = (reader.load(0) for reader in readers)
    np.testing.assert_array_equal(own.depth, other.depth)
    np.testing.assert_array_equal(own.rgb, other.rgb)
    assert own.camera == other.camera
    (flat / 'meta.json').write_text(json.dumps({**meta, 'depth_per_metre': -1}))
    with pytest.raises(TrainError, match=r'frames one: .*flat/meta\.json: depth_per_metre=-1'):
        readers[1].load(0)


def test_depth_of_lower_resolution_labels_the_whole_example(tmp_path):
    """As points, it would miss most of the network's pixels; blurred, it would invent some."""
    write_frame(tmp_path / 'one')
    (tmp_path / 'one' / 'depth_full.npz').unlink()
    codes = np.where(np.arange(48).reshape(6, 8) % 2, 1000, 9000).astype(np.uint16)
    write(tmp_path / 'one' / 'depth.png', codes)
    sample = open_dataset('frames', tmp_path).load(0)
    view = View(sample.camera, 1, 2, 29, 21, 15, 20, flip=True)
    seen = prepare_depth(sample.depth, view)
    assert set(seen.ravel()) == {1.0, 9.0}


# Common to all readers


@pytest.mark.parametrize('name', sorted(READERS))
def test_missing_folder_is_named_with_its_tree(name, tmp_path):
    with pytest.raises(TrainError) as error:
        open_dataset(name, tmp_path / 'nowhere')
    assert str(tmp_path / 'nowhere') in str(error.value)
    assert reader_class(name).tree.splitlines()[0] in str(error.value)


@pytest.mark.parametrize('name', sorted(set(READERS) - {'bag'}))
def test_empty_folder_is_an_error(name, tmp_path):
    with pytest.raises(TrainError, match=r'no samples below|does not exist|meta\.json'):
        open_dataset(name, tmp_path)


@pytest.mark.parametrize('name', sorted(READERS))
def test_every_reader_is_documented(name):
    text = (Path(__file__).parents[2] / 'docs' / 'datasets.md').read_text()
    assert f'### {reader_class(name).dataset}' in text
    for line in reader_class(name).tree.splitlines():
        assert line in text


def test_unknown_names_and_options(tmp_path):
    with pytest.raises(TrainError, match=r"'nuy' is unknown; allowed: .*nyu"):
        open_dataset('nuy', tmp_path)
    with pytest.raises(TrainError, match='has no option speed; it has: list_file'):
        open_dataset('images', tmp_path, speed=3)
    with pytest.raises(TrainError, match="every='x' must be like 1"):
        open_dataset('scannet', tmp_path, every='x')
    for every in ('0', '-1'):  # Python would accept a negative step
        with pytest.raises(TrainError, match=rf"'scannet': every={every}; allowed: 1 or more"):
            open_dataset('scannet', tmp_path, every=every)
    with pytest.raises(TrainError, match="confident='1' must be like False"):
        open_dataset('diml_outdoor', tmp_path, confident='1')
    with pytest.raises(TrainError, match="infill='magic'; allowed: on, off; nearest"):
        open_dataset('images', tmp_path, infill='magic')


def test_options_may_be_strings(tmp_path):
    for camera in '01':
        name = f'rgb/Scene01/clone/frames/rgb/Camera_{camera}/rgb_00007.jpg'
        write(tmp_path / name, grey(375, 1242))
    (tmp_path / 'depth').mkdir()
    assert len(open_dataset('vkitti2', tmp_path, cameras='0+1')) == 2
    assert len(open_dataset('vkitti2', tmp_path, cameras='0 1')) == 2  # a decoded URL
    assert open_dataset('vkitti2', tmp_path, fov='off').fov == 'off'
    write(tmp_path / 'street' / 'outleft' / 'a.png', grey(72, 128))
    assert open_dataset('diml_outdoor', tmp_path, confident='true').confident is True
    assert registry._parse('1+3', (1, 2)) == (1, 3)


def test_missing_package_is_named(monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, 'import_module', refuse)
    with pytest.raises(TrainError, match=r'HyperSim needs the package h5py .*pip install h5py'):
        base.require('h5py', 'the HDF5 files of HyperSim')


@pytest.mark.parametrize(
    ('name', 'read'),
    [('a.jpg', base.read_rgb), ('a.png', base.read_codes), ('a.png', base.read_mask)],
)
def test_a_picture_truncated_by_a_full_disk_is_refused(tmp_path, name, read):
    """OpenCV at most warns and fills the rest with grey, which would be learned as a wall."""
    levels = np.random.default_rng(0).integers(0, 60_000, (40, 60), np.uint16)
    picture = (levels >> 8).astype(np.uint8) if name.endswith('.jpg') else levels
    path = write(tmp_path / name, picture)
    read(path)
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(TrainError, match=rf'{name}.*: .* is cut off'):
        read(path)


@pytest.mark.parametrize('name', ['a.bmp', 'a.webp'])
def test_pictures_of_other_formats_are_read(tmp_path, name):
    picture = np.full((8, 8, 3), 90, np.uint8)
    np.testing.assert_allclose(base.read_rgb(write(tmp_path / name, picture)), picture, atol=2)


def test_broken_pictures_are_named(tmp_path):
    path = tmp_path / 'a' / 'cut.jpg'
    path.parent.mkdir()
    path.write_bytes(b'')
    with pytest.raises(TrainError, match=r'images a/cut\.jpg: cannot decode'):
        open_dataset('images', tmp_path).load(0)
    scenenet = tmp_path / 'net' / '0' / '1'
    write(scenenet / 'photo' / '0.jpg', grey(24, 32))
    with pytest.raises(TrainError, match=r'scenenet .*cannot read .*0\.png: No such file'):
        open_dataset('scenenet', tmp_path / 'net').load(0)
    write(scenenet / 'depth' / '0.png', np.zeros((24, 31), np.uint16))
    with pytest.raises(TrainError, match=r'0\.jpg: ValueError'):
        open_dataset('scenenet', tmp_path / 'net').load(0)
    write(scenenet / 'depth' / '0.png', np.zeros((24, 32), np.uint8))
    with pytest.raises(TrainError, match='16-bit grey png, but is uint8'):
        open_dataset('scenenet', tmp_path / 'net').load(0)


def test_the_exif_rotation_of_a_picture_is_ignored():
    """The camera matrix would not be rotated with it."""
    jpeg = cv2.imencode('.jpg', grey(20, 30))[1].tobytes()
    marked = with_exif_orientation(jpeg, 6)
    assert cv2.imdecode(np.frombuffer(marked, np.uint8), cv2.IMREAD_COLOR).shape == (30, 20, 3)
    assert base.decode_rgb(marked, 'picture').shape == (20, 30, 3)


def test_readers_can_be_sent_to_workers(tmp_path):
    write_frame(tmp_path / 'one')
    reader = pickle.loads(pickle.dumps(open_dataset('frames', tmp_path)))
    assert reader.load(0).rgb.shape == (24, 32, 3)
    assert reader.name(0) == 'frames one'


@pytest.mark.parametrize(
    'one',
    [np.uint8(1), np.uint16(1), np.uint16(255), np.uint8([0, 0, 1]), np.uint8([1, 0, 0, 255])],
    ids=['8 bits', '16 bits', '255 of 16 bits', 'red', 'blue, opaque'],
)
def test_a_mask_may_have_any_bit_depth(tmp_path, one):
    mask = np.zeros((4, 6, *np.shape(one)), one.dtype)
    if np.shape(one) == (4,):
        mask[..., 3] = 255
    mask[1, 2] = one
    read = base.read_mask(write(tmp_path / 'mask.png', mask))
    assert np.argwhere(read).tolist() == [[1, 2]]
