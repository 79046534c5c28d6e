# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model file is read back into a network, and a run may start from it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper
from small_set import fast_config

from train import checkpoint
from train.errors import TrainError
from train.export import compare, export
from train.loop import train
from train.onnx_weights import load_model
from train.processes import Processes
from train.run import main
from train.torch_backend import TorchBackend

ALONE = Processes(0, 1, torch.device('cpu'))
SHIPPED = Path(__file__).parents[2] / 'models' / 'dmd_worlds.onnx'


def _exported(data: Path, folder: Path, weights: str, *settings: str) -> tuple[Path, Path]:
    config = fast_config(data, 'total_samples=64', 'lr=0.01', 't1_fraction=1', *settings)
    train(folder / 'run', config, ALONE)
    export(folder / 'run', folder / 'model.onnx', weights)
    return folder / 'run', folder / 'model.onnx'


def test_the_shipped_model_computes_the_same_as_in_onnx_runtime() -> None:
    model = load_model(SHIPPED)
    facts = f'preset {model.preset}, rays {model.net.rays}, FOV {model.net.fov}'
    assert facts in SHIPPED.with_suffix('.md').read_text()
    assert compare(SHIPPED, TorchBackend(model.net), model.contract) < 1e-5


@pytest.mark.parametrize('weights', ['fp16', 'fp32'])
@pytest.mark.parametrize('settings', [('rays=true',), ('fov=false',)])
def test_exported_weights_are_read_back(
    data: Path, tmp_path: Path, weights: str, settings: tuple[str, ...]
) -> None:
    run, path = _exported(data, tmp_path, weights, *settings)
    averages = checkpoint.find(run)['ema']
    read = load_model(path).net.state_dict()
    assert read.keys() == averages.keys()
    tolerance = 0.0 if weights == 'fp32' else 1e-3
    for name, value in averages.items():
        assert torch.allclose(read[name], value, rtol=tolerance, atol=tolerance), name
        # All weights were trained and differ, so that swapped ones would be noticed.
        assert value.abs().sum() > 0, name


def test_a_run_starts_from_a_model_file(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, path = _exported(data, tmp_path, 'fp32')
    train(tmp_path / 'next', fast_config(data, 'total_samples=4', 'lr=1e-12'), ALONE, init=path)
    start, file = checkpoint.find(tmp_path / 'next')['net'], load_model(path).net.state_dict()
    for name, value in file.items():
        assert torch.allclose(start[name], value, atol=1e-6)
    nearer = fast_config(data, 'total_samples=4', 'depth_min_m=0.5')
    train(tmp_path / 'nearer', nearer, ALONE, init=path)
    assert 'depth_min_m 0.1 -> 0.5; the network has to learn the new' in caplog.text
    assert caplog.text.count('has to learn the new meaning') == 1
    other = fast_config(data, 'rays=true')
    with pytest.raises(TrainError, match=r'preset micro \(rays=False, fov=True\) do not fit'):
        train(tmp_path / 'other', other, ALONE, init=path)


@pytest.fixture(scope='module')
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return _exported(data, tmp_path_factory.mktemp('first'), 'fp32')


@pytest.mark.parametrize('kind', ['model', 'run', 'checkpoint'])
def test_the_origin_of_a_run_is_kept_and_on_its_card(
    data: Path, tmp_path: Path, first: tuple[Path, Path], kind: str
) -> None:
    run, model = first
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    source, name = {
        'model': (model, f'model.onnx (sha256 {digest})'),
        'run': (run, 'run at 64 samples'),
        'checkpoint': (next(checkpoint.folder(run).glob('*.pt')), 'run at 64 samples'),
    }[kind]
    train(tmp_path, fast_config(data, 'total_samples=4'), ALONE, init=source)
    train(tmp_path, fast_config(data, 'total_samples=8'), ALONE, resume=True)
    state = checkpoint.find(tmp_path)
    assert (state['clock'], state['origin']) == (8, name)
    assert (tmp_path / 'origin.txt').read_text() == f'{name}\n'
    export(tmp_path, tmp_path / 'm.onnx')
    card = (tmp_path / 'm.md').read_text()
    assert f'| 8 (2 steps of 4), starting from the weights of {name} |' in card
    assert str(source.parent) not in card


def test_a_checkpoint_without_an_origin_can_be_resumed(data: Path, tmp_path: Path) -> None:
    train(tmp_path, fast_config(data, 'total_samples=4'), ALONE)
    state = checkpoint.find(tmp_path)
    del state['origin']
    checkpoint.save(tmp_path, state, 1)
    train(tmp_path, fast_config(data, 'total_samples=8'), ALONE, resume=True)
    assert (checkpoint.find(tmp_path)['clock'], checkpoint.find(tmp_path)['origin']) == (8, '')
    assert not (tmp_path / 'origin.txt').exists()
    export(tmp_path, tmp_path / 'm.onnx')
    assert '| 8 (2 steps of 4) |' in (tmp_path / 'm.md').read_text()


def test_a_run_resumes_after_its_initial_weights_have_moved(
    data: Path, tmp_path: Path, first: tuple[Path, Path]
) -> None:
    """The same command with --resume, as in a script."""
    source = Path(shutil.copyfile(first[1], tmp_path / 'first.onnx'))
    run = tmp_path / 'run'
    train(run, fast_config(data, 'total_samples=4'), ALONE, init=source)
    origin = checkpoint.find(run)['origin']
    source.unlink()
    train(run, fast_config(data, 'total_samples=8'), ALONE, resume=True, init=source)
    state = checkpoint.find(run)
    assert (state['clock'], state['origin']) == (8, origin) and origin
    assert main(['--out', str(run), '--resume', '--init', str(source), '--dry-run']) == 0
    with pytest.raises(TrainError, match='does not exist'):  # no checkpoint to resume
        train(tmp_path / 'new', fast_config(data), ALONE, resume=True, init=source)


def test_bad_files_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match='does not exist'):
        load_model(tmp_path / 'none.onnx')
    (tmp_path / 'text.onnx').write_text('no model')
    with pytest.raises(TrainError, match='is in int8; start from the float model'):
        load_model(SHIPPED.with_name('dmd_worlds_int8.onnx'))
    with pytest.raises(TrainError, match='is not an ONNX file'):
        load_model(tmp_path / 'text.onnx')
    model = onnx.load(str(SHIPPED))
    kind = model.graph.initializer[0].data_type
    model.graph.initializer[0].data_type = 0  # undefined
    onnx.save(model, str(tmp_path / 'damaged.onnx'))
    with pytest.raises(TrainError, match='is not an ONNX file, or a damaged one'):
        load_model(tmp_path / 'damaged.onnx')
    model.graph.initializer[0].data_type = kind
    for tensor in model.graph.initializer:
        if tensor.name == 'head.weight_fp16':
            wrong = numpy_helper.to_array(tensor) * 2
            tensor.CopyFrom(numpy_helper.from_array(wrong, tensor.name))
    onnx.save(model, str(tmp_path / 'wrong.onnx'))
    with pytest.raises(TrainError, match=r'output on the golden input differs'):
        load_model(tmp_path / 'wrong.onnx')
    model.graph.initializer.pop(0)
    onnx.save(model, str(tmp_path / 'part.onnx'))
    with pytest.raises(TrainError, match=r'weights that fit none of the presets micro, nano'):
        load_model(tmp_path / 'part.onnx')
