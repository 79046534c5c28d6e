# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Locations of the files that are installed with the package, e.g. shipped models."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from dmd_ros.runtime.errors import BackendError

DEFAULT_MODEL = 'dmd_worlds'
DEFAULT_FOV_MODEL = 'dmd_fov'


def find_model(model: str | os.PathLike[str] | None = None) -> Path:
    """Resolve a path, a shipped model's name, or None (the default model) to an .onnx file.

    Raises `BackendError` if there is no such file.
    """
    name = os.fspath(model) if model else DEFAULT_MODEL
    if name.endswith('.onnx') or os.sep in name:
        path = Path(os.path.expanduser(name))  # keeps ~user of an unknown user, without an error
        if os.path.isfile(path):  # Path.is_file() raises if access is denied
            return path
        raise BackendError(f'model file {path} does not exist, or is not accessible')
    tried = [folder / 'models' / f'{name}.onnx' for folder in share_folders()]
    for path in tried:
        if os.path.isfile(path):
            return path
    raise BackendError(
        f'no shipped model {name!r}; looked for {", ".join(map(str, tried))}. Specify the path of '
        'an .onnx file instead'
    )


def share_folders() -> Iterator[Path]:
    """Yield folders of shared files: source checkout, ament workspaces, pip installations."""
    yield Path(__file__).resolve().parents[2]
    prefixes = filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
    # pip's: /usr/local with Debian's Python, whose sys.prefix is /usr; an environment; --user.
    installed = (sysconfig.get_path('data'), sys.prefix, site.getuserbase())
    for prefix in dict.fromkeys((*prefixes, *installed)):
        yield Path(prefix) / 'share' / 'dmd_ros'
