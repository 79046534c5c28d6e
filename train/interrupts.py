# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How commands and the processes that they start end: by Ctrl-C, or with who started them."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
def interrupts_held() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, unless they let it through themselves.

    One that it reached, while it imports above all, would die with a page of traceback.
    """
    resource_tracker.ensure_running()  # started later, it would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
