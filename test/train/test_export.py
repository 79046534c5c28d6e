# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_set import camera, fast_config, plane_sample, write_set

from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime.backend import INPUTS, OUTPUT
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import GOLDEN_KEY, check_golden, contract_from_metadata
from dmd_ros.runtime.ort_backend import OrtBackend
from train import checkpoint, onnx_file, quantize
from train import export as export_module
from train.config import make_config
from train.errors import TrainError
from train.export import export, main, random_feeds, trace
from train.fov import export as fov_export
from train.loop import train
from train.onnx_weights import load_model
from train.presets import PRESETS
from train.processes import Processes
from train.torch_backend import TorchBackend
from train.unet import UNet

# Operators known to work with TensorRT 8.6's parser; check any other before adding it.
PLAIN_OPERATORS = {
    'Add', 'Cast', 'Concat', 'Constant', 'ConstantOfShape', 'Conv', 'Cos', 'DepthToSpace', 'Div',
    'Gather', 'Gemm', 'Identity', 'InstanceNormalization', 'MatMul', 'Mul', 'Pow', 'Range',
    'Reciprocal', 'Reshape', 'Resize', 'Shape', 'Sigmoid', 'Sin', 'Slice', 'Softmax', 'Split',
    'Sqrt', 'Sub', 'Transpose', 'Unsqueeze',
}  # fmt: skip


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a few steps, so that no weights are zero and every part of the graph has an effect."""
    folder = tmp_path_factory.mktemp('export')
    config = fast_config(
        write_set(folder / 'set'), 'total_samples=64', 'rays=true', 'lr=0.01', 't1_fraction=1'
    )
    train(folder / 'run', config, Processes(0, 1, torch.device('cpu')))
    return folder / 'run'


@pytest.mark.parametrize('weights', ['fp16', 'fp32'])
def test_round_trip(run: Path, tmp_path: Path, weights: str) -> None:
    out = tmp_path / 'model.onnx'
    contract = export(run, out, weights, '## Limits\nGlass.', steps=2, name='mine')
    backend = OrtBackend(out)
    assert backend.contract == contract == contract_from_metadata(backend.metadata, 'model')
    assert (contract.steps, contract.name) == (2, 'mine')
    assert check_golden(backend.run, backend.metadata, 'model') < 1e-4
    for batch, rows, columns in ((1, 3, 7), (3, 8, 4)):
        feeds = random_feeds(contract, batch, rows, columns, seed=9)
        assert backend.run(feeds)[OUTPUT].shape == (batch, 1, rows * 4, columns * 4)
    frame = DepthEstimator(contract, backend)(plane_sample(0).rgb, camera())
    assert frame.depth.shape == (40, 48)
    kinds = {i.data_type for i in onnx.load(out).graph.initializer if np.prod(i.dims) >= 256}
    assert kinds == {onnx.TensorProto.FLOAT16 if weights == 'fp16' else onnx.TensorProto.FLOAT}
    card = out.with_suffix('.md').read_text()
    assert '64 (16 steps of 4)' in card
    assert card.endswith('## Limits\nGlass.\n')
    assert str(run) not in card


def test_a_full_disk_is_reported_with_the_file_and_leaves_none(tmp_path: Path) -> None:
    model = trace(UNet(PRESETS['micro'].net), make_config('micro', []).contract())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(TrainError, match=r'cannot write .*model\.onnx .*free some space'):
            onnx_file.write(tmp_path / 'model.onnx', model, {}, 'fp16', lambda _: 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_weights_are_averaged_with_those_of_a_model(run: Path, tmp_path: Path) -> None:
    state = checkpoint.find(run)
    state['ema'] = {name: 3.0 * w for name, w in state['ema'].items()}
    checkpoint.save(tmp_path / 'other', state, 1)
    export(tmp_path / 'other', tmp_path / 'three.onnx', 'fp32')
    export(run, tmp_path / 'two.onnx', 'fp32', average=tmp_path / 'three.onnx')
    one, two = checkpoint.find(run)['ema'], load_model(tmp_path / 'two.onnx').net.state_dict()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], 2.0 * weight)
    assert 'averaged with three.onnx' in (tmp_path / 'two.md').read_text()


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        (['rays=false'], 'is a different network from that of the run'),
        (['rays=true', 'depth_max_m=10'], 'a different meaning from the run: depth_max_m 10'),
    ],
)
def test_weights_of_incompatible_models_are_not_averaged(
    run: Path, tmp_path: Path, settings: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = ('total_samples=64', 'lr=0.01', 't1_fraction=1', *settings)
    config = fast_config(write_set(tmp_path / 'set'), *trained)
    train(tmp_path / 'run', config, Processes(0, 1, torch.device('cpu')))
    other = tmp_path / 'other.onnx'
    export(tmp_path / 'run', other)
    out = tmp_path / 'mean.onnx'
    assert main([str(run), '--out', str(out), '--average', str(other)]) == 1
    assert reason in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ('model', 'reason'),
    [
        ('dmd_worlds', 'dmd_worlds.onnx: preset tiny (rays=True, fov=True) is a different'),
        ('dmd_wolrds', "no shipped model 'dmd_wolrds'"),
    ],
)
def test_a_shipped_model_to_average_with_is_found_by_name(
    run: Path, tmp_path: Path, model: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), '--out', str(tmp_path / 'mean.onnx'), '--average', model]) == 1
    assert reason in capsys.readouterr().err


def test_export_fails_if_onnxruntime_disagrees(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TorchBackend.run

    def off(self, feeds):
        return {OUTPUT: real(self, feeds)[OUTPUT] * np.float32(1.01)}

    monkeypatch.setattr(export_module.TorchBackend, 'run', off)
    with pytest.raises(TrainError, match=r'torch differ by .* nothing was written'):
        export(run, tmp_path / 'model.onnx')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('name', 'rays'), [('nano', True), ('micro', False)])
def test_graph_has_plain_operators_only(name: str, rays: bool) -> None:
    net = UNet(PRESETS[name].net, rays=rays)
    contract = make_config(name, ['sizes=32x32']).contract()
    model = trace(net.eval(), contract)
    assert {node.op_type for node in model.graph.node} <= PLAIN_OPERATORS
    assert [i.name for i in model.graph.input] == list(INPUTS)
    assert model.opset_import[0].version == 17


def test_without_field_of_view_the_inputs_stay_the_same(tmp_path: Path) -> None:
    config = fast_config(write_set(tmp_path / 'set'), 'total_samples=8', 'fov=false')
    train(tmp_path / 'run', config, Processes(0, 1, torch.device('cpu')))
    contract = export(tmp_path / 'run', tmp_path / 'm.onnx')
    assert contract.fov_encoding == 'none'
    OrtBackend(tmp_path / 'm.onnx').run(random_feeds(contract, 1, 4, 4, 0))


def test_a_wrong_golden_output_is_refused(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / 'm.onnx')
    backend = OrtBackend(tmp_path / 'm.onnx')
    golden = json.loads(backend.metadata[GOLDEN_KEY])
    with pytest.raises(BackendError, match=r'differs by .* copy or export the model again'):
        check_golden(
            lambda feeds: {OUTPUT: backend.run(feeds)[OUTPUT] + 1}, backend.metadata, 'm.onnx'
        )
    del golden[OUTPUT]
    with pytest.raises(BackendError, match='malformed'):
        check_golden(backend.run, {GOLDEN_KEY: json.dumps(golden)}, 'm.onnx')
    with pytest.raises(BackendError, match='carries no golden input'):
        check_golden(backend.run, {}, 'm.onnx')
    with pytest.raises(BackendError, match='carries no contract'):
        contract_from_metadata({}, 'm.onnx')


def test_command_line_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), '--out', str(tmp_path / 'm.onnx')]) == 1
    assert 'contains no checkpoint' in capsys.readouterr().err


def test_a_model_without_a_name_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), '--out', str(tmp_path / 'm.onnx'), '--name', '']) == 1
    assert "name='' must be one non-empty line of text" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_card_never_overwrites_the_model(run: Path, tmp_path: Path) -> None:
    for name in ('model.md', 'model'):
        with pytest.raises(TrainError, match='use one that ends in'):
            export(run, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').touch()
    out = tmp_path / 'file' / 'new' / 'm.onnx'
    # The run or model is missing, too.
    for command in (export_module, fov_export, quantize):
        assert command.main(['nothing', '--out', str(out)]) == 1
        assert f'cannot write {out}' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['m.onnx', 'm.md'])
def test_a_folder_with_the_name_of_the_model_or_card_is_refused_before_the_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    for command in (export_module, fov_export, quantize):
        assert command.main(['nothing', '--out', str(tmp_path / 'm.onnx')]) == 1
        assert f'{tmp_path / name} is a folder; specify a file' in capsys.readouterr().err


def test_notes_that_are_not_text_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / 'notes'
    notes.write_bytes(b'\xff')
    assert main([str(run), '--out', str(tmp_path / 'm.onnx'), '--notes', str(notes)]) == 1
    assert f'--notes {notes} cannot be read as text' in capsys.readouterr().err


def test_the_card_reports_a_validation_despite_a_truncated_line(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / 'run'
    shutil.copytree(run, copy)
    scores = {f'validation/{key}': 0.25 for key in ('abs_rel', 'delta1', 'rmse', 'coverage')}
    line = json.dumps({'clock': 32, **scores})
    (copy / 'losses.jsonl').write_text(f'{line}\n{{"clock": 36, "lo{line}\n')
    export(copy, tmp_path / 'm.onnx')
    assert 'Held-out frames at 32 samples' in (tmp_path / 'm.md').read_text()
    # The validation was of another model, and the card says so.
    export(copy, tmp_path / 'mean.onnx', average=tmp_path / 'm.onnx', steps=2, samples=3)
    card = (tmp_path / 'mean.md').read_text()
    assert 'before averaging with m.onnx' in card
    assert 'shipped estimator (1 step(s), 1 sample(s))' in card
    assert 'averaged with m.onnx' in card


def test_weights_beyond_2_gib_are_traced_and_refused_if_they_do_not_fit(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with preset paper: torch traces them only into a file given by name, and fp16 fits."""
    real, traced_to = torch.onnx.export, []

    def exporting(net, inputs, file, **options):
        traced_to.append(file)
        return real(net, inputs, file, **options)

    monkeypatch.setattr(torch.onnx, 'export', exporting)
    monkeypatch.setattr(onnx_file, '_MOST_BYTES', 300_000)
    with pytest.raises(TrainError, match=r'in fp32 take more than the 2 GiB .* --weights fp16'):
        export(run, tmp_path / 'model.onnx', 'fp32')
    assert list(tmp_path.iterdir()) == []
    export(run, tmp_path / 'model.onnx', 'fp16')
    assert [type(file) for file in traced_to] == [str, str]
