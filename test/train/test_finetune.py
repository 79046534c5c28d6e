# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model learns a robot's surroundings from its bag."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_ros.core.camera import Camera
from dmd_ros.eval.metrics import score
from dmd_ros.loading import DEFAULT_MODEL, find_model, load_estimator
from train import finetune, loop
from train.checkpoint import load_newest
from train.config import TrainConfig, make_config
from train.datasets.registry import open_dataset
from train.errors import TrainError
from train.init import changes_of_meaning
from train.onnx_weights import load_model
from train.sources import open_source, parse_sources

FAST = ('--worlds', '0', '--set', 'threads=1', '--set', 'workers=0')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk through a room that no training seed ever draws, by `train.sample_bag`."""
    folder = tmp_path_factory.mktemp('bags') / 'walk'
    return Path(shutil.copytree(Path(__file__).parents[1] / 'data' / 'sample_bag', folder))


@pytest.mark.slow
def test_the_error_on_the_held_out_part_falls(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / 'run'
    assert finetune.main([str(bag), '--out', str(out), '--samples', '64', *FAST]) == 0
    scores = json.loads((out / 'finetune.json').read_text())
    assert scores['before']['frames'] == scores['after']['frames'] == 6
    assert scores['after']['abs_rel'] < 0.85 * scores['before']['abs_rel']
    held = open_dataset('bag', str(bag), cache=str(out / 'frames'), part='held_out')
    trained = open_dataset('bag', str(bag), cache=str(out / 'frames'), part='train')
    assert len(trained) == 24 and not set(trained.index()) & set(held.index())
    assert max(trained.index()) < min(held.index()), 'the end of the drive is held out'
    # What it wrote is a model like any other, and gives the score that it was said to have.
    raw = [held.load(i) for i in range(6)]
    estimator = load_estimator(out / 'model.onnx', backend='onnxruntime')
    assert estimator.contract.name == 'dmd_worlds_walk'
    errors = [
        np.nanmean(np.abs(estimator(r.rgb, r.camera).depth - r.depth) / r.depth) for r in raw
    ]
    assert np.mean(errors) == pytest.approx(scores['after']['abs_rel'], rel=0.05)


def test_a_dry_run_judges_and_trains_nothing(bag, tmp_path, capsys):
    out = tmp_path / 'run'
    assert finetune.main([str(bag), '--out', str(out), '--dry-run', *FAST]) == 0
    said = capsys.readouterr().out
    assert '24 frames to train on, 6 held out' in said
    assert 'before' in said and 'after' not in said
    assert not (out / 'checkpoints').exists()


def test_frames_made_with_other_options_are_refused(bag, tmp_path, capsys):
    command = [str(bag), '--out', str(tmp_path), '--dry-run', *FAST]
    assert finetune.main([*command, '--every', '5']) == 0
    assert finetune.main(command) == 1
    said = capsys.readouterr().err
    assert f'{tmp_path}/frames were made of another recording or with' in said
    assert 'other options: every 5, now 1. Delete' in said
    with pytest.raises(TrainError, match=r"bag '.*walk', now '.*drive'"):
        open_dataset('bag', str(bag.with_name('drive')), cache=str(tmp_path / 'frames'), every=5)


def test_signs_in_names_reach_the_reader(bag, tmp_path):
    out = tmp_path / 'a+b, 50%25@c'
    assert finetune.main([str(bag), '--out', str(out), '--dry-run', *FAST]) == 0
    options = finetune._parse([str(bag), '--out', str(out), '--worlds', '0'])
    sources = finetune._sources(options, finetune._bag_options(options))
    ((text, weight),) = parse_sources(sources)
    assert weight == 1.0 and len(open_source(text, make_config('nano', []))) == 24


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['/nowhere.mcap'], 'bag: /nowhere.mcap does not exist'),
        (['BAG', '--worlds', '1'], '--worlds 1 must be a share in 0..1, below 1'),
        (['BAG', '--held-out', '1'], '30 frames cannot be parted with held_out=1 per cent'),
        (['BAG', '--model', 'nothing'], 'nothing'),
        (['BAG', '--set', 'parameterisation=eps'], 'another contract than the model: param'),
    ],
)
def test_errors(bag, tmp_path, arguments, message, capsys):
    arguments = [str(bag) if text == 'BAG' else text for text in arguments]
    assert finetune.main([*arguments, '--out', str(tmp_path), '--samples', '8']) == 1
    assert message in capsys.readouterr().err


def test_the_robots_lens_widens_the_range_of_the_model() -> None:
    model = load_model(find_model(DEFAULT_MODEL))
    low, high = model.contract.tan_half_vfov_range
    options = Namespace(samples=100, settings=[], resume=False)
    for tan, expected in (
        (0.5, (low, high)), (0.5 * low, (0.8 * 0.5 * low, high)), (2 * high, (low, 2 * high)),
    ):  # fmt: skip
        camera = Camera.assumed(tan, 640, 480)
        config = finetune.config_of(model, camera, 'worlds', options)
        assert (config.tan_half_vfov_min, config.tan_half_vfov_max) == pytest.approx(expected)
        assert config.sizes == '192x256'


@pytest.mark.parametrize(
    ('noise', 'steps', 'stage', 't1_fraction'),
    [
        ('gaussian', 1, 'diffusion', 0.85),
        ('gaussian', 2, 'diffusion', 0.0),
        ('zeros', 1, 'end_to_end', 0.0),
    ],
)
def test_a_model_goes_on_as_it_was_trained(
    noise: str, steps: int, stage: str, t1_fraction: float
) -> None:
    model = load_model(find_model(DEFAULT_MODEL))
    contract = replace(
        model.contract, noise=noise, steps=steps, depth_min_m=0.2, depth_max_m=40.0,
        parameterisation='x0',
    )  # fmt: skip
    model = replace(model, contract=contract)
    camera = Camera.assumed(0.5, 640, 480)
    options = Namespace(samples=100, settings=[], resume=False)
    config = finetune.config_of(model, camera, 'worlds', options)
    assert (config.stage, config.t1_fraction) == (stage, t1_fraction)
    assert changes_of_meaning(contract, config.contract()) == []


def test_a_run_goes_on_with_more_samples(bag, tmp_path):
    command = [str(bag), '--out', str(tmp_path), *FAST]
    sizes = ('--set', 'sizes=48x64', '--set', 'batch=4')
    assert finetune.main([*command, *sizes, '--samples', '8']) == 0
    assert finetune.main([*command, *sizes, '--resume', '--samples', '12']) == 0
    state = load_newest(tmp_path)
    config = TrainConfig.from_json(state['config'])
    assert (state['clock'], config.total_samples, config.checkpoint_every) == (12, 12, 1)
    assert finetune.main([*command, *sizes, '--resume']) == 0  # as long as before: nothing to do
    assert load_newest(tmp_path)['clock'] == 12


@pytest.mark.parametrize(
    ('after', 'said'), [(0.1, 'wrote model.onnx'), (0.2, 'did not fall'), (0.3, 'did not fall')]
)
def test_a_model_that_is_no_better_is_not_recommended(
    after: float, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = np.full((4, 4), 10.0, np.float32)
    scores = {
        name: score(depth * (1 + error), depth)
        for name, error in (('before', 0.2), ('after', after))
    }
    finetune._write(tmp_path, scores, Path('model.onnx'))
    assert said in capsys.readouterr().out.splitlines()[-1]


def test_one_picture_in_none_is_refused(bag, tmp_path, capsys):
    with pytest.raises(SystemExit):
        finetune.main([str(bag), '--out', str(tmp_path), '--every', '0'])
    assert '--every: 0' in capsys.readouterr().err
    with pytest.raises(TrainError, match='every=0; allowed: 1 or more'):
        open_dataset('bag', str(bag), every=0)


def test_parts_of_a_recording_are_checked(tmp_path):
    with pytest.raises(TrainError, match=r"part='half', held_out=20; allowed: all, train"):
        open_dataset('frames', str(tmp_path), part='half')


def test_out_of_memory_says_what_to_lower(bag, tmp_path, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')

    monkeypatch.setattr(loop, '_objective', lambda *_: full)
    assert finetune.main([str(bag), '--out', str(tmp_path / 'run'), *FAST]) == 1
    said = capsys.readouterr().err
    assert 'lower batch (now 8) or sizes (now 192x256), or choose a smaller model' in said
