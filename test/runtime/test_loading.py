# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API of the README, and where models are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracle_model import CONTRACT, grey_from_depth, write_oracle

from dmd_ros import Camera, DepthFrame, load_estimator
from dmd_ros.core.errors import CoreError
from dmd_ros.loading import DEFAULT_MODEL, find_model
from dmd_ros.runtime import select
from dmd_ros.runtime.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_oracle(tmp_path_factory.mktemp('model') / 'model.onnx')


def test_the_readme_s_snippet(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    fx, fy, cx, cy, width, height = 100.0, 100.0, 63.5, 47.5, 128, 96
    rgb = grey_from_depth(np.full((height, width), 4.0, np.float32))
    estimator = load_estimator('model.onnx', backend='onnxruntime', steps=1, samples=1, seed=0)
    frame = estimator(rgb, Camera(fx, fy, cx, cy, width, height))
    assert isinstance(frame, DepthFrame)
    assert frame.depth.shape == (height, width)
    assert frame.depth.dtype == np.float32
    np.testing.assert_allclose(frame.depth, 4.0, rtol=0.014)
    assert estimator.contract == CONTRACT
    estimator.close()


@pytest.mark.parametrize('kind', [str, Path])
def test_paths_may_be_text_or_path(model: Path, kind: type) -> None:
    estimator = load_estimator(kind(model), backend='onnxruntime', device='cpu', threads=1)
    assert (estimator.backend.name, estimator.backend.device) == ('onnxruntime', 'cpu')


def test_the_shipped_model_loads_with_no_arguments() -> None:
    path = find_model()
    assert path.name == f'{DEFAULT_MODEL}.onnx'
    estimator = load_estimator()
    assert estimator.contract.name
    camera = Camera(500, 500, 319.5, 239.5, 640, 480)
    frame = estimator(np.full((480, 640, 3), 90, np.uint8), camera)
    assert frame.depth.shape == (480, 640)
    assert path.stat().st_size > 1000


def test_an_unknown_backend_is_refused(model: Path) -> None:
    with pytest.raises(BackendError, match="backend 'openvino'; allowed: auto, tensorrt, onnx"):
        load_estimator(model, backend='openvino')


def test_asking_for_tensorrt_never_gives_another_backend(model: Path) -> None:
    try:
        estimator = load_estimator(model, backend='tensorrt')
    except BackendError as error:
        assert 'tensorrt' in str(error).lower()
    else:
        assert estimator.backend.name == 'tensorrt'


def test_asking_for_cuda_never_gives_the_cpu(model: Path) -> None:
    try:
        estimator = load_estimator(model, backend='onnxruntime', device='cuda')
    except BackendError as error:
        assert 'CUDA' in str(error)
    else:
        assert estimator.backend.device == 'cuda'


@pytest.mark.parametrize('name', ['absent.onnx', 'folder/absent.onnx', 'folder/absent'])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(BackendError, match=f'model file {name} does not exist'):
        load_estimator(name)


def test_an_unknown_shipped_model_lists_where_it_was_looked_for() -> None:
    with pytest.raises(BackendError, match=r"no shipped model 'nothing'; looked for .*/nothing"):
        find_model('nothing')


def test_a_model_in_an_ament_workspace_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / 'share' / 'dmd_ros' / 'models'
    folder.mkdir(parents=True)
    written = write_oracle(folder / 'mine.onnx')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    assert find_model('mine') == written


@pytest.mark.parametrize('where', ['site.getuserbase', 'sysconfig.get_path'])
def test_a_model_where_pip_puts_it_outside_an_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """With --user, and on Debian into /usr/local, share/ does not lie in sys.prefix."""
    folder = tmp_path / 'share' / 'dmd_ros' / 'models'
    folder.mkdir(parents=True)
    written = write_oracle(folder / 'mine.onnx')
    monkeypatch.setattr(where, lambda *_: str(tmp_path))
    assert find_model('mine') == written


def test_auto_that_falls_back_after_a_failed_engine_says_so_aloud(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    facts = select.Facts('10.3.0', gpus=('GPU',), providers=('CPUExecutionProvider',))
    monkeypatch.setattr(select, 'look_around', lambda *_: facts)

    def fail(*_: object) -> None:
        raise BackendError('the engine is of another GPU')

    monkeypatch.setattr('dmd_ros.loading._load_tensorrt', fail)
    with caplog.at_level('WARNING', 'dmd_ros'):
        estimator = load_estimator(model)
    assert (estimator.backend.name, estimator.backend.device) == ('onnxruntime', 'cpu')
    (said,) = caplog.messages
    assert 'the engine is of another GPU' in said and 'ONNX Runtime' in said and 'the CPU' in said


def test_bad_settings_are_refused(model: Path) -> None:
    with pytest.raises(CoreError, match='steps=0'):
        load_estimator(model, backend='onnxruntime', steps=0)


def test_settings_that_are_refused_leave_no_engine_open(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(
        'dmd_ros.runtime.ort_backend.OrtBackend.close', lambda backend: closed.append(backend)
    )
    with pytest.raises(CoreError, match='steps=0'):
        load_estimator(model, backend='onnxruntime', steps=0)
    assert len(closed) == 1


def test_the_robot_needs_no_torch_and_no_engine_to_import_the_package() -> None:
    """A fresh interpreter: what `import dmd_ros` brings in."""
    code = (
        'import sys, dmd_ros; '
        'print([m for m in ("torch", "onnxruntime", "tensorrt", "rclpy", "train") '
        'if m in sys.modules])'
    )
    out = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.strip() == '[]'
