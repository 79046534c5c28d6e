# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resolve paths, to tell whether two of them are the same file or folder."""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path) -> Path:
    """Resolve all symbolic links, without an error for a loop, which opening the path reports.

    Before Python 3.13, `Path.resolve` raises a `RuntimeError` for a loop.
    """
    return Path(os.path.realpath(path))
