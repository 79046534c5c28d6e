# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which images are used when fewer are wanted than come. No clock: times in, answers out."""

from __future__ import annotations

# Share of the period that an image may come before it is due: cameras are no clockwork, and one
# that runs at the very rate must not lose every image that is a little early.
_EARLY = 0.1


class Pace:
    """Lets at most `rate` items a second pass, evenly; 0: all."""

    def __init__(self, rate: float) -> None:
        """Let the first one pass."""
        self.rate = rate
        self._due = float('-inf')

    def passes(self, now: float) -> bool:
        """Say whether an item that comes at `now`, in seconds, is used."""
        if self.rate <= 0:
            return True
        period = 1.0 / self.rate
        if now < self._due - _EARLY * period:
            return False
        # Counted from when this one was due, so that a late one does not lower the rate; anew
        # after a break, so that none are made up for.
        self._due = (self._due if now < self._due + period else now) + period
        return True
