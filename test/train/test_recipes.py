# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's stages as presets: their settings, estimated costs and data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pictures import write
from small_set import FAST, losses_of, set_options

from train.config import make_config
from train.mixture import Mixture
from train.mixtures import MIXTURES, WORLDS
from train.recipes import (
    BATCH,
    DISK_GB,
    MFU,
    PEAK_FLOPS,
    RECIPES,
    configure,
    describe,
    estimate,
    needed_roots,
)
from train.run import main

DOCS = Path(__file__).parents[2] / 'docs'


@pytest.mark.parametrize(
    ('name', 'lr', 'steps', 'fov'),
    [
        ('stage1', 1e-4, 1_500_000, (1.0, 1.0)),
        ('dmd-nk', 3e-5, 50_000, (0.8, 1.5)),
        ('dmd-mix', 3e-5, 50_000, (0.8, 1.5)),
    ],
)
def test_rates_steps_and_fov_augmentation_are_the_papers(name, lr, steps, fov):
    config = configure(name, [], {})
    assert (config.lr, config.total_samples / config.batch) == (lr, steps)
    assert (config.fov_scale_min, config.fov_scale_max) == fov
    assert (config.depth_codec, config.depth_min_m, config.depth_max_m) == ('log', 0.5, 80.0)
    assert (config.preset, config.parameterisation, config.stage) == ('paper', 'v', 'diffusion')


def test_stage_0_and_another_size():
    config = configure('stage0:nano', ['batch=8'], {})
    assert (config.stage, config.preset, config.batch) == ('stage0', 'nano', 8)
    assert config.total_samples == RECIPES['stage0'].steps * BATCH
    assert configure('nano', ['lr=1'], {}) == make_config('nano', ['lr=1'])


def test_recipes_are_consistent():
    for name, recipe in RECIPES.items():
        assert name in MIXTURES
        assert recipe.init is None or recipe.init in RECIPES, name
        assert set(needed_roots(name)) <= DISK_GB.keys()
    assert needed_roots('nano') == []
    assert needed_roots('stage0:nano') == ['imagenet', 'places365']


def test_cost_is_proportional_to_the_samples():
    short, long = (estimate(configure('dmd-nk:nano', [f'total_samples={n}'], {}))
                   for n in (1_000, 3_000))  # fmt: skip
    assert long['gpu_hours'] == pytest.approx(3 * short['gpu_hours'])
    assert short['gpu_hours'] == pytest.approx(short['flop'] / (PEAK_FLOPS * MFU) / 3600)
    paper = estimate(configure('dmd-nk', [], {}))
    # 0.93 TFLOP for the paper's network at 240x320 (multiply and add), three times in training.
    assert paper['tflop_per_sample'] == pytest.approx(3 * 0.93, rel=0.15)


def test_cost_weights_sizes_by_their_shares():
    def cost(sizes):
        return estimate(configure('nano', [f'sizes={sizes}'], {}))['flop']

    small, large = cost('96x128'), cost('192x256')
    assert cost('96x128@3,192x256@1') == pytest.approx(0.75 * small + 0.25 * large)


@pytest.mark.parametrize(
    ('name', 'samples', 'time', 'size'),
    [
        ('micro', 1_000_000, 'less than a GPU minute', '6 MB'),
        ('tiny', 10_000_000, '10.3 GPU minutes', '435 MB'),
        ('paper', 1_000_000, '1.3 GPU hours', '39.6 GB'),
    ],
)
def test_costs_of_small_runs_are_not_rounded_to_zero(name, samples, time, size):
    text = describe(name, configure(name, [f'total_samples={samples}'], {}))
    assert f'  {time} on an H100' in text and f'  checkpoints: {size}' in text


@pytest.mark.parametrize('name', list(RECIPES))
def test_dry_run_prints_settings_hours_and_disk_without_the_data(name, tmp_path, capsys):
    out = tmp_path / 'run'
    assert main(['--preset', name, '--out', str(out), '--dry-run']) == 0
    text = capsys.readouterr().out
    assert f'lr = {RECIPES[name].lr}' in text
    assert re.search(r'estimate, not measured: [\d,]+ steps of 64', text)
    assert re.search(r'[\d,.]+ GPU hours on an H100', text)
    assert re.search(r'about [\d,]+ GB( and more)? on disk as published', text)
    assert f'data not checked: no --root for {", ".join(needed_roots(name))}' in text
    assert not out.exists()


def test_a_recipe_runs_on_the_data_it_is_given(tmp_path):
    roots = []
    for name in ('imagenet', 'places365'):
        for i in range(2):
            noise = np.random.default_rng(i).integers(0, 255, (40, 48, 3), dtype=np.uint8)
            write(tmp_path / name / 'class' / f'{i}.png', noise)
        roots += ['--root', f'{name}={tmp_path / name}']
    settings = set_options(*FAST, 'total_samples=8')
    arguments = ['--preset', 'stage0:micro', '--out', str(tmp_path / 'run'), *roots]
    assert main([*arguments, *settings]) == 0
    assert list((tmp_path / 'run' / 'checkpoints').glob('*.pt'))


CALIBRATION = """P_rect_02: 721.5 0 609.6 44.9 0 721.5 172.9 0.2 0 0 1 0.003
P_rect_03: 730.0 0 600.0 -339.5 0 740.0 170.0 2.2 0 0 1 0.003
"""


def _nyu_and_kitti(folder: Path) -> list[str]:
    """Write four NYU pictures, one of them broken, and one of each KITTI camera."""
    for i in range(4):
        room = folder / 'nyu' / 'kitchen'
        write(room / f'rgb_{i:05d}.jpg', np.full((480, 640, 3), 60 * i, np.uint8))
        write(room / f'sync_depth_{i:05d}.png', np.full((480, 640), 900 + i, np.uint16))
    (folder / 'nyu' / 'kitchen' / 'rgb_00002.jpg').write_bytes(b'half a picture')
    drive, day = '2011_09_26_drive_0002_sync', folder / 'kitti' / 'raw' / '2011_09_26'
    codes = np.zeros((375, 1242), np.uint16)
    codes[200:300:10, ::20] = 256 * 15
    for camera in ('02', '03'):
        write(day / drive / f'image_{camera}' / 'data' / '01.png', codes.astype(np.uint8))
        truth = folder / 'kitti/depth/train' / drive / 'proj_depth/groundtruth'
        write(truth / f'image_{camera}' / '01.png', codes)
    (day / 'calib_cam_to_cam.txt').write_text(CALIBRATION)
    return ['--root', f'nyu_folder={folder / "nyu"}', '--root', f'kitti={folder / "kitti"}']


@pytest.mark.parametrize('workers', [0, 1])
def test_dmd_nk_trains_names_broken_samples_and_resumes(tmp_path, caplog, workers):
    roots = _nyu_and_kitti(tmp_path)
    arguments = ['--preset', 'dmd-nk:micro', '--out', str(tmp_path / 'run'), *roots]
    for setting in (*FAST, f'workers={workers}', 'total_samples=32', 'max_broken_share=0.05'):
        arguments += ['--set', setting]
    assert main(arguments) == 0
    assert 'broken sample skipped: nyu_folder' in caplog.text
    assert 'kitchen/rgb_00002.jpg' in caplog.text
    again = ['--out', str(tmp_path / 'run'), '--resume', '--set', 'total_samples=40']
    assert main(again) == 0
    assert max(losses_of(tmp_path / 'run')) == 40


def test_training_stops_at_too_many_broken_samples(tmp_path, capsys):
    roots = _nyu_and_kitti(tmp_path)
    arguments = ['--preset', 'dmd-nk:micro', '--out', str(tmp_path / 'run'), *roots]
    for setting in (*FAST, 'total_samples=400'):
        arguments += ['--set', setting]
    assert main(arguments) == 1
    assert 'samples were broken, more than max_broken_share=0.01' in capsys.readouterr().err


def test_crops_of_stage_0_vary_in_size(tmp_path):
    for name in ('imagenet', 'places365'):
        write(tmp_path / name / '0.png', np.zeros((64, 64, 3), np.uint8))
    roots = {name: str(tmp_path / name) for name in ('imagenet', 'places365')}
    config = configure('stage0:micro', ['sizes=32x32', 'batch=8'], roots)
    tans = Mixture(config)[0].arrays.tan_half_vfov
    assert tans.min() < 0.4 and tans.max() <= 0.5 * 1.04


def test_dry_run_with_your_own_data_omits_the_papers(tmp_path, capsys):
    write(tmp_path / '0.png', np.zeros((64, 64, 3), np.uint8))
    arguments = ['--preset', 'stage0:micro', '--out', str(tmp_path / 'run'), '--dry-run']
    settings = set_options(f'sources=images:{tmp_path}', 'sizes=32x32', 'batch=2')
    assert main([*arguments, *settings]) == 0
    text = capsys.readouterr().out
    assert 'first batch: 2 x (32, 32)' in text and 'GB on disk' not in text
    assert main([*arguments, *set_options('sources=worlds', 'sizes=32x32')]) == 0
    text = capsys.readouterr().out
    assert 'on an H100' in text and 'GB on disk' not in text


def test_dry_run_names_the_samples_that_cannot_be_read(tmp_path, capsys):
    (tmp_path / 'frames' / 'f').mkdir(parents=True)
    (tmp_path / 'frames' / 'f' / 'meta.json').write_text('{}')
    settings = set_options(
        f'sources=frames:{tmp_path}/frames@0.5,worlds@0.5', 'sizes=32x32', 'batch=16'
    )
    assert main(['--preset', 'micro', '--out', str(tmp_path / 'r'), '--dry-run', *settings]) == 0
    said = capsys.readouterr()
    assert 'first batch: 16 x (32, 32)' in said.out
    (warning,) = said.err.splitlines()
    assert warning.startswith('warning: broken sample skipped: frames f: ')
    assert "f/meta.json has no 'fx'" in warning


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--preset', 'dmd-nk'], 'needs its data: --root nyu_folder=DIR --root kitti=DIR'),
        (['--preset', 'dmd-nk', '--root', 'kitti=/k'], 'missing: nyu_folder, not part of it'),
        (['--preset', 'nano', '--root', 'kitti=/k'], "--root needs a recipe (stage0, "),
        (['--preset', 'stage9'], "preset 'stage9' is unknown; allowed: micro, nano"),
        (['--preset', 'stage1:huge'], "preset 'huge' is unknown"),
        (['--preset', 'stage0', '--root', 'imagenet'], "--root 'imagenet' must be DATASET=PATH"),
        (['--preset', 'stage0:micro', '--root', 'imagenet=/nowhere', '--root', 'places365=/no'],
         '/nowhere does not exist'),
    ],
)  # fmt: skip
def test_errors(arguments, message, tmp_path, capsys):
    assert main([*arguments, '--out', str(tmp_path / 'run')]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_the_documentation_states_the_same_sizes():
    text = (DOCS / 'datasets.md').read_text()
    rows = dict(re.findall(r'^\| (\w+) \| ([\d,]+|unknown) \|', text, re.MULTILINE))
    assert {name: None if size == 'unknown' else int(size.replace(',', ''))
            for name, size in rows.items()} == DISK_GB  # fmt: skip
    used = {part.name for parts in MIXTURES.values() for part in parts}
    assert used - {WORLDS, 'any'} == set(DISK_GB)


def test_the_documentation_states_the_same_hours():
    text = ' '.join((DOCS / 'recipes.md').read_text().split())
    hours = {name: estimate(configure(name, [], {}))['gpu_hours'] for name in RECIPES}
    assert hours['dmd-nk'] == hours['dmd-mix']
    stages = f'{hours["stage0"]:.0f} for `stage0`, {hours["stage1"]:.0f} for `stage1`'
    assert stages + f' and {hours["dmd-nk"]:.1f} each for `dmd-nk` and `dmd-mix`' in text
    for name, recipe in RECIPES.items():
        row = re.search(rf'^\| `{name}` \|.*$', (DOCS / 'recipes.md').read_text(), re.MULTILINE)
        assert row is not None
        lr, steps = (cell.strip(' *') for cell in row[0].split('|')[3:5])
        assert (float(lr), int(steps.replace(',', ''))) == (recipe.lr, recipe.steps)
