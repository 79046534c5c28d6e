# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo and the benchmark give their child processes."""

from __future__ import annotations

import re
import site
from pathlib import Path

import pytest

from dmd_ros.ros import processes
from dmd_ros.ros.errors import NodeError


def test_shared_files_are_found_wherever_models_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example where pip install --user puts them."""
    monkeypatch.setattr(site, 'USER_BASE', str(tmp_path))
    file = tmp_path / 'share' / 'dmd_ros' / 'config' / 'only_here.xml'
    file.parent.mkdir(parents=True)
    file.touch()
    assert processes.shared_file(Path('config') / 'only_here.xml') == file


def test_a_shared_file_that_is_nowhere_is_named_with_the_folders_searched() -> None:
    with pytest.raises(NodeError, match=re.escape(f'looked for {Path(__file__).parents[2]}')):
        processes.shared_file(Path('config') / 'nowhere.xml')
