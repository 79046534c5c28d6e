# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag as a dataset whose depth another sensor has measured than the pictures' camera."""

from __future__ import annotations

import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, Item, write_bag

from train.datasets.registry import open_dataset
from train.errors import TrainError


def other_sensors(*extra: Item) -> list[Item]:
    """Return a picture, depth of another camera with a narrower view, and `extra` items."""
    rgb, depth = np.full((48, 64, 3), 7, np.uint8), np.full((24, 32), 2.0, np.float32)
    return [
        Item(IMAGE, 1, rgb, 'image'),
        Item(INFO, 1, CAMERA, 'info'),
        Item(DEPTH, 1, depth, 'depth32', frame_id='depth_optical'),
        *extra,
    ]


OWN_INFO = Item(
    '/ir/camera_info', 1, CAMERA.cropped(16, 12, 32, 24), 'info', frame_id='depth_optical'
)
MOUNT = Item('/tf_static', 1, [('camera', 'depth_optical', np.eye(4))], 'tf')


def test_depth_of_another_camera_is_refused(tmp_path):
    bag = write_bag(tmp_path / 'drive', other_sensors())
    with pytest.raises(TrainError) as error:
        open_dataset('bag', bag)
    for message in (
        "in frame 'depth_optical', the pictures in 'camera': it is not registered",
        f'no camera_info beside {DEPTH}; record that of the depth camera, or name it',
        'with option depth_info. Or record registered depth',
        'depth_frame any uses it unchanged',
    ):
        assert message in str(error.value)
    assert open_dataset('bag', bag, depth_frame='any').load(0).rgb[0, 0, 0] == 7
    with pytest.raises(TrainError, match="depth_frame='other'; allowed: same, any"):
        open_dataset('bag', bag, depth_frame='other')


def test_depth_of_another_camera_is_registered_if_the_bag_has_the_transforms(tmp_path, capsys):
    bag = write_bag(tmp_path / 'drive', other_sensors(OWN_INFO))
    named = {'info': INFO, 'depth_info': '/ir/camera_info'}
    with pytest.raises(TrainError, match=r'there is no tf_static in bag .*; record /tf_static'):
        open_dataset('bag', bag, **named)
    bag = write_bag(tmp_path / 'mounted', other_sensors(OWN_INFO, MOUNT))
    depth = open_dataset('bag', bag, **named).load(0).depth
    expected = np.full((48, 64), np.nan, np.float32)
    expected[12:36, 16:48] = 2.0
    np.testing.assert_array_equal(depth, expected)
    assert (
        'it was registered to them by /tf_static and /ir/camera_info (depth_frame any would not)'
        in capsys.readouterr().err
    )
    with pytest.raises(TrainError, match="depth_frame None, now 'any'"):
        open_dataset('bag', bag, depth_frame='any', **named)
    untouched = open_dataset('bag', bag, depth_frame='any', cache=tmp_path / 'any', **named)
    assert np.isfinite(untouched.load(0).depth[0, 0::2]).all()  # stretched over the picture


def test_lidar_points_are_labels_if_their_topic_is_specified(tmp_path):
    points = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 70.0], [0.5, 0.0, 5.0], [0.0, 0.0, -3.0]])
    items = [item for item in other_sensors(MOUNT) if item.topic != DEPTH]
    items.append(Item('/points', 40_000_001, points, 'cloud', frame_id='depth_optical'))
    bag = write_bag(tmp_path / 'drive', items)
    with pytest.raises(TrainError, match=r'to learn from; .* with option depth: /points'):
        open_dataset('bag', bag)
    with pytest.raises(TrainError, match=r'nearest is 0.04 s away.*option depth_tolerance'):
        open_dataset('bag', bag, depth='/points')
    with pytest.raises(TrainError, match=r'/points has points.* leave depth_frame any out'):
        open_dataset('bag', bag, depth='/points', depth_frame='any')
    with pytest.raises(TrainError, match=r'depth_tolerance=0\.0; allowed: above 0'):
        open_dataset('bag', bag, depth='/points', depth_tolerance='0')
    depth = open_dataset('bag', bag, depth='/points', depth_tolerance='0.05').load(0).depth
    assert np.argwhere(np.isfinite(depth)).tolist() == [[24, 32], [24, 36]]
    assert depth[24, [32, 36]].tolist() == [2.0, 5.0]
