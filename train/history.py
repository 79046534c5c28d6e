# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run has written down while it trained, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# What `train.report` writes line by line.
LOSSES = 'losses.jsonl'
# Of a validation's line: the setting `validation`, which may change where a run goes on.
JUDGED_ON = 'judged_on'


def losses(run: Path) -> list[dict[str, Any]]:
    """Lines of numbers, each with its `clock`, as the run that is there now came by them.

    What was written after the checkpoint that a run went on from is of no run any more.
    """
    kept: list[dict[str, Any]] = []
    path = run / LOSSES
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            values = json.loads(line)
        except ValueError:  # cut short when the disk was full or the machine went down
            continue
        while kept and _place(kept[-1]) >= _place(values):
            kept.pop()
        kept.append(values)
    return kept


def _place(values: dict[str, Any]) -> tuple[int, bool]:
    """Say where a line stands in a run: a validation follows what was learned at its clock."""
    return values['clock'], 'loss' not in values


def validations(run: Path) -> list[dict[str, Any]]:
    """Those lines of `losses` that tell of a validation, one for each clock."""
    found = {v['clock']: v for v in losses(run) if 'validation/abs_rel' in v}
    return list(found.values())
