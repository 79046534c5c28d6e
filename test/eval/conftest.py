# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models that the commands for photographs and for videos are run with."""

from __future__ import annotations

import pytest
from fov_oracle import write_fov_oracle
from oracle_model import write_oracle


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Options of a denoiser, and of a network for the field of view, that know the answers."""
    folder = tmp_path_factory.mktemp('models')
    model, fov = write_oracle(folder / 'm.onnx'), write_fov_oracle(folder / 'fov.onnx')
    return ['--model', str(model), '--quiet'], ['--fov-model', str(fov)]
