# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a module that ends with its parent: python -m dmd_ros.runtime.child PARENT MODULE ...

A killed parent cannot stop its children. An orphaned node would also answer the next demo, which
may reuse its domain; an orphaned engine build would occupy the GPU for minutes.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

MODULE = 'dmd_ros.runtime.child'
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command of a module that ends with this process, or the thread that starts it."""
    return [sys.executable, '-m', MODULE, str(os.getpid()), module, *arguments]


def main() -> None:
    """Request a signal for the parent's end, then run the module in this process."""
    if len(sys.argv) < 3 or not sys.argv[1].isdecimal():
        sys.exit(
            f'python -m {MODULE} is not for direct use: demo, benchmark and engine builder start '
            'their processes with it'
        )
    parent, module = int(sys.argv[1]), sys.argv[2]
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)  # Linux only
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return  # the parent ended before prctl
    del sys.argv[1:3]
    runpy.run_module(module, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main()
