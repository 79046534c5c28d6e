# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the record that a run has written during training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# File that `train.report` writes line by line.
LOSSES = 'losses.jsonl'
# Key of the setting `validation` in a validation's line; it may change when a run is resumed.
JUDGED_ON = 'judged_on'


def losses(run: Path) -> list[dict[str, Any]]:
    """Return the lines of numbers, each with its `clock`, in the order of the current run.

    Lines written after the checkpoint that a run was resumed from are obsolete and left out.
    """
    kept: list[dict[str, Any]] = []
    path = run / LOSSES
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            values = json.loads(line)
        except ValueError:  # truncated by a full disk or a power failure
            continue
        while kept and _place(kept[-1]) >= _place(values):
            kept.pop()
        kept.append(values)
    return kept


def _place(values: dict[str, Any]) -> tuple[int, bool]:
    """Return the sort key of a line: a validation follows the losses of the same clock."""
    return values['clock'], 'loss' not in values


def validations(run: Path) -> list[dict[str, Any]]:
    """Return the lines of `losses` with a validation, one for each clock."""
    found = {v['clock']: v for v in losses(run) if 'validation/abs_rel' in v}
    return list(found.values())
