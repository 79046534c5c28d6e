# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.eval.bags.pairing import nearest_apart, pair

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


def test_nearest_apart_is_the_distance_of_the_nearest_stamps():
    assert nearest_apart([5, 30], [9, 100]) == 'the nearest is 4e-09 s away'
    # A LiDAR whose clock starts at power-up.
    assert nearest_apart([1_700_000_000 * 10**9], [10**9]) == 'the nearest is 1.7e+09 s away'
    assert nearest_apart([5], []) == nearest_apart([], [5]) == 'there is none'
