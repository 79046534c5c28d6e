# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress of a TensorRT build, as a few log lines. Does not import TensorRT."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class BuildProgress:
    """Collects TensorRT's progress reports, from any thread, and logs them every `period_s`.

    As a context manager it also logs the elapsed time if TensorRT reports nothing (8.6).
    """

    def __init__(self, log: Callable[[str], None], period_s: float = 10.0) -> None:
        """log: receives the lines."""
        self._log, self._period = log, period_s
        self._lock = threading.Lock()
        self._phases: dict[str, tuple[int, int]] = {}  # name -> steps done, steps
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self) -> BuildProgress:
        """Start logging."""
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop logging."""
        self._stop.set()
        self._thread.join()

    def start(self, phase: str, steps: int) -> None:
        """Register a new phase."""
        with self._lock:
            self._phases[phase] = (0, steps)

    def step(self, phase: str, index: int) -> None:
        """Register that step `index` (from 0) of a phase is done."""
        with self._lock:
            steps = self._phases.get(phase, (0, index + 1))[1]
            self._phases[phase] = (index + 1, max(steps, index + 1))

    def finish(self, phase: str) -> None:
        """Remove a phase."""
        with self._lock:
            self._phases.pop(phase, None)

    def text(self) -> str:
        """Return the running phases with their steps, outermost first."""
        with self._lock:
            running = [f'{name} {done}/{steps}' for name, (done, steps) in self._phases.items()]
        return ', '.join(running) or 'no details from this TensorRT version'

    def _speak(self) -> None:
        while not self._stop.wait(self._period):
            elapsed = time.monotonic() - self._started
            self._log(f'building the engine for {elapsed:.0f} s: {self.text()}')
