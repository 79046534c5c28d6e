# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_set import fast_config, write_set

from dmd_ros.core.records import RawSample
from train.config import TrainConfig, make_config
from train.datasets.rgbd_folder import RgbdFolder
from train.errors import TrainError
from train.example import Example
from train.loop import build_net, train
from train.mixture import Mixture, batches, draw_batch, tensors
from train.processes import Processes
from train.sources import open_source, parse_sources, shares_text, wait_text
from train.state import TrainState
from train.workers import made_ahead

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return fast_config(write_set(tmp_path_factory.mktemp('data') / 'set'), 'sizes=32x32,24x40')


def _equal(a: Example, b: Example) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Example))


def test_a_batch_depends_only_on_its_number(config: TrainConfig) -> None:
    again = Mixture(config)
    again[7]
    assert _equal(Mixture(config)[3].arrays, again[3].arrays)
    assert not _equal(Mixture(config)[3].arrays, again[4].arrays)


def test_processes_share_a_batch(config: TrainConfig) -> None:
    whole = Mixture(config)[5].arrays
    parts = [Mixture(config, rank, 2)[5].arrays for rank in (0, 1)]
    for field in fields(Example):
        joined = np.concatenate([getattr(part, field.name) for part in parts])
        assert np.array_equal(joined, getattr(whole, field.name))


def test_sizes_are_drawn_per_batch(config: TrainConfig) -> None:
    mixture = Mixture(config)
    assert {mixture[i].arrays.rgb.shape[2:] for i in range(12)} == {(32, 32), (24, 40)}
    often = replace(config, sizes='32x32@1e9,24x40@1')
    assert {draw_batch(often, number)[0] for number in range(12)} == {(32, 32)}


def test_sources_are_drawn_from_by_their_weights(tmp_path: Path) -> None:
    drawn, never = write_set(tmp_path / 'a'), write_set(tmp_path / 'b')
    for picture in never.glob('*.jpg'):
        picture.unlink()
    mixture = Mixture(fast_config(drawn, f'sources=folder:{drawn}@1e9,folder:{never}@1'))
    assert [mixture[number].broken for number in range(4)] == [()] * 4


def test_times_are_evenly_spaced_from_a_random_start() -> None:
    config = make_config('micro', ['sizes=32x32', 'batch=8', 't1_fraction=0.25'])
    batches_of = [sorted(draw_batch(config, number)[1]) for number in range(9)]
    for times in batches_of:
        assert times[0] >= 0.0 and times[6:] == [1.0, 1.0]
        np.testing.assert_allclose(np.diff(times[:6]), 1 / 6)
    assert len({times[0] for times in batches_of}) == 9


def test_workers_give_the_same_batches(config: TrainConfig) -> None:
    mixture = Mixture(config)
    ahead = list(islice(batches(mixture, 2, workers=1), 2))
    assert _equal(ahead[0].arrays, mixture[2].arrays)
    assert _equal(ahead[1].arrays, mixture[3].arrays)


def test_a_batch_reaches_the_device_unchanged(config: TrainConfig) -> None:
    arrays = Mixture(config)[0].arrays
    batch = tensors(arrays, torch.device('cpu'))
    assert np.array_equal(batch.rgb.numpy(), arrays.rgb)
    assert batch.labelled.dtype == torch.bool


def test_sources_are_parsed() -> None:
    text = 'worlds@3, folder:/a/b'
    assert parse_sources(text) == [('worlds', 3.0), ('folder:/a/b', 1.0)]
    assert shares_text(text) == 'worlds 75%, folder 25%'
    assert shares_text('bag:a@2,bag:b@1,worlds') == 'bag 75%, worlds 25%'
    with pytest.raises(TrainError, match='not a number'):
        parse_sources('worlds@many')
    for weight in ('0', 'nan', 'inf'):
        with pytest.raises(TrainError, match='weights must be > 0'):
            parse_sources(f'worlds@{weight}')


def test_the_wait_for_compiled_worlds_is_announced() -> None:
    """Compiling takes minutes without any other output."""
    alone = make_config('micro', ['sizes=32x32'])
    assert 'is compiled, which takes minutes' in wait_text(alone)
    assert wait_text(replace(alone, sources='folder:/a@1,worlds@2')) == wait_text(alone)
    assert wait_text(replace(alone, sources='cache:/worlds@1')) == ''


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('movies', "kind 'movies' is unknown; allowed: worlds, cache, bag"),
        ('folder:/nowhere', '/nowhere does not exist; expected .*/nowhere:\nmeta.json'),
        ('cache:/nowhere', 'no shards in /nowhere'),
        ('kitti:/nowhere', 'nowhere'),
        ('bag:', "source 'bag:' has no path; write bag:PATH"),
        ('folder', "source 'folder' has no path; write folder:PATH"),
        ('folder:/nowhere?fov', "option 'fov' after a path must be OPTION=VALUE"),
        ('kitti:/nowhere?list_file=', "option 'list_file=' after a path must be OPTION=VALUE"),
        ('worlds:/shards', 'worlds are rendered and take no path; write worlds, or cache:/shards'),
        ('images:/', 'neither depth nor a camera; it is for stage0 only'),
    ],
)
def test_a_wrong_source_stops_before_the_run(source: str, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        Mixture(make_config('micro', ['sizes=32x32', f'sources={source}']))


def test_folder_returns_metres_and_holes(tmp_path: Path) -> None:
    folder = write_set(tmp_path / 'set', 1)
    raw = RgbdFolder(str(tmp_path)).load(0)
    assert isinstance(raw, RawSample)
    assert raw.depth.shape == raw.rgb.shape[:2] == (raw.camera.height, raw.camera.width)
    assert 0.5 < np.nanmedian(raw.depth) < 30
    (folder / '000_depth.png').write_bytes(b'not a picture')
    with pytest.raises(TrainError, match=r'set/000: .*000_depth\.png must be a 16-bit grey png'):
        RgbdFolder(str(folder)).load(0)


def test_depth_of_a_folder_may_have_another_unit(tmp_path: Path) -> None:
    folder = write_set(tmp_path / 'set', 1)
    metres = RgbdFolder(str(folder)).load(0).depth
    meta = json.loads((folder / 'meta.json').read_text())
    (folder / 'meta.json').write_text(json.dumps({**meta, 'depth_per_metre': 500}))
    np.testing.assert_array_equal(RgbdFolder(str(folder)).load(0).depth, 2 * metres)
    (folder / 'meta.json').write_text(json.dumps({**meta, 'depth_per_metre': 'mm'}))
    with pytest.raises(TrainError, match=r"folder: .*meta\.json: depth_per_metre='mm'; allowed"):
        RgbdFolder(str(folder))


@pytest.mark.parametrize('text', ['{', '{}', '[]', '{"frames": 3}', '{"frames": [{}]}'])
def test_a_broken_list_of_frames_is_named(tmp_path: Path, text: str) -> None:
    folder = write_set(tmp_path / 'set', 1)
    (folder / 'meta.json').write_text(text)
    with pytest.raises(TrainError, match=f'folder: cannot index {folder}'):
        RgbdFolder(str(folder))
    (folder / 'meta.json').write_text('{"frames": []}')
    with pytest.raises(TrainError, match=f'folder: no samples below {folder}'):
        RgbdFolder(str(folder))
    (folder / 'meta.json').write_text('{"frames": [{"id": "000", "K": [1]}]}')
    with pytest.raises(TrainError, match='set/000: IndexError'):
        RgbdFolder(str(folder)).load(0)


def test_a_truncated_cache_is_named(tmp_path: Path) -> None:
    shard = tmp_path / 'shard-00000'
    shard.mkdir()
    np.save(shard / 'rgb.npy', np.zeros((2, 32, 32, 3), np.uint8))
    np.save(shard / 'depth.npy', np.ones((1, 32, 32), np.float16))
    np.save(shard / 'camera.npy', np.full((2, 4), 16.0))
    source = open_source(f'cache:{tmp_path}', make_config('micro', ['sizes=32x32']))
    assert source.load(0).depth.shape == (32, 32)
    with pytest.raises(TrainError, match='fewer depth maps or cameras than pictures'):
        source.load(1)
    for size in (1000, 0):  # 0: as a power cut leaves it
        os.truncate(shard / 'rgb.npy', size)
        with pytest.raises(TrainError, match=f'cache {tmp_path} has a broken shard'):
            open_source(f'cache:{tmp_path}', make_config('micro', ['sizes=32x32']))
    np.save(shard / 'rgb.npy', np.zeros((0, 32, 32, 3), np.uint8))
    with pytest.raises(TrainError, match=f'cache {tmp_path} has no frames'):
        open_source(f'cache:{tmp_path}', make_config('micro', ['sizes=32x32']))


def test_broken_samples_are_named_and_too_many_stop_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_set(tmp_path / 'set')
    (folder / '001_rgb.jpg').unlink()
    config = fast_config(folder, 'total_samples=400')
    made = [Mixture(config)[i] for i in range(8)]
    assert any('set/001' in name for m in made for name in m.broken)
    assert all(m.arrays.rgb.shape[0] == 4 for m in made)
    alone = Processes(0, 1, torch.device('cpu'))
    with pytest.raises(TrainError, match=r'samples were broken, more than max_broken_share'):
        train(tmp_path / 'run', config, alone)
    assert 'broken sample skipped: folder set/001: cannot read' in caplog.text


@pytest.mark.parametrize('workers', [0, 1])
def test_an_error_in_a_worker_is_reported_without_its_traceback(
    tmp_path: Path, workers: int
) -> None:
    folder = write_set(tmp_path / 'set', 1)
    mixture = Mixture(fast_config(folder))
    (folder / '000_rgb.jpg').unlink()
    with pytest.raises(TrainError) as error:
        next(batches(mixture, 0, workers))
    assert str(error.value).startswith('20 samples in a row are broken, the last: folder set/000')
    assert str(error.value).endswith('000_rgb.jpg: No such file or directory')


@pytest.mark.skipif(sys.platform != 'linux', reason='uses /proc')
def test_workers_die_with_a_killed_trainer(config: TrainConfig) -> None:
    code = (
        'import os, signal, sys\n'
        'from train.config import TrainConfig\n'
        'from train.mixture import Mixture, batches\n'
        'if __name__ == "__main__":\n'
        '    config = TrainConfig.from_json(sys.argv[1])\n'
        '    data = batches(Mixture(config), 0, workers=1)\n'
        '    next(data)\n'
        '    import multiprocessing\n'
        '    print(multiprocessing.active_children()[0].pid, flush=True)\n'
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, config.to_json()],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    worker = Path('/proc', str(int(done.stdout)), 'stat')
    deadline = time.monotonic() + 20
    while worker.exists() and ') Z ' not in worker.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists() or ') Z ' in worker.read_text()


class _Stopping:
    """Data that sends the worker a signal during its start, and when it is working."""

    def __init__(self, number: int) -> None:
        self._signal = f'__import__("signal").raise_signal({number})'

    def __reduce__(self) -> tuple[Any, ...]:
        lines = f'class Data:\n  def __getitem__(self, i): {self._signal}; return i\n'
        return eval, (f'({self._signal}, s := {{}}, exec({lines!r}, s), s["Data"]())[-1]',)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_worker_works_until_the_trainer_ends_it(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    others = set(multiprocessing.active_children())  # of earlier tests, not yet collected
    made = made_ahead(_Stopping(number), range(9), workers=1)
    assert list(islice(made, 3)) == [0, 1, 2]
    (worker,) = set(multiprocessing.active_children()) - others
    del made
    worker.join(5)
    assert worker.exitcode == 0
    assert 'Traceback' not in capfd.readouterr().err


def test_each_process_counts_broken_samples_relative_to_its_own(config: TrainConfig) -> None:
    # 0.5 % of 4,000 samples are acceptable, 2 % are not, with any number of processes.
    names = tuple(f'sample {i}' for i in range(10))
    state = TrainState(build_net(config), config, Processes(1, 2, torch.device('cpu')))
    state.clock, state.broken = 8_000, 10
    state.count_broken(names)
    assert state.broken == 20
    state.broken = 80
    with pytest.raises(TrainError, match=r'90 of 4000 samples were broken.*the last: sample 9'):
        state.count_broken(names)
