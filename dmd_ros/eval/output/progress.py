# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print messages beside progress bars."""

from __future__ import annotations

import sys
import traceback


def say_last(words: str) -> None:
    """Print the final message of a command to stderr, below any unfinished progress bar.

    To be called while the error is handled: its traceback keeps the generator with the bar alive,
    and the bar ends its line only when that is released.
    """
    error = sys.exc_info()[1]
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
    print(words, file=sys.stderr)
