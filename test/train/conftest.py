# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared data of the trainer's tests; makes their helper modules importable."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_set import plane_sample, write_set

from train.datasets.bag import write_frame


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small set to train on."""
    return write_set(tmp_path_factory.mktemp('data') / 'set')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy a walk through a room outside all training seeds, made by `train.sample_bag`."""
    folder = tmp_path_factory.mktemp('bags') / 'walk'
    return Path(shutil.copytree(Path(__file__).parents[1] / 'data' / 'sample_bag', folder))


@pytest.fixture(scope='module')
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write frames of another camera, in folders."""
    folder = tmp_path_factory.mktemp('frames') / 'labelled'
    for number in range(5):
        write_frame(folder / f'{number:03d}', plane_sample(number), 'test')
    return folder
