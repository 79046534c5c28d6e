# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The field-of-view network: training, resuming, other initial weights, export, evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from fov_oracle import write_fov_oracle
from onnx import numpy_helper
from small_set import FAST, camera, fast_config, losses_of, set_options, write_set
from test_export import PLAIN_OPERATORS

from dmd_ros.core.contract import FovContract
from dmd_ros.fov import FovEstimator
from dmd_ros.runtime.backend import FOV_INPUT, FOV_OUTPUT
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtBackend, OrtFovBackend
from dmd_ros.runtime.shared_files import find_model
from train import checkpoint
from train import export as denoiser_export
from train.config import TrainConfig
from train.datasets.rgbd_folder import RgbdFolder
from train.errors import TrainError
from train.fov import evaluate
from train.fov import export as fov_export
from train.fov.__main__ import main
from train.fov.export import export, random_feeds, trace
from train.fov.loop import fov_config, train
from train.fov.net import TYPICAL, FovNet
from train.fov.validate import errors_deg, fov_contract, torch_backend
from train.fov.weights import load_encoder, load_fov_model
from train.loop import train as train_denoiser
from train.presets import preset
from train.processes import Processes
from train.torch_backend import TorchBackend
from train.unet import UNet

ALONE = Processes(0, 1, torch.device('cpu'))


def small_config(folder: Path, *settings: str) -> TrainConfig:
    fast = [text for text in FAST if not text.startswith('sizes')]
    own = [f'sources=folder:{folder}', *fast, 'sizes=32x32,24x48', *settings]
    return fov_config('micro', own)


@pytest.fixture(scope='module')
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('fov') / 'run'
    train(folder, small_config(data, 'total_samples=64', 'lr=0.01'))
    return folder


def test_learns_how_far_a_picture_was_cropped(tmp_path: Path) -> None:
    """Crops of one picture differ only in the field of view, so there is no other clue."""
    one = write_set(tmp_path / 'one', 1)
    plain = ('photometric=0', 'flip=false', 'centre_jitter=0', 'aspect_jitter=0', 'lr=0.003',
             'cooldown=0.3', 'batch=8', 'log_every=96', 'fov_scale_min=0.5')  # fmt: skip
    train(tmp_path / 'run', small_config(one, *plain, 'sizes=32x32', 'total_samples=960'))
    # The error of always answering the middle of scales drawn from 0.5 to 1.
    middle = math.log(2) / 4
    assert losses_of(tmp_path / 'run')[960] < 0.5 * middle


def test_killed_and_resumed_gives_the_same_losses(data: Path, tmp_path: Path) -> None:
    config = small_config(data, 'total_samples=64', 'checkpoint_every=16', 'keep_checkpoints=9')
    train(tmp_path / 'unbroken', config)
    train(tmp_path / 'killed', config)
    for path in checkpoint.folder(tmp_path / 'killed').glob('*.pt'):
        if int(path.stem) > 32:
            path.unlink()
    with pytest.raises(TrainError, match='already contains a run; add --resume'):
        train(tmp_path / 'killed', config)
    assert main(['--out', str(tmp_path / 'killed'), '--resume']) == 0
    assert losses_of(tmp_path / 'killed') == losses_of(tmp_path / 'unbroken')
    ends = [checkpoint.find(tmp_path / name)['ema'] for name in ('killed', 'unbroken')]
    for name in ends[0]:
        assert torch.equal(ends[0][name], ends[1][name])


def test_validates_in_degrees_through_the_shipped_estimator(data: Path, tmp_path: Path) -> None:
    settings = (f'validation=folder:{data}', 'validation_frames=3', 'validate_every=8')
    train(tmp_path, small_config(data, 'total_samples=16', *settings))
    lines = [json.loads(line) for line in (tmp_path / 'losses.jsonl').read_text().splitlines()]
    errors = [line['validation/mean_deg'] for line in lines if 'validation/mean_deg' in line]
    assert len(errors) == 2 and all(0 < error < 90 for error in errors)


@pytest.mark.parametrize('setting', ['rays=true', 'depth_codec=linear', 'steps=2', 'stage=fov'])
def test_settings_of_the_denoiser_are_refused(setting: str) -> None:
    with pytest.raises(TrainError, match=f'{setting}: a setting of the denoiser'):
        fov_config('micro', [setting])


def test_a_shipped_model_of_another_preset_is_refused() -> None:
    """Before anything is computed: a projection of another width has no meaning."""
    with pytest.raises(TrainError, match='of the same preset'):
        load_encoder(FovNet(preset('nano').net), find_model('dmd_worlds'))


# The network.


def test_the_answer_does_not_leak_and_shapes_are_free() -> None:
    """One value per picture, from its pixels alone, at any multiple of the stride."""
    net = FovNet(preset('micro').net).eval()
    for size in ((8, 12), (32, 32), (24, 48)):
        out = net(torch.rand(3, 3, *size))
        assert out.shape == (3,)
        # Untrained, its answer is a typical camera of the picture's shape.
        assert out.tolist() == pytest.approx([TYPICAL * (size[0] / size[1]) ** 0.5] * 3)


@pytest.mark.parametrize('rays', [False, True])
@pytest.mark.parametrize('fov', [False, True])
def test_the_encoder_of_a_denoiser_works_as_before(
    data: Path, tmp_path: Path, rays: bool, fov: bool
) -> None:
    """At t = 1 and a typical camera, without noisy depth, all features equal the denoiser's."""
    config = fast_config(data, 'total_samples=16', 'lr=0.01', f'rays={rays}', f'fov={fov}')
    train_denoiser(tmp_path / 'run', config, ALONE)
    model = tmp_path / 'model.onnx'
    denoiser_export.export(tmp_path / 'run', model, 'fp32')
    denoiser = UNet(preset('micro').net, fov=fov, rays=rays)
    denoiser.load_state_dict(checkpoint.find(tmp_path / 'run')['ema'])
    features: list[torch.Tensor] = []
    denoiser.down[-1][-1].register_forward_hook(lambda module, args, out: features.append(out))
    rgb = torch.rand(2, 3, 32, 32) * 2 - 1
    typical = torch.full((2,), TYPICAL)
    denoiser(rgb, torch.zeros(2, 1, 32, 32), torch.ones(2), typical)
    for source in (tmp_path / 'run', model):
        net = FovNet(preset('micro').net)
        net.down[-1][-1].register_forward_hook(lambda module, args, out: features.append(out))
        load_encoder(net, source)
        net(rgb)
        torch.testing.assert_close(features.pop(), features[0], atol=1e-5, rtol=1e-4)


def test_the_encoder_of_stage_0_and_of_another_run_fit(
    data: Path, run: Path, tmp_path: Path
) -> None:
    train_denoiser(
        tmp_path / 'stage0', fast_config(data, 'total_samples=8', 'stage=stage0'), ALONE
    )
    ema = checkpoint.find(tmp_path / 'stage0')['ema']
    net = FovNet(preset('micro').net)
    load_encoder(net, tmp_path / 'stage0')
    assert torch.equal(net.stem.weight[:, :3], ema['stem.weight'][:, :3])
    assert not net.stem.weight[:, 3:].any()
    assert torch.equal(net.state_dict()['down.1.0.block.conv1.weight'],
                       ema['down.1.0.block.conv1.weight'])  # fmt: skip
    load_encoder(net, run)
    for name, weight in checkpoint.find(run)['ema'].items():
        assert torch.equal(net.state_dict()[name], weight)
    arguments = ['--out', str(tmp_path / 'on'), '--preset', 'micro']
    settings = set_options(f'sources=folder:{data}', *FAST, 'total_samples=4', 'lr=1e-12')
    assert main([*arguments, '--init', str(tmp_path / 'stage0'), *settings]) == 0
    started = checkpoint.find(tmp_path / 'on')
    stem = started['net']['stem.weight']
    assert torch.allclose(stem[:, :3], ema['stem.weight'][:, :3], atol=1e-6)
    assert started['origin'] == 'stage0 at 8 samples'
    export(tmp_path / 'on', tmp_path / 'fov.onnx')
    card = (tmp_path / 'fov.md').read_text()
    assert '(batches of 4), starting from the weights of stage0 at 8 samples |' in card
    (tmp_path / 'stage0').rename(tmp_path / 'elsewhere')  # the run continues without it
    longer = ['--set', 'total_samples=8', '--resume', '--init', str(tmp_path / 'stage0')]
    assert main(['--out', str(tmp_path / 'on'), *longer]) == 0
    assert checkpoint.find(tmp_path / 'on')['clock'] == 8


def test_a_run_starts_from_a_model_file_of_its_kind(run: Path, tmp_path: Path) -> None:
    """Including the head: the answers equal those of the file from the first sample on."""
    file, net = tmp_path / 'fov.onnx', FovNet(preset('micro').net)
    export(run, file, 'fp32')
    said = load_encoder(net, file)
    for name, weight in checkpoint.find(run)['ema'].items():
        assert torch.equal(net.state_dict()[name], weight), name
    assert said.startswith('fov.onnx (sha256 ')


def test_training_of_the_shipped_model_can_continue() -> None:
    shipped = find_model('dmd_fov')
    pictures = torch.rand(2, 3, 96, 128)
    told = OrtFovBackend(shipped).run({FOV_INPUT: pictures.numpy()})[FOV_OUTPUT]
    net = load_fov_model(shipped).eval()
    assert net(pictures).tolist() == pytest.approx(told.tolist(), rel=1e-4)


def test_a_model_file_with_other_weights_is_refused(run: Path, tmp_path: Path) -> None:
    file = tmp_path / 'fov.onnx'
    export(run, file, 'fp32')
    model = onnx.load(file)
    head = next(i for i in model.graph.initializer if i.name == 'head.2.bias')
    head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) + 1, 'head.2.bias'))
    onnx.save(model, file)
    with pytest.raises(TrainError, match='output on the golden input differs'):
        load_fov_model(file)


@pytest.mark.parametrize('name', ['a run', 'dmd_worlds'])
def test_an_encoder_of_another_preset_is_refused(
    run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    init = str(run) if name == 'a run' else name
    arguments = ['--out', str(tmp_path / 'r'), '--preset', 'nano', '--init', init]
    assert main([*arguments, '--set', 'sources=folder:x', '--set', 'workers=0']) == 1
    message = capsys.readouterr().err
    assert 'is needed; give a run or model of the same preset' in message


def test_out_of_memory_reports_what_to_lower(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = set_options(f'sources=folder:{data}', *FAST, f'sizes={1 << 24}x{1 << 24}')
    assert main(['--out', str(tmp_path / 'r'), '--preset', 'micro', *settings]) == 1
    said = capsys.readouterr().err
    assert 'out of memory (' in said and f'or sizes (now {1 << 24}x{1 << 24})' in said


def test_runs_of_other_stages_are_told_apart(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r'stage fov is not a denoiser.*train\.fov'):
        denoiser_export.export(run, tmp_path / 'm.onnx')
    train_denoiser(tmp_path / 'depth', fast_config(data, 'total_samples=4'), ALONE)
    with pytest.raises(TrainError, match=r'a run of stage diffusion is not a run of train\.fov'):
        export(tmp_path / 'depth', tmp_path / 'm.onnx')
    with pytest.raises(TrainError, match='weights of the field-of-view network of preset micro'):
        train_denoiser(tmp_path / 'depth', fast_config(data), ALONE, init=run)


# The file.


@pytest.mark.parametrize('weights', ['fp16', 'fp32'])
def test_the_exported_model_gives_the_same_answers(
    run: Path, tmp_path: Path, weights: str
) -> None:
    out = tmp_path / 'angle.onnx'
    contract = export(run, out, weights, '## Limits\nGlass.')
    backend = OrtFovBackend(out)
    assert backend.contract == contract
    assert (contract.name, contract.stride, contract.train_sizes[0]) == ('angle', 4, (32, 32))
    assert contract.tan_half_vfov_range == (0.1, 1.2)
    state = checkpoint.find(run)
    net = FovNet(preset('micro').net)
    net.load_state_dict(state['ema'])
    rgb = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    ours = FovEstimator(fov_contract(TrainConfig.from_json(state['config'])), torch_backend(net))
    assert FovEstimator(contract, backend)(rgb) == pytest.approx(ours(rgb), rel=2e-3)
    for size in ((8, 4), (64, 36)):
        feeds = random_feeds(contract, 3, size, 5)
        assert backend.run(feeds)[FOV_OUTPUT].shape == (3,)
    kinds = {i.data_type for i in onnx.load(out).graph.initializer if np.prod(i.dims) >= 256}
    assert kinds == {onnx.TensorProto.FLOAT16 if weights == 'fp16' else onnx.TensorProto.FLOAT}
    card = out.with_suffix('.md').read_text()
    assert '| Samples seen | 64 (batches of 4) |' in card and card.endswith('Glass.\n')
    assert '| Data | folder 100% |' in card
    assert str(run) not in card


def test_not_written_when_onnxruntime_disagrees(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TorchBackend.run
    monkeypatch.setattr(
        TorchBackend,
        'run',
        lambda self, feeds: {FOV_OUTPUT: real(self, feeds)[FOV_OUTPUT] * np.float32(1.01)},
    )
    with pytest.raises(TrainError, match=r'torch differ by .* nothing was written'):
        export(run, tmp_path / 'model.onnx')
    assert list(tmp_path.iterdir()) == []


def test_graph_has_only_plain_operators(run: Path) -> None:
    contract = fov_contract(TrainConfig.from_json(checkpoint.find(run)['config']))
    model = trace(FovNet(preset('micro').net).eval(), contract)
    assert {node.op_type for node in model.graph.node} <= {*PLAIN_OPERATORS, 'Exp', 'ReduceMean'}
    assert [i.name for i in model.graph.input] == ['rgb']


def test_is_refused_as_a_denoiser(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / 'm.onnx')
    with pytest.raises(BackendError, match='is not a DMD denoiser'):
        OrtBackend(tmp_path / 'm.onnx')


def test_command_line_reports_missing_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fov_export.main([str(tmp_path), '--out', str(tmp_path / 'm.onnx')]) == 1
    assert 'contains no checkpoint' in capsys.readouterr().err


# Evaluation.


def test_errors_are_those_of_the_oracle(data: Path, tmp_path: Path) -> None:
    """On a set with a known camera, the error of a model with a constant answer is known."""
    whole = ((80, 96),)  # the shape of the set's pictures
    changes = {'tan_half_vfov_range': (0.25, 0.25), 'train_sizes': whole}
    backend = OrtFovBackend(write_fov_oracle(tmp_path / 'fov.onnx', **changes))
    assert isinstance(backend.contract, FovContract)
    frames = [RgbdFolder(str(data)).load(i) for i in range(3)]
    truth = 2 * np.degrees(np.arctan(camera().tan_half_vfov))
    answer = 2 * np.degrees(np.arctan(0.25))
    errors = errors_deg(FovEstimator(backend.contract, backend), frames)
    assert errors == pytest.approx([answer - truth] * 3)


def test_evaluation_prints_degrees_and_depth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers and a guess are right for two pictures of three."""
    tan = 0.5
    path = write_fov_oracle(tmp_path / 'fov.onnx', tan_half_vfov_range=(tan, tan))
    truth = tmp_path / 'frames'
    for name, focal in (('a', 32 / (2 * tan)), ('b', 32 / (2 * tan)), ('c', 32 / (2 * 0.25))):
        _write_frame(truth / name, focal)
    guess = str(2 * np.degrees(np.arctan(tan)))
    arguments = [str(path), '--frames', '0', '--folder', str(truth), '--guess', guess]
    assert evaluate.main(arguments) == 0
    angles, depth = capsys.readouterr().out.strip().split('\n\n')
    degrees = 2 * np.degrees(np.arctan(tan)) - 2 * np.degrees(np.arctan(0.25))
    cells = [cell.strip() for cell in angles.splitlines()[2].split('|')[1:-1]]
    assert cells[:2] == ['frames, indoor', '3']
    assert cells[2] == '28 to 53'
    assert cells[3:5] == ['0.0', f'{degrees / 3:.1f}']
    assert cells[5] == f'{degrees / 3:+.1f}'
    assert cells[6:] == cells[3:5]
    cells = [cell.strip() for cell in depth.splitlines()[2].split('|')[1:-1]]
    assert cells[3] == cells[4] != cells[2]  # the estimate is the guess here, and not the truth


def test_evaluation_reports_unreadable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_fov_oracle(tmp_path / 'fov.onnx')
    assert evaluate.main([str(path), '--frames', '0', '--folder', str(tmp_path / 'no')]) == 1
    assert 'is not a folder' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--frames', '0'], '--frames 0 without a --folder'),
        (['--frames', '-1'], '--frames: -1 must be >= 0'),
        (['--guess', '0'], '--guess 0 must be above 0 and below 180 degrees'),
        (['--guess', 'nan'], '--guess nan must be above 0'),
    ],
)
def test_evaluation_without_pictures_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(arguments)
    assert message in capsys.readouterr().err


def _write_frame(folder: Path, focal: float) -> None:
    folder.mkdir(parents=True)
    rgb = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / 'rgb.png'), rgb)
    cv2.imwrite(str(folder / 'depth.png'), np.full((32, 48), 3000, np.uint16))
    meta = {'fx': focal, 'fy': focal, 'cx': 23.5, 'cy': 15.5, 'width': 48, 'height': 32}
    (folder / 'meta.json').write_text(json.dumps({**meta, 'scene': 'indoor'}))
