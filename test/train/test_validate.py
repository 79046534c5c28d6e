# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import itertools
import shutil
from pathlib import Path

import pytest
from small_set import fast_config, write_set

from dmd_ros.core.records import RawSample
from dmd_ros.estimator import DepthEstimator
from train.config import TrainConfig
from train.errors import TrainError
from train.fov.net import FovNet
from train.fov.validate import Validator as FovValidator
from train.loop import build_net
from train.sources import open_source
from train.torch_backend import TorchBackend
from train.validate import (
    Validator,
    chosen,
    held_out_parts,
    judge,
    open_validation,
    validation_values,
)
from train.worlds import SCENE_STRIDE, held_out


def held_out_frames(config: TrainConfig) -> list[RawSample]:
    return list(itertools.chain(*held_out_parts(config)))


@pytest.mark.parametrize(('count', 'expected'), [(3, [0, 2, 4]), (1, [0]), (9, [0, 1, 2, 3, 4])])
def test_frames_are_spread_over_the_source_without_repetition(
    count: int, expected: list[int], tmp_path: Path
) -> None:
    name = f'folder:{write_set(tmp_path / "set", 5)}'
    config = fast_config(tmp_path / 'set', f'validation={name}', f'validation_frames={count}')
    frames = [frame.depth for frame in held_out_frames(config)]
    source = open_source(name, config)
    assert [d.tobytes() for d in frames] == [source.load(i).depth.tobytes() for i in expected]


def test_worlds_use_scenes_of_a_held_out_seed(
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


def test_sources_contribute_frames_by_their_length(tmp_path: Path) -> None:
    names = [f'folder:{write_set(tmp_path / f"{count}", count)}' for count in (1, 6, 9)]
    config = fast_config(tmp_path, f'validation={", ".join(names)}', 'validation_frames=5')
    sources = open_validation(config)
    assert chosen(sources, 5) == [[0], [0, 5], [0, 4, 8]]
    assert [len(part) for part in chosen(sources, 100)] == [1, 6, 9]
    assert len(held_out_frames(config)) == 6
    with pytest.raises(TrainError, match='worlds are endless; use them alone'):
        held_out_frames(fast_config(tmp_path, f'validation=worlds,{names[0]}'))


def test_the_score_of_each_source_is_reported(tmp_path: Path) -> None:
    names = [f'folder:{write_set(tmp_path / f"{count}", count)}' for count in (1, 3)]
    config = fast_config(tmp_path, f'validation={",".join(names)}', 'validation_frames=4')
    net = build_net(config)
    total, *parts = Validator(net, config)(net.state_dict())
    assert [part.frames for part in (total, *parts)] == [4, 1, 3]
    assert total.abs_rel == pytest.approx((parts[0].abs_rel + 3 * parts[1].abs_rel) / 4)
    values = validation_values(total, parts)
    assert values['validation/abs_rel'] == total.abs_rel
    assert values['validation/2/abs_rel'] == parts[1].abs_rel
    assert 'validation/1/abs_rel' not in validation_values(total, parts[:1])


def samples_in_memory() -> int:
    gc.collect()
    return sum(type(thing) is RawSample for thing in gc.get_objects())


def test_frames_of_files_are_read_again_and_not_kept(labelled: Path) -> None:
    config = fast_config(labelled, f'validation=frames:{labelled}')
    net = build_net(config)
    before = samples_in_memory()
    validator = Validator(net, config)
    assert samples_in_memory() == before
    estimator = DepthEstimator(config.contract(), TorchBackend(net))
    expected = judge(estimator, held_out_frames(config))
    assert expected.frames == 5
    assert validator(net.state_dict()) == validator(net.state_dict()) == [expected] * 2


def test_validating_a_field_of_view_network_keeps_no_frames(labelled: Path) -> None:
    config = fast_config(labelled, f'validation=frames:{labelled}')
    net = FovNet(build_net(config).spec)
    before = samples_in_memory()
    validator = FovValidator(net, config)
    assert samples_in_memory() == before
    weights = {name: values + 0.01 for name, values in net.state_dict().items()}
    first, again = validator(weights), validator(weights)
    assert first == again and first['mean_deg'] > 0.1


def test_an_unreadable_frame_is_named_before_the_run_begins(
    labelled: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(labelled, tmp_path / 'labelled')
    (folder / '003' / 'depth.png').write_bytes(b'not a png')
    config = fast_config(folder, f'validation=frames:{folder}')
    with pytest.raises(TrainError, match='003'):
        Validator(build_net(config), config)
