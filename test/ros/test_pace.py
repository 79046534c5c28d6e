# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""max_rate: number of images used for any camera rate, jitter and breaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle_model import grey
from peers import image_of, info_of

from dmd_ros.ros.pace import Pace


@given(st.floats(0.5, 100.0), st.lists(st.floats(0.0, 2.0), min_size=2, max_size=200))
def test_never_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    pace, times = Pace(rate), np.cumsum(gaps)
    used = [now for now in times if pace.passes(now)]
    assert used[0] == times[0]
    for start in range(len(used)):
        for end in range(start + 1, len(used)):
            # At least one period per image after the first, minus the permitted earliness.
            assert (used[end] - used[start]) * rate >= end - start - 0.2 - 1e-6


@given(st.floats(1.0, 30.0), st.floats(1.0, 8.0), st.integers(0, 2**32 - 1))
def test_the_rate_is_reached_if_the_camera_is_fast_enough(
    rate: float, times_as_fast: float, seed: int
) -> None:
    """For any ratio, even if no image arrives exactly when it is due."""
    period, jitter = 1.0 / (rate * times_as_fast), np.random.default_rng(seed)
    times = np.arange(0.0, 100.0 / rate, period)
    times += 0.05 * period * jitter.uniform(-1.0, 1.0, times.size)
    pace = Pace(rate)
    used = [now for now in times if pace.passes(now)]
    assert 97 <= len(used) <= 101
    # Evenly: never two camera periods later than due.
    assert max(b - a for a, b in pairwise(used)) <= 1.0 / rate + 2.2 * period


def test_a_break_is_not_made_up_for() -> None:
    pace = Pace(10.0)
    assert [now for now in (0.0, 5.0, 5.03, 5.06, 5.09, 5.12) if pace.passes(now)] == [
        0.0, 5.0, 5.09
    ]  # fmt: skip


def test_zero_means_no_limit() -> None:
    pace = Pace(0.0)
    assert all(pace.passes(now) for now in (0.0, 0.0, 1e-9))


def test_images_beyond_the_rate_are_counted_and_the_limit_can_be_lifted(running) -> None:
    with running(diagnostics_period=0.1) as robot:
        peer = robot.peer
        peer.ask_grey()
        assert peer.set_parameter('max_rate', 0.01).successful
        peer.ask_grey()
        for number in ('1', '2', '3'):
            stamp = peer.stamp()
            peer.send(image_of(grey(), stamp), info_of(stamp))
            values = peer.wait_diagnostics(
                lambda d, number=number: d.get('dropped: over max_rate') == number
            )
        assert (values['dropped'], values['last error']) == ('3', '')
        assert peer.set_parameter('max_rate', 0.0).successful
        peer.ask_grey()


def test_an_invalid_rate_is_refused(running) -> None:
    with running() as robot:
        for value in (-1.0, float('nan'), 2000.0):
            assert not robot.peer.set_parameter('max_rate', value).successful
