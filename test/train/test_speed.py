# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from train.speed import Progress, hours


def test_progress_is_measured_since_the_last_report(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 110.0, 114.0, 115.0])
    monkeypatch.setattr('train.speed.time.perf_counter', lambda: next(times))
    progress = Progress(1_000, 5_000)
    assert progress.lap(2_000) == (100.0, 30.0)
    assert progress.lap(2_200) == (50.0, 56.0)
    assert progress.lap(5_008) == (2_808.0, 0.0)  # the last batch was complete


def test_durations() -> None:
    assert [hours(s) for s in (0.9, 59.0, 3909.0, 360_000.0)] == [
        '0:00:00', '0:00:59', '1:05:09', '100:00:00'
    ]  # fmt: skip
