# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that are compressed as a whole, on a disk that has no room for what is in them."""

import contextlib
import resource

import numpy as np
import pytest
from bag_factory import frames, storage_file, write_bag

from dmd_ros.eval.bags import recovery
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.errors import EvalError

NO_ROOM = r'\.zstd cannot be decompressed in .*set TMPDIR'


@contextlib.contextmanager
def files_of_at_most(size):
    """Let no file grow beyond that, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(40)]


@pytest.mark.parametrize('share', [1.0, 0.8])
@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_a_full_disk_is_not_taken_for_damage(tmp_path, pictures, kind, share):
    file = storage_file(write_bag(tmp_path / 'bag', frames(pictures), kind))
    packed = recovery.zstd.compress(file.read_bytes())
    path = tmp_path / f'{file.name}.zstd'
    path.write_bytes(packed[: int(share * len(packed))])
    with files_of_at_most(100_000), pytest.raises(EvalError, match=NO_ROOM):
        Bag(path)
    with Bag(path) as bag:
        assert bag.topics


def test_nor_by_the_reader_of_whole_bags(tmp_path, pictures):
    path = write_bag(tmp_path / 'bag', frames(pictures), 'mcap+file')
    with files_of_at_most(100_000), pytest.raises(EvalError, match=NO_ROOM):
        Bag(path)


def test_a_disk_that_fills_up_later_ends_the_reading(tmp_path, pictures):
    file = storage_file(write_bag(tmp_path / 'bag', frames(pictures), 'mcap+file'))
    file.write_bytes(file.read_bytes()[:200_000])
    with Bag(file) as bag, files_of_at_most(100_000):
        messages = bag.raw(list(bag.topics))
        with pytest.raises(EvalError, match=NO_ROOM):
            next(messages)
