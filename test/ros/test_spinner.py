# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests to stop come from signal handlers, which may interrupt the main thread anywhere."""

from __future__ import annotations

import itertools
import sys
import threading

import pytest

from dmd_ros.ros.spinner import Stop


class Interrupted(threading.Thread):
    """Calls one method of a `Stop`, and set() before its n-th instruction."""

    def __init__(self, stop: Stop, what: str, place: int) -> None:
        super().__init__(daemon=True)
        self._stop_wish, self._what, self._place = stop, what, place
        self.instructions = 0

    def run(self) -> None:
        sys.settrace(self._trace)
        getattr(self._stop_wish, self._what)()
        sys.settrace(None)

    def _trace(self, frame, event, argument):
        frame.f_trace_opcodes = True
        if event == 'opcode':
            self.instructions += 1
            if self.instructions == self._place:
                sys.settrace(None)  # do not interrupt the handler itself
                self._stop_wish.set()
                sys.settrace(self._trace)
        return self._trace


@pytest.mark.parametrize('what', ['set', 'wait'])
def test_a_signal_may_interrupt_it_anywhere(what: str) -> None:
    """threading.Event would wait forever for the lock that the interrupted call holds."""
    for place in itertools.count(1):
        stop = Stop()
        thread = Interrupted(stop, what, place)
        thread.start()
        thread.join(0.2)
        if thread.is_alive() and thread.instructions < place:
            stop.set()  # wait() blocks, as it should: all its instructions have been interrupted
        thread.join(10.0)
        assert not thread.is_alive(), f'stuck after an interruption at instruction {place}'
        assert stop.is_set()
        if thread.instructions < place:
            break
    assert place > 5
