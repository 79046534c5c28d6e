# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests: the same examples in every run, and no deadline on a loaded machine."""

from __future__ import annotations

try:
    from hypothesis import settings
except ImportError:  # a robot that runs the node's tests alone
    settings = None

if settings is not None:
    settings.register_profile(
        'dmd', derandomize=True, deadline=None, max_examples=60, database=None
    )
    settings.load_profile('dmd')
