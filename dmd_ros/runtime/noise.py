# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Initial noise of a sampler, and noise of its steps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np

from dmd_ros.runtime.backend import Floats


class Replay:
    """The same noise for every frame, drawn once: each iteration restarts at the first array."""

    def __init__(self, source: Iterator[Floats]) -> None:
        """source: infinite iterator of noise."""
        self._source = source
        self._drawn: list[Floats] = []
        self._drawing = threading.Lock()

    def __iter__(self) -> Iterator[Floats]:
        """Yield the arrays drawn before, then draw more; the same in every thread."""
        for index in itertools.count():
            with self._drawing:
                if index == len(self._drawn):
                    array = next(self._source)
                    array.flags.writeable = False
                    self._drawn.append(array)
            yield self._drawn[index]


def draw_fixed(seed: int, shape: tuple[int, ...]) -> tuple[Floats, Replay]:
    """Draw the initial noise of this shape; return it with the noise of the steps."""
    noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
    # Read-only, so that a backend may skip the upload of an array that it already has.
    noise.flags.writeable = False
    # A separate stream, so that it does not depend on the size of the initial noise.
    return noise, Replay(normals(np.random.default_rng((seed, 1)), shape))


def normals(random: np.random.Generator, shape: tuple[int, ...]) -> Iterator[Floats]:
    """Yield standard normal arrays without end."""
    while True:
        yield random.standard_normal(shape, np.float32)
