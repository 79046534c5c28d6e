# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How commands and the processes that they start end: by Ctrl-C, or with who started them."""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from types import FrameType

from dmd_ros.eval.options import DEAF_S

# What asks a run to end: a terminal; systemd, Slurm, `docker stop`.
STOPS = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stops:
    """Makes `KeyboardInterrupt` of the signals `STOPS`, but not in the midst of what is held.

    number: the signal that came, 0: none. again: one came once more, after `DEAF_S`, which ends
    at once even what is held. waiting: it came while something was held.
    """

    def __init__(self) -> None:
        """Nothing came."""
        self.number, self.again, self.waiting = 0, False, False
        self._last, self._holders = -math.inf, 0

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Hear those signals while this is entered, unless somebody has other plans with them."""
        self.number, self.again, self.waiting, self._last = 0, False, False, -math.inf
        usual = (signal.default_int_handler, signal.SIG_DFL)  # a background job ignores Ctrl-C
        ours = [number for number in STOPS if signal.getsignal(number) in usual]
        if threading.current_thread() is not threading.main_thread():
            ours = []  # Python would not let it
        before = {number: signal.signal(number, self._hear) for number in ours}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a first stop wait until this is left."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
        if self.waiting and not self._holders:
            self.now()

    def now(self) -> None:
        """Stop, as was asked."""
        self.waiting = False
        raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        # A terminal and Slurm reach all processes, and torchrun tells its own once more.
        if time.monotonic() - self._last <= DEAF_S:
            return
        self.again, self.waiting = bool(self.number), not self.number and self._holders > 0
        self.number, self._last = number, time.monotonic()
        if not self.waiting:
            raise KeyboardInterrupt


# Signals come to a process: there is one of it.
stops = Stops()


@contextlib.contextmanager
def interrupts_told() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for the `SystemError` that numba makes of one in its midst."""
    try:
        yield
    except SystemError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if not isinstance(cause, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def interrupts_held(*more: signal.Signals) -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, unless they let it through themselves.

    One that it reached, while it imports above all, would die with a page of traceback. more:
    other signals that shall not.
    """
    resource_tracker.ensure_running()  # started later, it would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *more})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Let this process die with the one that started it, however that dies."""
    if sys.platform == 'linux':  # else a worker outlives a parent that is killed
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():  # it died before that, nobody will tell
            sys.exit(1)
