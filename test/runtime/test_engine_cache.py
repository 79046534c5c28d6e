# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engine files: keys, damage, foreign and stale engines, builders at the same time."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from oracle_model import CONTRACT, write_oracle

from dmd_ros.core.preprocess import network_size
from dmd_ros.runtime import engine_cache, engine_file, engine_store
from dmd_ros.runtime.engine_file import EngineSpec
from dmd_ros.runtime.engine_store import BuildRequest, Machine, obtain, spec_for
from dmd_ros.runtime.errors import BackendError, RefusedError
from dmd_ros.runtime.trt_session import check_shape

MACHINE = Machine('10.3.0', 'Orin', '8.7', '540')
GOOD = {'passed': True, 'text': 'proved'}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def spec(request_: BuildRequest) -> EngineSpec:
    return spec_for(request_, CONTRACT, MACHINE)


def stored(spec: EngineSpec, folder: Path, plan: bytes = b'plan' * 100) -> Path:
    path = folder / engine_file.file_name(spec, 'oracle')
    engine_file.write(path, spec, plan, b'', GOOD)
    return path


def test_key_changes_with_every_field(spec: EngineSpec) -> None:
    others = {
        'model_sha256': 'other',
        'tensorrt': '10.3.1',
        'gpu': 'H200',
        'compute_capability': '9.0',
        'driver': '550',
        'precision': 'fp32',
        'batch': 8,
        'smallest': (32, 48),
        'best': (64, 64),
        'largest': (96, 96),
        'workspace_mib': 2048,
        'optimization_level': 5,
        'recipe': 0,
    }
    assert others.keys() == spec.to_dict().keys()
    changed = [dataclasses.replace(spec, **{name: value}) for name, value in others.items()]
    assert len({spec.key, *(c.key for c in changed)}) == 1 + len(others)
    assert spec.key == dataclasses.replace(spec).key


def test_key_follows_the_model_file(request_: BuildRequest, spec: EngineSpec) -> None:
    write_oracle(request_.model, name='another')
    assert spec_for(request_, CONTRACT, MACHINE).key != spec.key
    before = engine_file.sha256_of(request_.model)
    Path(f'{request_.model}.data').write_bytes(b'external weights')
    assert engine_file.sha256_of(request_.model) != before


def test_dynamic_engine_supports_common_cameras(request_: BuildRequest) -> None:
    spec = spec_for(dataclasses.replace(request_, size=None), CONTRACT, MACHINE)
    assert not spec.is_static and spec.shape_text == 'dynamic'
    assert spec.best == CONTRACT.train_sizes[0]
    for height, width in [
        (480, 640),
        (1080, 1920),
        (1200, 1200),
        (1280, 720),
        (400, 900),
        (375, 672),
    ]:
        size = network_size(height, width, CONTRACT)
        for low, side, high in zip(spec.smallest, size, spec.largest, strict=True):
            assert low <= side <= high


def test_dynamic_engine_supports_every_training_size(
    request_: BuildRequest,
) -> None:
    contract = dataclasses.replace(CONTRACT, train_sizes=((192, 256), (160, 288), (128, 416)))
    spec = spec_for(dataclasses.replace(request_, size=None), contract, MACHINE)
    assert spec.best == (192, 256)
    for size in [*contract.train_sizes, network_size(375, 1242, contract)]:  # the last is KITTI's
        check_shape((1, *size), spec)


@pytest.mark.parametrize(('stride', 'size'), [(16, (480, 640)), (8, (352, 464)), (32, (320, 320))])
def test_dynamic_engine_leaves_out_no_aspect_between(
    request_: BuildRequest, stride: int, size: tuple[int, int]
) -> None:
    contract = dataclasses.replace(CONTRACT, stride=stride, train_sizes=(size,))
    spec = spec_for(dataclasses.replace(request_, size=None), contract, MACHINE)
    for width in range(1000, 5001):
        check_shape((1, *network_size(2000, width, contract)), spec)


@pytest.mark.parametrize(
    ('size', 'advice'), [((48, 64), 'this size, or without a size'), (None, 'this size: this one')]
)
def test_the_advice_for_a_wrong_size_fits_the_kind_of_engine(
    request_: BuildRequest, size: tuple[int, int] | None, advice: str
) -> None:
    spec = spec_for(dataclasses.replace(request_, size=size), CONTRACT, MACHINE)
    with pytest.raises(BackendError, match=f'got 1 of 32x160; load it .*{advice}'):
        check_shape((1, 32, 160), spec)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'size': (50, 64)}, r'50x64 .* multiples of the stride 16'),
        ({'size': (48, 60)}, r'48x60 .* multiples of the stride 16'),
        ({'size': (0, 64)}, r'0x64 .* multiples of the stride 16'),
        ({'samples': 0}, 'samples=0 must be >= 1'),
        ({'workspace_mib': -1}, 'workspace_mib=-1 must be >= 1'),
    ],
)
def test_an_impossible_request_is_refused(
    request_: BuildRequest, change: dict, message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        spec_for(dataclasses.replace(request_, **change), CONTRACT, MACHINE)


def test_what_is_stored_is_read_back(spec: EngineSpec, tmp_path: Path) -> None:
    path = stored(spec, tmp_path)
    engine = engine_file.read(path, spec)
    assert engine.plan == b'plan' * 100 and engine.proof == GOOD and engine.spec == spec
    assert [p.name for p in tmp_path.glob('.*')] == []
    assert 'fp16-48x64-b1' in path.name and path.suffix == '.engine'


def damaged(path: Path, spec: EngineSpec, how: str) -> None:
    data = path.read_bytes()
    plan_at = len(data) - 400
    changes = {
        'truncated': data[:-7],
        'damaged': data[:plan_at] + b'X' + data[plan_at + 1 :],
        'damaged header': data[:12] + b'\0' + data[13:],
        'no proof in its header': data.replace(b'"text"', b'"tdxt"'),
        'not an engine of dmd_ros': b'ptrt' + data[4:],
        'cut in its header': data[:40],
        'cut in its magic': data[:9],
        'empty': b'',
    }
    if how in changes:
        path.write_bytes(changes[how])
    else:
        field, value = {'stale': ('tensorrt', '10.2.0'), 'foreign': ('gpu', 'H200')}[how]
        engine_file.write(path, dataclasses.replace(spec, **{field: value}), b'p', b'', GOOD)


@pytest.mark.parametrize(
    ('how', 'words'),
    [
        ('truncated', 'is truncated: 393 of 400 bytes'),
        ('damaged', 'checksum does not match'),
        ('damaged header', 'damaged header'),
        ('no proof in its header', 'damaged header'),
        ('not an engine of dmd_ros', 'is not an engine of dmd_ros'),
        ('cut in its header', 'damaged header'),
        ('cut in its magic', 'is not an engine of dmd_ros'),
        ('empty', 'is not an engine of dmd_ros'),
        ('stale', "tensorrt is '10.2.0', wanted '10.3.0'"),
        ('foreign', "gpu is 'H200', wanted 'Orin'"),
    ],
)
def test_bad_engine_is_reported_and_rebuilt(
    spec: EngineSpec, tmp_path: Path, how: str, words: str
) -> None:
    path = stored(spec, tmp_path)
    damaged(path, spec, how)
    with pytest.raises(BackendError, match=words):
        engine_file.read(path, spec)
    said: list[str] = []
    engine = obtain(spec, tmp_path, 'oracle', lambda: (b'new', b'', GOOD), said.append)
    assert engine.plan == b'new'
    assert words in said[0] and 'rebuilding it' in said[0]
    assert engine_file.read(path, spec).plan == b'new'


def test_good_engine_is_not_rebuilt_unless_forced(spec: EngineSpec, tmp_path: Path) -> None:
    stored(spec, tmp_path)

    def make() -> tuple[bytes, dict]:
        return b'new', b'', GOOD

    assert obtain(spec, tmp_path, 'oracle', make, print).plan != b'new'
    assert obtain(spec, tmp_path, 'oracle', make, print, force=True).plan == b'new'


def test_stale_engine_is_named_when_one_is_missing(spec: EngineSpec, tmp_path: Path) -> None:
    said: list[str] = []
    engine_store.find(spec, tmp_path, 'oracle', said.append)
    assert 'none of this model' in said.pop()
    stored(dataclasses.replace(spec, tensorrt='8.6.1', driver='535', gpu='other'), tmp_path)
    stored(dataclasses.replace(spec, tensorrt='8.6.1'), tmp_path)
    engine_store.find(spec, tmp_path, 'oracle', said.append)
    assert said[0].endswith("is stale: tensorrt is '8.6.1', wanted '10.3.0'")


def test_refused_engine_is_not_stored_and_not_built_twice(
    spec: EngineSpec, tmp_path: Path
) -> None:
    built = []

    def make(passed: bool = False) -> tuple[bytes, bytes, dict]:
        built.append(passed)
        return b'p', b'', {'passed': passed, 'text': 'depth is wrong by 3 %'}

    path = stored(spec, tmp_path)
    with pytest.raises(RefusedError, match=r'is refused: depth is wrong by 3 %.*to fp32'):
        obtain(spec, tmp_path, 'oracle', make, print, force=True)
    assert not path.exists()
    with pytest.raises(RefusedError, match=r'before and refused: depth is wrong.*force_rebuild'):
        obtain(spec, tmp_path, 'oracle', make, print)
    assert len(built) == 1
    obtain(spec, tmp_path, 'oracle', lambda: make(True), print, force=True)
    assert obtain(spec, tmp_path, 'oracle', make, print).plan == b'p'


def test_a_refusal_removed_by_another_process_is_ignored(
    spec: EngineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(spec, tmp_path)
    monkeypatch.setattr(Path, 'is_file', lambda _: True)  # as the note was a moment before
    engine = engine_store.find(spec, tmp_path, 'oracle', print)
    assert engine is not None and engine.plan == b'plan' * 100


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError('no space left')

    monkeypatch.setattr(os, 'replace', no_space)
    with pytest.raises(OSError, match='no space'):
        engine_file.write_atomic(tmp_path / 'x.engine', b'data')
    assert list(tmp_path.iterdir()) == []


BUILDER = """
import json, sys, time
from pathlib import Path
from dmd_ros.runtime.engine_store import obtain
from dmd_ros.runtime.engine_file import EngineSpec
folder, fields = Path(sys.argv[1]), json.loads(sys.argv[2])
spec = EngineSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
def make():
    with open(folder / 'builds', 'a') as log:
        log.write('build\\n')
    (folder / 'building').touch()
    while not (folder / 'go_on').exists():
        time.sleep(0.02)
    return b'plan' * 50000, b'', {'passed': True, 'text': 'proved'}
engine = obtain(spec, folder, 'm', make, lambda text: print(text, flush=True))
print(len(engine.plan))
"""


def builder(folder: Path, spec: EngineSpec) -> subprocess.Popen[str]:
    """Start a process that builds until the file `go_on` appears."""
    command = [sys.executable, '-c', BUILDER, str(folder), json.dumps(spec.to_dict())]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_folder_that_cannot_be_written_is_named(
    spec: EngineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(BackendError, match=r'/file/engines cannot be used .*engine_cache_dir'):
        obtain(spec, tmp_path / 'file' / 'engines', 'm', lambda: (b'x', b'', GOOD), print)

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(engine_file.os, 'fsync', full)
    with pytest.raises(BackendError, match='No space left on device'):
        obtain(spec, tmp_path, 'm', lambda: (b'x', b'', GOOD), print)
    assert not list(tmp_path.glob('*.engine'))


def test_two_builders_at_once_build_once(spec: EngineSpec, tmp_path: Path) -> None:
    first = builder(tmp_path, spec)
    wait_for(tmp_path / 'building')
    second = builder(tmp_path, spec)
    assert second.stdout is not None
    waits = next(line for line in second.stdout if 'engine' in line)
    (tmp_path / 'go_on').touch()
    outputs = [p.communicate(timeout=60)[0] for p in (first, second)]
    assert [p.returncode for p in (first, second)] == [0, 0]
    assert 'another process builds this engine' in waits
    assert 'another process' not in outputs[0]
    assert all(o.endswith('200000\n') for o in outputs)
    assert (tmp_path / 'builds').read_text() == 'build\n'


def test_killed_builder_leaves_the_lock_free(spec: EngineSpec, tmp_path: Path) -> None:
    process = builder(tmp_path, spec)
    wait_for(tmp_path / 'building')
    process.kill()
    process.communicate()
    assert obtain(spec, tmp_path, 'm', lambda: (b'x', b'', GOOD), print).plan == b'x'


def test_a_folder_without_locks_is_used(
    spec: EngineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems."""
    beside = tmp_path / f'.{engine_file.file_name(spec, "m")}.0badcafe'
    beside.touch()  # perhaps somebody writes it

    def flock(*_: object) -> None:
        raise OSError(37, 'No locks available')

    monkeypatch.setattr(engine_store.fcntl, 'flock', flock)
    said: list[str] = []
    assert obtain(spec, tmp_path, 'm', lambda: (b'x', b'', GOOD), said.append).plan == b'x'
    assert 'cannot be locked' in said[0] and 'No locks available' in said[0]
    assert beside.exists()


def test_a_folder_that_cannot_be_read_is_named(
    request_: BuildRequest, spec: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exists(_: Path) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'exists', exists)
    with pytest.raises(BackendError, match=r'/engines cannot be used .*Permission denied'):
        engine_cache.fetch(request_, spec, print)


def test_written_files_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    """An engine built by root must be readable for the user who runs the node."""
    before = os.umask(0o027)
    try:
        engine_file.write_atomic(tmp_path / 'x.engine', b'data')
    finally:
        os.umask(before)
    assert (tmp_path / 'x.engine').stat().st_mode & 0o777 == 0o640


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f'{path} did not appear'
        time.sleep(0.02)


def test_engines_are_stored_in_the_user_s_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert BuildRequest(Path('m.onnx')).cache == tmp_path / 'dmd_ros' / 'engines'


def test_without_a_home_folder_the_error_asks_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container that runs under a numeric user id."""
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.delenv('HOME', raising=False)

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr('pwd.getpwuid', nobody)
    for folder in (None, Path('~nobody_at_all/engines')):
        with pytest.raises(BackendError, match=r'no home folder found for ~.*engine_cache_dir'):
            BuildRequest(Path('m.onnx'), folder=folder).cache  # noqa: B018


@pytest.mark.parametrize('text', ['192', '192x', 'x256', '-1x3', '192*256', '3x²'])
def test_an_invalid_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BackendError, match='like 192x256'):
        engine_store.parse_size(text)


@pytest.mark.parametrize(
    ('text', 'cuda', 'expected'),
    [
        ('NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu', 12040, '550'),
        ('NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release', 0, '540'),
        (None, 11040, 'cuda 11'),
        ('', 12060, 'cuda 12'),
    ],
)
def test_a_driver_is_its_major_version(text: str | None, cuda: int, expected: str) -> None:
    assert engine_store.driver_major(text, cuda) == expected
