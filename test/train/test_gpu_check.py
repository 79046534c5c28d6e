# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The GPU check without a GPU: it reports that; its tables and verdicts are right."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import fake_tensorrt
import pytest
from oracle_model import CONTRACT, write_oracle

from dmd_ros.runtime import cuda_driver, engine_cache
from dmd_ros.runtime.backend import OUTPUT
from dmd_ros.runtime.engine_store import BuildRequest
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.host_sampler import sample_on_host
from dmd_ros.runtime.ort_backend import OrtBackend
from train.gpu import check as gpu_check
from train.gpu import report, rough_use, sections, torch_child
from train.gpu.__main__ import main
from train.gpu.report import Row

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(bool(cuda_driver.gpus()), reason='this machine has a GPU')
def test_without_a_gpu(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(['--out', str(tmp_path / 'out')]) == 2
    message = capsys.readouterr().out
    assert message.count('\n') == 1 and 'needs an NVIDIA GPU' in message
    assert not (tmp_path / 'out').exists()


def test_it_runs_with_only_the_packages_that_an_engine_needs() -> None:
    """Robots have no Pillow, no bags and no torch: `pip install '.[cpu,gpu]'` is enough."""
    code = """
import sys
sys.modules |= dict.fromkeys(['PIL', 'matplotlib', 'rosbags', 'torch', 'tqdm', 'yaml'])
from train.gpu.__main__ import main
main(['--help'])
"""
    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr


def test_an_invalid_output_folder_is_refused_before_minutes_of_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(['--out', __file__])
    assert 'Not a directory); choose another --out' in capsys.readouterr().err


def test_a_missing_model_is_refused_without_a_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        main(['--out', str(tmp_path / 'out'), '--model', 'nothing'])
    assert "no shipped model 'nothing'; looked for" in capsys.readouterr().err


def test_a_failed_or_late_section_becomes_a_row(tmp_path: Path) -> None:
    check = gpu_check.Check(tmp_path, tmp_path / 'out', limit_s=60.0)
    check.section('tiny', 'x', lambda: __import__('no_such_module'))
    check.end = 0.0
    check.section('tiny', 'y', lambda: None, precision='fp16')
    assert [r.what for r in check.rows] == ['x', 'y']
    assert 'no_such_module' in check.rows[0].note and 'no time left' in check.rows[1].note
    written = json.loads((tmp_path / 'out/gpu.json').read_text())
    assert [r['what'] for r in written['rows']] == ['x', 'y']


@pytest.fixture
def gpu_in_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec('tensorrt') is not None:
        pytest.skip('TensorRT is installed')
    monkeypatch.setattr(cuda_driver, 'gpus', lambda: ('GPU',))


@pytest.mark.usefixtures('gpu_in_name_only')
def test_most_important_comes_first_and_missing_libraries_are_named(tmp_path: Path) -> None:
    """The report is complete without an engine or torch."""
    model = write_oracle(tmp_path / 'oracle.onnx')
    out = tmp_path / 'out'
    words = ['--out', str(out), '--model', str(model), '--torch-python', '/bin/false']
    assert main(words) == 1
    rows = json.loads((out / 'gpu.json').read_text())['rows']
    assert all(row['note'].startswith('not run') for row in rows)
    whats = [(row['model'], row['what'], row['precision'], row['samples']) for row in rows]
    assert whats[0] == ('oracle', 'TensorRT', 'fp16', 1)
    wanted = [('oracle', 'torch', '', 1), ('oracle', 'TensorRT', 'fp32', 1)]
    wanted += [('oracle', 'TensorRT', 'fp16', 8), ('nano', 'TensorRT', 'fp16', 1)]
    places = [whats.index(what) for what in wanted]
    assert places == sorted(places)
    assert {'node over DDS', 'ONNX Runtime CUDA'} <= {row['what'] for row in rows}


@pytest.mark.usefixtures('gpu_in_name_only')
def test_only_the_requested_sections_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_oracle(tmp_path / 'oracle.onnx')
    out = tmp_path / 'out'
    words = ['--out', str(out), '--model', str(model), '--sections', 'any-size', 'node', 'fp32']
    assert main(words) == 1
    rows = json.loads((out / 'gpu.json').read_text())['rows']
    whats = [(row['what'], row['precision']) for row in rows]
    assert whats == [('TensorRT, any size', 'fp16'), ('node over DDS', ''), ('TensorRT', 'fp32')]
    with pytest.raises(SystemExit):
        main([*words, 'no-such-section'])
    assert 'any-size' in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_check_on_stand_ins(tmp_path: Path) -> None:
    """All calls to a GPU with the newest TensorRT, in the processes that make them."""
    model, out = write_oracle(tmp_path / 'oracle.onnx'), tmp_path / 'out'
    words = [sys.executable, '-m', 'train.gpu', '--out', str(out), '--model', str(model)]
    words += ['--torch-python', '/bin/false', '--sections']
    words += ['shipped', 'rough-use-and-torch', 'any-size', 'building']
    env = fake_tensorrt.everywhere(tmp_path, '11.1.0')
    found = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    written = json.loads((out / 'gpu.json').read_text())
    rows = written['rows']
    assert {r['what'] for r in rows if r['note'].startswith('not run')} == {'torch'}
    passed = {r['what'] for r in rows if r['note'].startswith('passed')}
    tried = {what for what, _ in rough_use.CHECKS + rough_use.BUILDING_CHECKS}
    assert passed | {'build cancelled'} == tried  # a build may finish before it is cancelled
    timed = [(r['model'], r['what']) for r in rows if r['p50']]
    kinds = ('sampler, TensorRT with CUDA graph', 'VGA frame to depth, TensorRT')
    for name in ('oracle', 'oracle, any size'):
        expected = [*kinds, 'sampler, TensorRT step by step']
        assert [what for of, what in timed if of == name] == expected
    assert [p['model'] for p in written['proofs']] == ['oracle', 'oracle, any size']


class StandIn(OrtBackend):
    """The interface of a loaded engine, computed by ONNX Runtime."""

    memory_bytes: ClassVar = {'weights': 1 << 20}
    fixed_samples = 1

    def sample(self, *arguments: Any) -> Any:
        return sample_on_host(lambda f: self.run(f)[OUTPUT], self.contract, *arguments)

    def device_seconds(self) -> float:
        return 0.0005


def test_rows_of_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = write_oracle(tmp_path / 'oracle.onnx')
    engine = SimpleNamespace(proof={'text': 'proved'})
    sizes: list[object] = []

    def engine_for(request: BuildRequest, *_: object) -> SimpleNamespace:
        sizes.append(request.size)
        return engine

    monkeypatch.setattr(gpu_check.engine_cache, 'engine_for', engine_for)
    monkeypatch.setattr(gpu_check.engine_cache, 'start', lambda *_: StandIn(model))
    monkeypatch.setattr(gpu_check, 'clock', lambda run, _: (run(), (1.0, 2.0))[1])
    check = gpu_check.Check(tmp_path / 'engines', tmp_path / 'out', limit_s=60.0)
    gpu_check.tensorrt(check, 'oracle', model, 'fp16', 1)
    gpu_check.tensorrt(check, 'oracle', model, 'fp16', 1, gpu_check.MORE_STEPS)
    gpu_check.tensorrt(check, 'oracle', model, 'fp16', 1, any_size=True)
    assert sizes[2] is None and None not in sizes[:2]
    assert {row.model for row in check.rows[9:]} == {'oracle, any size'}
    del check.rows[9:]
    del check.proofs[1:]
    graph, frame = 'sampler, TensorRT with CUDA graph', 'VGA frame to depth, TensorRT'
    plain = 'sampler, TensorRT step by step'
    assert [(r.what, r.steps) for r in check.rows] == [
        *((graph, 1), (frame, 1), (plain, 1)),
        *((graph, 2), (frame, 2), (graph, 4), (frame, 4), (plain, 2), (plain, 4)),
    ]
    assert len(check.proofs) == 1
    aims = json.loads((tmp_path / 'out/gpu.json').read_text())['aims']
    assert [verdict.split(':')[0] for verdict in aims.values()] == [
        *('reached', 'reached', 'not measured', 'not measured')
    ]


def test_report(tmp_path: Path) -> None:
    rows = [
        Row('tiny', 'sampler, TensorRT with CUDA graph', 'fp16', 1, 1, 0.6, 0.7, 0.4),
        Row('tiny', 'VGA frame to depth, TensorRT', 'fp16', 1, 1, 3.5, 4.0),
        Row('tiny', 'network, torch eager', 'fp16', 1, 1, 1.5, 1.6, 1.4),
        Row('base', 'ONNX Runtime CUDA', note='not run: no time left'),
    ]
    proofs = [
        {'model': 'tiny', 'precision': 'fp16', 'samples': 1, 'proof': 'proved'}
        | {'build_and_proof_s': 30.0, 'gpu_memory_mib': 'weights 9.0'}
    ]
    report.write(tmp_path, {'gpus': 'H200'}, rows, proofs)
    found = json.loads((tmp_path / 'gpu.json').read_text())
    verdicts = list(found['aims'].values())
    assert verdicts[0].startswith('reached') and verdicts[1].startswith('MISSED: 3.500')
    assert verdicts[2].startswith('reached') and verdicts[3] == 'not measured'
    text = (tmp_path / 'gpu.md').read_text()
    assert '| base | ONNX Runtime CUDA |' in text and 'no time left' in text
    assert '| tiny | fp16 | 1 | 30.0 | weights 9.0 | proved |' in text


@pytest.mark.parametrize('python', ['/no/such/python', '/bin/false'])
def test_torch_that_does_not_start(python: str, tmp_path: Path) -> None:
    started = torch_child.TorchChild(python, 'tiny', ['fp16'], [1])
    with pytest.raises(BackendError, match='no measurements from torch'):
        started.measure(time.monotonic() + 20.0)
    started.stop()
    with pytest.raises(BackendError, match='cannot'):
        torch_child.export_presets(python, tmp_path, time.monotonic() + 20.0)


def test_a_file_in_place_of_the_presets_folder_is_a_one_line_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_torch = pytest.importorskip('train.gpu.with_torch')
    (tmp_path / 'file').touch()
    assert with_torch.main(['export', str(tmp_path / 'file')]) == 1
    assert capsys.readouterr().err == f"error: [Errno 17] File exists: '{tmp_path}/file'\n"


@pytest.mark.skipif(bool(cuda_driver.gpus()), reason='this machine has a GPU')
def test_torch_without_a_gpu_is_reported() -> None:
    pytest.importorskip('torch')
    started = torch_child.TorchChild(sys.executable, 'nano', ['fp16'], [1])
    with pytest.raises(BackendError, match='no CUDA'):
        started.measure(time.monotonic() + 60.0)


def test_build_only_builds_in_order_and_reports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With stand-in engines: which are requested, and that a failure becomes a row."""
    model = write_oracle(tmp_path / 'oracle.onnx')
    presets = tmp_path / 'presets'
    presets.mkdir()
    for name in ('small', 'nano'):
        (presets / f'{name}.onnx').write_bytes(model.read_bytes())
    asked: list[tuple[str, str, int]] = []

    def engine_for(request: BuildRequest, *_: object) -> SimpleNamespace:
        asked.append((request.model.stem, request.precision, request.samples))
        if request.model.stem == 'nano' and request.precision == 'fp32':
            raise BackendError('refused')
        return SimpleNamespace(proof={'text': 'proved'})

    monkeypatch.setattr(gpu_check.engine_cache, 'engine_for', engine_for)
    check = gpu_check.Check(tmp_path / 'engines', tmp_path / 'out', limit_s=60.0)
    sections.build_only(check, model, presets, jobs=1)
    assert asked[:4] == [
        ('oracle', 'fp16', 1),
        ('oracle', 'fp32', 1),
        ('oracle', 'fp16', 8),
        ('nano', 'fp16', 1),
    ]
    assert {name for name, _, _ in asked} == {'oracle', 'small', 'nano'}
    assert len(check.proofs) == len(asked) - 1
    assert [(r.model, r.precision) for r in check.rows] == [('nano', 'fp32')]
    assert 'refused' in check.rows[0].note


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--limit-s', 'nan'], '--limit-s: nan is not a time'),
        (['--jobs', '0'], '--jobs: 0 must be >= 1'),
        (['--build-only'], 'needs --engine-cache-dir, or no engine is kept'),
    ],
)
def test_invalid_options(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('script', 'limit_s', 'message'),
    [
        ('echo "no depth" >&2; exit 1', 60.0, 'the demo ended with status 1: no depth'),
        ('exit 3', 60.0, 'the demo ended with status 3: no error message'),
        ('trap "touch $0.stopped; exit" INT; sleep 60 & wait', 0.0, 'not done in 1 s'),
    ],
)
def test_demo_that_fails_or_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, limit_s: float, message: str
) -> None:
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/bash\n{script}\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(python))
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _: True)
    model = write_oracle(tmp_path / 'oracle.onnx')
    check = gpu_check.Check(tmp_path / 'engines', tmp_path / 'out', limit_s=limit_s)
    with pytest.raises(BackendError, match=message):
        gpu_check.node_over_dds(check, 'oracle', model)
    # Interrupted, not killed: a killed demo leaves its node running.
    assert (tmp_path / 'python.stopped').exists() == ('stopped' in script)


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BuildRequest:
    """Request an engine on a stand-in GPU; this process builds it."""
    fake_tensorrt.install(monkeypatch, '10.3.0')
    model = write_oracle(tmp_path / 'oracle.onnx')
    return BuildRequest(model, 'fp32', (48, 64), folder=tmp_path / 'engines')


def test_rough_use(rough: BuildRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_child(*_: object) -> None:
        engine_cache.build(rough, lambda _: None)

    monkeypatch.setattr(engine_cache, 'run_child', run_child)
    monkeypatch.setattr(rough_use, '_FRAMES', 5)
    for work in (rough_use.several, rough_use.repeats, rough_use.truncated):
        assert work(rough, CONTRACT, float('inf'))


@pytest.mark.parametrize('work', [rough_use.command, rough_use.truncated, rough_use.several])
def test_rough_use_ends_in_time(
    rough: BuildRequest, monkeypatch: pytest.MonkeyPatch, work: Any
) -> None:
    """A missing engine is built, which may take longer than the remaining time."""
    monkeypatch.setattr(engine_cache, 'command', lambda _: ['/bin/sleep', '60'])
    started = time.monotonic()
    with pytest.raises(BackendError, match=r'not done in 1 s|build was cancelled'):
        work(rough, CONTRACT, started + 0.5)
    assert time.monotonic() - started < 20.0
