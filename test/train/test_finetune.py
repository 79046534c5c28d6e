# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model learns a robot's surroundings from its bag."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bag_factory import Item, write_bag
from given_recordings import given
from small_set import fast_config, write_set

from dmd_ros.core.camera import Camera
from dmd_ros.core.preprocess import full_view
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.bags.topics import choose
from dmd_ros.eval.points import apply, inverse, transform
from dmd_ros.loading import load_estimator
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model
from train import finetune, loop
from train.checkpoint import load_newest
from train.config import TrainConfig, make_config
from train.datasets.registry import open_dataset
from train.errors import TrainError
from train.export import export
from train.init import changes_of_meaning
from train.onnx_weights import load_model
from train.processes import Processes
from train.recordings import sources_of
from train.sources import open_source, parse_sources

ROOT = Path(__file__).parents[2]
FAST = ('--worlds', '0', '--set', 'threads=1', '--set', 'workers=0')


@pytest.fixture(scope='module')
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a small model that trains quickly, for tests that do not need the shipped one."""
    folder = tmp_path_factory.mktemp('model')
    config = fast_config(write_set(folder / 'set'), 'total_samples=64', 'lr=0.01')
    loop.train(folder / 'run', config, Processes(0, 1, torch.device('cpu')))
    export(folder / 'run', folder / 'small.onnx', name='small')
    return folder / 'small.onnx'


@pytest.mark.slow
def test_the_error_on_the_held_out_part_falls(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / 'run'
    command = [str(bag), '--out', str(out), '--samples', '64', '--set', 'validate_every=64']
    assert finetune.main([*command, *FAST]) == 0
    scores = json.loads((out / 'finetune.json').read_text())
    assert scores['before']['frames'] == scores['after']['frames'] == 6
    assert scores['after']['abs_rel'] < 0.85 * scores['before']['abs_rel']
    held = open_dataset('bag', str(bag), cache=str(out / 'frames'), part='held_out')
    trained = open_dataset('bag', str(bag), cache=str(out / 'frames'), part='train')
    assert len(trained) == 24 and not set(trained.index()) & set(held.index())
    assert max(trained.index()) < min(held.index()), 'the end of the drive is held out'
    # The written model is a regular one, and has the reported score.
    raw = [held.load(i) for i in range(6)]
    estimator = load_estimator(out / 'model.onnx', backend='onnxruntime')
    assert estimator.contract.name == 'dmd_worlds_walk'
    errors = [
        np.nanmean(np.abs(estimator(r.rgb, r.camera).depth - r.depth) / r.depth) for r in raw
    ]
    assert np.mean(errors) == pytest.approx(scores['after']['abs_rel'], rel=0.05)


def test_a_dry_run_evaluates_but_does_not_train(bag, tmp_path, capsys):
    out = tmp_path / 'run'
    assert finetune.main([str(bag), '--out', str(out), '--dry-run', *FAST]) == 0
    output, progress = capsys.readouterr()
    assert '24 frames to train on, 6 held out' in output
    assert 'walk: 100%' in progress and '30/30' in progress
    assert 'judging before: 100%' in progress and '6/6' in progress
    assert 'before' in output and 'after' not in output
    assert not (out / 'checkpoints').exists()


def test_lidar_points_give_the_same_scores_as_depth(bag, tmp_path, capsys):
    """The same walk, with its truth recorded as points of another sensor, 45 ms late."""
    points, items = '/lidar/points', []
    mount = transform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), (0.0, -0.1, 0.0))
    with Bag(bag) as recorded:
        reader = BagReader(recorded, choose(recorded), stride=6)
        for frame in reader:
            at = {'stamp_ns': frame.stamp_ns, 'logged_ns': frame.logged_ns}
            rays = frame.camera.resized(320, 240).rays()[::4].reshape(-1, 2)
            seen = np.insert(rays, 2, 1.0, axis=1) * frame.truth_m[::4].reshape(-1, 1)
            moved = apply(inverse(mount), seen)
            items += [
                Item('/image', content=frame.rgb, kind='png', **at),
                Item('/camera_info', content=frame.camera, kind='info', **at),
                Item(points, content=moved, kind='cloud', frame_id='lidar', **at),
            ]
            items[-1].stamp_ns += 45_000_000
    items.append(Item('/tf_static', items[0].stamp_ns, [('camera', 'lidar', mount)], 'tf'))
    drive = write_bag(tmp_path / 'drive', items)
    command = ['--held-out', '60', '--dry-run', *FAST]
    options = ['--depth', points, '--depth-tolerance', '0.05']
    assert finetune.main([str(drive), '--out', str(tmp_path / 'lidar'), *options, *command]) == 0
    assert '2 frames to train on, 3 held out' in capsys.readouterr().out
    every = ['--every', '6', *command]
    assert finetune.main([str(bag), '--out', str(tmp_path / 'depth'), *every]) == 0
    lidar, depth = (
        json.loads((tmp_path / name / 'finetune.json').read_text()) for name in ('lidar', 'depth')
    )
    for row in ('before', 'constant'):
        assert lidar[row]['abs_rel'] == pytest.approx(depth[row]['abs_rel'], abs=0.02)
    with pytest.raises(SystemExit):
        finetune.main([str(drive), '--out', str(tmp_path / 'no'), '--depth-tolerance', '0'])


def test_frames_made_with_other_options_are_refused(bag, tmp_path, capsys):
    command = [str(bag), '--out', str(tmp_path), '--dry-run', *FAST]
    assert finetune.main([*command, '--every', '5']) == 0
    assert finetune.main(command) == 1
    message = capsys.readouterr().err
    assert f'{tmp_path}/frames were made from another recording or with' in message
    assert 'other options: every 5, now 1. Delete' in message
    with pytest.raises(TrainError, match=r"bag '.*walk', now '.*drive'"):
        open_dataset('bag', str(bag.with_name('drive')), cache=str(tmp_path / 'frames'), every=5)


def test_special_characters_in_names_reach_the_reader(bag, tmp_path):
    out = tmp_path / 'a+b, 50%25@c'
    assert finetune.main([str(bag), '--out', str(out), '--dry-run', *FAST]) == 0
    (recording,) = given(bag, '--out', out)
    ((text, weight),) = parse_sources(sources_of({recording: 24}, 0.0))
    assert weight == 1.0 and len(open_source(text, make_config('nano', []))) == 24


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['/nowhere.mcap'], 'bag: /nowhere.mcap does not exist'),
        (['BAG', '--worlds', '1'], '--worlds 1 must be a share in 0..1, below 1'),
        (['BAG', '--held-out', '1'], '30 frames cannot be split with held_out=1 per cent'),
        (['BAG', '--model', 'nothing'], 'nothing'),
        (['BAG', '--set', 'parameterisation=eps'], 'changes the contract of the model: param'),
        (['BAG', '/a@b'], "/a@b has '@' in its name; use a link without it"),
        (['BAG', '--judge', 'BAG/../walk'], 'walk is specified 2 times; specify it once'),
        (
            ['BAG', '--judge', 'BAG/sample_bag.mcap'],
            'walk have sample_bag.mcap in common; specify it',
        ),
        (['FRAMES/000', 'FRAMES'], 'labelled/000 have 000 in common; specify it once'),
        (['FRAMES', '--every', '2', '--image', '/i'], '--every: only for bags, but no bag'),
        (['FRAMES', '--held-out', '1'], 'frames: 5 frames cannot be split with held_out=1'),
    ],
)
def test_errors(bag, labelled, tmp_path, arguments, message, capsys):
    places = {'BAG': str(bag), 'FRAMES': str(labelled)}
    for name, place in places.items():
        arguments = [text.replace(name, place) for text in arguments]
    assert finetune.main([*arguments, '--out', str(tmp_path), '--samples', '8']) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--worlds', '1', '--worlds 1 must be a share'),
        ('--held-out', '0', 'held_out=0; allowed: all, train, held_out; 1 to 99 per cent'),
        ('--set', 'bogus=1', "unknown setting 'bogus'"),
        ('--set', 'batch=many', "batch='many' is not a int"),
    ],
)
def test_mistakes_are_reported_before_the_frames_of_a_bag_are_written(
    bag, tmp_path, option, value, message, capsys
):
    assert finetune.main([str(bag), '--out', str(tmp_path), option, value]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_robots_lens_widens_the_range_of_the_model() -> None:
    model = load_model(find_model(DEFAULT_MODEL))
    low, high = model.contract.tan_half_vfov_range
    options = Namespace(samples=100, settings=[], resume=False)
    for tan, expected in (
        (0.5, (low, high)), (0.5 * low, (0.8 * 0.5 * low, high)), (2 * high, (low, 2 * high)),
    ):  # fmt: skip
        camera = Camera.assumed(tan, 640, 480)
        config = finetune.config_of(model, {camera: 1}, 'worlds', '', options)
        assert (config.tan_half_vfov_min, config.tan_half_vfov_max) == pytest.approx(expected)
        assert config.sizes == '192x256'


def test_each_camera_gets_its_size_and_its_field_of_view() -> None:
    model = load_model(find_model(DEFAULT_MODEL))
    low, high = model.contract.tan_half_vfov_range
    wide, narrow = Camera.assumed(2 * high, 1280, 720), Camera.assumed(0.5 * low, 640, 480)
    options = Namespace(samples=100, settings=[], resume=False)
    config = finetune.config_of(model, {wide: 30, narrow: 10}, 'worlds', '', options)
    assert (config.tan_half_vfov_min, config.tan_half_vfov_max) == pytest.approx(
        (0.8 * 0.5 * low, 2 * high)
    )
    sizes = [full_view(camera, model.contract) for camera in (wide, narrow)]
    assert config.size_list == tuple((view.height, view.width) for view in sizes)
    assert config.size_shares == (0.75, 0.25)


@pytest.mark.parametrize(
    ('noise', 'steps', 'stage', 't1_fraction'),
    [
        ('gaussian', 1, 'diffusion', 0.85),
        ('gaussian', 2, 'diffusion', 0.0),
        ('zeros', 1, 'end_to_end', 0.0),
    ],
)
def test_a_model_continues_as_it_was_trained(
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
    config = finetune.config_of(model, {camera: 1}, 'worlds', '', options)
    assert (config.stage, config.t1_fraction) == (stage, t1_fraction)
    assert changes_of_meaning(contract, config.contract()) == []


def test_a_run_continues_with_more_samples(bag, small_model, tmp_path):
    command = [str(bag), '--out', str(tmp_path), '--every', '5', *FAST]
    command += ['--model', str(small_model)]
    sizes = ('--set', 'sizes=48x64', '--set', 'batch=4')
    assert finetune.main([*command, *sizes, '--samples', '8']) == 0
    assert finetune.main([*command, *sizes, '--resume', '--samples', '12']) == 0
    state = load_newest(tmp_path)
    config = TrainConfig.from_json(state['config'])
    assert (state['clock'], config.total_samples, config.checkpoint_every) == (12, 12, 1)
    assert finetune.main([*command, *sizes, '--resume']) == 0  # as long as before: nothing to do
    assert load_newest(tmp_path)['clock'] == 12


def test_a_run_that_cannot_be_resumed_is_refused_before_the_evaluation(
    labelled, small_model, tmp_path, capsys
):
    command = [str(labelled), '--out', str(tmp_path), '--model', str(small_model), *FAST]
    assert finetune.main([*command, '--samples', '8']) == 0
    capsys.readouterr()
    for options, message in (
        ((), 'already contains a run; add --resume'),
        (('--resume', '--held-out', '40'), 'held_out=20 -> frames:'),
        (('--resume', '--set', 'batch=4'), 'batch: 8 -> 4'),
    ):
        assert finetune.main([*command, *options]) == 1
        refused = capsys.readouterr().err
        assert message in refused and 'judging' not in refused
    assert finetune.main([*command, '--dry-run']) == 0


def test_no_frames_are_written_of_a_bag_that_the_run_did_not_begin_with(
    bag, labelled, small_model, tmp_path, capsys
):
    command = [str(labelled), '--out', str(tmp_path), '--model', str(small_model), *FAST]
    assert finetune.main([*command, '--samples', '8']) == 0
    capsys.readouterr()
    for options, message in (
        (('--resume',), 'other recordings to train on:\n  nothing -> bag:'),
        ((), 'already contains a run; add --resume'),
    ):
        assert finetune.main([str(bag), *command, *options]) == 1
        assert message in capsys.readouterr().err
        assert not list(tmp_path.glob('frames*'))
    # Another recording for validation may be added.
    assert finetune.main([*command, '--resume', '--judge', str(bag), '--every', '10']) == 0


def test_every_zeroth_picture_is_refused(bag, tmp_path, capsys):
    with pytest.raises(SystemExit):
        finetune.main([str(bag), '--out', str(tmp_path), '--every', '0'])
    assert '--every: 0' in capsys.readouterr().err
    with pytest.raises(TrainError, match='every=0; allowed: 1 or more'):
        open_dataset('bag', str(bag), every=0)


def test_parts_of_a_recording_are_checked(tmp_path):
    with pytest.raises(TrainError, match=r"part='half', held_out=20; allowed: all, train"):
        open_dataset('frames', str(tmp_path), part='half')


def test_out_of_memory_advises_what_to_lower(bag, tmp_path, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')

    monkeypatch.setattr(loop, '_objective', lambda *_: full)
    assert finetune.main([str(bag), '--out', str(tmp_path / 'run'), *FAST]) == 1
    message = capsys.readouterr().err
    assert 'lower batch (now 8) or sizes (now 192x256), or choose a smaller model' in message


def test_several_recordings_and_frames_train_one_model(
    bag, labelled, small_model, tmp_path, capsys
):
    """With a dry run before and more samples after: all use the same frames of the bags."""
    other = Path(shutil.copytree(bag, tmp_path / 'tuesday' / bag.name))
    elsewhere = Path(shutil.copytree(bag, tmp_path / 'elsewhere'))
    out = tmp_path / 'run'
    command = [
        *map(str, (bag, other, labelled)), '--judge', str(elsewhere), '--out', str(out),
        '--every', '5', '--model', str(small_model), *FAST, '--set', 'sizes=48x64',
        '--set', 'batch=4',
    ]  # fmt: skip
    assert finetune.main([*command, '--dry-run']) == 0
    assert f'{other}: 5 frames to train on, 1 held out' in capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in out.glob('frames*')}
    assert len(written) == 3

    assert finetune.main([*command, '--samples', '8']) == 0
    said = json.loads((out / 'finetune.json').read_text())
    assert [(r['name'], r['trained_on'], r['after']['frames']) for r in said['recordings']] == [
        (str(bag), True, 1), (str(other), True, 1), ('labelled', True, 1), ('elsewhere', False, 6),
    ]  # fmt: skip
    for key in ('constant', 'before', 'after'):
        mean = np.average([r[key]['abs_rel'] for r in said['recordings']], weights=[1, 1, 1, 6])
        assert said[key]['frames'] == 9 and said[key]['abs_rel'] == pytest.approx(mean)
    rows = (out / 'finetune.md').read_text().splitlines()
    assert len(rows) == 2 + 5 * 3 and rows[11].startswith('| elsewhere (judged only) ')

    card = (out / 'model.md').read_text()
    assert (
        f'Trained on {bag} (5 frames), {other} (5 frames), labelled (4 frames); the last 20'
        in card
    )
    assert card.count('# ') == 4 and all(row in card for row in rows)

    config = TrainConfig.from_json(load_newest(out)['config'])
    sources = dict(parse_sources(config.sources))
    assert list(sources.values()) == pytest.approx([5 / 14, 5 / 14, 4 / 14], rel=1e-5)
    trained = [open_source(text, config) for text in sources]
    assert [len(source) for source in trained] == [5, 5, 4]
    assert not any('elsewhere' in text for text in sources)
    contract = load_estimator(out / 'model.onnx', backend='onnxruntime').contract
    assert contract.name == 'small_walk_and_2_more'
    assert contract.tan_half_vfov_range[0] <= 0.8 * 20 / 40  # field of view of the frames

    assert finetune.main([*command, '--samples', '12', '--resume']) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob('frames*')} == written
    curve = json.loads((out / 'finetune.json').read_text())['curve']
    assert [point['samples'] for point in curve] == [0, 4, 8, 12]


def test_the_error_while_it_trains_starts_and_ends_with_those_of_the_table(
    labelled, small_model, tmp_path
):
    out = tmp_path / 'run'
    command = [
        sys.executable, '-m', 'train.finetune', str(labelled), '--out', str(out), *FAST,
        '--model', str(small_model), '--set', 'sizes=48x64', '--set', 'batch=4',
        '--held-out', '40', '--samples', '8',
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count('held-out: AbsRel') == 2
    said = json.loads((out / 'finetune.json').read_text())
    assert [point['samples'] for point in said['curve']] == [0, 4, 8]
    ends = [said['curve'][i]['abs_rel'] for i in (0, -1)]
    # The weights in the model file are fp16.
    assert ends == pytest.approx([said[key]['abs_rel'] for key in ('before', 'after')], rel=0.02)
    assert cv2.imread(str(out / 'finetune.png')) is not None
