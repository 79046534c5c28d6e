# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An engine that several tests use."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle_model import write_oracle

from dmd_ros.runtime.engine_store import BuildRequest


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    model = write_oracle(tmp_path / 'oracle.onnx')
    return BuildRequest(model, size=(48, 64), folder=tmp_path / 'engines')
