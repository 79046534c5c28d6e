# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a module that ends with its parent: python -m dmd_ros.runtime.child PARENT MODULE ...

A parent that is killed stops nobody. A node left behind would answer the next demo as well, whose
domain is free again; a build of an engine would hold the GPU for minutes, for nobody.
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
    """Command line of a module that ends with this process, and with the thread that starts it."""
    return [sys.executable, '-m', MODULE, str(os.getpid()), module, *arguments]


def main() -> None:
    """Ask for a signal at the parent's end, and become the module."""
    if len(sys.argv) < 3 or not sys.argv[1].isdecimal():
        sys.exit(
            f'python -m {MODULE} is no command: demo, benchmark and builder of engines start '
            'their parts with it'
        )
    parent, module = int(sys.argv[1]), sys.argv[2]
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)  # Linux has it
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return  # it has ended before it could be asked for
    del sys.argv[1:3]
    runpy.run_module(module, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main()
