# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_set import fast_config, plane_sample, write_set

from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime.backend import OUTPUT
from dmd_ros.runtime.model_file import GOLDEN_KEY, check_golden
from dmd_ros.runtime.ort_backend import OrtBackend
from train import int8_graph, quantize
from train.export import export, random_feeds
from train.loop import train
from train.processes import Processes
from train.quantize import main
from train.worlds import SCENE_STRIDE, WorldConfig, Worlds, held_out

FRAMES = 6
# A bound that some layers of the network below meet.
FEWER = 3e-4


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp('frames') / 'set', 2 * FRAMES)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory, frames: Path) -> Path:
    """Export a network after a little training, so that its layers have an effect."""
    folder = tmp_path_factory.mktemp('model')
    config = fast_config(frames, 'total_samples=400', 'rays=true', 'lr=0.005', 't1_fraction=1')
    train(folder / 'run', config, Processes(0, 1, torch.device('cpu')))
    export(folder / 'run', folder / 'model.onnx', name='mine')
    return folder / 'model.onnx'


def run(model: Path, out: Path, frames: Path, *more: str) -> int:
    source = ('--source', f'folder:{frames}', '--frames', str(FRAMES))
    return main([str(model), '--out', str(out), *source, *more])


def rounded_layers(path: Path) -> int:
    """Count convolutions whose weights are int8."""
    graph = onnx.load(path).graph
    eight = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.INT8}
    restored = {n.output[0] for n in graph.node if n.op_type == 'DequantizeLinear'
                and n.input[0] in eight}  # fmt: skip
    return sum(n.op_type == 'Conv' and n.input[1] in restored for n in graph.node)


@pytest.fixture(scope='module')
def int8(tmp_path_factory: pytest.TempPathFactory, model: Path, frames: Path) -> Path:
    out = tmp_path_factory.mktemp('out') / 'mine_int8.onnx'
    assert run(model, out, frames) == 0
    return out


def test_depth_hardly_changes(int8: Path, model: Path) -> None:
    before, after = OrtBackend(model), OrtBackend(int8)
    assert after.contract == dataclasses.replace(before.contract, name='mine_int8')
    assert check_golden(after.run, after.metadata, 'it') < 1e-3
    raw = plane_sample(77)
    depth = [DepthEstimator(b.contract, b)(raw.rgb, raw.camera).depth for b in (before, after)]
    moved = np.abs(np.log(depth[1] / depth[0])).mean()
    assert 0 < moved < quantize.MOST
    assert [(o.domain, o.version) for o in onnx.load(int8).opset_import] == [('', 17)]
    feeds = random_feeds(after.contract, 2, 5, 3, seed=1)
    assert after.run(feeds)[OUTPUT].shape == feeds['z'].shape


def test_weights_use_seven_bits(int8: Path) -> None:
    """So that two products fit the 16 bits of processors without VNNI."""
    eight = [
        onnx.numpy_helper.to_array(i)
        for i in onnx.load(int8).graph.initializer
        if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4
    ]
    assert eight
    assert max(int(np.abs(w).max()) for w in eight) in (63, 64)


def test_layers_sensitive_to_rounding_stay_float(
    int8: Path, model: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convolutions = sum(n.op_type == 'Conv' for n in onnx.load(model).graph.node)
    monkeypatch.setattr(int8_graph, 'LAYER_ERROR', FEWER)
    assert run(model, tmp_path / 'fewer.onnx', frames) == 0
    assert 0 < rounded_layers(tmp_path / 'fewer.onnx') < rounded_layers(int8) <= convolutions
    card = (tmp_path / 'fewer.md').read_text()
    few = rounded_layers(tmp_path / 'fewer.onnx')
    assert f'{few} of {convolutions} convolutions compute in int8' in card
    assert len(card.partition(f'{FEWER:g}: ')[2].split('\n')[0].split(', ')) == convolutions - few


def test_card(int8: Path) -> None:
    card = int8.with_suffix('.md').read_text()
    assert card.startswith('# mine_int8\n\nmodel (sha256 ')
    for steps in (1, 2, 4):
        rows = [line.split() for line in card.splitlines() if line.startswith(f'| {steps} ')]
        assert [row[3] for row in rows] == ['float32', 'int8']
        assert float(rows[1][-2].rstrip('%')) < 30
    assert 'Frames of folder set; the ranges were calibrated on as many others' in card
    assert str(int8.parent) not in card


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('LAYER_ERROR', 0.0, 'tolerates rounding; keep the float model'),
        ('MOST', 1e-6, 'allowed 0%; nothing was written. Calibrate on frames like those of'),
    ],
)
def test_a_model_that_changes_depth_too_much_is_not_written(
    model: Path,
    frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: float,
    reason: str,
) -> None:
    monkeypatch.setattr(int8_graph if name == 'LAYER_ERROR' else quantize, name, value)
    assert run(model, tmp_path / 'out' / 'x.onnx', frames) == 1
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.glob('out/*'))


def test_a_broken_frame_is_named_below_the_progress_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = write_set(tmp_path / 'set', 2 * FRAMES)
    (frames / '005_rgb.jpg').write_bytes(b'not a picture')
    assert run(Path('dmd_worlds'), tmp_path / 'x.onnx', frames) == 1
    bar, error = capsys.readouterr().err.splitlines()[-2:]
    assert 'frames:' in bar and error.startswith('error: ') and '005_rgb.jpg' in error


def test_worlds_are_of_a_held_out_seed(model: Path) -> None:
    contract = OrtBackend(model).contract
    seed, area = held_out(8), max(height * width for height, width in contract.train_sizes)
    worlds = Worlds(seed, WorldConfig(size=None, area=area))
    frames = quantize._frames('worlds', '', contract, 2)
    for number, frame in enumerate(frames):
        expected = worlds[number * SCENE_STRIDE]
        assert frame.camera == expected.camera
        assert np.array_equal(frame.depth, expected.depth)


def test_bad_input(
    int8: Path, model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plain = tmp_path / 'x.onnx', tmp_path / 'no_golden.onnx'
    stripped = onnx.load(model)
    kept = {p.key: p.value for p in stripped.metadata_props if p.key != GOLDEN_KEY}
    onnx.helper.set_model_props(stripped, kept)
    onnx.save(stripped, plain)
    link = tmp_path / 'link.onnx'
    link.symlink_to(model)
    for arguments, reason in (
        ((int8, out, Path('nowhere')), 'is in int8 already; specify the float model'),
        ((plain, out, Path('nowhere')), 'carries no golden input'),
        ((model, tmp_path / 'x.md', frames), 'use one that ends in .onnx'),
        ((model, out, frames, '--frames', '7'), 'has 12 frames, but 14 are needed'),
        ((tmp_path / 'none.onnx', out, frames), 'does not exist'),
        ((model, model, frames), 'the float model itself; choose another name, such as model_in'),
        ((link, model, frames), 'model.onnx is the float model itself'),
    ):
        assert run(*arguments) == 1
        assert reason in capsys.readouterr().err
        assert not out.exists()
