# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drops are always counted, and logged at a readable rate."""

from __future__ import annotations

from types import SimpleNamespace

from dmd_ros.ros.report import Reporter
from dmd_ros.ros.stats import Stats


def test_a_persistent_problem_is_logged_once_and_counted_each_time():
    lines: list[str] = []
    stats = Stats(0.0)
    report = Reporter(SimpleNamespace(warning=lines.append), stats)
    for number in range(3):
        report.drop('bad image', f'cut off {number}')
    report.drop('stale', 'too old', 4)
    assert lines == [
        'frame dropped (bad image): cut off 0',
        'frame dropped (stale): too old',
    ]
    report.warn('stale', 'still', period=0.0)
    assert lines[-1] == 'still'
    summary = stats.summary(1.0)
    assert summary.drops == {'bad image': 3, 'stale': 4}
    assert (summary.new_errors, summary.last_error) == (4, 'stale: too old')


def test_expected_drops_are_counted_but_are_not_errors():
    stats = Stats(0.0)
    reasons = ('superseded', 'out_of_order', 'unpaired', 'lost in transport', 'time jump')
    for reason in reasons:
        Reporter(None, stats).drop(reason, 'of no interest')
    summary = stats.summary(1.0)
    assert summary.drops == dict.fromkeys(reasons, 1)
    assert (summary.new_errors, summary.last_error) == (0, '')
