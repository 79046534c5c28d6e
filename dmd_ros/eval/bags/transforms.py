# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look up how the sensors of a robot are mounted, from the static transforms in its bag."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.floor import Mount
from dmd_ros.eval.bags.file import TF_MESSAGES, Bag
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.points import inverse, rotation_from_quaternion, transform

# Tolerance for equal transforms: metres, and components of a quaternion.
_SAME = 1e-6

# From the optical frame of a camera (x right, y down, z ahead) to its body frame (x ahead, y left,
# z up), as in REP-103: x_body = matrix x_optical.
BODY_FROM_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)

# From frame to frame: x_first = matrix x_second.
Links = dict[str, dict[str, NDArray[np.float64]]]


class StaticTransforms:
    """The static transforms of a bag, from all topics whose last name is tf_static.

    If these do not link two frames, transforms on tf topics are used that are repeated and never
    change in the bag: drivers of ROS 1 publish their mounts there.
    near: a topic of the sensors. If several robots use the same frame names, each with a tf_static
    in its namespace, the transforms of this robot are used.
    topics: the names of the topics in use.
    Transforms that are not rigid are left out with a warning. If a transform is given twice with
    different values, the last one is used, with a warning.
    """

    def __init__(self, bag: Bag, near: str = '') -> None:
        """Read the transforms."""
        # Nearest last, because the last one is used.
        topics = _topics(bag, 'tf_static')
        self.topics = sorted(topics, key=lambda topic: _shared_namespaces(topic, near))
        self._bag = bag
        self._links: Links = {}
        self._why_not: dict[tuple[str, str], str] = {}
        self._not_followed: set[tuple[str, str]] | None = None
        for topic in self.topics:
            for _, found in _transforms(bag, [topic]):
                self._add(topic, found)

    def between(self, target: str, source: str) -> NDArray[np.float64]:
        """Return the 4x4 matrix M of x_target = M x_source; raises `EvalError` if unknown."""
        frames = target.lstrip('/'), source.lstrip('/')
        path = _path(self._links, *frames)
        if path is None and self._not_followed is None:
            self._not_followed = self._add_unchanging()
            path = _path(self._links, *frames)
        if path is None:
            pair = (target, source)
            if pair not in self._why_not:
                self._why_not[pair] = self._missing(target, source)
            raise EvalError(self._why_not[pair])
        matrix = np.eye(4)
        for first, second in itertools.pairwise(path):
            matrix = matrix @ self._links[first][second]
        return matrix

    def _add_unchanging(self) -> set[tuple[str, str]]:
        """Add the transforms on tf topics that never change; return the frames of the others."""
        first: dict[tuple[str, str], tuple[str, Any]] = {}
        repeated, changed = set(), set()
        for topic, found in _transforms(self._bag, _topics(self._bag, 'tf')):
            ends = _ends(found)
            if ends not in first:
                first[ends] = topic, found
                continue
            repeated.add(ends)
            pairs = zip(_numbers(found), _numbers(first[ends][1]), strict=True)
            if any(abs(one - other) > _SAME for one, other in pairs):
                changed.add(ends)
        moving = first.keys() - (repeated - changed)
        for ends, (topic, found) in first.items():
            if ends not in moving and ends[1] not in self._links.get(ends[0], {}):
                self._add(topic, found)
                self.topics += [topic] if topic not in self.topics else []
        return moving

    def _add(self, topic: str, stamped: Any) -> None:
        parent, child = _ends(stamped)
        numbers = _numbers(stamped)
        if not all(map(math.isfinite, numbers)) or not any(numbers[3:]):
            self._bag.warn(
                f'{topic}: the transform from {parent!r} to {child!r} is not a rotation and '
                f'translation ({", ".join(f"{n:g}" for n in numbers)}); left out'
            )
            return
        matrix = transform(rotation_from_quaternion(*numbers[3:]), numbers[:3])
        known = self._links.get(parent, {}).get(child)
        if known is not None and not np.allclose(known, matrix, atol=_SAME):
            self._bag.warn(
                f'there are several transforms from {parent!r} to {child!r}; the last one of '
                f'{topic} is used'
            )
        self._links.setdefault(parent, {})[child] = matrix
        self._links.setdefault(child, {})[parent] = inverse(matrix)

    def _missing(self, target: str, source: str) -> str:
        """Return why two frames are not linked, and the remedy."""
        moving: Links = {frame: dict(others) for frame, others in self._links.items()}
        for ends in self._not_followed or ():
            for one, other in (ends, ends[::-1]):
                moving.setdefault(one, {}).setdefault(other, np.eye(4))
        path = _path(moving, target.lstrip('/'), source.lstrip('/'))
        if path is not None:
            steps = [
                f'{a!r} - {b!r}'
                for a, b in itertools.pairwise(path)
                if b not in self._links.get(a, {})
            ]
            return (
                f'frames {source!r} and {target!r} are linked only by /tf ({", ".join(steps)}), '
                'which changes in this bag, or occurs only once, and is not used; if it never '
                'changes, publish it as a static transform and record /tf_static'
            )
        where = f' on {", ".join(self.topics)}' if self.topics else ', and there is no tf_static'
        known = f' (frames there: {", ".join(sorted(self._links))})' if self._links else ''
        return (
            f'no static transform links the frames {source!r} and {target!r}{where} in bag '
            f'{self._bag.path}{known}; record /tf_static with the mounts of both'
        )


def mount_above(matrix: NDArray[np.float64]) -> Mount:
    """Return the pose of a camera above a plane.

    matrix: 4x4, from its optical frame to a frame whose z = 0 is the plane. Raises `CoreError` if
    the camera is not above it.
    """
    return Mount.from_down(float(matrix[2, 3]), -matrix[2, :3])


def _topics(bag: Bag, called: str) -> list[str]:
    return [
        t.name
        for t in bag.topics.values()
        if t.msgtype in TF_MESSAGES and t.name.rpartition('/')[2] == called
    ]


def _shared_namespaces(one: str, other: str) -> int:
    """Count the namespaces that two topics have in common, from the root."""
    parts = zip(one.split('/')[:-1], other.split('/')[:-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], parts))


def _transforms(bag: Bag, topics: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield (topic, geometry_msgs/TransformStamped); warn of messages that cannot be read."""
    for raw in bag.raw(topics) if topics else ():
        try:
            message = bag.decode(raw)
        except EvalError as error:
            bag.warn(str(error))
        else:
            yield from ((raw.topic, found) for found in message.transforms)


def _ends(stamped: Any) -> tuple[str, str]:
    """Return parent and child frame, without the leading slash of early ROS 1."""
    return str(stamped.header.frame_id).lstrip('/'), str(stamped.child_frame_id).lstrip('/')


def _numbers(stamped: Any) -> tuple[float, ...]:
    """Return translation (metres) and rotation (w, x, y, z)."""
    t, q = stamped.transform.translation, stamped.transform.rotation
    return t.x, t.y, t.z, q.w, q.x, q.y, q.z


def _path(links: Links, start: str, goal: str) -> list[str] | None:
    """Return the frames on the shortest path between two frames, both included, or None."""
    before, reached = {start: start}, [start]
    for here in reached:  # grows during the loop: breadth-first search
        for there in links.get(here, {}):
            if there not in before:
                before[there] = here
                reached.append(there)
    if goal not in before:
        return None
    path = [goal]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]
