# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the models that the commands run."""

from __future__ import annotations

import pytest
from fov_oracle import write_fov_oracle
from oracle_model import write_oracle


@pytest.fixture(scope='session')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of a denoiser that knows the answers, for bags and labelled frames."""
    return str(write_oracle(tmp_path_factory.mktemp('model') / 'm.onnx'))


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Return options for photographs and videos: the oracle, and one for fields of view."""
    folder = tmp_path_factory.mktemp('models')
    model, fov = write_oracle(folder / 'm.onnx'), write_fov_oracle(folder / 'fov.onnx')
    return ['--model', str(model), '--quiet'], ['--fov-model', str(fov)]
