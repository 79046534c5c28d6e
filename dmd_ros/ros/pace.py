# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Select images when fewer are wanted than arrive. No clock: times in, answers out."""

from __future__ import annotations

# Fraction of the period by which an image may be early: camera periods vary, and a camera with
# exactly this rate must not lose every image that is slightly early.
_EARLY = 0.1


class Pace:
    """Lets at most `rate` items a second pass, evenly; 0: all."""

    def __init__(self, rate: float) -> None:
        """Let the first one pass."""
        self.rate = rate
        self._due = float('-inf')

    def passes(self, now: float) -> bool:
        """Return whether an item that arrives at `now`, in seconds, is used."""
        if self.rate <= 0:
            return True
        period = 1.0 / self.rate
        if now < self._due - _EARLY * period:
            return False
        # Counted from the due time, so that a late item does not lower the rate; restarted after
        # a break, so that missed items are not made up for.
        self._due = (self._due if now < self._due + period else now) + period
        return True
