# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from collections import Counter

from dmd_ros.eval.reasons import count_reason


def test_reasons_that_differ_only_in_a_number_are_counted_together():
    counts = Counter()
    for reason in ('jpeg of 12 bytes is cut off', 'jpeg of 7 bytes is cut off', 'png is empty'):
        count_reason(counts, reason)
    assert counts == {'jpeg of 12 bytes is cut off': 2, 'png is empty': 1}
