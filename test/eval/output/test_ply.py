# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from oracle_model import CAMERA, grey_from_depth, write_oracle

from dmd_ros.core.edges import flying_pixels
from dmd_ros.eval.output.ply import points_of, write_ply
from dmd_ros.loading import load_estimator

VERTEX = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'),
                   ('red', 'u1'), ('green', 'u1'), ('blue', 'u1')])  # fmt: skip


def read_ply(path):
    """Read a PLY according to the format, with its one element."""
    header, _, body = path.read_bytes().partition(b'end_header\n')
    lines = header.decode('ascii').splitlines()
    assert lines[:2] == ['ply', 'format binary_little_endian 1.0']
    assert [line.split()[-1] for line in lines if line.startswith('property')] == [*VERTEX.names]
    (count,) = (int(line.split()[-1]) for line in lines if line.startswith('element vertex'))
    vertices = np.frombuffer(body, VERTEX)
    assert len(vertices) == count
    return vertices


@pytest.fixture(scope='module')
def frame(tmp_path_factory):
    """Return a box in front of a wall, with a corner beyond the range of the model."""
    depth = np.full((CAMERA.height, CAMERA.width), 4.0, np.float32)
    depth[30:60, 40:90] = 1.0
    rgb = grey_from_depth(depth)
    rgb[:20, :20] = 255
    estimator = load_estimator(write_oracle(tmp_path_factory.mktemp('m') / 'm.onnx'))
    found = estimator(rgb, CAMERA)
    estimator.close()
    return found


def expected(frame, stride):
    known = np.isfinite(frame.depth) & ~flying_pixels(frame.coarse, frame.view, 0.15)
    v, u = np.nonzero(known)
    kept = (v % stride == 0) & (u % stride == 0)
    v, u = v[kept], u[kept]
    z = frame.depth[v, u]
    x, y = (u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z
    return np.column_stack([x, y, z]), frame.rgb[v, u]


@pytest.mark.parametrize('stride', [1, 3])
def test_the_file_has_the_points_that_the_node_would_publish(frame, tmp_path, stride):
    count = write_ply(tmp_path / 'a.ply', points_of(frame, stride))
    vertices = read_ply(tmp_path / 'a.ply')
    xyz, rgb = expected(frame, stride)
    assert len(vertices) == count == len(xyz) < frame.depth[::stride, ::stride].size
    np.testing.assert_allclose(np.column_stack([vertices[n] for n in 'xyz']), xyz, rtol=1e-5)
    colours = np.column_stack([vertices[n] for n in ('red', 'green', 'blue')])
    np.testing.assert_array_equal(colours, rgb)


def test_colours_are_in_the_order_of_rgb(tmp_path):
    points = np.zeros((1, 1, 4), np.float32)
    points[..., 3:].view('<u4')[:] = 0x00C86432
    write_ply(tmp_path / 'a.ply', points)
    assert read_ply(tmp_path / 'a.ply')[0].item() == (0, 0, 0, 200, 100, 50)


def test_a_cloud_without_points_is_a_file_without_points(tmp_path):
    assert write_ply(tmp_path / 'a.ply', np.full((2, 2, 4), np.nan, np.float32)) == 0
    assert len(read_ply(tmp_path / 'a.ply')) == 0


def test_another_library_reads_it(frame, tmp_path):
    trimesh = pytest.importorskip('trimesh')
    write_ply(tmp_path / 'a.ply', points_of(frame))
    found, own = trimesh.load(tmp_path / 'a.ply'), read_ply(tmp_path / 'a.ply')
    np.testing.assert_array_equal(found.vertices, np.column_stack([own[n] for n in 'xyz']))
    assert (found.colors[:, 0] == own['red']).all() and (found.colors[:, 2] == own['blue']).all()


def test_a_file_that_cannot_be_written_is_in_the_error(tmp_path):
    with pytest.raises(OSError, match=r'none/a\.ply'):
        write_ply(tmp_path / 'none' / 'a.ply', np.zeros((1, 1, 4), np.float32))
    assert not list(tmp_path.iterdir())
