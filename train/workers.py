# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that make data ahead: how they start, behave beside the trainer, and end with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
from torch.utils.data import DataLoader

from train.errors import TrainError
from train.interrupts import end_with_parent, interrupts_held
from train.threads import use_threads


def made_ahead(data: Any, numbers: Iterable[int], workers: int) -> Iterator[Any]:
    """Start worker processes (0: none) at once that make data[n] for each number, in order."""
    # spawn: forking a process whose OpenMP threads have run may hang the child.
    more: dict[str, Any] = {}
    if workers:
        more = {'prefetch_factor': 4, 'multiprocessing_context': 'spawn'}
        more['worker_init_fn'] = behave_as_worker
    loader = DataLoader(
        data, batch_size=None, sampler=numbers, num_workers=workers, collate_fn=_as_is, **more
    )
    with interrupts_held():
        started = iter(loader)
    return _in_plain_words(started)


def _in_plain_words(made: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from made
    except TrainError as error:  # torch puts a worker's traceback before the message
        raise TrainError(str(error).rpartition('TrainError: ')[2].strip()) from None


def _as_is(made: Any) -> Any:
    return made


def behave_as_worker(worker: int = 0) -> None:
    """Leave the cores to the trainer, one thread per worker; die with it, and of Ctrl-C."""
    end_with_parent()
    # As torch ends on it, a worker waits for what it has made to be taken, which nobody does now:
    # the trainer waits for each worker for five seconds, then kills it.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    cv2.setNumThreads(0)
    use_threads(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
