# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests: the same examples in every run, and no deadline on a loaded machine."""

from __future__ import annotations

import os
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In a script's background, as `make test &`: processes that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if 'PYTEST_XDIST_WORKER' in os.environ:
    # A worker for each core: more threads would wait for each other. Set before torch is there.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

try:
    from hypothesis import settings
except ImportError:  # a robot that runs the node's tests alone
    settings = None

if settings is not None:
    settings.register_profile(
        'dmd', derandomize=True, deadline=None, max_examples=60, database=None
    )
    settings.load_profile('dmd')
