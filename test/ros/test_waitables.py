# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A transition in another thread than the spinning one, at the worst moments of the spin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from peers import free_domain, qos
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from dmd_ros.ros.node import DmdNode


@pytest.fixture
def node(oracle) -> Iterator[DmdNode]:
    """Return an active node with a pending QoS event: a camera offers less than requested."""
    with free_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        camera = rclpy.create_node('camera', context=context)
        camera.create_publisher(Image, 'image', qos(reliable=False))
        overrides = [Parameter('model', value=str(oracle)), Parameter('threads', value=1)]
        made = DmdNode(context=context, parameter_overrides=overrides)
        assert made.start()
        yield made
        made.destroy_node()
        camera.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize('time', [1, 2], ids=['listed', 'due'])
def test_a_spin_continues_when_a_transition_destroys_its_waitables(node, monkeypatch, time):
    """The executor checks each event when it lists it and when it is ready."""
    (image,) = (s for s in node.subscriptions if s.topic_name == '/image')
    group, asked, ended = node.default_callback_group, [], []
    may_run = group.can_execute

    def deactivate_meanwhile(entity) -> bool:
        if entity in image.event_handlers:
            asked.append(entity)
            if len(asked) == time:
                ended.append(node.trigger_deactivate())
        return may_run(entity)

    monkeypatch.setattr(group, 'can_execute', deactivate_meanwhile)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while not ended:
        executor.spin_once(1.0)
    executor.spin_once(1.0)
    executor.shutdown()
    assert ended == [TransitionCallbackReturn.SUCCESS]
