# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands that train share: where settings come from, how log and errors come out."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import torch

from dmd_ros.core.errors import CoreError
from dmd_ros.eval.output.progress import say_last
from dmd_ros.runtime.errors import BackendError
from train import checkpoint
from train.config import TrainConfig
from train.errors import TrainError
from train.interrupts import interrupts_told, stops

# How torch (on the CPU, and of a size beyond all numbers), OpenCV and NumPy in a worker say it.
_NO_MEMORY = (
    "can't allocate memory", 'Storage size calculation overflowed', 'Insufficient memory',
    'MemoryError',
)  # fmt: skip
_HERE = Path(__file__).parent


def config_of(options: argparse.Namespace, new: Callable[[list[str]], TrainConfig]) -> TrainConfig:
    """Build the config of --set and --assets: with `new`, or on top of a resumed run's own.

    The run's own is taken with --resume and no --preset. Raises `TrainError` if there is none: the
    defaults would be another run.
    """
    settings = list(options.settings)
    if options.assets is not None:
        settings.append(f'assets={options.assets}')
    if options.preset or not options.resume:
        return new(settings)
    state = checkpoint.load_newest(options.out)
    if state is None:
        raise TrainError(
            f'{options.out} holds no checkpoint to go on from; start the run again, with the '
            '--preset and --set that it had'
        )
    return TrainConfig.from_json(state['config']).changed(settings)


def run_command(train: Callable[[], object]) -> int:
    """Run it; the exit status is 0, 1 after an error, 128 + its number after a signal of `STOPS`.

    Those stop it in good order, see `train.interrupts`.
    """
    logging.basicConfig(
        format='%(asctime)s %(message)s', datefmt='%H:%M:%S', level=logging.INFO, stream=sys.stdout
    )
    for talkative in ('numba', 'matplotlib'):  # of every allocation, and of fonts
        logging.getLogger(talkative).setLevel(logging.WARNING)
    with stops.heard():
        return _in_one_line(train)


def _in_one_line(train: Callable[[], object]) -> int:
    try:
        with interrupts_told():
            train()
    except (TrainError, BackendError, CoreError) as error:
        say_last(f'error: {error}')
        return 1
    except OSError as error:  # a full disk, or a file where the run's folder should be
        say_last(f'error: {error}{_met(error)}; mend that, or choose another folder')
        return 1
    except RuntimeError as error:
        if 'DataLoader worker (pid' not in str(error):  # it died; others are errors in it
            raise
        advice = 'go on with --resume, with fewer workers or a smaller batch if memory ran out'
        say_last(f'error: {str(error).splitlines()[0]}; {advice}')
        return 1
    except KeyboardInterrupt:
        say_last('stopped; go on with --resume')
        return 128 + (stops.number or signal.SIGINT)
    return 0


@contextlib.contextmanager
def memory_advice(config: TrainConfig, smaller: str) -> Iterator[None]:
    """Say in a `TrainError` what to lower where memory runs out; smaller: what else may be."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:  # torch's are all of the second kind
        if not _is_out_of_memory(error):
            raise
        met = str(error).partition('\n')[0] or type(error).__name__
        store = f'store_parts (now {config.store_parts}), ' * (config.worlds_on == 'device')
        raise TrainError(
            f'out of memory ({met}); lower {store}batch (now '
            f'{config.batch}) or sizes (now {config.sizes}), or choose a smaller {smaller}'
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(said in str(error) for said in _NO_MEMORY)


def _met(error: OSError) -> str:
    """Say who met an error that names no file, as that of a full disk; empty: it names one."""
    if error.filename is not None:
        return ''
    frames = traceback.extract_tb(error.__traceback__)
    ours = next(frame for frame in reversed(frames) if _HERE in Path(frame.filename).parents)
    return f' (in {ours.name}, {Path(ours.filename).relative_to(_HERE.parent)})'
