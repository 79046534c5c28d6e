# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that works on the newest item, and a letter box that holds just that one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """Calls `process` with the newest item offered, in a thread of its own; never queues.

    `process` must not raise: it knows what a failure means, this class does not.
    """

    def __init__(self, process: Callable[[T], None]) -> None:
        """Start the thread."""
        self._process = process
        self._changed = threading.Condition()
        self._item: T | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='dmd_worker', daemon=True)
        self._thread.start()

    def offer(self, item: T) -> T | None:
        """Put `item` in the box; give back the older one that it displaced, if any."""
        with self._changed:
            displaced, self._item = self._item, item
            self._changed.notify()
        return displaced

    def clear(self) -> T | None:
        """Empty the box, and give back what was in it."""
        with self._changed:
            displaced, self._item = self._item, None
        return displaced

    def stop(self) -> None:
        """Finish the item at hand, drop the one in the box, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._item is not None)
                if self._stopping:
                    return
                item, self._item = self._item, None
            assert item is not None
            self._process(item)
            del item  # a frame of 6 MB need not live until the next one comes
