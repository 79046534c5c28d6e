# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from train.config import make_config
from train.schedule import learning_rate, share_done


@pytest.mark.parametrize(
    ('schedule', 'rates'), [('cosine', (1.0, 0.505, 0.01)), ('constant', (1.0, 1.0, 0.0))]
)
def test_the_rate_rises_and_falls(schedule: str, rates: tuple[float, ...]) -> None:
    settings = ['lr=1', 'batch=10', 'warmup=100', 'total_samples=1000', 'cooldown=0.2']
    config = make_config('micro', [*settings, f'schedule={schedule}'])
    assert learning_rate(40, config, 0.0) == 0.5
    found = [learning_rate(clock, config, share_done(clock, 9.0, config)) for clock in (500, 1000)]
    assert [learning_rate(100, config, 0.0), *found] == pytest.approx(list(rates))
    nearly = {'cosine': 0.034, 'constant': 0.5}[schedule]  # half of the cool-down is over
    assert learning_rate(900, config, 0.9) == pytest.approx(nearly, abs=1e-3)


def test_a_run_may_have_neither_warm_up_nor_cool_down() -> None:
    settings = ['lr=1', 'warmup=0', 'cooldown=0', 'schedule=constant']
    config = make_config('micro', settings)
    assert [learning_rate(0, config, done) for done in (0.0, 0.999, 1.0)] == [1.0, 1.0, 1.0]


def test_a_run_ends_by_samples_or_by_time_whichever_comes_first() -> None:
    config = make_config('micro', ['total_samples=1000', 'minutes=2'])
    assert share_done(100, 60.0, config) == 0.5
    assert share_done(700, 60.0, config) == 0.7
    assert share_done(1008, 0.0, config) == share_done(0, 121.0, config) == 1.0
