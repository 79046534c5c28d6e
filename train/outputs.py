# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether what a command is to make can be written, asked before the work."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from train.errors import TrainError


def check_file(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` for a path that no file can be written to; option: that named it."""
    if path.is_dir():
        raise TrainError(f'{option} {path} is a folder; give the name of a file')
    _check_writable(path, path.absolute().parents, option)


def check_picture(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` or `EvalError` for a path that no picture can be written to."""
    # Brings Pillow, which the Python of `make gpu-check` need not have.
    from dmd_ros.eval.output.sheet import check_picture_name

    check_picture_name(path)
    check_file(path, option)


def check_folder(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` for a folder that is not there and cannot be made, or is read-only."""
    _check_writable(path, (path.absolute(), *path.absolute().parents), option)


def _check_writable(path: Path, folders: Iterable[Path], option: str) -> None:
    """Try the first of these folders that there is: `path` and the others would be made in it."""
    there = next(folder for folder in folders if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise TrainError(
            f'cannot write {path} ({there}: {error.strerror}); choose another {option}'
        ) from None
