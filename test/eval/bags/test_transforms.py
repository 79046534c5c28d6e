# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms of a bag: chains, missing links, and transforms that are not mounts."""

import numpy as np
import pytest
from bag_factory import T0, TF_TYPES, Item, frames, pose, write_bag

from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.transforms import StaticTransforms
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.points import inverse

BASE_LIDAR = pose((0.1, 0.0, 1.2), (0.2, 0.0, 0.9))
BASE_LINK = pose((0.0, 0.1, 0.0), (0.5, 0.05, 0.4))
LINK_OPTICAL = pose((1.2, -1.2, 1.2), (0.0, 0.02, 0.0))  # x ahead -> z ahead
TREE = [
    ('base', 'lidar', BASE_LIDAR),
    ('base', 'camera_link', BASE_LINK),
    ('camera_link', 'camera_optical', LINK_OPTICAL),
]


def tf(links, topic='/tf_static', at=0):
    return Item(topic, T0 + at, links, 'tf', logged_ns=T0 - 10 + at)


def bag_of(path, *items, kind='mcap'):
    return Bag(write_bag(path, [*items, *frames([np.zeros((48, 64, 3), np.uint8)])], kind))


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_a_chain_of_links_is_followed_up_and_down(tmp_path, kind):
    # One message per publisher, for example robot_state_publisher and a driver.
    with bag_of(tmp_path / 'bag', tf(TREE[:2]), tf(TREE[2:], at=1), kind=kind) as bag:
        transforms = StaticTransforms(bag)
        found = transforms.between('camera_optical', 'lidar')
        expected = inverse(BASE_LINK @ LINK_OPTICAL) @ BASE_LIDAR
        np.testing.assert_allclose(found, expected, atol=1e-12)
        back = transforms.between('lidar', '/camera_optical')  # early tf names had a slash
        np.testing.assert_allclose(back @ found, np.eye(4), atol=1e-12)
        np.testing.assert_array_equal(transforms.between('lidar', 'lidar'), np.eye(4))
        assert (transforms.topics, bag.warnings) == (['/tf_static'], [])


def test_topics_of_all_namespaces_are_read(tmp_path):
    items = [tf(TREE[:2], '/robot/tf_static'), tf(TREE[2:], '/robot/camera/tf_static', 1)]
    with bag_of(tmp_path / 'bag', *items) as bag:
        assert StaticTransforms(bag).between('lidar', 'camera_optical').shape == (4, 4)


@pytest.mark.parametrize('robot', ['a', 'b'])
def test_robots_with_the_same_frame_names_have_their_own_mounts(tmp_path, robot):
    mounts = {'a': BASE_LIDAR, 'b': BASE_LINK}
    items = [
        tf([('base', 'lidar', mounts[n])], f'/{n}/tf_static', at) for at, n in enumerate('ab')
    ]
    with bag_of(tmp_path / 'bag', *items) as bag:
        found = StaticTransforms(bag, f'/{robot}/camera/image_raw').between('base', 'lidar')
        np.testing.assert_allclose(found, mounts[robot], atol=1e-12)
        assert bag.warnings[0].endswith(f'the last one of /{robot}/tf_static is used')


@pytest.mark.parametrize(
    ('items', 'said'),
    [
        ([], r"and 'camera_optical', and there is no tf_static in bag .*; record /tf_static with"),
        (
            [tf(TREE[:2])],
            r"' on /tf_static in bag .* \(frames there: base, camera_link, lidar\); record",
        ),
        (
            [tf(TREE[:1]), tf(TREE[1:], '/tf')],
            r"only by /tf \('camera_optical' - 'camera_link', 'camera_link' - 'base'\)",
        ),
    ],
)
def test_a_missing_link_is_an_error_that_names_it(tmp_path, items, said):
    with bag_of(tmp_path / 'bag', *items) as bag, pytest.raises(EvalError, match=said):
        StaticTransforms(bag).between('camera_optical', 'lidar')


@pytest.mark.parametrize('kind', ['mcap', 'ros1'])
def test_transforms_on_tf_that_never_change_are_mounts(tmp_path, kind):
    """ROS 1's static_transform_publisher sends them while the robot drives and turns its head."""
    items = [tf(TREE[:1])]
    for i in range(1, 5):
        items.append(tf(TREE[1:], '/tf', at=i))
        items.append(tf([('odom', 'base', pose((0.0, 0.0, 0.1 * i), (i, 0.0, 0.0)))], '/tf', i))
        # tf_static has precedence.
        items.append(tf([('base', 'lidar', np.eye(4))], '/tf', i))
    with bag_of(tmp_path / 'bag', *items, kind=kind) as bag:
        transforms = StaticTransforms(bag)
        np.testing.assert_allclose(transforms.between('base', 'lidar'), BASE_LIDAR, atol=1e-12)
        assert transforms.topics == ['/tf_static']
        found = transforms.between('camera_optical', 'lidar')
        expected = inverse(BASE_LINK @ LINK_OPTICAL) @ BASE_LIDAR
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert (transforms.topics, bag.warnings) == (['/tf_static', '/tf'], [])
        with pytest.raises(EvalError, match=r"only by /tf \('odom' - 'base'\), which changes"):
            transforms.between('odom', 'lidar')


def test_mounts_of_early_ros_1_are_read(tmp_path):
    """For example, those in the bags of TUM's RGB-D data."""
    items = [tf(TREE, '/tf', at) for at in (0, 1)]
    for item in items:
        item.extra['type'] = TF_TYPES[1]
    with bag_of(tmp_path / 'bag', *items, kind='ros1') as bag:
        assert bag.topics['/tf'].msgtype == TF_TYPES[1]
        found = StaticTransforms(bag).between('base', 'lidar')
    np.testing.assert_allclose(found, BASE_LIDAR, atol=1e-12)


def test_a_missing_link_is_searched_for_only_once(tmp_path, monkeypatch):
    """/tf may be most of a long bag, and every depth image needs the link."""
    with bag_of(tmp_path / 'bag', tf(TREE[:1]), tf(TREE[1:], '/tf')) as bag:
        found, read, walks = StaticTransforms(bag), bag.raw, []
        monkeypatch.setattr(bag, 'raw', lambda names: walks.append(names) or read(names))
        for _ in range(3):
            with pytest.raises(EvalError, match='linked only by /tf'):
                found.between('camera_optical', 'lidar')
    assert walks == [['/tf']]


def test_loops_of_transforms_end(tmp_path):
    loop = [*TREE, ('camera_optical', 'base', np.eye(4))]
    with bag_of(tmp_path / 'bag', tf(loop)) as bag:
        with pytest.raises(EvalError, match="links the frames 'moon' and 'lidar'"):
            StaticTransforms(bag).between('lidar', 'moon')


def test_invalid_transforms_are_left_out_and_of_two_the_last_is_used(tmp_path):
    broken = np.full((4, 4), np.nan)
    later = pose((0.0, 0.0, 0.0), (9.0, 0.0, 0.0))
    items = [tf(TREE), tf([('base', 'sonar', broken)], at=1), tf([('base', 'lidar', later)], at=2)]
    with bag_of(tmp_path / 'bag', *items) as bag:
        found = StaticTransforms(bag)
        np.testing.assert_allclose(found.between('base', 'lidar'), later)
        with pytest.raises(EvalError, match="'sonar'"):
            found.between('base', 'sonar')
        no_mount, twice = bag.warnings[:2]
    assert "from 'base' to 'sonar' is not a rotation and translation (nan, " in no_mount
    said = (
        "there are several transforms from 'base' to 'lidar'; the last one of /tf_static is used"
    )
    assert twice == said


def test_transforms_of_a_bag_edited_for_a_player_are_read(tmp_path):
    """The QoS of /tf_static is edited in metadata.yaml to replay it; rosbags then skips it."""
    path = write_bag(tmp_path / 'bag', [tf(TREE), *frames([np.zeros((48, 64, 3), np.uint8)])])
    metadata = (path / 'metadata.yaml').read_text()
    time = '{sec: 0, nsec: 0}'
    profile = (
        f'[{{history: keep_last, depth: 1, reliability: reliable, durability: transient_local, '
        f'deadline: {time}, lifespan: {time}, liveliness: automatic, liveliness_lease_duration: '
        f'{time}, avoid_ros_namespace_conventions: false}}]'
    )
    edited = metadata.replace('[]', profile, 1)
    assert edited != metadata and edited.index('/tf_static') < edited.index('transient_local')
    (path / 'metadata.yaml').write_text(edited)
    with Bag(path) as bag:
        assert StaticTransforms(bag).between('lidar', 'base').shape == (4, 4)
