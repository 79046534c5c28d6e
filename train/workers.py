# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that make data ahead: how they start, run beside the trainer, and end with it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import cv2
from torch.utils.data import DataLoader

from train.errors import TrainError
from train.interrupts import STOPS, end_with_parent, interrupts_held
from train.threads import use_threads


def made_ahead(data: Any, numbers: Iterable[int], workers: int) -> Iterator[Any]:
    """Start worker processes (0: none) at once; yield data[n] for each number, in order."""
    # spawn, because forking a process with OpenMP threads may hang the child.
    more: dict[str, Any] = {}
    ended, end = multiprocessing.Pipe(duplex=False)
    if workers:
        more = {'prefetch_factor': 4, 'multiprocessing_context': 'spawn'}
        more['worker_init_fn'] = partial(behave_as_worker, ended=ended)
    loader = DataLoader(
        data, batch_size=None, sampler=numbers, num_workers=workers, collate_fn=_as_is, **more
    )
    atexit.register(end.close)  # before multiprocessing waits for the workers
    with interrupts_held(*STOPS):
        started = iter(loader)
    ended.close()
    return _in_plain_words(started, end)


def _in_plain_words(made: Iterator[Any], end: Connection) -> Iterator[Any]:
    try:
        yield from made
    except TrainError as error:  # torch puts a worker's traceback before the message
        raise TrainError(str(error).rpartition('TrainError: ')[2].strip()) from None
    finally:
        atexit.unregister(end.close)
        end.close()


def _as_is(made: Any) -> Any:
    return made


def behave_as_worker(worker: int = 0, ended: Connection | None = None) -> None:
    """Use one thread, to leave cores to the trainer; die with it, or when it closes the pipe.

    ended: end of a pipe that the trainer closes. Workers ignore signals sent to all processes,
    because several trainers continue up to the same step.
    """
    end_with_parent()
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    if ended is not None:
        threading.Thread(target=_end, args=(ended,), daemon=True).start()
    cv2.setNumThreads(0)
    use_threads(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _end(ended: Connection) -> None:
    """End this process when the other end of the pipe is closed.

    When torch ends a worker, it first waits until its data is consumed, which no longer happens:
    the trainer waits five seconds for each worker, then kills it.
    """
    ended.poll(None)
    os._exit(0)
