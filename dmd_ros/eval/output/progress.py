# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words beside progress bars."""

from __future__ import annotations

import sys
import traceback


def say_last(words: str) -> None:
    """Write to stderr, on a line of its own, what ended a command; for who handles the error.

    A bar that a generator walked along lives as long as the error's traceback, and ends its line
    when it goes.
    """
    error = sys.exc_info()[1]
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
    print(words, file=sys.stderr)
