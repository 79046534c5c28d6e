# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of the backend, its explanation, and errors for missing libraries."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_gpu import Gpu, Library
from oracle_model import write_oracle

from dmd_ros import loading
from dmd_ros.runtime import cuda_driver, select
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.select import Facts, decide, explain_import, parse_device

ROOT = Path(__file__).resolve().parents[2]
CPU_ONLY = Facts(providers=('CPUExecutionProvider',))
FULL = Facts(
    tensorrt='10.16.0',
    gpus=('H200', 'L4'),
    providers=(select.CUDA_PROVIDER, 'CPUExecutionProvider'),
)
NO_TENSORRT = Facts(tensorrt_problem='TensorRT cannot be imported', gpus=('H200',))
CUDA_WITHOUT_GPU = Facts(providers=(select.CUDA_PROVIDER, 'CPUExecutionProvider'))
OLD = Facts(tensorrt='8.6.1', gpus=('Orin',), providers=('CPUExecutionProvider',))


@pytest.mark.parametrize(
    ('backend', 'device', 'precision', 'facts', 'expected'),
    [
        ('auto', 'auto', 'auto', FULL, ('tensorrt', 0, 'fp16')),
        ('auto', 'cuda:1', 'fp32', FULL, ('tensorrt', 1, 'fp32')),
        ('tensorrt', 'cuda', 'bf16', FULL, ('tensorrt', 0, 'bf16')),
        ('auto', 'cpu', 'auto', FULL, ('onnxruntime', None, 'fp32')),
        ('onnxruntime', 'auto', 'auto', FULL, ('onnxruntime', 0, 'fp32')),
        ('auto', 'auto', 'auto', CPU_ONLY, ('onnxruntime', None, 'fp32')),
        ('auto', 'auto', 'fp32', NO_TENSORRT, ('onnxruntime', None, 'fp32')),
        ('onnxruntime', 'cuda', 'auto', CPU_ONLY, ('onnxruntime', 0, 'fp32')),
        ('auto', 'auto', 'auto', CUDA_WITHOUT_GPU, ('onnxruntime', None, 'fp32')),
    ],
)
def test_the_requested_backend_is_used_and_auto_selects_the_best(
    backend: str, device: str, precision: str, facts: Facts, expected: tuple[object, ...]
) -> None:
    choice = decide(backend, device, precision, facts)
    assert (choice.backend, choice.gpu, choice.precision) == expected


@pytest.mark.parametrize(
    ('device', 'facts', 'words'),
    [
        ('auto', FULL, ['TensorRT 10.16.0, fp16, on GPU 0 (H200)']),
        ('cuda:1', FULL, ['on GPU 1 (L4)']),
        ('cpu', FULL, ['ONNX Runtime, fp32, on the CPU', 'it needs a GPU, but device is cpu']),
        ('auto', CPU_ONLY, ['on the CPU', 'no NVIDIA GPU or driver', 'no CUDAExecutionProvider']),
        ('auto', CUDA_WITHOUT_GPU, ['on the CPU', 'CUDA not used: no NVIDIA GPU was found']),
        ('auto', NO_TENSORRT, ['TensorRT not used: TensorRT cannot be imported']),
        (
            'auto',
            Facts(gpu_problem='cuInit failed', providers=('CPUExecutionProvider',)),
            ['no NVIDIA GPU or driver was found (cuInit failed; check nvidia-smi'],
        ),
        (
            'auto',
            Facts(tensorrt='8.5.2', gpus=('Orin',), providers=(select.CUDA_PROVIDER,)),
            ['ONNX Runtime, fp32, on GPU 0', '8.5.2 is older than 8.6'],
        ),
    ],
)
def test_auto_explains_its_choice(device: str, facts: Facts, words: list[str]) -> None:
    why = decide('auto', device, 'auto', facts).why
    for word in words:
        assert word in why
    assert '\n' not in why


@pytest.mark.parametrize(
    ('backend', 'device', 'precision', 'facts', 'message'),
    [
        ('onnx', 'auto', 'auto', FULL, 'allowed: auto, tensorrt, onnxruntime'),
        ('auto', 'gpu', 'auto', FULL, 'allowed: auto, cpu, cuda, cuda:0'),
        ('tensorrt', 'gpu', 'auto', CPU_ONLY, 'allowed: auto, cpu, cuda, cuda:0'),
        ('auto', 'cuda:0,1', 'auto', FULL, 'allowed: auto, cpu, cuda, cuda:0'),
        ('auto', 'auto', 'int8', FULL, 'allowed: auto, fp32, fp16, bf16'),
        ('tensorrt', 'cpu', 'auto', FULL, 'cannot be used: it needs a GPU'),
        ('tensorrt', 'auto', 'auto', CPU_ONLY, 'cannot be used: no NVIDIA GPU or driver'),
        ('tensorrt', 'cuda:2', 'auto', FULL, r'no GPU 2, only 2 \(H200, L4\)'),
        ('tensorrt', 'auto', 'auto', NO_TENSORRT, 'cannot be imported'),
        ('auto', 'auto', 'fp16', CPU_ONLY, 'computes in fp32, but precision is fp16.*not used'),
        ('onnxruntime', 'cuda:1', 'auto', FULL, 'CUDA_VISIBLE_DEVICES=1'),
        ('tensorrt', 'auto', 'bf16', OLD, 'bf16 needs TensorRT 10 or newer, this is 8.6.1'),
        ('auto', 'cpu', 'auto', Facts(onnxruntime_problem='no ORT'), 'no ORT; TensorRT not used'),
    ],
)
def test_unavailable_choices_are_refused(
    backend: str, device: str, precision: str, facts: Facts, message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        decide(backend, device, precision, facts)


def test_requested_onnx_runtime_does_not_mention_tensorrt() -> None:
    assert decide('onnxruntime', 'cpu', 'auto', FULL).why == 'ONNX Runtime, fp32, on the CPU'


def test_after_a_failed_engine_onnx_runtime_is_used_and_the_reason_given() -> None:
    choice = select.without_tensorrt('auto', 'auto', FULL, 'the new engine is refused: 3 %')
    assert choice.backend == 'onnxruntime' and choice.gpu == 0
    assert 'TensorRT not used: the new engine is refused' in choice.why


@pytest.mark.parametrize(
    ('device', 'gpu'), [('cpu', None), ('cuda', 0), ('cuda:0', 0), ('cuda:12', 12)]
)
def test_a_device_is_parsed_as_the_number_of_a_gpu(device: str, gpu: int | None) -> None:
    assert parse_device(device) == gpu


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (ModuleNotFoundError("No module named 'tensorrt'", name='tensorrt'), ['--system-site']),
        (ModuleNotFoundError("No module named 'pycuda'", name='pycuda'), ['pycuda', 'nvcc']),
        (ImportError('libcuda.so.1: cannot open shared object file'), ['driver', '--gpus all']),
        (ImportError('libnvonnxparser.so.11: cannot open'), ['without the libraries', 'same']),
        (ImportError('libcudnn.so.8: cannot open shared object'), ['without the libraries']),
        (ImportError('libcublas.so.12: cannot open'), ['without the libraries']),
        (ImportError('libnvdla_compiler.so: cannot open'), ['without the libraries']),
        (FileNotFoundError('libnvinfer.so.10 was not found'), ['without the libraries']),
        (
            ImportError('libcudart.so.13: cannot open', name='tensorrt_bindings.tensorrt'),
            ['TensorRT is installed without the libraries', 'libcudart.so.13'],
        ),
        (ModuleNotFoundError("No module named 'onnx'", name='onnx'), ['onnx', 'pip']),
        (ModuleNotFoundError('No module', name='onnxruntime'), [': pip install onnxruntime']),
        (ImportError('onnxruntime/x.so: failed to map segment'), ['not load', 'memory short']),
        (
            ImportError('\nIMPORTANT:\n\nNumPy', name='pycuda._driver'),
            ['(IMPORTANT: NumPy)', 'nvcc'],
        ),
    ],
)
def test_import_errors_name_the_fix(error: Exception, words: list[str]) -> None:
    text = explain_import(error)
    assert all(word in text for word in words), text
    assert '\n' not in text


def test_ctrl_c_during_an_import_is_not_a_missing_module():
    """A C module that is interrupted during its import reports nothing else."""
    error = ImportError('initialization failed')
    error.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        explain_import(error)


def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(Gpu())
    monkeypatch.setattr(cuda_driver, '_library', lambda: library)
    assert cuda_driver.look() == (('Fake',), '')
    library._gpu.error['cuInit'] = 100  # what an empty CUDA_VISIBLE_DEVICES gives
    with pytest.raises(BackendError, match=r'error 100 \(text of 100\).*CUDA_VISIBLE_DEVICES'):
        decide('tensorrt', 'auto', 'auto', select.look_around('tensorrt'))


@pytest.mark.parametrize(
    ('backend', 'device', 'gpus', 'wanted'),
    [
        ('auto', 'auto', ('H200',), True),
        ('onnxruntime', 'auto', ('H200',), False),
        ('auto', 'cpu', ('H200',), False),
        ('tensorrt', 'auto', (), False),
    ],
)
def test_tensorrt_is_imported_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, backend: str, device: str, gpus: tuple[str, ...], wanted: bool
) -> None:
    imported: list[bool] = []

    def missing() -> None:
        imported.append(True)
        raise BackendError('TensorRT cannot be imported')

    monkeypatch.setattr(cuda_driver, 'look', lambda: (gpus, ''))
    monkeypatch.setattr(select, 'tensorrt_module', missing)
    facts = select.look_around(backend, device)
    assert imported == [True] * wanted
    assert facts.tensorrt_problem == ('TensorRT cannot be imported' if wanted else '')


@pytest.mark.parametrize('error', ['ImportError', 'FileNotFoundError'])
def test_a_tensorrt_that_lacks_its_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    for name in ('tensorrt', 'pycuda', 'dmd_ros.runtime.trt_backend'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ('tensorrt', 'pycuda'):
        (tmp_path / f'{name}.py').write_text(f'raise {error}("libnvinfer.so.10 was not found")')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=r'without the libraries it needs \(libnvinfer\.so\.10'):
        select.tensorrt_module()


def test_a_missing_onnx_runtime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = write_oracle(tmp_path / 'oracle.onnx')
    monkeypatch.delitem(sys.modules, 'dmd_ros.runtime.ort_backend', raising=False)
    monkeypatch.delattr('dmd_ros.runtime.ort_backend', raising=False)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)  # as if it were not installed
    assert 'pip install onnxruntime' in select.look_around().onnxruntime_problem
    with pytest.raises(BackendError, match=r'ONNX Runtime cannot be imported.*pip install onnx'):
        loading.contract_of(model)


def test_a_driver_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cuda_driver, 'LIBRARY', 'libcuda_of_nobody.so.1')
    assert cuda_driver.look() == ((), 'there is no libcuda_of_nobody.so.1')
    broken = tmp_path / 'libcuda.so.1'
    broken.write_text('cut short')
    monkeypatch.setattr(cuda_driver, 'LIBRARY', str(broken))
    names, why = cuda_driver.look()
    assert names == () and 'cannot be used' in why and 'file too short' in why


@pytest.mark.skipif(find_spec('tensorrt') is not None, reason='TensorRT is installed')
def test_the_command_reports_missing_tensorrt_in_one_line(tmp_path: Path) -> None:
    model = write_oracle(tmp_path / 'oracle.onnx')
    command = [sys.executable, '-m', 'dmd_ros.runtime.engine_cache', 'build', '--model', model]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and result.stderr == ''
    assert result.stdout.startswith('error: ') and result.stdout.count('\n') == 1
    assert 'dmd_ros[cpu,gpu]' in result.stdout


@pytest.mark.skipif(bool(cuda_driver.gpus()), reason='this machine has a GPU')
def test_without_a_gpu_auto_takes_the_cpu_and_tensorrt_is_refused(tmp_path: Path) -> None:
    model = write_oracle(tmp_path / 'oracle.onnx')
    said: list[str] = []
    estimator = loading.load_estimator(model, log=said.append)
    assert estimator.backend.name == 'onnxruntime'
    assert len(said) == 1 and said[0].startswith('backend: ONNX Runtime, fp32, on the CPU')
    with pytest.raises(BackendError, match='no NVIDIA GPU or driver'):
        loading.load_estimator(model, backend='tensorrt')
    with pytest.raises(BackendError, match='no NVIDIA GPU or driver'):
        loading.build_engine(model)
    with pytest.raises(BackendError, match='precision is fp16'):
        loading.load_estimator(model, precision='fp16')
