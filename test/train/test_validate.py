# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from small_set import fast_config, write_set

from train.sources import open_source
from train.validate import held_out_frames
from train.worlds import SCENE_STRIDE, held_out


@pytest.mark.parametrize(('count', 'expected'), [(3, [0, 2, 4]), (1, [0]), (9, [0, 1, 2, 3, 4])])
def test_frames_are_spread_over_the_source_and_none_twice(
    count: int, expected: list[int], tmp_path: Path
) -> None:
    name = f'folder:{write_set(tmp_path / "set", 5)}'
    config = fast_config(tmp_path / 'set', f'validation={name}', f'validation_frames={count}')
    frames = [frame.depth for frame in held_out_frames(config)]
    source = open_source(name, config)
    assert [d.tobytes() for d in frames] == [source.load(i).depth.tobytes() for i in expected]


def test_worlds_give_scenes_of_a_held_out_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless:
        def __len__(self) -> int:
            return 0

        def load(self, key: int) -> int:
            return key

    seeds = []
    monkeypatch.setattr(
        'train.validate.open_source', lambda name, config: seeds.append(config.seed) or Endless()
    )
    config = fast_config(tmp_path, 'validation=worlds', 'validation_frames=3', 'seed=5')
    assert held_out_frames(config) == [0, SCENE_STRIDE, 2 * SCENE_STRIDE]
    assert seeds == [held_out(5)]
