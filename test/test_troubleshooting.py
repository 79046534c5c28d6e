# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages quoted in docs/troubleshooting.md exist in the node and its launch file."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'troubleshooting.md').read_text(encoding='utf-8')
# Messages of Fast DDS, rclpy and launch.
OF_OTHERS = {
    'SHM Transport is not supported',
    'out of range. Min: ...',
    "package 'rviz2' not found",
}


@cache
def said() -> str:
    """Return all texts in the sources; f-strings are split at their values."""
    paths = [*(ROOT / 'dmd_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text())))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant))
    return '\n'.join(text for text in texts if isinstance(text, str))


def quotes(page: str) -> list[str]:
    """Return the quotes in the first column of the tables that are messages, not commands."""
    cells = re.findall(r'^\| (.*?) \|', page, re.M)
    found = [quote for cell in cells for quote in re.findall('`([^`]+)`', cell)]
    return [quote for quote in found if ' ' in quote and not quote.startswith('ros2 ')]


def is_said(quote: str) -> bool:
    parts = quote.removeprefix('dropped: ').split('...')
    return all(part.strip(' :') in said() for part in parts)


def test_the_page_quotes_messages() -> None:
    assert len(quotes(PAGE)) > 30
    assert not is_said('nobody has ever said this')
    assert not is_said('nobody publishes ..., and that is as it should be')


@pytest.mark.parametrize('quote', sorted({*quotes(PAGE)} - OF_OTHERS))
def test_each_quoted_message_exists(quote: str) -> None:
    assert is_said(quote)
