# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check before the work that the output of a command can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from train.errors import TrainError


def check_file(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` if no file can be written to `path`, the value of `option`."""
    if path.is_dir():
        raise TrainError(f'{option} {path} is a folder; specify a file')
    _check_writable(path, path.absolute().parents, option)


def check_picture(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` or `EvalError` if no picture can be written to `path`."""
    # Imports Pillow, which the Python of `make gpu-check` may lack.
    from dmd_ros.eval.output.sheet import check_picture_name

    check_picture_name(path)
    check_file(path, option)


def check_folder(path: Path, option: str = '--out') -> None:
    """Raise `TrainError` if a folder is read-only, or missing and cannot be created."""
    _check_writable(path, (path.absolute(), *path.absolute().parents), option)


def _check_writable(path: Path, folders: Iterable[Path], option: str) -> None:
    """Try to write into the first existing folder, in which the others would be created."""
    there = next(folder for folder in folders if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise TrainError(
            f'cannot write {path} ({there}: {error.strerror}); choose another {option}'
        ) from None
