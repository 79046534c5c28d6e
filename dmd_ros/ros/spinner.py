# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor in a thread of its own, so that the main thread can wait for signals."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from rclpy.task import Future

_POLL = 0.1


class Stop:
    """The wish to stop, which a signal handler may express at any moment and more than once.

    threading.Event will not do: a handler that interrupts it, or a second signal that interrupts
    the first one's handler, waits for ever for the lock that it has stopped in the middle of.
    """

    def __init__(self) -> None:
        """Nobody wishes to stop yet."""
        self._asked = False
        self._tokens: SimpleQueue[None] = SimpleQueue()  # its put() may interrupt itself

    def set(self) -> None:
        """Ask to stop."""
        self._asked = True
        self._tokens.put(None)

    def is_set(self) -> bool:
        """Say whether somebody has asked."""
        return self._asked

    def wait(self) -> None:
        """Wait, in one thread only, until somebody asks.

        Bit by bit: a signal that was sent to a stopped process (Ctrl-Z and kill) may wake another
        thread, and Python calls its handler only when the main thread does something.
        """
        while not self._asked:
            with contextlib.suppress(Empty):
                self._tokens.get(timeout=_POLL)


class Spinner:
    """Spins `executor` until `end`, which raises again what a callback raised."""

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
        """Have `work` done by the executor's thread; gives what it gave, or False at the end."""
        task, done = self._executor.create_task(work), threading.Event()
        task.add_done_callback(lambda _: done.set())
        while not done.wait(_POLL):
            if self._stop.is_set():
                return False
        return bool(task.result())

    def end(self) -> None:
        """Finish the callback at hand, and stop."""
        if self._thread.ident is not None:
            # Executor.shutdown() takes the ground from under a thread that still spins.
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
