# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stage 0: the four tasks, training on them, and what depth takes over."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_set import camera, fast_config, losses_of, plane_sample, write_set

from dmd_ros.core.preprocess import View, cut_rgb, full_view, normalise
from train import checkpoint, export
from train.errors import TrainError
from train.loop import build_net, train
from train.mixture import Mixture
from train.processes import Processes
from train.stage0 import sheet
from train.stage0.adapt import depth_from_pictures
from train.stage0.example import spoil
from train.stage0.tasks import TASKS, compress, inpaint, uncrop

ALONE = Processes(0, 1, torch.device('cpu'))
STAGE0 = ('stage=stage0', 'fov_scale_min=1', 'fov_scale_max=1', 'centre_jitter=0')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('pictures')
    for i in range(4):  # a different colour per picture and place
        rows, columns = np.mgrid[0:40, 0:48]
        planes = [rows * 5, columns * 4 + 10 * i, (rows + columns) * 2 + 30]
        assert cv2.imwrite(str(folder / f'{i}.png'), np.stack(planes, -1).astype(np.uint8))
    return folder


def _config(data: Path, *settings: str):
    return fast_config(data, *STAGE0, f'sources=images:{data}', *settings)


def _colourful(seed: int = 0) -> np.ndarray:
    smooth = np.random.default_rng(seed).uniform(0, 255, (6, 8, 3)).astype(np.float32)
    return cv2.resize(smooth, (96, 72), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype('uint8')


def test_colorization_keeps_only_the_brightness():
    rgb = _colourful()
    spoilt, gone = TASKS['colorization'](np.random.default_rng(0), rgb)
    assert not gone.any()
    assert (spoilt[..., 0] == spoilt[..., 1]).all() and (spoilt[..., 1] == spoilt[..., 2]).all()
    brightness = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(spoilt[..., 0] - brightness).max() < 1


def test_inpainting_removes_a_share():
    shares = [inpaint(np.random.default_rng(i), _colourful())[1].mean() for i in range(64)]
    assert min(shares) >= 0.1
    assert max(shares) < 0.75
    assert np.std(shares) > 0.05


def test_uncropping_removes_half_on_one_side_or_around():
    kinds = set()
    for i in range(64):
        _, gone = uncrop(np.random.default_rng(i), _colourful())
        assert gone.mean() == pytest.approx(0.5, abs=0.02)
        corners = gone[0, 0], gone[0, -1], gone[-1, 0], gone[-1, -1]
        kinds.add(corners)
        rows, columns = np.nonzero(~gone)
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert box == len(rows), 'what is left is a rectangle'
    assert kinds == {
        (True, True, True, True), (True, True, False, False), (False, False, True, True),
        (True, False, True, False), (False, True, False, True),
    }  # fmt: skip


def test_jpeg_keeps_colours_in_their_channels():
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[..., 0] = 200
    spoilt, gone = compress(np.random.default_rng(0), rgb)
    assert not gone.any()
    assert np.abs(spoilt.astype(int) - rgb).max() < 12
    noisy = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert np.abs(compress(np.random.default_rng(0), noisy)[0].astype(int) - noisy).mean() > 10


@pytest.mark.parametrize('task', list(TASKS))
def test_an_example_denoises_the_original_and_judges_missing_pixels(data, task):
    contract = _config(data).contract()
    raw = plane_sample(0)
    view = full_view(raw.camera, contract)
    example = spoil(raw.rgb, view, task, 0.5, np.random.default_rng(3), contract)
    size = (view.height, view.width)
    assert example.code.shape == example.rgb.shape == example.noise.shape == (3, *size)
    assert np.array_equal(example.code, normalise(cut_rgb(raw.rgb, view), contract)[0])
    share = example.labelled.mean()
    kept = ~example.labelled
    if task in ('inpainting', 'uncropping'):
        assert 0.1 <= share < 0.75
        assert np.array_equal(example.rgb[kept], example.code[kept])
        gone = example.rgb[example.labelled]
        assert abs(gone.mean()) < 0.2 and gone.std() == pytest.approx(1.0, abs=0.1)
    else:
        assert share == 1.0
    assert not np.array_equal(example.noise, example.rgb)


def test_nothing_outside_the_picture_is_judged(data):
    cam = camera()
    view = View(cam, -12, 0, 48, 40, 32, 48)
    contract = _config(data).contract()
    example = spoil(plane_sample(0).rgb, view, 'colorization', 0.5, np.random.default_rng(0),
                    contract)  # fmt: skip
    assert not example.labelled[:, :, :11].any()
    assert example.labelled[:, :, 13:].all()
    assert example.rgb[:, :, :11].std() == pytest.approx(1.0, abs=0.2)


def test_batches_have_all_tasks_and_depend_only_on_their_number(data):
    first, again = (Mixture(_config(data, 'batch=16'))[2].arrays for _ in range(2))
    assert np.array_equal(first.rgb, again.rgb)
    assert first.code.shape == (16, 3, 32, 32)
    shares = first.labelled.mean((1, 2, 3))
    assert (shares == 1.0).any() and ((shares > 0.45) & (shares < 0.55)).any()


def test_training_lowers_the_loss_and_resumes(data, tmp_path):
    config = _config(data, 'total_samples=480', 'batch=8', 't1_fraction=1')
    train(tmp_path / 'run', config, ALONE)
    losses = list(losses_of(tmp_path / 'run').values())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    short = _config(data, 'total_samples=16', 'picture_every=8')
    train(tmp_path / 'short', short, ALONE)
    longer = _config(data, 'total_samples=32', 'picture_every=8')
    train(tmp_path / 'short', longer, ALONE, resume=True)
    assert max(losses_of(tmp_path / 'short')) == 32


@pytest.fixture(scope='module')
def run(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('runs') / 'stage0'
    train(folder, _config(data, 'total_samples=160', 'batch=8'), ALONE)
    return folder


@pytest.mark.parametrize('rays', [False, True])
@pytest.mark.parametrize('fov', [False, True])
def test_a_depth_net_reads_depth_like_a_grey_picture(data, run, rays, fov):
    state = checkpoint.find(run)
    pictures = build_net(_config(data))
    pictures.load_state_dict(state['ema'])
    depth = build_net(fast_config(data, f'rays={rays}', f'fov={fov}'))
    depth.load_state_dict(depth_from_pictures(state['ema'], depth))
    torch.manual_seed(0)
    rgb, z, t, tan = (
        torch.randn(2, 3, 32, 48), torch.randn(2, 1, 32, 48), torch.rand(2), torch.rand(2),
    )  # fmt: skip
    with torch.no_grad():
        grey = pictures(rgb, z.expand(-1, 3, -1, -1), t, tan).mean(1, keepdim=True)
        assert torch.allclose(depth(rgb, z, t, tan), grey, atol=1e-5)
    assert grey.std() > 0.01


def test_depth_starts_from_stage_0(data, run, tmp_path):
    frames = write_set(tmp_path / 'set')
    config = fast_config(frames, 'total_samples=4', 'lr=1e-12')
    train(tmp_path / 'depth', config, ALONE, init=run)
    ours, theirs = checkpoint.find(tmp_path / 'depth')['net'], checkpoint.find(run)['ema']
    assert torch.allclose(ours['down.0.0.block.conv1.weight'],
                          theirs['down.0.0.block.conv1.weight'], atol=1e-6)  # fmt: skip
    # Stage 0 itself starts only from a run of stage 0.
    train(tmp_path / 'more', _config(data, 'total_samples=4'), ALONE, init=run)
    with pytest.raises(TrainError, match='do not fit this network'):
        train(tmp_path / 'no', _config(data, 'total_samples=4'), ALONE, init=tmp_path / 'depth')


def test_stage_0_is_neither_validated_nor_exported(data, run, tmp_path):
    with pytest.raises(TrainError, match='measures depth, which stage0 does not predict'):
        _config(data, 'validation=worlds')
    with pytest.raises(TrainError, match='set worlds_on=workers'):
        _config(data, 'worlds_on=device')
    with pytest.raises(TrainError, match=r'is a run of stage 0.*--init'):
        export.export(run, tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()


def test_the_sheet_shows_every_task(run, tmp_path, capsys):
    out = tmp_path / 'sheet.png'
    assert sheet.main([str(run), '--out', str(out), '--pictures', '1', '--steps', '2']) == 0
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 5 * 192 and picture.shape[0] > 4 * 144
    train(tmp_path / 'depth', fast_config(write_set(tmp_path / 'set'), 'total_samples=4'), ALONE)
    assert sheet.main([str(tmp_path / 'depth'), '--out', str(out)]) == 1
    assert 'give a run of stage0' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--pictures', '--steps'])
def test_an_empty_sheet_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        sheet.main(['unused', '--out', 'unused.png', option, '0'])
    assert f'argument {option}: 0 must be >= 1' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('out', 'message'),
    [(f'{__file__}/sheet.png', 'choose another --out'), ('sheet.txt', 'ends in .png or .jpg')],
)
def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(out, message, capsys):
    assert sheet.main(['nothing', '--out', out]) == 1  # the run does not exist either
    printed = capsys.readouterr().err
    assert printed.startswith('error: ') and message in printed and printed.count('\n') == 1


def test_known_pixels_are_kept_when_restoring(data, run):
    net, config = sheet.load(run)
    contract = config.contract()
    raw = plane_sample(0)
    view = full_view(raw.camera, contract)
    example = spoil(raw.rgb, view, 'uncropping', 0.5, np.random.default_rng(0), contract)
    restored = sheet.columns_of(net, example, 3, np.random.default_rng(0), contract)[3]
    kept = ~example.labelled[0]
    assert np.array_equal(restored[kept], cut_rgb(raw.rgb, view)[kept])
    assert not np.array_equal(restored[~kept], cut_rgb(raw.rgb, view)[~kept])
