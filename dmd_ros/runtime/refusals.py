# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the cache knows of engines that cannot be had: a note in place of the engine, with why.

Building one takes minutes, and fails as it did. What may pass is not noted: memory or room on a
disk that is short, a driver in trouble, a build that somebody ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dmd_ros.runtime import engine_file
from dmd_ros.runtime.errors import RefusedError

# In the words of TensorRT, CUDA, C++ and the system. Rather too many: what is not noted costs the
# minutes of another try, what is noted wrongly a faster engine. Warnings speak of CUDA and of
# memory in builds that are well.
_WARNING, _SHORT = '[W] ', re.compile('insufficient|out ?of ?memory', re.IGNORECASE)
_MAY_PASS = re.compile(
    r'memory|alloc|no space|disk|quota|too many open files|resource temporarily|cuda|cudnn|'
    r'cublas|driver|device (is )?(busy|lost|unavailable)|timed? ?out',
    re.IGNORECASE,
)


def note_of(engine: Path) -> Path:
    """Say where it is noted why an engine is not there."""
    return engine.with_suffix('.refused')


def may_pass(lines: Iterable[str]) -> bool:
    """Tell whether what a failed build said speaks of something that another try may not meet."""
    return any((_SHORT if _WARNING in line else _MAY_PASS).search(line) for line in lines)


def remember(engine: Path, proof: dict[str, Any]) -> None:
    """Note the figures of an engine that failed its proof, or {'text': why, 'built': False}."""
    engine_file.write_atomic(note_of(engine), json.dumps(proof).encode())


def check(engine: Path, advice: str) -> None:
    """Raise `RefusedError` with the reason if it is noted that this very engine cannot be had."""
    note = note_of(engine)
    try:  # without asking whether there is one, which another process may remove meanwhile
        known = json.loads(note.read_text())
        text, built = known['text'], known.get('built', True)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return
    again = f'try again with force_rebuild (or by removing {note})'
    if not built:
        raise RefusedError(
            f'this engine could not be built before, and is not tried again: {text}; {again}'
        )
    raise RefusedError(f'this engine was built before and refused: {text}. {advice}, or {again}')
