# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine folder: specifications, other files in it, and how engines are written."""

import dataclasses
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest
from oracle_model import CONTRACT

from dmd_ros.runtime import engine_cache, engine_file, engine_store
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.engine_store import BuildRequest, Machine, obtain, spec_for
from dmd_ros.runtime.errors import BackendError, RefusedError

MACHINE = Machine('10.3.0', 'Orin', '8.7', '540')
GOOD = {'passed': True, 'text': 'proved'}


@pytest.fixture
def spec(request_: BuildRequest) -> EngineSpec:
    return spec_for(request_, CONTRACT, MACHINE)


def made(plan: bytes = b'new', conditions: bytes = b'', **proof: Any) -> engine_store.Make:
    return lambda: (plan, conditions, GOOD | proof)


def test_a_specification_matches_the_request_and_the_machine(request_: BuildRequest) -> None:
    asked = dataclasses.replace(
        request_, precision='bf16', samples=3, workspace_mib=512, optimization_level=5
    )
    spec = spec_for(asked, CONTRACT, MACHINE).to_dict()
    assert spec.items() >= dataclasses.asdict(MACHINE).items()
    assert (spec['precision'], spec['batch'], spec['best']) == ('bf16', 3, [48, 64])
    assert (spec['workspace_mib'], spec['optimization_level']) == (512, 5)


def test_a_model_that_differs_in_its_last_byte_is_another(tmp_path: Path) -> None:
    model = tmp_path / 'model.onnx'
    digests = set()
    for last in (b'a', b'b'):
        model.write_bytes(bytes(3 << 20) + last)
        digests.add(engine_file.sha256_of(model))
    assert len(digests) == 2


def test_the_first_engine_makes_its_folder(spec: EngineSpec, tmp_path: Path) -> None:
    """A new user has no cache folder yet."""
    folder = tmp_path / '.cache' / 'dmd_ros' / 'engines'
    assert obtain(spec, folder, 'm', made(), print).plan == b'new'


def test_empty_cache_variable_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', '')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert BuildRequest(Path('m.onnx')).cache == tmp_path / '.cache' / 'dmd_ros' / 'engines'


def test_engines_of_other_models_and_damaged_ones_are_not_the_nearest(
    spec: EngineSpec, tmp_path: Path
) -> None:
    other = dataclasses.replace(spec, model_sha256='other')
    engine_file.write(tmp_path / 'other.engine', other, b'plan', b'', GOOD)
    (tmp_path / 'cut.engine').write_bytes(engine_file.MAGIC)
    (tmp_path / 'gone.engine').symlink_to('nowhere')
    said: list[str] = []
    assert engine_store.find(spec, tmp_path, 'm', said.append) is None
    assert said == [f'no engine for m yet: none of this model in {tmp_path}']


@pytest.mark.parametrize('change', ['conditions', 'plan_bytes'])
def test_damage_outside_the_plan_is_found(spec: EngineSpec, tmp_path: Path, change: str) -> None:
    path = obtain(spec, tmp_path, 'm', made(b'plan', b'conditions'), print).path
    data = path.read_bytes()
    at = data.rindex(change.encode())
    path.write_bytes(data[:at] + b'X' + data[at + 1 :])
    with pytest.raises(BackendError, match='damaged'):
        engine_file.read(path, spec)


def test_timings_of_kernels_are_those_of_one_tensorrt_on_one_gpu(
    spec: EngineSpec, tmp_path: Path
) -> None:
    others = {'tensorrt': '10.4.0', 'gpu': 'L4', 'compute_capability': '9.0', 'driver': '550'}
    specs = [spec, *(dataclasses.replace(spec, **{name: of}) for name, of in others.items())]
    assert len({engine_cache.timing_cache(tmp_path, each) for each in specs}) == 5
    same = dataclasses.replace(spec, model_sha256='other', precision='fp32', batch=8)
    assert engine_cache.timing_cache(tmp_path, same) == engine_cache.timing_cache(tmp_path, spec)


def test_a_build_that_leaves_no_engine_is_an_error(
    request_: BuildRequest, spec: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model was exported again during the build."""
    monkeypatch.setattr(engine_cache, 'run_child', lambda *_: None)
    with pytest.raises(BackendError, match=r'left no engine in .*/engines'):
        engine_cache.fetch(request_, spec, print)


def test_a_field_of_a_later_version_is_a_difference(spec: EngineSpec) -> None:
    later = {**spec.to_dict(), 'later': 1}
    assert engine_file.spec_differences(later, spec) == ['later is 1, wanted None']


@pytest.mark.parametrize('note', [b'', b'\xff', b'[]', b'{}'])
def test_a_damaged_refusal_is_ignored(spec: EngineSpec, tmp_path: Path, note: bytes) -> None:
    path = tmp_path / engine_file.file_name(spec, 'm')
    path.with_suffix('.refused').write_bytes(note)
    assert obtain(spec, tmp_path, 'm', made(), print).plan == b'new'


@pytest.mark.parametrize(
    ('precision', 'advice'), [('fp16', 'Set precision to fp32'), ('fp32', 'Use another TensorRT')]
)
def test_the_advice_after_a_refusal_avoids_the_refused_precision(
    spec: EngineSpec, tmp_path: Path, precision: str, advice: str
) -> None:
    spec = dataclasses.replace(spec, precision=precision)
    with pytest.raises(RefusedError, match=rf'refused: wrong\. {advice}'):
        obtain(spec, tmp_path, 'm', made(passed=False, text='wrong'), print)


def test_waiting_for_another_builder_is_logged_periodically(
    spec: EngineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    said: list[str] = []
    name = Path(engine_file.file_name(spec, 'm')).with_suffix('.lock')
    with (tmp_path / name).open('w') as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) > 15:
                fcntl.flock(other, fcntl.LOCK_UN)

        monkeypatch.setattr(time, 'monotonic', lambda: sum(slept))
        monkeypatch.setattr(time, 'sleep', sleep)
        obtain(spec, tmp_path, 'm', made(), said.append)
    assert [line.split()[-2] for line in said if 'another process' in line] == ['0', '10']


def test_a_renamed_file_is_complete_and_from_one_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write the same file, on a file system without locks; then the power fails."""
    path, on_disk = tmp_path / 'x.engine', []

    def fsync(descriptor: int) -> None:
        on_disk.append(os.fstat(descriptor).st_size)
        assert not list(tmp_path.glob('*.engine'))  # none that another process could read
        if len(on_disk) == 1:
            engine_file.write_atomic(path, b'second')
            path.unlink()

    monkeypatch.setattr(os, 'fsync', fsync)
    engine_file.write_atomic(path, b'fir', b'st')
    assert path.read_bytes() == b'first' and on_disk == [5, 6]


def test_files_left_by_a_killed_builder_are_removed(spec: EngineSpec, tmp_path: Path) -> None:
    name = engine_file.file_name(spec, 'm')
    parts = [tmp_path / f'.{n}.0badcafe' for n in (name, f'of-another-{name}')]
    for part in parts:
        part.write_bytes(b'half of an engine')
    obtain(spec, tmp_path, 'm', made(), print)
    assert [part.exists() for part in parts] == [False, True]
