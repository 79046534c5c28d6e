# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the executor in a separate thread, so that the main thread can wait for signals."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from rclpy.task import Future

_POLL = 0.1


class Stop:
    """A request to stop, which a signal handler may make at any time and repeatedly.

    threading.Event is not suitable: a handler that interrupts its methods, or the handler of an
    earlier signal, waits forever for the lock that the interrupted code holds.
    """

    def __init__(self) -> None:
        """Start without a request."""
        self._asked = False
        self._tokens: SimpleQueue[None] = SimpleQueue()  # its put() may interrupt itself

    def set(self) -> None:
        """Request to stop."""
        self._asked = True
        self._tokens.put(None)

    def is_set(self) -> bool:
        """Return whether a stop was requested."""
        return self._asked

    def wait(self) -> None:
        """Wait, in one thread only, until a stop is requested.

        Polls, because a signal sent to a stopped process (Ctrl-Z and kill) may wake another
        thread, and Python calls the handler only when the main thread runs.
        """
        while not self._asked:
            with contextlib.suppress(Empty):
                self._tokens.get(timeout=_POLL)


class Spinner:
    """Spins `executor` until `end`, which re-raises an exception of a callback."""

    def __init__(self, executor: Any, stop: Stop) -> None:
        """Prepare; `start` starts."""
        self._executor = executor
        self._stop = stop
        self._error: BaseException | None = None
        self._ended: Future = Future()
        self._thread = threading.Thread(target=self._spin, name='dmd_executor')

    def start(self) -> None:
        """Start spinning."""
        self._thread.start()

    def call(self, work: Callable[[], bool]) -> bool:
        """Run `work` in the executor's thread; return its result, or False if stopped."""
        task, done = self._executor.create_task(work), threading.Event()
        task.add_done_callback(lambda _: done.set())
        while not done.wait(_POLL):
            if self._stop.is_set():
                return False
        return bool(task.result())

    def end(self) -> None:
        """Finish the current callback, and stop."""
        if self._thread.ident is not None:
            # Executor.shutdown() is not safe while a thread still spins.
            self._ended.set_result(None)
            self._thread.join()
        self._executor.shutdown()
        if self._error is not None:
            raise self._error

    def _spin(self) -> None:
        try:
            self._executor.spin_until_future_complete(self._ended)
        except BaseException as error:
            self._error = error
        finally:
            self._stop.set()
