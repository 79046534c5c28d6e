# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looped bags, simulated time, stale frames, and noise from frame to frame."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from oracle_model import write_oracle
from peers import GREY, depth_of, image_of, info_of
from rosgraph_msgs.msg import Clock

SECOND = 1_000_000_000


def noisy_model(path):
    """Write a model whose x is 0.5 z at t = 1, so that depth shows the noise."""
    write_oracle(path, parameterisation='x0')
    model = onnx.load(path)
    del model.graph.node[:]
    del model.graph.initializer[:]
    half = onnx.helper.make_tensor('half', onnx.TensorProto.FLOAT, [], [0.2])
    zero = onnx.helper.make_tensor('zero', onnx.TensorProto.FLOAT, [], [0.0])
    model.graph.initializer.extend([half, zero])
    nodes = [
        ('Mul', ['z', 'half'], 'scaled'),
        ('ReduceMean', ['rgb'], 'grey'),
        ('Mul', ['grey', 'zero'], 'no_grey'),
        ('Add', ['scaled', 'no_grey'], 'shown'),
        ('Mul', ['t', 'zero'], 'no_t'),
        ('Mul', ['tan_half_vfov', 'zero'], 'no_fov'),
        ('Add', ['no_t', 'no_fov'], 'nothing'),
        ('ReduceSum', ['nothing'], 'none'),
        ('Add', ['shown', 'none'], 'prediction'),
    ]
    for kind, inputs, output in nodes:
        options = {'axes': [1], 'keepdims': 1} if kind == 'ReduceMean' else {}
        options = {'keepdims': 0} if kind == 'ReduceSum' else options
        model.graph.node.append(onnx.helper.make_node(kind, inputs, [output], **options))
    onnx.save(model, path)
    return path


@pytest.fixture(scope='module')
def noisy(tmp_path_factory):
    return noisy_model(tmp_path_factory.mktemp('noisy') / 'noisy.onnx')


def depth_at(peer, stamp: int) -> np.ndarray:
    return depth_of(peer.ask(image_of(GREY, stamp), info_of(stamp), 'depth/image').depth_image)


@pytest.mark.parametrize(
    ('temporal', 'differs'), [('fixed', False), ('random', True), ('blend', True)]
)
def test_a_looped_bag_gives_the_same_depth_again(running, noisy, temporal, differs):
    """Pairing and temporal state are reset when the stamps jump back."""
    peer_options = {'listen': ('depth/image',)}
    with running(model=noisy, temporal=temporal, peer=peer_options) as robot:
        peer = robot.peer
        # Later than the bag, until discovery is complete; each repeated message is a frame too.
        depth_at(peer, 500 * SECOND)
        runs = []
        for _ in range(2):
            stamps = [100 * SECOND + k * SECOND // 10 for k in range(3)]
            runs.append([depth_at(peer, stamp) for stamp in stamps])
        for first, again in zip(*runs, strict=True):
            np.testing.assert_array_equal(first, again)
        assert (not np.array_equal(runs[0][0], runs[0][1])) == differs


def test_a_node_that_was_inactive_starts_afresh(running, noisy):
    """Earlier images may show another place."""
    with running(model=noisy, temporal='random', peer={'listen': ('depth/image',)}) as robot:
        depths = []
        for second in (100, 101):
            assert robot.peer.transition('deactivate') and robot.peer.transition('activate')
            depths.append(depth_at(robot.peer, second * SECOND))
        np.testing.assert_array_equal(*depths)


def test_stale_frames_are_dropped_and_counted(running):
    with running(max_frame_age=30.0, peer={'listen': ('depth/image',)}) as robot:
        peer = robot.peer
        now = peer.node.get_clock().now().nanoseconds
        depth_at(peer, now)
        peer.send(image_of(GREY, now - 31 * SECOND), info_of(now - 31 * SECOND))
        values = peer.wait_diagnostics(lambda d: int(d.get('dropped: stale', 0)) == 1)
        assert 'max_frame_age is 30.0 s' in values['last error']
        depth_at(peer, peer.node.get_clock().now().nanoseconds)


def test_staleness_uses_simulated_time_and_its_jump_resets(running, noisy):
    options = {'use_sim_time': True, 'max_frame_age': 1.0, 'temporal': 'random', 'model': noisy}
    with running(**options, peer={'listen': ('depth/image',)}) as robot:
        peer = robot.peer
        clock = peer.node.create_publisher(Clock, '/clock', 10)
        assert peer.until(lambda: clock.get_subscription_count() > 0)

        def play(seconds: int) -> np.ndarray:
            message = Clock()
            message.clock.sec = seconds
            clock.publish(message)
            return depth_at(peer, seconds * SECOND)

        play(100)
        first = play(50)  # jumps back
        assert not np.array_equal(play(51), first)
        np.testing.assert_array_equal(play(50), first)
        # The clock jumps, the stamps do not: a restarted player has not sent an image yet.
        message = Clock()
        message.clock.sec = 20
        clock.publish(message)
        # There may be no diagnostics yet; wait in that case too.
        assert peer.wait(lambda: [m.header.stamp.sec for m in peer.received['diag'][-1:]] == [20])
        np.testing.assert_array_equal(depth_at(peer, 50 * SECOND + 1), first)
        message.clock.sec = 60
        clock.publish(message)
        stamp = 50 * SECOND + 2
        values = peer.wait_diagnostics(
            lambda d: (
                peer.send(image_of(GREY, stamp), info_of(stamp))
                or int(d.get('dropped: stale', 0)) > 0
            )
        )
        assert 'by the node clock' in values['last error']


def test_the_age_of_images_is_measured_by_the_node_clock(running):
    """The cause of old images, or of a wrong clock, may be upstream of the node."""
    with running(use_sim_time=True, peer={'listen': ('depth/image',)}) as robot:
        peer = robot.peer
        clock = peer.node.create_publisher(Clock, '/clock', 10)
        message = Clock()
        message.clock.sec = 100

        def told() -> list[int]:
            clock.publish(message)  # the first ones may precede the discovery of the clock
            return [m.header.stamp.sec for m in peer.received['diag'][-1:]]

        assert peer.until(lambda: told() == [100])
        depth_at(peer, 99 * SECOND + SECOND // 4)
        values = peer.wait_diagnostics(lambda d: int(d['processed']) > 0)
        assert values['image age (ms)'] == '750.00'
