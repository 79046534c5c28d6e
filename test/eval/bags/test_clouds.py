# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Point clouds of real drivers: fields in any order, padding, either byte order, holes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

from dmd_ros.eval.bags.clouds import points_from_cloud
from dmd_ros.eval.errors import EvalError

TYPES = get_typestore(Stores.LATEST).types
FLOAT32, FLOAT64 = 7, 8
XYZ = {'x': (0, FLOAT32), 'y': (4, FLOAT32), 'z': (8, FLOAT32)}


def cloud(points, fields=XYZ, step=12, row_padding=0, big=False, last_padded=True):
    """Return a PointCloud2 of points [H, W, 3], written byte by byte; unused bytes are 0xee."""
    height, width = points.shape[:2]
    rows = np.full((height, width * step + row_padding), 0xEE, np.uint8)
    order = '>' if big else '<'
    for axis, name in enumerate('xyz'):
        if name not in fields:
            continue
        offset, datatype = fields[name]
        kind = order + ('f8' if datatype == FLOAT64 else 'f4')
        packed = np.ascontiguousarray(points[..., axis].astype(kind)).view(np.uint8)
        size = 8 if datatype == FLOAT64 else 4
        packed = packed.reshape(height, width, size)
        for k in range(size):
            rows[:, offset + k : width * step : step] = packed[..., k]
    data = rows.reshape(-1)
    return TYPES['sensor_msgs/msg/PointCloud2'](
        header=TYPES['std_msgs/msg/Header'](TYPES['builtin_interfaces/msg/Time'](0, 0), 'lidar'),
        height=height,
        width=width,
        fields=[
            TYPES['sensor_msgs/msg/PointField'](name, offset, datatype, 1)
            for name, (offset, datatype) in fields.items()
        ],
        is_bigendian=big,
        point_step=step,
        row_step=width * step + row_padding,
        data=data if last_padded or not row_padding else data[:-row_padding],
        is_dense=False,
    )


@st.composite
def layouts(draw):
    """Draw the offsets of x, y, z and two other fields in a point, which has some padding."""
    fields, end = {}, 0
    for name in draw(st.permutations(['x', 'y', 'z', 'intensity', 'ring'])):
        offset = end + draw(st.integers(0, 5))
        datatype = draw(st.sampled_from([FLOAT32, FLOAT64]))
        fields[name] = (offset, datatype)
        end = offset + 8
    return fields, end + draw(st.integers(0, 7))


@given(
    layout=layouts(),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    row_padding=st.integers(0, 9),
    big=st.booleans(),
    last_padded=st.booleans(),
)
def test_points_are_read_whatever_the_layout(layout, shape, row_padding, big, last_padded):
    fields, step = layout
    points = np.arange(1, 1 + 3 * np.prod(shape)).reshape(*shape, 3) / 8.0
    found = points_from_cloud(cloud(points, fields, step, row_padding, big, last_padded))
    np.testing.assert_array_equal(found, points.reshape(-1, 3))


def test_beams_without_a_return_are_left_out():
    points = np.array([[[1, 2, 3], [np.nan, 1, 1], [0, 0, 0], [1, np.inf, 1], [0, 0, 5]]], float)
    assert points_from_cloud(cloud(points)).tolist() == [[1, 2, 3], [0, 0, 5]]


def test_row_step_of_a_single_row_may_be_zero():
    points = np.arange(1.0, 7.0).reshape(1, 2, 3)
    found = points_from_cloud(replace(cloud(points), row_step=0))
    np.testing.assert_array_equal(found, points[0])


@pytest.mark.parametrize('shape', [(1, 0), (0, 0), (0, 5)])
def test_an_empty_cloud_has_no_points(shape):
    assert points_from_cloud(cloud(np.empty((*shape, 3)))).shape == (0, 3)


POINTS = np.ones((2, 3, 3))


@pytest.mark.parametrize(
    ('message', 'said'),
    [
        (
            cloud(POINTS, {'x': (0, FLOAT32), 'range': (4, FLOAT32)}),
            r'no field y of FLOAT32 \(7\) or FLOAT64 \(8\); its fields: x \(datatype 7\), range',
        ),
        (cloud(POINTS, {}), 'no field x .* its fields: none'),
        (cloud(POINTS, {**XYZ, 'z': (8, 4)}), r'no field z .* z \(datatype 4\)'),
        (replace(cloud(POINTS), point_step=10), 'z of a cloud begins at byte 8 of a point of 10'),
        (replace(cloud(POINTS), row_step=35), '3x2 points with point_step 12 and row_step 35 has'),
        (replace(cloud(POINTS), height=3), '3x3 points .* has 72 bytes'),
    ],
)
def test_clouds_that_cannot_be_read(message, said):
    with pytest.raises(EvalError, match=said):
        points_from_cloud(message)
