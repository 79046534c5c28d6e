# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Explain from the ROS graph why a topic is silent; most often its name is wrong."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy

# At most this many candidate topics are listed: a robot with many cameras has more.
_MOST_NAMED = 5
_COMPRESSED = '/compressed'
_KINDS = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}


def why_silent(node: Any, topic: str, kind: str, *, latched: bool) -> str:
    """Return advice for a user about `topic`, on which no message of `kind` has arrived.

    topic: full name. kind: for example sensor_msgs/msg/Image. latched: whether the node requests
    messages sent before it subscribed.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f'nobody publishes {topic}{_what_else(node, topic, kind)}'
    kinds = {info.topic_type for info in publishers}
    if kind not in kinds:
        return f'{topic} is {", ".join(sorted(kinds))}, not {kind}{_other_transport(topic, kinds)}'
    if kind.endswith('CameraInfo') and not latched and any(map(_is_latched, publishers)):
        return (
            f'{topic} is latched, but earlier messages are not requested; set info_pairing to '
            'latest'
        )
    return (
        f'{topic} has a publisher: does it send (ros2 topic hz), with a compatible QoS (info -v)?'
    )


def _is_latched(info: Any) -> bool:
    return info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def _other_transport(topic: str, kinds: set[str]) -> str:
    if not topic.endswith(_COMPRESSED) or _KINDS['compressed'] not in kinds:
        return ''
    return f'; give the name without {_COMPRESSED}, and set image_transport to compressed'


def _what_else(node: Any, topic: str, kind: str) -> str:
    """Name the topics probably meant; never one that the node publishes itself."""
    own = {publisher.topic_name for publisher in node.publishers}
    there = {
        name: kinds
        for name, kinds in node.get_topic_names_and_types()
        if name not in own and node.count_publishers(name)
    }
    other, transport = _in_other_transport(topic, kind)
    if transport and _KINDS[transport] in there.get(other, ()):
        return f', but {other} exists: set image_transport to {transport}'
    found = sorted(name for name, kinds in there.items() if kind in kinds)
    if not found:
        return ''
    rest = ', ...' if len(found) > _MOST_NAMED else ''
    how = f' to the name without {_COMPRESSED}' if kind == _KINDS['compressed'] else ''
    return f', but {kind} is published on {", ".join(found[:_MOST_NAMED])}{rest}: remap{how}'


def _in_other_transport(topic: str, kind: str) -> tuple[str, str]:
    """Return the topic and transport of the same images in the other transport; else empty."""
    if kind == _KINDS['raw']:
        return topic + _COMPRESSED, 'compressed'
    if kind == _KINDS['compressed']:
        return topic.removesuffix(_COMPRESSED), 'raw'
    return '', ''
