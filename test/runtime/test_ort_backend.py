# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: loading, devices, and error messages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from oracle_model import CONTRACT, write_oracle

from dmd_ros.core.contract import METADATA_KEY
from dmd_ros.runtime import ort_backend
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.ort_backend import OrtBackend, OrtConditions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_oracle(tmp_path_factory.mktemp('model') / 'oracle.onnx')


def feeds(batch: int = 1, t: float = 1.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        'rgb': random.uniform(-1, 1, (batch, 3, 16, 32)).astype(np.float32),
        'z': random.standard_normal((batch, 1, 16, 32), np.float32),
        't': np.full(batch, t, np.float32),
        'tan_half_vfov': np.full(batch, 0.5, np.float32),
    }


def test_the_provider_is_the_one_that_onnx_runtime_granted(model: Path) -> None:
    backend = OrtBackend(model)
    assert (backend.name, backend.device) == ('onnxruntime', 'cpu')
    assert backend.contract == CONTRACT


def test_the_prediction_equals_the_oracle_s(model: Path) -> None:
    inputs = feeds(batch=3, t=0.4)
    prediction = OrtBackend(model, threads=1).run(inputs)['prediction']
    alpha, sigma = np.cos(0.2 * np.pi), np.sin(0.2 * np.pi)
    code = inputs['rgb'].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(prediction, (alpha * inputs['z'] - code) / sigma, atol=1e-4)


@pytest.mark.parametrize('threads', [0, 1, 2])
def test_threads_change_nothing_but_speed(model: Path, threads: int) -> None:
    expected = OrtBackend(model, threads=1).run(feeds())['prediction']
    backend = OrtBackend(model, threads=threads)
    np.testing.assert_array_equal(backend.run(feeds())['prediction'], expected)
    options = backend._session.get_session_options()
    assert options.intra_op_num_threads == (threads or ort_backend.usable_cores())
    # Spinning threads would take the cores from the robot's other nodes.
    assert options.get_session_config_entry('session.intra_op.allow_spinning') == '0'


ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[2])})
from dmd_ros.runtime.ort_backend import OrtBackend
backend = OrtBackend(sys.argv[1])
threads = [int(name) for name in os.listdir('/proc/self/task')]
used = set().union(*map(os.sched_getaffinity, threads))
print(backend._session.get_session_options().intra_op_num_threads, *used)
"""


@pytest.mark.parametrize('core', sorted(os.sched_getaffinity(0))[:2])
def test_all_cores_means_those_that_the_process_may_use(model: Path, core: int) -> None:
    """As under taskset, or in a container with some of the machine's cores."""
    words = [sys.executable, '-c', ON_ONE_CORE, str(model), str(core)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.split() == ['1', str(core)]


def test_hyper_threads_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 4, 5, 6})
    for processor, siblings in ((0, '0,4'), (1, '1,5'), (4, '0,4'), (5, '1,5')):
        (tmp_path / str(processor)).write_text(f'{siblings}\n')
    monkeypatch.setattr(ort_backend, '_SIBLINGS', str(tmp_path / '{}'))
    assert ort_backend.usable_cores() == 3  # nothing is said of 6


WITH_LITTLE_MEMORY = """
import resource
from pathlib import Path
from dmd_ros.runtime.ort_backend import OrtBackend
from dmd_ros.runtime.shared_files import find_model
(size,) = (line for line in open('/proc/self/status') if line.startswith('VmSize'))
limit = (int(size.split()[1]) << 10) + (8 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
OrtBackend(find_model(), threads=1)
"""


def test_lack_of_memory_is_not_reported_as_a_truncated_file() -> None:
    words = [sys.executable, '-c', WITH_LITTLE_MEMORY]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stderr
    assert 'BackendError: there is not enough memory to load ' in said
    assert 'truncated' not in said


WITH_FEW_THREADS = """
import resource, sys, threading
from dmd_ros.runtime.ort_backend import OrtBackend
(size,) = (line for line in open('/proc/self/status') if line.startswith('VmSize'))
limit = (int(size.split()[1]) << 10) + (128 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
OrtBackend(sys.argv[1], threads=2)
print(threading.active_count())
OrtBackend(sys.argv[1], threads=256)
"""


def test_threads_that_cannot_start_are_reported_at_once(model: Path) -> None:
    words = [sys.executable, '-c', WITH_FEW_THREADS, str(model)]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.stdout == '1\n'
    error = found.stderr.splitlines()[-1]
    assert re.search(r'BackendError: the system starts only \d+ threads .*, but 256 are', error)


@pytest.mark.parametrize('threads', [-1, 1.5, '2', True, 257])
def test_impossible_thread_counts_are_refused(model: Path, threads: object) -> None:
    with pytest.raises(BackendError, match=r'a whole number from 0 .all cores. to 256'):
        OrtBackend(model, threads=threads)  # type: ignore[arg-type]


def test_an_unknown_device_is_refused(model: Path) -> None:
    with pytest.raises(BackendError, match=r"device 'npu' of ONNX Runtime; allowed: cpu, cuda"):
        OrtBackend(model, device='npu')


def test_a_provider_that_is_not_installed_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ort_backend.ort, 'get_available_providers', lambda: ['CPUExecutionProvider']
    )
    with pytest.raises(BackendError, match=r'has no CUDAExecutionProvider .it has CPU.*device'):
        OrtBackend(model, device='cuda')


def test_a_provider_that_does_not_start_does_not_fall_back_to_the_cpu(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime itself falls back to the CPU when CUDA cannot be loaded."""
    real = ort_backend.ort.InferenceSession
    monkeypatch.setattr(
        ort_backend.ort,
        'get_available_providers',
        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'],
    )
    monkeypatch.setattr(
        ort_backend.ort,
        'InferenceSession',
        lambda path, options, providers, **_: real(
            path, options, providers=['CPUExecutionProvider']
        ),
    )
    with pytest.raises(BackendError, match=r'requested CUDA.*got CPU'):
        OrtBackend(model, device='cuda')


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r'absent\.onnx does not exist'):
        OrtBackend(tmp_path / 'absent.onnx')


def test_an_impossible_file_name_is_reported_as_missing() -> None:
    with pytest.raises(BackendError, match='does not exist'):
        OrtBackend(Path('x' * 300))


def test_a_folder_is_not_accepted_as_a_model(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match='does not exist'):
        OrtBackend(tmp_path)


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(model: Path, tmp_path: Path, share: float) -> None:
    data = model.read_bytes()
    cut = tmp_path / 'cut.onnx'
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BackendError, match=r'cut\.onnx'):
        OrtBackend(cut)


def test_a_file_damaged_in_its_metadata_is_refused(model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / 'damaged.onnx'
    damaged.write_bytes(model.read_bytes().replace(b'"depth_codec"', b'"depth\xffcodec"'))
    with pytest.raises(BackendError, match=r'damaged\.onnx has metadata that is not text'):
        OrtBackend(damaged)


def test_onnx_runtime_prints_nothing_and_uses_no_other_provider(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By default it prints its second try on the CPU, when loading and during a run."""
    damaged = tmp_path / 'damaged.onnx'
    damaged.write_bytes(model.read_bytes().replace(b'Reshape', b'Resh\xffpe'))
    with pytest.raises(BackendError, match=r'damaged\.onnx is not a model that ONNX Runtime can'):
        OrtBackend(damaged)
    assert capfd.readouterr().out == ''
    assert OrtBackend(model)._session._enable_fallback is False


def test_a_failing_provider_is_not_reported_as_a_truncated_file(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError('CUDA failure 35: CUDA driver version is insufficient')

    providers = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(ort_backend.ort, 'get_available_providers', lambda: providers)
    monkeypatch.setattr(ort_backend.ort, 'InferenceSession', fail)
    with pytest.raises(BackendError, match=r'with CUDAEx.* failure 35.*set device to cpu$'):
        OrtBackend(model, device='cuda')


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    text = tmp_path / 'readme.onnx'
    text.write_text('This is not a model.\n' * 50)
    with pytest.raises(BackendError, match=r'readme\.onnx is not a model that ONNX Runtime can'):
        OrtBackend(text)


def save(path: Path, inputs: dict[str, tuple[int, list]], contract: bool = True) -> Path:
    """Write a model that returns its first 4-d input as the prediction."""
    first = next(iter(inputs))
    kind = inputs[first][0]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node('Identity', [first], ['prediction'])],
            'other',
            [helper.make_tensor_value_info(n, k, s) for n, (k, s) in inputs.items()],
            [helper.make_tensor_value_info('prediction', kind, inputs[first][1])],
        ),
        opset_imports=[helper.make_opsetid('', 17)],
    )
    model.ir_version = 8
    if contract:
        helper.set_model_props(model, {METADATA_KEY: CONTRACT.to_json()})
    onnx.save(model, path)
    return path


FLOAT = TensorProto.FLOAT
SIGNATURE = {
    'z': (FLOAT, ['B', 1, 'H', 'W']),
    'rgb': (FLOAT, ['B', 3, 'H', 'W']),
    't': (FLOAT, ['B']),
    'tan_half_vfov': (FLOAT, ['B']),
}


OTHERS = {
    "inputs ['image']": {'image': (FLOAT, [1, 3, 224, 224])},
    "inputs ['rgb', 't', 'z']": {k: v for k, v in SIGNATURE.items() if k != 'tan_half_vfov'},
    "inputs ['mask', 'rgb', 't'": {**SIGNATURE, 'mask': (FLOAT, ['B', 1, 'H', 'W'])},
}


@pytest.mark.parametrize('words', OTHERS)
def test_a_model_with_other_tensors_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(BackendError, match=r"a DMD denoiser: .*expected \['rgb', 'z'") as refused:
        OrtBackend(save(tmp_path / 'other.onnx', OTHERS[words]))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ('name', 'kind', 'message'),
    [
        ('depth', FLOAT, r"outputs \['depth'\]; expected .* and 'prediction'"),
        ('prediction', TensorProto.FLOAT16, r"not float32: \{'prediction': 'tensor\(float16\)'"),
    ],
)
def test_a_model_with_another_output_is_refused(
    tmp_path: Path, name: str, kind: int, message: str
) -> None:
    loaded = onnx.load(save(tmp_path / 'other.onnx', SIGNATURE))
    node, output = loaded.graph.node[0], loaded.graph.output[0]
    node.CopyFrom(helper.make_node('Cast', ['z'], [name], to=kind))
    output.CopyFrom(helper.make_tensor_value_info(name, kind, ['B', 1, 'H', 'W']))
    onnx.save(loaded, tmp_path / 'other.onnx')
    with pytest.raises(BackendError, match=message):
        OrtBackend(tmp_path / 'other.onnx')


def test_a_model_of_another_precision_is_refused(tmp_path: Path) -> None:
    half = {name: (TensorProto.FLOAT16, shape) for name, (_, shape) in SIGNATURE.items()}
    with pytest.raises(BackendError, match=r'not float32: .*float16'):
        OrtBackend(save(tmp_path / 'half.onnx', half))


def test_a_model_without_a_contract_is_refused(tmp_path: Path) -> None:
    bare = write_oracle(tmp_path / 'bare.onnx', metadata=False)
    with pytest.raises(BackendError, match=r"bare\.onnx carries no contract .*'dmd_contract'"):
        OrtBackend(bare)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'stride': None}, r"missing fields \['stride'\]"),
        ({'extra': 1}, r"unknown fields \['extra'\]"),
        ({'format': 99}, 'format 99 is not supported'),
        ({'depth_max_m': 'far'}, "depth_max_m='far' must be a finite number"),
    ],
)
def test_a_model_with_a_bad_contract_is_refused(
    model: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    raw = {**json.loads(CONTRACT.to_json()), **changes}
    loaded = onnx.load(model)
    text = json.dumps({k: v for k, v in raw.items() if v is not None})
    del loaded.metadata_props[:]
    helper.set_model_props(loaded, {METADATA_KEY: text})
    onnx.save(loaded, tmp_path / 'changed.onnx')
    with pytest.raises(BackendError, match=r'changed\.onnx: contract .*' + message):
        OrtBackend(tmp_path / 'changed.onnx')


def test_errors_of_onnx_runtime_at_run_time_become_ours(tmp_path: Path) -> None:
    fixed = {**SIGNATURE, 'z': (FLOAT, [1, 1, 48, 64])}
    backend = OrtBackend(save(tmp_path / 'fixed.onnx', fixed))
    with pytest.raises(BackendError, match=r'ONNX Runtime cannot evaluate .*\(1, 1, 16, 32\)'):
        backend.run(feeds())


def test_conditions_that_cannot_be_loaded_or_evaluated_are_reported(model: Path) -> None:
    with pytest.raises(BackendError, match=r'conditions .* cannot be loaded .*; build it again'):
        OrtConditions(b'cut short')
    with pytest.raises(BackendError, match='cannot evaluate conditions'):
        OrtConditions(model.read_bytes())(np.ones(1, np.float32), np.ones(1, np.float32))


def test_closing_twice_is_harmless_and_using_a_closed_one_is_refused(model: Path) -> None:
    backend = OrtBackend(model)
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match='is closed'):
        backend.run(feeds())
