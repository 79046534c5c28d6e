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

from dmd_ros.eval.bag_file import TF_MESSAGE, Bag
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.points import inverse, rotation_from_quaternion, transform

# From frame to frame: x_first = matrix x_second.
Links = dict[str, dict[str, NDArray[np.float64]]]


class StaticTransforms:
    """The static transforms of a bag, of every topic called tf_static.

    topics: their names. One that is no rigid motion is left out with a warning, and so is, in
    favour of what came after it, one that is given twice and differs.
    """

    def __init__(self, bag: Bag) -> None:
        """Read them."""
        self.topics = _topics(bag, 'tf_static')
        self._bag = bag
        self._links: Links = {}
        self._why_not: dict[tuple[str, str], str] = {}
        for topic, found in _transforms(bag, self.topics):
            self._add(topic, found)

    def between(self, target: str, source: str) -> NDArray[np.float64]:
        """Give the 4x4 matrix of x_target = M x_source; raises `EvalError` that names both."""
        path = _path(self._links, target.lstrip('/'), source.lstrip('/'))
        if path is None:
            asked = (target, source)
            if asked not in self._why_not:  # which takes a walk through the bag
                self._why_not[asked] = self._missing(target, source)
            raise EvalError(self._why_not[asked])
        matrix = np.eye(4)
        for first, second in itertools.pairwise(path):
            matrix = matrix @ self._links[first][second]
        return matrix

    def _add(self, topic: str, stamped: Any) -> None:
        parent, child = _ends(stamped)
        t, q = stamped.transform.translation, stamped.transform.rotation
        numbers = (t.x, t.y, t.z, q.w, q.x, q.y, q.z)
        if not all(map(math.isfinite, numbers)) or not any(numbers[3:]):
            self._bag.warn(
                f'{topic}: no rotation and translation leads from {parent!r} to {child!r} '
                f'({", ".join(f"{n:g}" for n in numbers)}); left out'
            )
            return
        matrix = transform(rotation_from_quaternion(*numbers[3:]), numbers[:3])
        known = self._links.get(parent, {}).get(child)
        if known is not None and not np.allclose(known, matrix, atol=1e-6):
            self._bag.warn(
                f'{topic} has several transforms from {parent!r} to {child!r}; the last is used'
            )
        self._links.setdefault(parent, {})[child] = matrix
        self._links.setdefault(child, {})[parent] = inverse(matrix)

    def _missing(self, target: str, source: str) -> str:
        """Say why there is no link, and what to do."""
        moving: Links = {frame: dict(others) for frame, others in self._links.items()}
        for _, found in _transforms(self._bag, _topics(self._bag, 'tf')):
            for one, other in (_ends(found), _ends(found)[::-1]):
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
                'which is of what moves and is not followed here; if it stands still, publish it '
                'as a static transform and record /tf_static'
            )
        has = f'which is not on {", ".join(self.topics)}' if self.topics else 'and no tf_static'
        return (
            f'no static transform links the frames {source!r} and {target!r}, '
            f'{has} of bag {self._bag.path}; record /tf_static with where the two are mounted'
        )


def _topics(bag: Bag, called: str) -> list[str]:
    return [
        t.name
        for t in bag.topics.values()
        if t.msgtype == TF_MESSAGE and t.name.rpartition('/')[2] == called
    ]


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
