# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that survive SIGKILL, full disks and damage. Nothing is unpickled (weights_only)."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

from train.errors import TrainError

log = logging.getLogger(__name__)

FORMAT = 1
# Older checkpoints lack the additional key 'origin' (see `train.init.origin`).
KEYS = {
    'format', 'config', 'clock', 'net', 'ema', 'optimizer', 'broken', 'seconds', 'hardware',
    'revision',
}  # fmt: skip
# float32: the weight, its average and two moments of the optimiser.
BYTES_PER_PARAMETER = 4 * 4
# A checkpoint is written before old ones are removed.
SPACE_FACTOR = 1.5


def folder(run: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return run / 'checkpoints'


def check_space(run: Path, size_bytes: int) -> None:
    """Raise `TrainError` if the next checkpoint would not fit on the disk."""
    there = next(path for path in (run, *run.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < SPACE_FACTOR * size_bytes:
        raise TrainError(
            f'no space for a checkpoint: {run} has {free / 1e6:.0f} MB free, but needs '
            f'{SPACE_FACTOR * size_bytes / 1e6:.0f} MB; free some space, or lower keep_checkpoints'
        )


def save(run: Path, state: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint, then remove older ones except for the newest `keep`, including this.

    Checkpoints with a later clock are damaged; otherwise the run would have resumed from them.
    The file is written under another name, flushed to disk and renamed, so that every file named
    *.pt is complete even if the process is killed.
    """
    target = folder(run) / f'{state["clock"]:012d}.pt'
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix('.partial')
    try:
        with open(partial, 'wb') as file:
            torch.save({'format': FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainError(
            f'cannot write checkpoint {target} ({error}); free disk space and resume with --resume'
        ) from None
    written = [path for path in sorted(target.parent.glob('*.pt')) if path <= target]
    for old in written[:-keep]:
        old.unlink()
    return target


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; raises `TrainError` if it is damaged or not a checkpoint."""
    try:
        # torch does not verify its checksums: it would load a flipped bit.
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(f'wrong checksum of {bad}')
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged archives
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainError(f'checkpoint {path} is damaged ({reason})') from None
    if not isinstance(state, dict) or not state.keys() >= KEYS or state['format'] != FORMAT:
        raise TrainError(f'{path} is not a checkpoint of this version (format {FORMAT})')
    return state


def load_newest(run: Path) -> dict[str, Any] | None:
    """Read the newest intact checkpoint, warning about damaged ones; None if there is none."""
    paths = sorted(folder(run).glob('*.pt'), reverse=True)
    for path in paths:
        try:
            return load(path)
        except TrainError as error:
            if not os.path.lexists(path):  # a running trainer has replaced it by a newer one
                return load_newest(run)
            log.warning('%s; using the previous one', error)
    if paths:
        raise TrainError(f'all {len(paths)} checkpoints of {run} are damaged; start a new run')
    return None


def find(path: Path) -> dict[str, Any]:
    """Read a checkpoint file, or the newest one of a run folder."""
    if path.is_file():
        if path.suffix != '.pt' and not zipfile.is_zipfile(path):
            raise TrainError(
                f'{path} is not a checkpoint; specify the folder of a run, or one of its '
                'checkpoints/*.pt'
            )
        return load(path)
    state = load_newest(path)
    if state is None:
        raise TrainError(f'{path} contains no checkpoint; expected {folder(path)}/*.pt')
    return state
