# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor in a thread of its own, so that the main thread can wait for signals."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.task import Future


class Spinner:
    """Spins `executor` until `end`, which raises again what a callback raised."""

    def __init__(self, executor: Any, stop: threading.Event) -> None:
        """Prepare; `start` starts."""
        self._executor = executor
        self._stop = stop
        self._error: BaseException | None = None
        self._ended: Future = Future()
        self._thread = threading.Thread(target=self._spin, name='dmd_executor')

    def start(self) -> None:
        """Start spinning."""
        self._thread.start()

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
