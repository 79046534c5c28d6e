# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sensors of a robot are mounted: the static transforms that its bag has recorded."""

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

# By what the numbers of a link that stands still may differ: metres, parts of a quaternion.
_STANDS = 1e-6

# From a camera's optical frame (x right, y down, z ahead) to its body's (x ahead, y left, z up):
# REP-103.
BODY_FROM_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)

# From frame to frame: x_first = matrix x_second.
Links = dict[str, dict[str, NDArray[np.float64]]]


class StaticTransforms:
    """The static transforms of a bag, of every topic called tf_static.

    Where these do not link two frames, what is repeated on topics called tf and never changes in
    the bag does, too: drivers of ROS 1 tell their mounts there.
    near: a topic of the sensors; of robots whose frames have the same names, each with a tf_static
    in its namespace, that of this one counts.
    topics: their names. One that is no rigid motion is left out with a warning, and so is, in
    favour of what came after it, one that is given twice and differs.
    """

    def __init__(self, bag: Bag, near: str = '') -> None:
        """Read them."""
        # Nearest last: what is read last is used.
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
        """Give the 4x4 matrix of x_target = M x_source; raises `EvalError` that names both."""
        frames = target.lstrip('/'), source.lstrip('/')
        path = _path(self._links, *frames)
        if path is None and self._not_followed is None:
            self._not_followed = self._follow_what_stands()
            path = _path(self._links, *frames)
        if path is None:
            asked = (target, source)
            if asked not in self._why_not:
                self._why_not[asked] = self._missing(target, source)
            raise EvalError(self._why_not[asked])
        matrix = np.eye(4)
        for first, second in itertools.pairwise(path):
            matrix = matrix @ self._links[first][second]
        return matrix

    def _follow_what_stands(self) -> set[tuple[str, str]]:
        """Add the links of /tf that stand still; gives the ends of those that do not."""
        first: dict[tuple[str, str], tuple[str, Any]] = {}
        repeated, changed = set(), set()
        for topic, found in _transforms(self._bag, _topics(self._bag, 'tf')):
            ends = _ends(found)
            if ends not in first:
                first[ends] = topic, found
                continue
            repeated.add(ends)
            pairs = zip(_numbers(found), _numbers(first[ends][1]), strict=True)
            if any(abs(one - other) > _STANDS for one, other in pairs):
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
                f'{topic}: no rotation and translation leads from {parent!r} to {child!r} '
                f'({", ".join(f"{n:g}" for n in numbers)}); left out'
            )
            return
        matrix = transform(rotation_from_quaternion(*numbers[3:]), numbers[:3])
        known = self._links.get(parent, {}).get(child)
        if known is not None and not np.allclose(known, matrix, atol=_STANDS):
            self._bag.warn(
                f'there are several transforms from {parent!r} to {child!r}; the last one of '
                f'{topic} is used'
            )
        self._links.setdefault(parent, {})[child] = matrix
        self._links.setdefault(child, {})[parent] = inverse(matrix)

    def _missing(self, target: str, source: str) -> str:
        """Say why there is no link, and what to do."""
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
                f'frames {source!r} and {target!r} are linked by /tf alone ({", ".join(steps)}), '
                'which changes in this bag, or is told but once, and is not followed; if it '
                'stands still, publish it as a static transform and record /tf_static'
            )
        has = f'which is not on {", ".join(self.topics)}' if self.topics else 'and no tf_static'
        known = f' (frames there: {", ".join(sorted(self._links))})' if self._links else ''
        return (
            f'no static transform links the frames {source!r} and {target!r}, {has} of bag '
            f'{self._bag.path}{known}; record /tf_static with where the two are mounted'
        )


def mount_above(matrix: NDArray[np.float64]) -> Mount:
    """Read how a camera stands above a plane.

    matrix: 4x4, from its optical frame to a frame whose z = 0 is the plane. Raises `CoreError` if
    it is not above.
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
    """Yield topic and geometry_msgs/TransformStamped; messages that cannot be read are told."""
    for raw in bag.raw(topics) if topics else ():
        try:
            message = bag.decode(raw)
        except EvalError as error:
            bag.warn(str(error))
        else:
            yield from ((raw.topic, found) for found in message.transforms)


def _ends(stamped: Any) -> tuple[str, str]:
    """Give parent and child; ROS 1 had names with a leading slash."""
    return str(stamped.header.frame_id).lstrip('/'), str(stamped.child_frame_id).lstrip('/')


def _numbers(stamped: Any) -> tuple[float, ...]:
    """Give translation, metres, and rotation, w x y z."""
    t, q = stamped.transform.translation, stamped.transform.rotation
    return t.x, t.y, t.z, q.w, q.x, q.y, q.z


def _path(links: Links, start: str, goal: str) -> list[str] | None:
    """Find the fewest links from one frame to another; gives the frames passed."""
    before, reached = {start: start}, [start]
    for here in reached:  # grows on the way
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
