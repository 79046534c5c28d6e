# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count the reasons why images or depth maps were left out."""

from __future__ import annotations

import re
from collections import Counter

_NUMBER = re.compile(r'\d+')


def count_reason(counts: Counter[str], reason: str) -> None:
    """Count a reason together with those that differ only in numbers, under the first of them."""
    kind = _NUMBER.sub('', reason)
    counts[next((known for known in counts if _NUMBER.sub('', known) == kind), reason)] += 1
