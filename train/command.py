# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of the training commands: their settings, logging and error messages."""

from __future__ import annotations

import argparse
import contextlib
import logging
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

# Messages of torch (on the CPU, and at an overflow of the size), OpenCV, and NumPy in a worker.
_NO_MEMORY = (
    "can't allocate memory", 'Storage size calculation overflowed', 'Insufficient memory',
    'MemoryError',
)  # fmt: skip
_HERE = Path(__file__).parent


def config_of(options: argparse.Namespace, new: Callable[[list[str]], TrainConfig]) -> TrainConfig:
    """Build the config from --set and --assets, with `new` or on top of a resumed run's config.

    The run's config is used with --resume and without --preset. Raises `TrainError` if there is
    none, because the defaults would start a different run.
    """
    settings = list(options.settings)
    if options.assets is not None:
        settings.append(f'assets={options.assets}')
    if options.preset or not options.resume:
        return new(settings)
    state = checkpoint.load_newest(options.out)
    if state is None:
        raise TrainError(
            f'{options.out} contains no checkpoint to resume from; start the run again, with its '
            '--preset and --set'
        )
    return TrainConfig.from_json(state['config']).changed(settings)


@stops.heard()
def run_command(train: Callable[[], object]) -> int:
    """Run a command; return 0, 1 after an error, or 128 + the number of a signal in `STOPS`.

    These signals stop it cleanly, see `train.interrupts`.
    """
    logging.basicConfig(
        format='%(asctime)s %(message)s', datefmt='%H:%M:%S', level=logging.INFO, stream=sys.stdout
    )
    for talkative in ('numba', 'matplotlib'):  # they log allocations and fonts
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        with interrupts_told():
            train()
    except (TrainError, BackendError, CoreError) as error:
        say_last(f'error: {error}')
        return 1
    except OSError as error:  # a full disk, or a file where the run's folder should be
        say_last(f'error: {error}{_met(error)}; fix that, or choose another folder')
        return 1
    except RuntimeError as error:
        if 'DataLoader worker (pid' not in str(error):  # only this means that a worker died
            raise
        advice = 'continue with --resume, with fewer workers or a smaller batch if memory ran out'
        say_last(f'error: {str(error).splitlines()[0]}; {advice}')
        return 1
    except KeyboardInterrupt:
        say_last('stopped; continue with --resume')
        return stops.status
    return 0


@contextlib.contextmanager
def memory_advice(config: TrainConfig, smaller: str) -> Iterator[None]:
    """Raise a `TrainError` with advice if memory runs out; smaller: another thing to reduce."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:  # torch raises RuntimeError
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
    return isinstance(error, kinds) or any(message in str(error) for message in _NO_MEMORY)


def _met(error: OSError) -> str:
    """Return where an error without a file name occurred, as on a full disk; otherwise ''."""
    if error.filename is not None:
        return ''
    frames = traceback.extract_tb(error.__traceback__)
    ours = next(frame for frame in reversed(frames) if _HERE in Path(frame.filename).parents)
    return f' (in {ours.name}, {Path(ours.filename).relative_to(_HERE.parent)})'
