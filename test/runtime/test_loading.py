# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API of the README, and where models are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fake_tensorrt
import numpy as np
import pytest
from oracle_model import CONTRACT, grey_from_depth, write_oracle

import dmd_ros
from dmd_ros import Camera, DepthFrame, load_estimator
from dmd_ros.core.errors import CoreError
from dmd_ros.loading import build_engine, contract_of
from dmd_ros.runtime import engine_cache, engine_loading, select
from dmd_ros.runtime.engine_store import BuildRequest, Machine, spec_for
from dmd_ros.runtime.errors import BackendError, RefusedError
from dmd_ros.runtime.ort_backend import OrtBackend
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model, share_folders

ROOT = Path(__file__).resolve().parents[2]
WITH_TENSORRT = select.Facts('10.3.0', gpus=('GPU', 'GPU'), providers=('CPUExecutionProvider',))
CPU_ONLY = select.Facts(providers=('CPUExecutionProvider',))


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


def test_with_closes_the_estimator_and_its_errors_are_the_package_s(model: Path) -> None:
    picture, camera = np.zeros((96, 128, 3), np.uint8), Camera(100.0, 100.0, 63.5, 47.5, 128, 96)
    with pytest.raises(dmd_ros.CoreError, match='picture is 96x96, its camera 128x96'):
        with load_estimator(model, backend='onnxruntime') as estimator:
            estimator(picture, camera)
            estimator(picture[:, :96], camera)
    with pytest.raises(dmd_ros.BackendError, match='backend is closed; load the model again'):
        estimator(picture, camera)


@pytest.mark.parametrize('kind', [str, Path])
def test_paths_may_be_text_or_path(model: Path, kind: type) -> None:
    estimator = load_estimator(kind(model), backend='onnxruntime', device='cpu', threads=3)
    assert (estimator.backend.name, estimator.backend.device) == ('onnxruntime', 'cpu')
    assert estimator.backend._session.get_session_options().intra_op_num_threads == 3


def test_the_shipped_model_loads_with_no_arguments() -> None:
    path = find_model()
    assert path.name == f'{DEFAULT_MODEL}.onnx'
    estimator = load_estimator()
    assert estimator.contract.name
    camera = Camera(500, 500, 319.5, 239.5, 640, 480)
    frame = estimator(np.full((480, 640, 3), 90, np.uint8), camera)
    assert frame.depth.shape == (480, 640)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ('abilities', 'warns'),
    [
        ('flags\t\t: fpu avx2 avx512f', True),
        ('flags\t\t: fpu avx2 avx512_vnni', False),
        ('flags\t\t: fpu avx2 avx_vnni', False),
        ('Features\t: fp asimd crc32', True),
        ('Features\t: fp asimd asimddp', False),
        ('processor\t: 0', False),  # it may be anything
    ],
)
def test_int8_on_a_processor_that_is_slow_in_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    abilities: str,
    warns: bool,
) -> None:
    (tmp_path / 'cpuinfo').write_text(f'model name\t: X\n{abilities}\n\n')
    monkeypatch.setattr(select, '_CPUINFO', tmp_path / 'cpuinfo')
    for name, expected in (('dmd_worlds', 0), ('dmd_worlds_int8', int(warns))):
        caplog.clear()
        load_estimator(name, 'onnxruntime', 'cpu').close()
        assert len(caplog.messages) == expected
    assert not warns or 'neither VNNI nor dot-product' in caplog.messages[0]


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


@pytest.mark.parametrize('name', ['absent.onnx', 'folder/absent', '~nobody_at_all/absent.onnx'])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(BackendError, match=f'model file {name} does not exist'):
        load_estimator(name)


@pytest.mark.parametrize('name', ['x' * 300, f'{"x" * 300}.onnx'])
def test_an_impossible_file_name_is_reported_as_missing(name: str) -> None:
    with pytest.raises(BackendError, match=r'no shipped model|does not exist'):
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


@pytest.mark.parametrize('where', ['site.getuserbase', 'sysconfig.get_path', 'sys.prefix'])
def test_a_model_where_pip_puts_it_outside_an_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """With --user, and in Debian's /usr/local, share/ is not in sys.prefix."""
    folder = tmp_path / 'share' / 'dmd_ros' / 'models'
    folder.mkdir(parents=True)
    written = write_oracle(folder / 'mine.onnx')
    prefix = str(tmp_path)
    monkeypatch.setattr(where, prefix if where == 'sys.prefix' else lambda *_: prefix)
    assert find_model('mine') == written


def test_a_model_in_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    written = write_oracle(tmp_path / 'mine.onnx')
    assert find_model('~/mine.onnx') == written


def test_no_model_is_looked_for_in_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    assert all(folder.is_absolute() for folder in share_folders())


def test_auto_warns_when_it_falls_back_after_a_failed_engine(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(select, 'look_around', lambda *_: WITH_TENSORRT)

    def fail(*_: object) -> None:
        raise BackendError('the engine is of another GPU')

    monkeypatch.setattr('dmd_ros.runtime.engine_loading.load', fail)
    with caplog.at_level('WARNING', 'dmd_ros'):
        estimator = load_estimator(model)
    assert (estimator.backend.name, estimator.backend.device) == ('onnxruntime', 'cpu')
    (said,) = caplog.messages
    assert 'the engine is of another GPU' in said and 'ONNX Runtime' in said and 'the CPU' in said


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A GPU with engines, except for the precisions in this dict: precision -> refusal."""
    refused: dict[str, str] = {}

    def engine_for(request: BuildRequest, *_: object) -> SimpleNamespace:
        if request.precision in refused:
            raise RefusedError(refused[request.precision])
        text = f'proved in {request.precision}: largest error of depth random 0.001 %'
        return SimpleNamespace(path=Path(f'{request.precision}.engine'), proof={'text': text})

    def start(_: object, request: BuildRequest, *rest: object) -> OrtBackend:
        backend = OrtBackend(request.model, 'cpu', 1)
        backend.name, backend.precision = 'tensorrt', request.precision  # type: ignore[misc,attr-defined]
        return backend

    def look_around(backend: str, device: str) -> select.Facts:
        return CPU_ONLY if backend == 'onnxruntime' or device == 'cpu' else WITH_TENSORRT

    monkeypatch.setattr(select, 'look_around', look_around)
    monkeypatch.setattr(engine_cache, 'engine_for', engine_for)
    monkeypatch.setattr(engine_cache, 'start', start)
    return refused


def test_precision_auto_warns_and_uses_fp32_if_fp16_is_refused(
    model: Path, refusing: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    with caplog.at_level('WARNING', 'dmd_ros'):
        assert load_estimator(model, log=said.append).backend.precision == 'fp16'
        assert caplog.messages == [] and 'fp16, on GPU 0' in said[-1]
        refusing['fp16'] = 'depth is wrong by 1.05 %, allowed 1 %'
        for backend in ('auto', 'tensorrt'):
            assert load_estimator(model, backend, log=said.append).backend.precision == 'fp32'
            assert 'fp32, on GPU 0' in said[-1]
    for message in caplog.messages:
        assert 'wrong by 1.05 %' in message and 'random 0.001 %' in message
        assert 'fp32, which is slower' in message
    assert len(caplog.messages) == 2
    assert build_engine(model) == Path('fp32.engine')


LOADED = """
import sys
from dmd_ros import load_estimator
wish = {'size': (48, 64), 'engine_cache_dir': sys.argv[2], 'precision': sys.argv[3]}
estimator = load_estimator(sys.argv[1], 'tensorrt', log=print, **wish)
print('runs in', estimator.backend.precision)
"""


def test_precision_auto_warns_and_uses_fp32_if_fp16_cannot_be_built(
    model: Path, tmp_path: Path
) -> None:
    """As with a faulty kernel in TensorRT; a GPU in fp32 is faster than any CPU."""
    env = fake_tensorrt.everywhere(tmp_path, '8.6.1', "gpu.error['build half'] = True\n")

    def run(precision: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, '-c', LOADED, str(model), str(tmp_path / 'engines'), precision]
        return subprocess.run(words, env=env, capture_output=True, text=True)

    found = run('auto')
    assert found.stdout.splitlines()[-1] == 'runs in fp32', found.stderr
    (warning,) = found.stderr.splitlines()
    assert 'selected fp32' in warning and 'could not build' in warning and '48x64, fp16' in warning
    found = run('fp16')
    (error,) = found.stderr.splitlines()[-1:]
    assert found.returncode == 1 and 'could not build' in error and 'precision to fp32' in error


@pytest.mark.parametrize(('samples', 'expected'), [(None, 2), (3, 3)])
def test_all_settings_are_passed_to_the_engine_request(
    tmp_path: Path,
    refusing: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    samples: int | None,
    expected: int,
) -> None:
    asked, engine_for = [], engine_cache.engine_for

    def asking(request: BuildRequest, contract: object, log: object, cancelled: object) -> object:
        asked.append((request, cancelled))
        return engine_for(request)  # type: ignore[call-arg]

    monkeypatch.setattr(engine_cache, 'engine_for', asking)
    model = write_oracle(tmp_path / 'model.onnx', samples=2)
    wish = {'precision': 'fp32', 'size': (48, 64), 'samples': samples, 'force_rebuild': True}
    wish |= {'engine_cache_dir': str(tmp_path), 'cancelled': lambda: False}
    load_estimator(model, 'tensorrt', 'cuda:1', **wish)
    build_engine(model, 'cuda:1', **wish)
    request = BuildRequest(model, 'fp32', (48, 64), expected, 1, tmp_path, force=True)
    assert asked == [(request, wish['cancelled'])] * 2


def test_a_cancelled_build_does_not_fall_back(model: Path, refusing: dict[str, str]) -> None:
    """The node is shutting down: it must not wait for another backend."""
    refusing.update(fp16='cancelled', fp32='cancelled')
    with pytest.raises(BackendError, match='cancelled'):
        load_estimator(model, cancelled=lambda: True)


def test_requested_fp16_is_never_fp32(model: Path, refusing: dict[str, str]) -> None:
    refusing['fp16'] = 'depth is wrong by 1.05 %'
    for call in (load_estimator, build_engine):
        with pytest.raises(BackendError, match=r'wrong by 1\.05 %'):
            call(model, precision='fp16')


def test_both_precisions_refused(
    model: Path, refusing: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    refusing.update(fp16='depth is wrong by 1.05 %', fp32='depth is wrong by 0.02 %')
    with pytest.raises(BackendError, match=r'fp16: depth.*1\.05 %; fp32: depth.*0\.02 %'):
        load_estimator(model, backend='tensorrt')
    with caplog.at_level('WARNING', 'dmd_ros'):
        assert load_estimator(model).backend.name == 'onnxruntime'
    (said,) = caplog.messages
    assert '1.05 %' in said and '0.02 %' in said and 'ONNX Runtime' in said


@pytest.mark.parametrize(
    ('settings', 'error', 'message'),
    [
        ({'steps': 0}, CoreError, 'steps=0 must be a whole number >= 1'),
        ({'seed': None}, CoreError, 'seed=None must be a whole number >= 0'),
        ({'sampler': 'heun'}, CoreError, "sampler 'heun'; allowed: ddpm, ddim"),
        ({'image_rotation': 45}, CoreError, 'image_rotation 45; allowed'),
        ({'stepz': 2}, TypeError, r"load_estimator\(\) got an unexpected .* 'stepz'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_loaded(
    settings: dict, error: type[Exception], message: str
) -> None:
    """An engine takes minutes. The missing model is not reported yet."""
    with pytest.raises(error, match=message):
        load_estimator('/nowhere/model.onnx', **settings)


def test_numbers_may_be_from_numpy(model: Path) -> None:
    one, two = np.array([1, 2])
    settings = {
        'threads': one,
        'steps': two,
        'samples': two,
        'seed': one,
        'image_rotation': 0 * one,
    }
    estimator = load_estimator(model, 'onnxruntime', **settings)
    found = [getattr(estimator, name) for name in ('steps', 'samples', 'seed', 'image_rotation')]
    assert found == [2, 2, 1, 0] and {type(value) for value in found} == {int}


def test_those_of_an_engine_too(model: Path) -> None:
    contract, choice = contract_of(model), select.Choice('tensorrt', 0, 'fp16', '')
    rows, columns = contract.train_sizes[0]

    def key(size: tuple[int, int], samples: int) -> str:
        wanted = engine_loading.request(
            model, contract, choice, size=size, samples=samples, folder=None, force=False
        )
        return spec_for(wanted, contract, Machine('10.3.0', 'gpu', '9.0', '550')).key

    assert key(tuple(np.array([rows, columns])), np.int64(2)) == key((rows, columns), 2)


def test_settings_that_a_model_refuses_leave_no_engine_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(
        'dmd_ros.runtime.ort_backend.OrtBackend.close', lambda backend: closed.append(backend)
    )
    model = write_oracle(tmp_path / 'one-step.onnx', noise='zeros')
    with pytest.raises(CoreError, match='deterministic one-step model'):
        load_estimator(model, backend='onnxruntime', steps=2)
    assert len(closed) == 1


def test_the_robot_needs_no_torch_and_no_engine_to_import_the_package() -> None:
    """In a fresh interpreter: the modules loaded by `import dmd_ros`."""
    code = (
        'import sys, dmd_ros; '
        'print(sys.modules.keys() & {"torch", "onnx", "onnxruntime", "tensorrt", "pycuda", '
        '"rclpy", "train"})'
    )
    out = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.strip() == 'set()'
