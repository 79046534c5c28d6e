# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Advice of a node that receives nothing: names, transports, types, QoS."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import rclpy
from peers import TIMEOUT, free_domain, qos
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from dmd_ros.ros.silence import why_silent

IMAGE, COMPRESSED, INFO = (
    f'sensor_msgs/msg/{n}' for n in ('Image', 'CompressedImage', 'CameraInfo')
)
WITHOUT = 'remap to the name without /compressed'
LATCHED = 'is latched, but earlier messages are not requested; set info_pairing to latest'
SENDS = 'has a publisher: does it send (ros2 topic hz), with a compatible QoS (info -v)?'


@pytest.fixture
def node() -> Iterator[Node]:
    """Return a node that publishes depth, in a domain without others."""
    with free_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        node = rclpy.create_node('dmd', context=context, namespace='/robot')
        node.create_publisher(Image, 'depth/image', 1)
        yield node
        node.destroy_node()
        rclpy.shutdown(context=context)


def _says(node: Node, topic: str, kind: str, expected: str, latched: bool = False) -> None:
    """Repeat until the graph is up to date."""
    deadline = time.monotonic() + TIMEOUT
    while (told := why_silent(node, topic, kind, latched=latched)) != expected:
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


@pytest.mark.parametrize(
    ('there', 'kind', 'topic', 'wanted', 'told'),
    [
        ('/cam/color', Image, '/image', IMAGE, f', but {IMAGE} is published on /cam/color: remap'),
        ('/cam/info', CameraInfo, '/info', INFO, f', but {INFO} is published on /cam/info: remap'),
        ('/cam/color', CompressedImage, '/image', IMAGE, ''),
        (
            '/image/compressed',
            CompressedImage,
            '/image',
            IMAGE,
            ', but /image/compressed exists: set image_transport to compressed',
        ),
        (
            '/image',
            Image,
            '/image/compressed',
            COMPRESSED,
            ', but /image exists: set image_transport to raw',
        ),
        (
            '/image/compressed',
            CompressedImage,
            '/image/compressed/compressed',
            COMPRESSED,
            f', but {COMPRESSED} is published on /image/compressed: {WITHOUT}',
        ),
    ],
)
def test_a_topic_that_nobody_publishes(node, there, kind, topic, wanted, told) -> None:
    """Topics of the node itself, or with subscribers only, are not suggested."""
    other = rclpy.create_node('camera', context=node.context)
    for waited_for in (Image, CameraInfo):
        other.create_subscription(waited_for, f'/viewer/{waited_for.__name__}', print, 1)
    other.create_publisher(kind, there, 1)
    _says(node, topic, wanted, f'nobody publishes {topic}{told}')
    other.destroy_node()


def test_only_some_topics_of_many_cameras_are_listed(node) -> None:
    other = rclpy.create_node('camera', context=node.context)
    for number in range(7):
        other.create_publisher(Image, f'/camera_{number}', 1)
    names = ', '.join(f'/camera_{number}' for number in range(5))
    _says(
        node,
        '/image',
        IMAGE,
        f'nobody publishes /image, but {IMAGE} is published on {names}, ...: remap',
    )
    other.destroy_node()


@pytest.mark.parametrize(
    ('topic', 'kind', 'sent', 'told'),
    [
        ('/image', String, 'std_msgs/msg/String', ''),
        ('/image/compressed', String, 'std_msgs/msg/String', ''),
        (
            '/image/compressed',
            CompressedImage,
            COMPRESSED,
            '; give the name without /compressed, and set image_transport to compressed',
        ),
    ],
)
def test_a_topic_of_another_type(node, topic, kind, sent, told) -> None:
    node.create_publisher(kind, topic, 1)
    _says(node, topic, IMAGE, f'{topic} is {sent}, not {IMAGE}{told}')


@pytest.mark.parametrize(
    ('latched', 'asked', 'told'),
    [
        ([True], False, LATCHED),
        ([True, False], False, LATCHED),
        ([True, False], True, SENDS),
        ([False], False, SENDS),
    ],
)
def test_a_topic_on_which_nothing_arrives(node, latched, asked, told) -> None:
    for one in latched:
        node.create_publisher(CameraInfo, '/info', qos(latched=one))
    while node.count_publishers('/info') < len(latched):
        time.sleep(0.02)
    _says(node, '/info', INFO, f'/info {told}', latched=asked)


def test_a_node_that_receives_nothing_suggests_a_remapping(running) -> None:
    with running(remaps=('image:=/front/image',), peer={'listen': ()}) as robot:
        robot.node.wait_line(
            'nobody publishes /front/image, but sensor_msgs/msg/Image is published on /image'
        )
        values = robot.peer.wait_diagnostics(lambda d: 'nobody publishes' in d['message'])
        assert '/camera_info has a publisher: does it send' in values['message']
