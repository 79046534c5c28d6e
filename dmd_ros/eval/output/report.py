# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write results: percentiles, Markdown tables, and JSON with one form of "no value"."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return {'p50': ..., 'p95': ..., 'max': ...} of `values`; NaN if there are none."""
    array = np.fromiter(values, np.float64)
    if array.size == 0:
        return dict.fromkeys(('p50', 'p95', 'max'), math.nan)
    p50, p95 = np.percentile(array, (50, 95))
    return {'p50': float(p50), 'p95': float(p95), 'max': float(array.max())}


def stage_latency_ms(timings: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Turn stage times of many frames (seconds) into percentiles (ms) per stage and in total.

    The first frame, which includes the warm-up, is left out unless it is the only one.
    """
    rows = list(timings[1:]) or list(timings)
    stages = list(dict.fromkeys(stage for row in rows for stage in row))
    table = {
        stage: percentiles(row[stage] * 1e3 for row in rows if stage in row) for stage in stages
    }
    if rows:
        table['total'] = percentiles(sum(row.values()) * 1e3 for row in rows)
    return table


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table whose source is readable: columns padded, numbers right-aligned."""
    cells = [[format_cell(v) for v in row] for row in rows]
    widths = [
        max(3, len(title), *(len(row[i]) for row in cells)) for i, title in enumerate(header)
    ]
    first, *rest = widths
    rule = ['-' * first, *('-' * (w - 1) + ':' for w in rest)]

    def line(row: Sequence[str]) -> str:
        padded = [row[0].ljust(first), *(c.rjust(w) for c, w in zip(row[1:], rest, strict=True))]
        return '| ' + ' | '.join(padded) + ' |'

    return '\n'.join([line(list(header)), line(rule), *map(line, cells)]) + '\n'


def latency_table(latency: Mapping[str, Mapping[str, float]]) -> str:
    """Return the result of `stage_latency_ms` as a Markdown table."""
    columns = ('p50', 'p95', 'max')
    rows = [[stage, *(f'{row[k]:.2f}' for k in columns)] for stage, row in latency.items()]
    return markdown_table(('stage', *(f'{k} ms' for k in columns)), rows)


# Settings that identify the judged model or estimates.
NAMING = ('model', 'estimate_topic', 'estimates')


def name_of(settings: Mapping[str, Any]) -> str:
    """Return the name of the judged model or estimates, from the settings of a result."""
    if 'model' in settings:
        return str(settings['model'])
    parts = (settings.get('estimate_topic'), settings.get('estimates'))
    return ' of '.join(str(part) for part in parts if part)


def format_cell(value: object) -> str:
    """Return the text of a table cell: three decimals for a float, a dash for "no value"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return '-'
    if isinstance(value, float):
        return f'{value:.3f}'
    # Names of files may contain line ends, bars and invalid UTF-8.
    return as_text(' '.join(str(value).splitlines()).replace('|', r'\|'))


def as_text(name: str) -> str:
    """Return the name of a file as text that can be printed; invalid bytes are escaped."""
    return name.encode(errors='backslashreplace').decode()


def write_json(path: Path, content: Any) -> None:
    """Write standard JSON: dataclasses become objects, NaN and infinities null.

    Atomic: if the process is killed, either the old or the new file is left. The text of only one
    frame at a time is in memory. Raises `OSError` with the name of the file.
    """
    encoder = json.JSONEncoder(indent=1, allow_nan=False, default=plain)
    pieces = itertools.chain(encoder.iterencode(_shallow(content)), '\n')
    _write_parts(path, (piece.encode() for piece in pieces))


def write_file(path: Path, *parts: bytes | memoryview) -> None:
    """Write parts to a file, atomically and with errors like `write_json`."""
    _write_parts(path, parts)


def _write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    part = path.with_name(f'.{path.name}.partial')
    try:
        with part.open('wb') as file:
            for data in parts:
                file.write(data)
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _shallow(value: Any) -> Any:
    """Convert like `plain`, except for dataclasses in lists, which may be long."""
    if isinstance(value, Mapping):
        return {str(k): _shallow(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [v if is_dataclass(v) else _shallow(v) for v in value]
    return plain(value)


def plain(value: Any) -> Any:
    """Convert dataclasses, NumPy numbers and tuples to JSON types; NaN and infinities to None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
