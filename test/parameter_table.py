# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters in docs/parameters.md, from their declarations.

python test/parameter_table.py prints it, with --write it replaces the one in the page.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

from dmd_ros.ros.params import Settings

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'parameters.md'
HEADER = '| parameter | default | allowed | live | meaning |\n|---|---|---|---|---|\n'


def parameter_table() -> str:
    return HEADER + ''.join(_row(field) for field in dataclasses.fields(Settings))


def _row(field: dataclasses.Field[Any]) -> str:
    about = field.metadata
    default = str(field.default).lower() if isinstance(field.default, bool) else field.default
    shown = f'`{default}`' if default != '' else "`''`"
    allowed = _allowed(field)
    live = '' if about['fixed'] else 'yes'
    return f'| `{field.name}` | {shown} | {allowed} | {live} | {about["meaning"]} |\n'


def _allowed(field: dataclasses.Field[Any]) -> str:
    about = field.metadata
    if 'choices' in about:
        return ', '.join(f'`{choice}`' for choice in about['choices'])
    if 'low' in about:
        return f'{_number(about["low"])} to {_number(about["high"])}'
    return 'true, false' if isinstance(field.default, bool) else 'text'


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f'{value:g}'


def written(page: str) -> str:
    """Return the page with its table replaced by this one."""
    rows = r'(\|.*\n)*'
    return re.sub(re.escape(HEADER) + rows, lambda _: parameter_table(), page)


if __name__ == '__main__':
    if '--write' in sys.argv:
        PAGE.write_text(written(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
    else:
        print(parameter_table(), end='')
