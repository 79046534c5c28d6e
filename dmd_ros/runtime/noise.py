# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The noise that a sampler starts from, and that of its steps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np

from dmd_ros.runtime.backend import Floats


class Replay:
    """The same noise for every frame, drawn once: each iteration starts from the first array."""

    def __init__(self, source: Iterator[Floats]) -> None:
        """source: has no end."""
        self._source = source
        self._drawn: list[Floats] = []
        self._drawing = threading.Lock()

    def __iter__(self) -> Iterator[Floats]:
        """Yield what was drawn before, then draw; in any thread the same."""
        for index in itertools.count():
            with self._drawing:
                if index == len(self._drawn):
                    array = next(self._source)
                    array.flags.writeable = False
                    self._drawn.append(array)
            yield self._drawn[index]


def draw_fixed(seed: int, shape: tuple[int, ...]) -> tuple[Floats, Replay]:
    """Draw the first noise, of this shape, and give that of the steps with it."""
    noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
    # Read-only, so that a backend may keep its copy of the very same array.
    noise.flags.writeable = False
    # A stream of its own, so that the first noise, which is kept, does not shift it.
    return noise, Replay(normals(np.random.default_rng((seed, 1)), shape))


def normals(random: np.random.Generator, shape: tuple[int, ...]) -> Iterator[Floats]:
    """Draw for ever."""
    while True:
        yield random.standard_normal(shape, np.float32)
