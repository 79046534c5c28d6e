# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether two paths lead to one place."""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path) -> Path:
    """Follow all links; who opens a path whose links go in a circle hears of it then.

    Before Python 3.13, `Path.resolve` raises a `RuntimeError` of it.
    """
    return Path(os.path.realpath(path))
