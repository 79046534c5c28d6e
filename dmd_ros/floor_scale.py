# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of depth in a video, from the pictures that show the floor."""

from __future__ import annotations

import statistics
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.checks import whole
from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import FloorFinder, Mount
from dmd_ros.core.preprocess import View
from dmd_ros.core.records import FloorReading

# Default number of pictures of a video over which the median of the scale is taken.
VIDEO_MEMORY = 31


class FloorScale:
    """The median of the scales found in the newest pictures that show the floor.

    A model's scale error changes little from frame to frame: the median over `memory` pictures
    does not flicker, and stays valid while the floor is hidden. With memory 1, each picture is
    scaled independently, if it shows the floor. A picture of another size is from another camera,
    and clears the memory.
    """

    def __init__(self, mount: Mount, memory: int = 1) -> None:
        """Start with an empty memory; raises `CoreError` unless mount is one and memory >= 1."""
        if not isinstance(mount, Mount):
            raise CoreError(f'mount is {type(mount).__name__}; pass a dmd_ros.Mount')
        memory = whole('floor_memory', memory, 1, ' of pictures')
        self.mount = mount
        self._seen: deque[float] = deque(maxlen=memory)
        self._remembering = threading.Lock()
        self._finder: FloorFinder | None = None
        self._view: View | None = None

    def __call__(self, coarse: NDArray[np.float32], view: View) -> FloorReading:
        """Look for the floor in depth [h, w], metres, on the grid of `view`; return the scale."""
        found = self._finder_for(view)(coarse)
        with self._remembering:
            if found is not None:
                self._seen.append(found)
            elif self._seen.maxlen == 1:
                self._seen.clear()
            scale = statistics.median(self._seen) if self._seen else None
        return FloorReading(scale, found is not None)

    def _finder_for(self, view: View) -> FloorFinder:
        """Return the floor finder for this grid, kept until the grid changes."""
        with self._remembering:
            if self._finder is None or view != self._view:
                if self._view is not None and _size(view) != _size(self._view):
                    self._seen.clear()
                self._finder, self._view = FloorFinder(self.mount, view), view
            return self._finder

    def remounted(self, mount: Mount, memory: int) -> FloorScale:
        """Return a `FloorScale` for a turned camera; scales found at the same height are kept.

        Thread-safe: with the same `memory`, both objects share what is remembered.
        """
        other = FloorScale(mount, memory)
        if mount.height_m == self.mount.height_m:
            with self._remembering:
                other._view = self._view
                if memory == self._seen.maxlen:
                    other._seen, other._remembering = self._seen, self._remembering
                else:
                    other._seen.extend(self._seen)
        return other

    def reset(self) -> None:
        """Forget all earlier pictures."""
        with self._remembering:
            self._seen.clear()


def _size(view: View) -> tuple[int, int]:
    return view.source.height, view.source.width
