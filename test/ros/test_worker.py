# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worker takes the newest item, never queues, and ends on request."""

from __future__ import annotations

import threading

from dmd_ros.ros.worker import Worker


class Gated:
    """A worker that waits for `go_on` in the middle of each item; `done` lists finished ones."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.done: list[int] = []
        self.worker = Worker(self._process)
        assert self.worker.offer(1) is None
        assert self.entered.wait(10)

    def _process(self, item: int) -> None:
        self.entered.set()
        assert self.go_on.wait(10)
        self.done.append(item)


def test_newest_wins_while_another_is_processed():
    gated = Gated()
    assert gated.worker.offer(2) is None  # waits in the mailbox
    assert gated.worker.offer(3) == 2  # displaced, and the caller counts it
    gated.entered.clear()
    gated.go_on.set()
    assert gated.entered.wait(10)
    gated.worker.stop()
    assert gated.done == [1, 3]


def test_stop_finishes_the_current_item_and_drops_the_next():
    gated = Gated()
    gated.worker.offer(2)
    stopper = threading.Thread(target=gated.worker.stop)
    stopper.start()
    gated.go_on.set()
    stopper.join(10)
    assert not stopper.is_alive() and gated.done == [1]


def test_clear_returns_the_waiting_item():
    gated = Gated()
    gated.worker.offer(2)
    assert gated.worker.clear() == 2
    assert gated.worker.clear() is None
    gated.go_on.set()
    gated.worker.stop()
