# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exception of the trainer, and the exit status of its commands."""

from __future__ import annotations

from collections.abc import Callable

from dmd_ros.core.errors import CoreError
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output.progress import say_last
from dmd_ros.runtime.errors import BackendError
from train.interrupts import interrupts_told, stops


class TrainError(RuntimeError):
    """Training cannot start or continue; the message names the cause and the fix."""


@stops.heard()
def in_one_line(work: Callable[[], object]) -> int:
    """Run the work of a command; return its exit status: 0, 1 after an error, 130 after Ctrl-C.

    Report the error or the interrupt in one line. SIGTERM (143) ends it like Ctrl-C, without
    leaving incomplete files.
    """
    try:
        with interrupts_told():
            work()
    except (TrainError, BackendError, CoreError, EvalError, OSError) as error:
        say_last(f'error: {error}')
        return 1
    except KeyboardInterrupt:
        say_last('interrupted')
        return stops.status
    return 0
