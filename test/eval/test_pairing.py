# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.eval.pairing import pair

stamps = st.lists(st.integers(0, 200), max_size=12)


@given(a=stamps, b=stamps, tolerance=st.integers(0, 30))
def test_pairing_is_within_tolerance_one_to_one_and_in_order_among_equal_stamps(a, b, tolerance):
    found = pair(a, b, tolerance)
    used = [p for p in found if p is not None]
    assert len(used) == len(set(used))
    assert all(p is None or abs(a[i] - b[p]) <= tolerance for i, p in enumerate(found))
    for stamp in set(a) & set(b):
        partners = [i for i, other in enumerate(b) if other == stamp]
        served = [p for i, p in enumerate(found) if a[i] == stamp]
        assert served == (partners + [None] * len(a))[: len(served)]
