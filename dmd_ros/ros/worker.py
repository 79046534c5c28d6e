# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that processes the newest item, and a mailbox that holds only that item."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """Calls `process` with the newest item offered, in a thread of its own; never queues.

    `process` must not raise: it has to handle its own failures.
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
        """Put `item` in the mailbox; return the older one that it displaced, if any."""
        with self._changed:
            displaced, self._item = self._item, item
            self._changed.notify()
        return displaced

    def clear(self) -> T | None:
        """Empty the mailbox and return its item, if any."""
        with self._changed:
            displaced, self._item = self._item, None
        return displaced

    def stop(self) -> None:
        """Finish the current item, drop the one in the mailbox, and end the thread."""
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
            del item  # do not keep a frame of 6 MB until the next one arrives
