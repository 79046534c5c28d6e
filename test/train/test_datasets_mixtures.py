# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of mixtures, and what it makes of the trainer's settings."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pictures import write

from train import mixtures
from train.config import TrainConfig
from train.datasets.registry import READERS
from train.mixture import Mixture
from train.sources import open_source, parse_sources, tuned


def test_table_is_consistent():
    for name, parts in mixtures.MIXTURES.items():
        assert sum(part.weight for part in parts) == pytest.approx(1.0), name
        for part in parts:
            assert part.dataset in READERS or part.dataset in (mixtures.WORLDS, mixtures.ANY)
    parts = {part.dataset: part for part in mixtures.parts_of('dmd-mix')}
    assert set(parts) == {'nyu_folder', 'taskonomy', 'kitti', 'nuscenes'}
    assert [name for name, part in parts.items() if not part.fov] == ['taskonomy']
    assert not any(part.fov for part in mixtures.parts_of('stage1'))


def test_sources_open_with_the_options_of_their_part(tmp_path):
    nyu, kitti = tmp_path / 'nyu', tmp_path / 'kitti'
    write(nyu / 'bathroom' / 'rgb_00045.jpg', np.zeros((480, 640, 3), np.uint8))
    write(nyu / 'bathroom' / 'sync_depth_00045.png', np.full((480, 640), 900, np.uint16))
    drive = '2011_09_26_drive_0002_sync'
    for camera in ('02', '03'):
        picture = kitti / 'raw/2011_09_26' / drive / f'image_{camera}/data/01.png'
        write(picture, np.zeros((375, 1242, 3), np.uint8))
        truth = kitti / 'depth/train' / drive / f'proj_depth/groundtruth/image_{camera}/01.png'
        write(truth, np.zeros((375, 1242), np.uint16))
    roots = {'nyu_folder': str(nyu), 'kitti': f'{kitti}?cameras=03&infill=inpaint'}
    pairs = parse_sources(mixtures.sources_text('dmd-nk', roots))
    assert [weight for _, weight in pairs] == [0.5, 0.5]
    config = TrainConfig()
    first, second = (open_source(name, config) for name, _ in pairs)
    assert (len(first), len(second)) == (1, 1)
    assert (first.fov, first.infill, second.infill) == ('on', 'nearest', 'inpaint')
    assert first.load(0).depth[5, 5] == pytest.approx(0.9)


def test_tuned_config():
    config = TrainConfig(infill='zero')
    assert tuned(config, SimpleNamespace()) == config
    off = tuned(config, SimpleNamespace(fov='off', infill=''))
    assert (off.fov_scale_min, off.fov_scale_max, off.infill) == (1.0, 1.0, 'zero')
    on = tuned(config, SimpleNamespace(fov='on', infill='inpaint'))
    assert (on.fov_scale_max, on.infill) == (config.fov_scale_max, 'inpaint')


@pytest.mark.parametrize(('fov', 'distinct'), [('off', 1), ('on', 4)])
def test_a_batch_augments_the_field_of_view_by_the_options_of_its_source(tmp_path, fov, distinct):
    write(tmp_path / 'room' / 'rgb_00001.jpg', np.zeros((480, 640, 3), np.uint8))
    write(tmp_path / 'room' / 'sync_depth_00001.png', np.full((480, 640), 900, np.uint16))
    config = TrainConfig(
        preset='micro', sources=f'nyu_folder:{tmp_path}?fov={fov}', sizes='96x128', batch=4,
        aspect_jitter=0.0,
    )  # fmt: skip
    tans = Mixture(config)[0].arrays.tan_half_vfov
    assert len(np.unique(tans)) == distinct


def test_any_accepts_every_reader():
    text = mixtures.sources_text('worlds+any', {'any': 'bag:/robot/drive?every=3'})
    assert text == 'worlds@0.5,bag:/robot/drive?fov=on&infill=nearest&every=3@0.5'
    assert mixtures.sources_text('worlds', {}) == 'worlds@1'
    roots = dict.fromkeys(('scannet', 'scenenet', 'diml_indoor'), '/a') | {
        'waymo': '/w?every=2&list_file=/a=b'
    }
    text = mixtures.sources_text('stage1', roots)
    assert 'scannet:/a?fov=off&infill=nearest&every=10@0.35' in text
    assert 'waymo:/w?fov=off&infill=nearest&every=2&list_file=/a=b@0.3' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['dmd'], "mixture 'dmd' is unknown; allowed: stage0, stage1, dmd-nk"),
        (['dmd-nk', '--root', 'kitti=/k'], 'missing: nyu_folder, not part of it: none'),
        (['worlds', '--root', 'kitti=/k'], 'not part of it: kitti'),
        (['worlds', '--root', 'kitti'], "--root 'kitti' must be DATASET=PATH"),
        (['worlds+any', '--root', 'any=/robot'], 'use any=KIND:PATH'),
        (['worlds+any', '--root', 'any='], "--root 'any=' must be DATASET=PATH"),
        (['worlds+any', '--root', 'any=bag:/a@b'], "must not contain '@'"),
        (['worlds+any', '--root', 'any=bag:/a,b'], "must not contain ','"),
        (['worlds+any', '--root', 'any=bag:/a?every:3'], "option 'every:3' after a path must be"),
    ],
)
def test_errors(arguments, message, capsys):
    assert mixtures.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_root_without_a_mixture_does_not_print_the_table(capsys):
    with pytest.raises(SystemExit):
        mixtures.main(['--root', 'kitti=/k'])
    assert '--root needs a mixture' in capsys.readouterr().err


def test_command_line_prints(capsys):
    assert mixtures.main([]) == 0
    assert 'dmd-mix' in capsys.readouterr().out
    assert mixtures.main(['worlds']) == 0
    assert capsys.readouterr().out == 'worlds@1\n'
