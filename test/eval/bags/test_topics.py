# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of topics in a bag, and the messages if it is ambiguous."""

from types import SimpleNamespace

import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, T0, Item, frames, write_bag

from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag, Topic
from dmd_ros.eval.errors import EvalError

PICTURE = np.full((48, 64, 3), 1, np.uint8)
MAP = np.full((48, 64), 1, np.float32)  # metres


@pytest.mark.parametrize(
    ('name', 'form', 'depth'),
    [
        ('/depth/image/compressed', '16UC1; png compressed ', True),
        ('/depth/image/compressed', 'mono16; png compressed ', True),
        ('/infra/image/compressed', 'mono16; png compressed ', False),
        ('/depth/color/compressed', 'rgb8; jpeg compressed bgr8', False),
        ('/x/compressedDepth', '32FC1; compressedDepth png', True),
    ],
)
def test_compressed_depth_is_distinguished_from_pictures(name, form, depth):
    bag = SimpleNamespace(
        topics={name: SimpleNamespace(msgtype=topics.COMPRESSED)},
        raw=lambda names: iter(names),
        decode=lambda raw: SimpleNamespace(format=form),
    )
    assert topics.is_depth(bag, name) is depth


def test_topics_are_found_if_unambiguous(tmp_path):
    items = frames([PICTURE], [MAP])
    items += [
        Item('/camera/image_raw/compressed', T0, PICTURE, 'jpeg'),
        Item('/other/camera_info', T0, CAMERA, 'info'),
        Item('/chatter', T0, 'hello', 'string'),
    ]
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        assert topics.choose(bag) == topics.Topics(IMAGE, INFO, DEPTH)
        assert topics.choose(bag, depth='none').depth is None
        asked = topics.choose(bag, '/camera/image_raw/compressed', '/other/camera_info', DEPTH)
        assert asked.image == '/camera/image_raw/compressed'
        assert asked.camera_info == '/other/camera_info'


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (Item('/b/image_raw', T0, PICTURE, 'image'), r'several image topics.*--image-topic.*/b/'),
        (Item('/b/depth', T0, MAP, 'depth32'), r'several depth topics.*--depth-topic.*/b/'),
    ],
)
def test_an_ambiguous_choice_is_an_error_with_the_candidates(tmp_path, extra, message):
    path = write_bag(tmp_path / 'bag', [*frames([PICTURE], [MAP]), extra])
    with Bag(path) as bag, pytest.raises(EvalError, match=message):
        topics.choose(bag)


@pytest.mark.parametrize(('name', 'depth'), [('/b/image_raw', False), ('/b/depth', True)])
def test_depth_is_recognised_by_name_if_the_first_message_is_broken(name, depth):
    def broken(_):
        raise EvalError('message of another camera cannot be decoded')

    bag = SimpleNamespace(topics={}, raw=lambda names: iter(names), decode=broken)
    assert topics.is_depth(bag, name) is depth


def test_several_infos_and_none_beside_the_image(tmp_path):
    items = [Item('/cam/image', T0, PICTURE, 'image')]
    items += [Item(f'/{n}/camera_info', T0, CAMERA, 'info') for n in 'ab']
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        with pytest.raises(EvalError, match=r'several camera_info topics.*--camera-info-topic'):
            topics.choose(bag)


@pytest.mark.parametrize(
    ('items', 'message'),
    [
        ([Item('/chatter', T0, 'x', 'string')], r'no image topic; it has: /chatter'),
        ([Item(IMAGE, T0, PICTURE, 'image')], r'no camera_info topic.*missing if fov_source'),
        ([Item(INFO, T0, CAMERA, 'info')], r'no image topic'),
        ([Item(DEPTH, T0, MAP, 'depth32')], r'no image topic'),
    ],
)
def test_a_missing_topic_is_an_error_with_those_of_the_bag(tmp_path, items, message):
    with Bag(write_bag(tmp_path / 'bag', items)) as bag, pytest.raises(EvalError, match=message):
        topics.choose(bag)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ({'image': '/nope'}, r'no topic /nope; it has'),
        ({'image': INFO}, r'image topic .* is of type sensor_msgs/msg/CameraInfo; allowed'),
        ({'camera_info': IMAGE}, r'camera_info topic .* is of type sensor_msgs/msg/Image'),
        ({'depth': INFO}, r'depth topic .* is of type'),
        ({'depth': IMAGE}, r'cannot be both image and depth topic'),
        ({'depth_info': INFO}, r'there is no depth image, so --depth-info-topic .* leave it out'),
        ({'calibrated': False, 'camera_info': '/nope'}, r'no topic /nope; it has'),
    ],
)
def test_given_topics_are_checked(tmp_path, names, message):
    with Bag(write_bag(tmp_path / 'bag', frames([PICTURE]))) as bag:
        with pytest.raises(EvalError, match=message):
            topics.choose(bag, **names)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('/camera/image_raw', False),
        ('/camera/image_rect', True),
        ('/camera/image_rect_color/compressed', True),
        ('/direct/image_raw', False),
        ('/camera/image_direct', False),
        ('/camera/image_corrected/compressed', False),
    ],
)
def test_rectified_by_name(name, expected):
    assert topics.is_rectified(name, 'auto') is expected


def test_topics_without_a_message_are_no_candidates(tmp_path):
    """A recorder lists every topic that it should record."""
    items = [Item('/cam/image', T0, PICTURE, 'image'), Item('/a/camera_info', T0, CAMERA, 'info')]
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        bag.topics['/b/image'] = Topic('/b/image', topics.IMAGE, 0)
        bag.topics['/b/camera_info'] = Topic('/b/camera_info', topics.CAMERA_INFO, 0)
        assert topics.choose(bag) == topics.Topics('/cam/image', '/a/camera_info', None)
        with pytest.raises(EvalError, match=r'image topic /b/image of bag .* has no message'):
            topics.choose(bag, '/b/image')


def test_the_info_in_the_namespace_of_a_compressed_image_is_its_own(tmp_path):
    items = [Item('/a/image_raw/compressed', T0, PICTURE, 'jpeg')]
    items += [Item(f'/{name}/camera_info', T0, CAMERA, 'info') for name in 'ab']
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        assert topics.choose(bag).camera_info == '/a/camera_info'


def test_the_info_of_depth_is_the_one_in_its_namespace(tmp_path):
    own = '/camera/depth/camera_info'
    items = [*frames([PICTURE], [MAP]), Item(own, T0, CAMERA, 'info')]
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        assert topics.choose(bag) == topics.Topics(IMAGE, INFO, DEPTH, own)
        assert topics.choose(bag, depth_info=INFO).depth_info == INFO
        assert topics.choose(bag, depth='none').depth_info == ''
        # The camera_info of the images registers the truth even if the model does not use it.
        blind = topics.Topics(IMAGE, '', DEPTH, own, truth_info=INFO)
        assert topics.choose(bag, calibrated=False) == blind
        named = topics.choose(bag, camera_info=own, calibrated=False)
        assert named.truth_info == own


def test_sixteen_bit_grey_is_depth_if_the_name_of_the_topic_says_so(tmp_path):
    raw = np.full((48, 64), 1500, np.uint16)
    grey16 = {'kind': 'depth16', 'extra': {'encoding': 'mono16'}}
    items = [*frames([PICTURE]), Item('/c/depth_raw', T0, raw, **grey16)]
    items.append(Item('/c/infra', T0, raw, **grey16))
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        assert topics.choose(bag, IMAGE).depth == '/c/depth_raw'
        assert not topics.is_depth(bag, '/c/infra')
        # A depth topic that is used as the image is not also the ground truth.
        assert topics.choose(bag, '/c/depth_raw', INFO).depth is None


def left_by_the_node(namespace, *others):
    """Return depth and camera_info as the node publishes them, and some of its other topics."""
    kinds = {'points': 'cloud', 'depth/color': 'image', 'depth/uncertainty': 'depth32'}
    contents = {'cloud': np.ones((3, 3)), 'image': PICTURE, 'depth32': MAP}
    depth = [
        Item(f'{namespace}/depth/image', T0, MAP, 'depth32'),
        Item(f'{namespace}/depth/camera_info', T0, CAMERA, 'info'),
    ]
    kinds_of_others = [(name, kinds[name]) for name in others]
    return depth + [Item(f'{namespace}/{n}', T0, contents[k], k) for n, k in kinds_of_others]


@pytest.mark.parametrize('namespace', ['', '/robot'])
@pytest.mark.parametrize('others', [['points'], ['depth/color'], ['depth/uncertainty', 'points']])
def test_depth_of_the_node_is_ground_truth_only_if_given(tmp_path, namespace, others):
    estimated = f'{namespace}/depth/image'
    items = left_by_the_node(namespace, *others)
    with Bag(write_bag(tmp_path / 'bag', [*frames([PICTURE]), *items])) as bag:
        assert topics.choose(bag) == topics.Topics(IMAGE, INFO, None)
        (warning,) = bag.warnings
        assert warning.startswith(f'{estimated} is not used as ground truth: ')
        assert warning.endswith('if it was measured, name it with --depth-topic')
        assert topics.choose(bag, depth=estimated).depth == estimated
    with Bag(write_bag(tmp_path / 'judged', [*frames([PICTURE], [MAP]), *items])) as bag:
        assert topics.choose(bag).depth == DEPTH
        assert topics.choose(bag, estimate=estimated).depth == DEPTH
        assert bag.warnings == []


def test_camera_info_of_the_node_is_the_calibration_only_if_given(tmp_path):
    """It has no distortion, even if the images do, and its field of view may be an estimate."""
    image = Item('/cam/image', T0, PICTURE, 'image')
    ours = left_by_the_node('', 'points')
    with Bag(write_bag(tmp_path / 'alone', [image, *ours])) as bag:
        said = r'no camera_info topic of its images: /depth/camera_info bel.*--camera-info-topic'
        with pytest.raises(EvalError, match=said):
            topics.choose(bag)
        assert topics.choose(bag, camera_info='/depth/camera_info').camera_info
        assert topics.choose(bag, calibrated=False).camera_info == ''
    items = [image, *ours, Item('/info/camera_info', T0, CAMERA, 'info')]
    with Bag(write_bag(tmp_path / 'beside', items)) as bag:
        assert topics.choose(bag).camera_info == '/info/camera_info'


def test_uncertainty_and_confidence_are_not_depth(tmp_path):
    """They are float images, too, and must not make the choice of depth ambiguous."""
    zed = '/zed/zed_node/confidence/confidence_map'
    items = left_by_the_node('', 'depth/uncertainty')
    with Bag(write_bag(tmp_path / 'bag', [*frames([PICTURE]), *items])) as bag:
        assert topics.choose(bag, estimate='/depth/image').depth is None
        assert bag.warnings == []
        assert topics.choose_estimate(bag) == '/depth/image'
    items = [*frames([PICTURE], [MAP]), Item(zed, T0, MAP * 90, 'depth32')]
    with Bag(write_bag(tmp_path / 'zed', items)) as bag:
        assert topics.choose(bag) == topics.Topics(IMAGE, INFO, DEPTH)
