# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How commands and their child processes end: by signals, or with their parent process."""

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

# Signals that request a stop: from a terminal; from systemd, Slurm or `docker stop`.
STOPS = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stops:
    """Raises `KeyboardInterrupt` for the signals `STOPS`, deferred while stops are held.

    number: the received signal, 0: none. again: a second signal was received after `DEAF_S`; it
    stops at once, even while held. waiting: a signal was received while held.
    """

    def __init__(self) -> None:
        """Start without a received signal."""
        self.number, self.again, self.waiting = 0, False, False
        self._last, self._holders = -math.inf, 0

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Handle these signals within the context, unless they have other handlers already."""
        self.number, self.again, self.waiting, self._last = 0, False, False, -math.inf
        usual = (signal.default_int_handler, signal.SIG_DFL)  # a background job ignores Ctrl-C
        ours = [number for number in STOPS if signal.getsignal(number) in usual]
        if threading.current_thread() is not threading.main_thread():
            ours = []  # Python allows handlers only in the main thread
        before = {number: signal.signal(number, self._hear) for number in ours}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Defer a first stop to the end of the context."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
        if self.waiting and not self._holders:
            self.now()

    @property
    def status(self) -> int:
        """The exit status of a stopped command: 128 + the number of the signal."""
        return 128 + (self.number or signal.SIGINT)

    def now(self) -> None:
        """Stop now, as requested before."""
        self.waiting = False
        raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        # A terminal and Slurm signal all processes, and torchrun signals its workers again.
        if time.monotonic() - self._last <= DEAF_S:
            return
        self.again, self.waiting = bool(self.number), not self.number and self._holders > 0
        self.number, self._last = number, time.monotonic()
        if not self.waiting:
            raise KeyboardInterrupt


# Signals are sent to a process, so each has one instance.
stops = Stops()


@contextlib.contextmanager
def interrupts_told() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for the `SystemError` that numba converts it to."""
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
    """Block Ctrl-C in processes started within the context, unless they unblock it themselves.

    Otherwise they would die with a long traceback, in particular while they import modules.
    more: other signals to block.
    """
    resource_tracker.ensure_running()  # started later, it would unblock interrupts again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *more})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Make this process die with its parent, even if the parent is killed."""
    if sys.platform == 'linux':  # elsewhere, a worker outlives a killed parent
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():  # it died before prctl
            sys.exit(1)
