# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report dropped frames and problems: always counted, logged at a readable rate."""

from __future__ import annotations

import threading
import time
from typing import Any

from dmd_ros.ros.stats import Stats

# Drops that are expected (newest wins) or that diagnostics judges over time: only counted.
_QUIET = frozenset(
    {'superseded', 'over max_rate', 'out_of_order', 'unpaired', 'lost in transport', 'time jump'}
)
_LOG_PERIOD = 5.0


class Reporter:
    """Counts and logs. rclpy's throttle works per source line, which all reasons share here."""

    def __init__(self, logger: Any, stats: Stats) -> None:
        """Report to `logger` and `stats`."""
        self._logger = logger
        self._stats = stats
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def drop(self, reason: str, message: str, number: int = 1) -> None:
        """Count `number` dropped frames; log the reason, unless the drop is normal."""
        self._stats.drop(reason, number)
        if reason not in _QUIET:
            self._stats.error(f'{reason}: {message}')
            self.warn(reason, f'frame dropped ({reason}): {message}')

    def warn(self, kind: str, message: str, period: float = _LOG_PERIOD) -> None:
        """Log at most one message of a kind per `period` seconds."""
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(kind, -period) < period:
                return
            self._last[kind] = now
        self._logger.warning(message)
