# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests: the same examples in every run, and no deadline on a loaded machine."""

from __future__ import annotations

import os
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Ignored in a background job (`make test &`), and inherited by processes that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if 'PYTEST_XDIST_WORKER' in os.environ:
    # One worker per core: more threads would only compete. Must be set before torch is imported.
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
