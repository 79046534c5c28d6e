# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers of the trainer's tests are imported by name; data that several of them use."""

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
    """A small set to train on."""
    return write_set(tmp_path_factory.mktemp('data') / 'set')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk through a room that no training seed ever draws, by `train.sample_bag`."""
    folder = tmp_path_factory.mktemp('bags') / 'walk'
    return Path(shutil.copytree(Path(__file__).parents[1] / 'data' / 'sample_bag', folder))


@pytest.fixture(scope='module')
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of another camera, in folders."""
    folder = tmp_path_factory.mktemp('frames') / 'labelled'
    for number in range(5):
        write_frame(folder / f'{number:03d}', plane_sample(number), 'test')
    return folder
