# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines that failed: the cache stores a note with the reason instead of the engine.

Another build would take minutes and fail again. Temporary causes are not recorded: lack of memory
or disk space, driver trouble, an aborted build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dmd_ros.runtime import engine_file
from dmd_ros.runtime.errors import RefusedError

# Words of TensorRT, CUDA, C++ and the system for temporary causes. Rather too many than too few: a
# missing note costs the minutes of another build, a wrong one a faster engine. Warnings mention
# CUDA and memory in successful builds, too.
_WARNING, _SHORT = '[W] ', re.compile('insufficient|out ?of ?memory', re.IGNORECASE)
_MAY_PASS = re.compile(
    r'memory|alloc|no space|disk|quota|too many open files|resource temporarily|cuda|cudnn|'
    r'cublas|driver|device (is )?(busy|lost|unavailable)|timed? ?out',
    re.IGNORECASE,
)


def note_of(engine: Path) -> Path:
    """Return the path of the note on a failed engine."""
    return engine.with_suffix('.refused')


def may_pass(lines: Iterable[str]) -> bool:
    """Return whether the output of a failed build points to a temporary cause."""
    return any((_SHORT if _WARNING in line else _MAY_PASS).search(line) for line in lines)


def remember(engine: Path, proof: dict[str, Any]) -> None:
    """Record the figures of an engine that failed its proof, or {'text': why, 'built': False}."""
    engine_file.write_atomic(note_of(engine), json.dumps(proof).encode())


def check(engine: Path, advice: str) -> None:
    """Raise `RefusedError` with the reason if there is a note on this engine."""
    note = note_of(engine)
    try:  # no exists() first: another process may remove it in between
        known = json.loads(note.read_text())
        text, built = known['text'], known.get('built', True)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return
    again = f'try again with force_rebuild (or by removing {note})'
    if not built:
        raise RefusedError(
            f'this engine could not be built before and is not tried again: {text}; {again}'
        )
    raise RefusedError(f'this engine was built before and refused: {text}. {advice}, or {again}')
