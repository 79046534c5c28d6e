# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worker takes the newest, never queues, and ends when told."""

from __future__ import annotations

import threading

from dmd_ros.ros.worker import Worker


def test_newest_wins_while_one_is_in_work():
    entered, go_on, done = threading.Event(), threading.Event(), []

    def process(item: int) -> None:
        entered.set()
        assert go_on.wait(10)
        done.append(item)

    worker = Worker(process)
    assert worker.offer(1) is None
    assert entered.wait(10)
    assert worker.offer(2) is None  # waits in the box
    assert worker.offer(3) == 2  # displaced, and the caller counts it
    entered.clear()
    go_on.set()
    assert entered.wait(10)
    worker.stop()
    assert done == [1, 3]


def test_stop_finishes_the_item_at_hand_and_drops_the_next():
    entered, go_on, done = threading.Event(), threading.Event(), []

    def process(item: int) -> None:
        entered.set()
        assert go_on.wait(10)
        done.append(item)

    worker = Worker(process)
    worker.offer(1)
    assert entered.wait(10)
    worker.offer(2)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    go_on.set()
    stopper.join(10)
    assert not stopper.is_alive() and done == [1]


def test_clear_gives_back_what_waited():
    entered, go_on = threading.Event(), threading.Event()

    def process(item: int) -> None:
        entered.set()
        assert go_on.wait(10)

    worker = Worker(process)
    worker.offer(1)
    assert entered.wait(10)
    worker.offer(2)
    assert worker.clear() == 2
    assert worker.clear() is None
    go_on.set()
    worker.stop()
