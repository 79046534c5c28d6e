# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stage table: times of the stages process, and arrival times in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dmd_ros.eval.output import report
from dmd_ros.ros.processes import Family

# Not part of a frame: the same picture as a JPEG instead.
_ASIDE = 'decode jpeg'
# Seconds for everything except the frames, and per frame, on the slowest machine.
_PATIENCE, _PATIENCE_OF_FRAME = 120.0, 1.0


def stage_table(
    family: Family,
    size: tuple[int, int],
    model: Path,
    frames: int,
) -> tuple[dict[str, Any], str]:
    """Run the stages at one picture size; return the figures and their Markdown."""
    listener = family.start('listener', 'dmd_ros.ros.bench.listener')
    arguments = (*map(str, size), str(frames), str(model))
    family.start('stages', 'dmd_ros.ros.bench.stages', *arguments)
    patience = _PATIENCE + frames * _PATIENCE_OF_FRAME
    measured = family.wait_for('stages', 'stages', patience)
    listener.tell('stop')
    came = family.wait_for('listener', 'came', _PATIENCE)['came']
    stages, copies = measured['milliseconds'], measured['memcpy']
    total = sum(ms for name, ms in stages.items() if name != _ASIDE)
    delivered = {name: _delivery(measured['sent'], came, name) for name in ('depth', 'cloud')}
    figures = {
        'stages_ms': stages,
        'memcpy_ms': copies,
        'everything_but_the_denoiser_ms': total,
        'delivered_ms': {name: ms for name, (ms, _) in delivered.items()},
        'delivered_share': {name: share for name, (_, share) in delivered.items()},
    }
    rows = [_row(name, ms, copies.get(name)) for name, ms in stages.items() if name != _ASIDE]
    rows.append(['everything but the denoiser', total, '', ''])
    rows.append(_row(f'{_ASIDE} (instead of bgr8)', stages[_ASIDE], copies[_ASIDE]))
    for name, (ms, share) in delivered.items():
        copy = copies[f'publish {name}']
        rows.append(_row(f'{name} published to received ({share:.0%} arrived)', ms, copy))
    header = ('stage', 'median ms', 'memcpy ms', 'ratio')
    return figures, report.markdown_table(header, rows)


def _row(name: str, ms: float, copy: float | None) -> list[object]:
    """copy: ms of a memcpy of the stage's bytes; None if there is none."""
    return [name, ms, '', ''] if copy is None else [name, ms, copy, f'{ms / copy:.1f}']


def _delivery(sent: dict[str, Any], came: dict[str, Any], name: str) -> tuple[float, float]:
    """Return median ms from publish() to the other process, and the fraction that arrived."""
    times = [
        (came[name][number] - at[name]) * 1e-6
        for number, at in sent.items()
        if number in came[name]
    ]
    return report.percentiles(times)['p50'], len(times) / max(len(sent), 1)
