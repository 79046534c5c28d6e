# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscribers of either reliability, latched camera_info, overrides, laziness."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy.event_handler
from peers import GREY, TIMEOUT, depth_of, free_domain, image_of, info_of, qos
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from dmd_ros.ros import subscriptions


@pytest.mark.parametrize('reliability', ['auto', 'best_effort'])
@pytest.mark.parametrize('reliable', [True, False])
def test_cameras_and_consumers_of_either_reliability(running, reliability, reliable):
    with running(
        image_reliability=reliability, peer={'reliable': reliable, 'listen_reliable': reliable}
    ) as robot:
        for _ in range(3):
            out = robot.peer.ask_grey()
            assert np.isfinite(depth_of(out.depth_image)).all()
        offered = robot.peer.node.get_publishers_info_by_topic('depth/image')
        assert [p.qos_profile.reliability for p in offered] == [ReliabilityPolicy.RELIABLE]
        asked = robot.peer.node.get_subscriptions_info_by_topic('image')
        expected = reliable and reliability == 'auto'
        assert [s.qos_profile.reliability for s in asked] == [
            ReliabilityPolicy.RELIABLE if expected else ReliabilityPolicy.BEST_EFFORT
        ]


def test_a_reliable_subscription_reports_an_incompatible_best_effort_camera(running):
    with running(image_reliability='reliable', peer={'reliable': False}) as robot:
        robot.node.wait_line('set image_reliability to auto')


@pytest.mark.parametrize('latched', [True, False])
def test_latest_takes_a_camera_info_that_was_sent_once(running, latched):
    with running(info_pairing='latest', autostart=False, peer={'info_latched': latched}) as robot:
        peer = robot.peer
        if latched:
            peer.send_info(info_of(0))  # before anything subscribes
        assert peer.transition('configure') and peer.transition('activate')
        peer.until(lambda: peer.node.count_subscribers('camera_info') > 0)
        if not latched:
            peer.wait_diagnostics(
                lambda d: peer.send_info(info_of(0)) or int(d.get('camera_infos', 0)) > 0
            )
        for _ in range(3):
            image = image_of(GREY, peer.stamp())

            def answered(_, image=image) -> bool:
                peer.send_image(image)
                return all(
                    any(message.header == image.header for message in peer.received[topic])
                    for topic in ('depth/image', 'depth/camera_info', 'points')
                )

            # The camera_info as well: message filters synchronise it with depth by stamp.
            peer.wait_diagnostics(answered)


def test_qos_of_publishers_can_be_overridden(running):
    override = {
        'qos_overrides./points.publisher.reliability': 'best_effort',
        'qos_overrides./points.publisher.depth': 1,
    }
    with running(**override) as robot:
        peer = robot.peer
        assert peer.until(lambda: peer.node.count_publishers('points') > 0)
        (points,) = peer.node.get_publishers_info_by_topic('points')
        assert points.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert peer.get_parameter('qos_overrides./points.publisher.depth') == 1
        assert peer.get_parameter('qos_overrides./depth/image.publisher.depth') <= 2


def test_nothing_is_computed_for_topics_without_subscribers(running):
    with running(peer={'listen': ()}) as robot:
        peer = robot.peer
        values = peer.wait_diagnostics(
            lambda d: (
                peer.send(image_of(GREY, peer.stamp()), info_of(peer._stamp))
                or int(d.get('idle (nobody listens)', 0)) > 2
            )
        )
        assert values['processed'] == '0'
        assert not [key for key in values if key.startswith('stage ')]
        peer.listen('depth/camera_info')
        stamp = peer.stamp()
        bent = info_of(stamp, d=[-0.2, 0.05, 0.0, 0.0, 0.0])
        out = peer.ask(image_of(GREY, stamp), bent)
        assert not any(out.depth_camera_info.d)  # of the rectified picture, as with a depth image
        values = peer.wait_diagnostics(lambda d: int(d['processed']) > 0)
        assert 'stage denoise (ms)' not in values  # camera_info needs no network
        peer.listen('depth/image')
        peer.ask_grey()
        values = peer.wait_diagnostics(lambda d: 'stage denoise (ms)' in d)
        assert 'stage cloud (ms)' not in values and 'stage color (ms)' not in values


def test_depth_does_not_depend_on_what_else_is_subscribed(running):
    outputs = []
    for listen in (('depth/image',), ('depth/image', 'points', 'depth/color')):
        with running(peer={'listen': listen}) as robot:
            out = robot.peer.ask_grey('depth/image')
            outputs.append(depth_of(out.depth_image))
    np.testing.assert_array_equal(*outputs)


def test_subscribing_to_uncertainty_costs_nothing_with_a_single_sample(running):
    with running(samples=1, peer={'listen': ('depth/uncertainty',)}) as robot:
        peer = robot.peer
        assert peer.until(lambda: peer.node.count_publishers('depth/uncertainty') > 0)
        values = peer.wait_diagnostics(
            lambda d: (
                peer.send(image_of(GREY, peer.stamp()), info_of(peer._stamp))
                or int(d.get('idle (nobody listens)', 0)) + int(d.get('processed', 0)) > 20
            )
        )
        assert values['processed'] == '0'
        assert peer.set_parameter('samples', 2).successful
        peer.ask_grey()


def test_topics_follow_namespace_and_remaps(running):
    from peers import OUTPUTS

    remaps = ('__ns:=/robot', 'points:=/elsewhere/cloud')
    with running(remaps=remaps, peer={'listen': ()}) as robot:
        peer = robot.peer
        expected = {f'/robot/{t}' for t in OUTPUTS if t != 'points'} | {'/elsewhere/cloud'}
        assert peer.until(lambda: all(peer.node.count_publishers(topic) for topic in expected))
        for topic in ('/robot/image', '/robot/camera_info'):
            assert peer.until(lambda topic=topic: peer.node.count_subscribers(topic) == 1)


def fake_node(created: list, handle=None, **methods) -> SimpleNamespace:
    """Return a stand-in for a node that records the arguments of its subscriptions."""

    def create(*arguments, **_):
        created.append(arguments)
        return SimpleNamespace(topic_name=f'/{arguments[1]}', handle=handle)

    return SimpleNamespace(create_subscription=create, **methods)


@pytest.mark.parametrize('humble', [True, False])
def test_images_are_received_if_callbacks_get_no_message_info(monkeypatch, humble):
    """Humble's rclpy has the events in another module and passes only the message."""
    if humble:
        monkeypatch.setitem(sys.modules, 'rclpy.qos_event', rclpy.event_handler)
        monkeypatch.setitem(sys.modules, 'rclpy.event_handler', None)
    spec = importlib.util.spec_from_file_location('fresh', subscriptions.__file__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    heard, lost, created = [], [], []
    node = fake_node(created, count_publishers=lambda topic: 1)
    ladder = fresh.image_ladder('auto')
    fresh.LadderSubscription(node, str, 'image', ladder, heard.append, lost.append)
    ((_, _, callback, _),) = created
    for number in (1, 4):
        callback(f'{number}', *([] if humble else [{'publication_sequence_number': number}]))
    assert heard == ['1', '4'] and lost == ([] if humble else [2])


def test_the_last_number_of_a_publisher_that_left_counts_no_loss():
    """It may arrive after its publisher has left."""
    publishers, lost, created = [2], [], []
    node = fake_node(created, count_publishers=lambda topic: publishers[-1])
    ladder = subscriptions.image_ladder('auto')
    subscriptions.LadderSubscription(node, str, 'image', ladder, str, lost.append)
    ((_, _, callback, _),) = created
    for count, number in ((2, 9000), (2, 2), (1, 3), (1, 9001), (1, 9004)):
        publishers.append(count)
        callback('', {'publication_sequence_number': number})
    assert lost == [2]


@pytest.fixture
def listener():
    """Return a node in this process, and a function that spins it until a condition holds."""
    with free_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        node = rclpy.create_node('listener', context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)

        def spin_until(condition):
            deadline = time.monotonic() + TIMEOUT
            while not condition() and time.monotonic() < deadline:
                executor.spin_once(0.1)
            assert condition()

        yield SimpleNamespace(node=node, spin_until=spin_until)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_every_camera_info_of_a_burst_is_received(listener):
    """In the default transport large images delay small messages, which arrive in bursts."""
    node, spin_until = listener.node, listener.spin_until
    heard: list[CameraInfo] = []
    subscription = subscriptions.LadderSubscription(
        node, CameraInfo, 'camera_info', subscriptions.info_ladder(latest=False), heard.append
    )
    publisher = node.create_publisher(CameraInfo, 'camera_info', qos(depth=20))
    spin_until(publisher.get_subscription_count)
    for second in range(10):  # while the executor is busy
        publisher.publish(info_of(second * 10**9))
    spin_until(lambda: len(heard) == 10)
    subscription.close()
    assert [info.header.stamp.sec for info in heard] == list(range(10))


def test_a_latched_camera_info_is_received_along_with_a_volatile_one(listener):
    """Its only message was sent before the node started; the other may never send any."""
    node, spin_until = listener.node, listener.spin_until
    latched = node.create_publisher(CameraInfo, 'camera_info', qos(latched=True))
    latched.publish(info_of(7))
    other = node.create_publisher(CameraInfo, 'camera_info', qos())
    heard: list[CameraInfo] = []
    subscription = subscriptions.LadderSubscription(
        node, CameraInfo, 'camera_info', subscriptions.info_ladder(latest=True), heard.append
    )
    # The second subscription, without which the volatile publisher is not received.
    spin_until(lambda: heard and other.get_subscription_count())
    assert heard[0].header.stamp.nanosec == 7
    other.publish(info_of(8))
    spin_until(lambda: heard[-1].header.stamp.nanosec == 8)
    best_effort = node.create_publisher(CameraInfo, 'camera_info', qos(reliable=False))
    spin_until(best_effort.get_subscription_count)
    best_effort.publish(info_of(9))
    spin_until(lambda: heard[-1].header.stamp.nanosec == 9)
    subscription.close()
    assert not list(node.subscriptions)


def test_a_subscription_may_be_closed_while_it_receives(listener):
    """For example by a transition in another thread than the spinning one."""
    node, spin_until = listener.node, listener.spin_until
    heard: list[CameraInfo] = []

    def hear(message: CameraInfo) -> None:
        subscription.close()
        heard.append(message)

    subscription = subscriptions.LadderSubscription(
        node, CameraInfo, 'camera_info', subscriptions.info_ladder(latest=False), hear
    )
    publisher = node.create_publisher(CameraInfo, 'camera_info', qos())
    spin_until(publisher.get_subscription_count)
    publisher.publish(info_of(0))
    spin_until(lambda: heard)


def test_a_closed_subscription_does_not_step_down(listener):
    """The event may already be pending in the spinning thread."""
    ladder = subscriptions.image_ladder('auto')
    subscription = subscriptions.LadderSubscription(listener.node, CameraInfo, 'i', ladder, str)
    subscription.close()
    subscription._step_down(ladder[0])
    assert not list(listener.node.subscriptions)


def test_a_second_publisher_that_leaves_counts_no_loss(listener):
    """Its numbers are unrelated to those of the camera, which has been sending for days."""
    node, spin_until = listener.node, listener.spin_until
    heard, lost = [], []
    subscription = subscriptions.LadderSubscription(
        node, CameraInfo, 'image', subscriptions.image_ladder('auto'), heard.append, lost.append
    )
    camera, other = (node.create_publisher(CameraInfo, 'image', qos()) for _ in range(2))
    spin_until(lambda: camera.get_subscription_count() and other.get_subscription_count())

    def send(publisher, number=1):
        for _ in range(number):
            publisher.publish(info_of(len(heard)))
        before = len(heard) + sum(lost)
        spin_until(lambda: len(heard) + sum(lost) >= before + number)

    for publisher in (camera, camera, camera, other):
        send(publisher)
    node.destroy_publisher(other)
    spin_until(lambda: node.count_publishers('image') == 1)
    send(camera)
    assert len(heard) == 5 and not lost
    send(camera)
    send(camera, 3)  # those overwritten by the newest are lost
    subscription.close()
    assert len(heard) + sum(lost) == 9


@pytest.mark.parametrize(('waiting', 'heard'), [(3, 4), (1000, 21)])
def test_a_round_takes_all_waiting_messages_but_is_bounded(waiting, heard):
    messages = [(number, None) for number in range(waiting)]
    got: list[int] = []
    created = []
    handle = contextlib.nullcontext()
    handle.take_message = lambda *_: messages.pop(0) if messages else None
    ladder = subscriptions.info_ladder(latest=False)
    node = fake_node(created, handle)
    subscriptions.LadderSubscription(node, CameraInfo, 'info', ladder, got.append)
    created[0][2](-1)
    assert got == list(range(-1, heard - 1))


def test_no_queue_of_old_infos_with_latest_pairing():
    """With a history, a waiting image would be paired with the oldest latched one."""
    assert {rung.depth for rung in subscriptions.info_ladder(latest=True)} == {1}
    assert min(rung.depth for rung in subscriptions.info_ladder(latest=False)) >= 10
