# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of indoor sets, on small fixtures written in each set's own format."""

from __future__ import annotations

import json
import math
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import grey, write

from dmd_ros.core.camera import Camera
from train.datasets.registry import open_dataset
from train.datasets.scannet import align
from train.errors import TrainError

# NYU Depth v2


@pytest.fixture(scope='module')
def nyu_root(tmp_path_factory):
    h5py = pytest.importorskip('h5py')
    savemat = pytest.importorskip('scipy.io').savemat
    root = tmp_path_factory.mktemp('nyu')
    # MATLAB stores columns first, so axes are reversed in HDF5; the file starts with 512 bytes of
    # text.
    images = np.zeros((3, 3, 640, 480), np.uint8)
    images[1, 0, 100, 50] = 200  # red, column 100, row 50
    images[1, 2, 2, 3] = 77  # in the border
    raw = np.full((3, 640, 480), 2.5, np.float32)
    raw[1, 100, 50] = 0.0
    raw[1, 101, 50] = 10.0
    raw[1, 102, 50] = 3.25
    with h5py.File(root / 'nyu_depth_v2_labeled.mat', 'w', userblock_size=512) as mat:
        mat['images'] = images
        mat['rawDepths'] = raw
        mat['depths'] = np.full_like(raw, 4.0)
    head = b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(508) + b' \x00\x02IM'[-4:]
    with open(root / 'nyu_depth_v2_labeled.mat', 'r+b') as file:
        file.write(head)
    savemat(root / 'splits.mat', {'trainNdxs': np.array([[1], [3]]), 'testNdxs': np.array([[2]])})
    return root


def test_nyu_labelled_transposes_and_drops_unmeasured(nyu_root):
    reader = open_dataset('nyu', nyu_root, split='test')
    assert reader.index() == ['00001']
    sample = reader.load(0)
    assert sample.rgb.shape == (480, 640, 3)
    assert sample.rgb[50, 100].tolist() == [200, 0, 0]
    assert math.isnan(sample.depth[50, 100]) and math.isnan(sample.depth[50, 101])
    assert sample.depth[50, 102] == pytest.approx(3.25)
    assert sample.camera.fx == pytest.approx(518.858, abs=1e-3)
    assert sample.camera.tan_half_vfov == pytest.approx(0.4620, abs=1e-4)


def test_nyu_options(nyu_root):
    framed = open_dataset('nyu', nyu_root, split='test', depth='filled', black_border=True).load(0)
    assert framed.depth[50, 100] == 4.0
    assert framed.rgb[3, 2, 2] == 0 and framed.rgb[50, 100, 0] == 200
    assert open_dataset('nyu', nyu_root).load(1).rgb[3, 2, 2] == 77
    assert len(open_dataset('nyu', nyu_root, split='train')) == 2
    with pytest.raises(TrainError, match='allowed: all, train, test'):
        open_dataset('nyu', nyu_root, split='val')


def test_nyu_folder(tmp_path):
    write(tmp_path / 'bathroom' / 'rgb_00045.jpg', grey(480, 640))
    codes = np.full((480, 640), 1234, np.uint16)
    codes[0, 0], codes[0, 1] = 0, 10000
    write(tmp_path / 'bathroom' / 'sync_depth_00045.png', codes)
    write(tmp_path / 'bathroom' / 'rgb_00046.jpg', grey(480, 640))  # without depth
    reader = open_dataset('nyu_folder', tmp_path)
    assert reader.index() == ['bathroom/rgb_00045.jpg']
    depth = reader.load(0).depth
    assert np.isnan(depth[0, :2]).all() and depth[1, 1] == pytest.approx(1.234)
    write(tmp_path / 'bathroom' / 'sync_depth_00045.png', codes[:, 1:])
    with pytest.raises(TrainError, match=r'depth \(480, 639\) and camera .* do not agree'):
        reader.load(0)


# ScanNet


def sens_bytes(frames: list[tuple[bytes, bytes]], compressions=(2, 1)) -> bytes:
    """Build a .sens stream: version 4, name, four matrices, compressions, sizes, frames."""
    color_k = np.diag([1170.0, 1170.0, 1.0, 1.0]).astype('<f4')
    color_k[0, 2], color_k[1, 2] = 647.75, 483.75
    depth_k = np.diag([577.87, 577.87, 1.0, 1.0]).astype('<f4')
    depth_k[0, 2], depth_k[1, 2] = 319.5, 239.5
    eye = np.eye(4, dtype='<f4').tobytes()
    out = struct.pack('<I', 4) + struct.pack('<Q', 15) + b'StructureSensor'
    out += color_k.tobytes() + eye + depth_k.tobytes() + eye
    out += struct.pack('<2i4IfQ', *compressions, 1296, 968, 640, 480, 1000.0, len(frames))
    for number, (color, depth) in enumerate(frames):
        out += eye + struct.pack('<4Q', number, number, len(color), len(depth)) + color + depth
    return out


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', image)[1].tobytes()


@pytest.fixture
def scannet_frame():
    color = grey(968, 1296, 40)
    cv2.circle(color, (1000, 300), 16, (255, 255, 255), -1)
    depth = np.full((480, 640), 2000, np.uint16)
    depth[10, 20] = 0
    return color, depth


def test_scannet_sens(tmp_path, scannet_frame):
    color, depth = scannet_frame
    frames = [
        (jpeg(grey(968, 1296)), zlib.compress(np.full((480, 640), 500, '<u2').tobytes())),
        (jpeg(color), zlib.compress(depth.astype('<u2').tobytes())),
    ]
    scene = tmp_path / 'scans' / 'scene0000_00'
    scene.mkdir(parents=True)
    (scene / 'scene0000_00.sens').write_bytes(sens_bytes(frames))
    reader = open_dataset('scannet_sens', tmp_path)
    assert reader.index()[1] == 'scans/scene0000_00/scene0000_00.sens#1'
    assert reader.load(0).depth[5, 5] == pytest.approx(0.5)
    sample = reader.load(1)
    assert sample.depth[100, 100] == 2.0 and math.isnan(sample.depth[10, 20])
    assert (sample.camera.width, sample.camera.fx) == (640, pytest.approx(577.87))
    # The disc must be where its ray meets the depth camera's picture.
    u = (1000 - 647.75) / 1170.0 * 577.87 + 319.5
    v = (300 - 483.75) / 1170.0 * 577.87 + 239.5
    rows, columns = np.nonzero(sample.rgb[..., 0] > 150)
    assert columns.mean() == pytest.approx(u, abs=0.5)
    assert rows.mean() == pytest.approx(v, abs=0.5)


def test_scannet_sens_may_be_png_and_raw(tmp_path, scannet_frame):
    color, depth = scannet_frame
    frame = (cv2.imencode('.png', color)[1].tobytes(), depth.astype('<u2').tobytes())
    (tmp_path / 'a.sens').write_bytes(sens_bytes([frame] * 3, compressions=(1, 0)))
    reader = open_dataset('scannet_sens', tmp_path, every=2)
    assert reader.index() == ['a.sens#0', 'a.sens#2']
    sample = reader.load(1)
    assert sample.depth[100, 100] == 2.0 and sample.rgb[5, 5, 0] == 40


def test_colour_is_warped_to_the_grid_of_depth():
    """The depth camera is wider: pixels outside of the colour picture have no label."""
    ramp = np.repeat(np.tile(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (48, 1, 1)), 3, 2)
    seen_by, grid = Camera(40, 40, 33.5, 23.5, 64, 48), Camera(16, 16, 15.5, 11.5, 32, 24)
    sample = align(ramp, seen_by, np.full((24, 32), 2.0, np.float32), grid)
    assert sample.camera == grid
    column = (np.arange(32) - 15.5) / 16 * 40 + 33.5
    inside = (column > 1) & (column < 62)
    found = sample.rgb[12, inside, 0]
    np.testing.assert_allclose(found, 4 * column[inside], atol=1)
    outside = (column < -1) | (column > 64)
    assert outside.sum() == 6
    assert np.isnan(sample.depth[12, outside]).all()
    assert (sample.depth[12, inside] == 2.0).all()


def test_scannet_sens_cut_off(tmp_path, scannet_frame):
    color, depth = scannet_frame
    data = sens_bytes([(jpeg(color), zlib.compress(depth.tobytes()))] * 2)
    (tmp_path / 'a.sens').write_bytes(data[: len(data) // 2 - 300])
    reader = open_dataset('scannet_sens', tmp_path)
    with pytest.raises(TrainError, match=r'a\.sens#1: .*ends after 1 of 2 frames'):
        reader.load(1)
    (tmp_path / 'a.sens').unlink()
    (tmp_path / 'b.sens').write_bytes(struct.pack('<I', 3))
    with pytest.raises(TrainError, match='version 3'):
        open_dataset('scannet_sens', tmp_path)


def test_scannet_folder(tmp_path, scannet_frame):
    color, depth = scannet_frame
    scene = tmp_path / 'scene0000_00'
    for number in (0, 10, 9):
        write(scene / 'color' / f'{number}.jpg', color)
        write(scene / 'depth' / f'{number}.png', depth)
    (scene / 'intrinsic').mkdir()
    for name, f, cx, cy in (('color', 1170.0, 647.75, 483.75), ('depth', 577.87, 319.5, 239.5)):
        k = np.diag([f, f, 1.0, 1.0])
        k[0, 2], k[1, 2] = cx, cy
        np.savetxt(scene / 'intrinsic' / f'intrinsic_{name}.txt', k, fmt='%f')
    reader = open_dataset('scannet', tmp_path, every=2)
    assert reader.index() == ['scene0000_00/color/0.jpg', 'scene0000_00/color/10.jpg']
    assert reader.load(0).depth[100, 100] == 2.0


# Taskonomy, SceneNet, DIML indoor


@pytest.mark.parametrize('layout', ['omnidata', 'first', 'points'])
def test_taskonomy(tmp_path, layout):
    def place(domain: str) -> Path:
        parts = (domain, 'taskonomy', 'cauthron') if layout == 'omnidata' else ('cauthron', domain)
        return tmp_path.joinpath(*parts)

    stem = 'point_0_view_7_domain_'
    write(place('rgb') / f'{stem}rgb.png', grey(512, 512))
    codes = np.full((512, 512), 1536, np.uint16)
    codes[1, 1:3] = 0, 65535
    write(place('depth_zbuffer') / f'{stem}depth_zbuffer.png', codes)
    info = place('points' if layout == 'points' else 'point_info') / f'{stem}point_info.json'
    info.parent.mkdir(parents=True)
    info.write_text(json.dumps({'field_of_view_rads': math.pi / 2, 'resolution': 512}))
    if layout == 'omnidata':
        mask = np.full((512, 512), 255, np.uint8)
        mask[3, 4] = 0
        write(place('mask_valid') / f'{stem}depth_zbuffer.png', mask)
    sample = open_dataset('taskonomy', tmp_path).load(0)
    assert sample.depth[0, 0] == 3.0 and np.isnan(sample.depth[1, 1:3]).all()
    assert math.isnan(sample.depth[3, 4]) == (layout == 'omnidata')
    assert sample.camera.tan_half_vfov == pytest.approx(1.0)
    assert sample.camera.cx == 255.5
    with pytest.raises(TrainError, match='no samples'):
        open_dataset('taskonomy', tmp_path, buildings=('almena',))


def test_scenenet_turns_ray_lengths_into_depth(tmp_path):
    folder = tmp_path / 'val' / '0' / '123'
    write(folder / 'photo' / '25.jpg', grey(240, 320))
    # A wall at z = 4 m, seen along rays whose directions follow from 60 x 45 degrees.
    x = math.tan(math.radians(30)) * ((np.arange(320) + 0.5) / 160 - 1)
    y = math.tan(math.radians(22.5)) * ((np.arange(240) + 0.5) / 120 - 1)
    length = 4.0 * np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)
    codes = np.rint(length * 1000).astype(np.uint16)
    codes[0, 0] = 0
    write(folder / 'depth' / '25.png', codes)
    sample = open_dataset('scenenet', tmp_path).load(0)
    assert np.isposinf(sample.depth[0, 0])
    assert np.nanmax(np.abs(sample.depth.ravel()[1:] - 4.0)) < 6e-4
    assert sample.camera.tan_half_vfov == pytest.approx(math.tan(math.radians(22.5)))
    assert (sample.camera.cx, sample.camera.cy) == (159.5, 119.5)


def test_diml_indoor(tmp_path):
    scene = tmp_path / 'train' / 'LR' / '01. Warehouse'
    write(scene / 'color' / 'in_00_160126_155728_c.png', grey(288, 512))
    codes = np.full((288, 512), 3100, np.uint16)
    codes[0, 0] = 0
    write(scene / 'depth_filled' / 'in_00_160126_155728_depth_filled.png', codes)
    reader = open_dataset('diml_indoor', tmp_path)
    sample = reader.load(0)
    assert sample.depth[1, 1] == pytest.approx(3.1) and math.isnan(sample.depth[0, 0])
    assert sample.camera.tan_half_vfov == pytest.approx(1080 / (2 * 1081.37))
    given = {'fx': 900, 'fy': 910, 'cx': 480, 'cy': 270, 'width': 1024, 'height': 576}
    (tmp_path / 'intrinsics.json').write_text(json.dumps(given))
    assert reader.load(0).camera.fx == pytest.approx(450)
    with pytest.raises(TrainError, match='no samples'):
        open_dataset('diml_indoor', tmp_path, resolution='HR')


# SUN RGB-D, iBims-1


def test_sunrgbd_rotates_bits_and_reads_the_split(tmp_path):
    savemat = pytest.importorskip('scipy.io').savemat
    millimetres = np.full((20, 30), 2503, np.uint16)
    millimetres[0, 0], millimetres[0, 1] = 0, 8200
    stored = (millimetres << np.uint16(3)) | (millimetres >> np.uint16(13))
    for name in ('NYU0001', 'NYU0002'):
        folder = tmp_path / 'SUNRGBD' / 'kv1' / 'NYUdata' / name
        write(folder / 'image' / f'{name}.jpg', grey(20, 30))
        write(folder / 'depth' / f'{name}.png', stored)
        write(folder / 'depth_bfx' / f'{name}.png', stored + np.uint16(8))
        (folder / 'intrinsics.txt').write_text('520.5 0 14.5 0 521.5 9.5 0 0 1\n')
    split = tmp_path / 'SUNRGBDtoolbox' / 'traintestSUNRGBD' / 'allsplit.mat'
    split.parent.mkdir(parents=True)
    names = np.empty((1, 1), object)
    names[0, 0] = '/n/fs/sun3d/data/SUNRGBD/kv1/NYUdata/NYU0002/'
    savemat(split, {'alltest': names, 'alltrain': names})
    assert len(open_dataset('sunrgbd', tmp_path)) == 2
    reader = open_dataset('sunrgbd', tmp_path, split='test')
    assert reader.index() == ['SUNRGBD/kv1/NYUdata/NYU0002']
    sample = reader.load(0)
    assert np.isnan(sample.depth[0, :2]).all() and sample.depth[5, 5] == pytest.approx(2.503)
    assert (sample.camera.fx, sample.camera.fy, sample.camera.cy) == (520.5, 521.5, 9.5)
    refined = open_dataset('sunrgbd', tmp_path, split='test', depth='bfx')
    assert refined.load(0).depth[5, 5] == pytest.approx(2.504)


def test_ibims_masks(tmp_path):
    (tmp_path / 'imagelist.txt').write_text('corridor_01\n')
    write(tmp_path / 'rgb' / 'corridor_01.png', grey(48, 64))
    codes = np.full((48, 64), 13107, np.uint16)
    codes[0, 0] = 0
    write(tmp_path / 'depth' / 'corridor_01.png', codes)
    for row, name in ((1, 'mask_invalid'), (2, 'mask_transp')):
        mask = np.ones((48, 64), np.uint8) * 255
        mask[row, 5] = 0
        path = tmp_path / name / 'corridor_01.png'
        path.parent.mkdir()
        # 1-bit png, as published.
        assert cv2.imwrite(str(path), mask, [cv2.IMWRITE_PNG_BILEVEL, 1])
    (tmp_path / 'calib').mkdir()
    (tmp_path / 'calib' / 'corridor_01.txt').write_text('550.39,548.55,325.64,240.98\n')
    sample = open_dataset('ibims', tmp_path).load(0)
    assert sample.depth[10, 10] == pytest.approx(10.0, abs=1e-5)
    assert np.isnan(sample.depth[[0, 1, 2], [0, 5, 5]]).all()
    assert np.isnan(sample.depth).sum() == 3
    assert sample.camera.fy == 548.55
