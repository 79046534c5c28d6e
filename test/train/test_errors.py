# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numba
import pytest

from train.worlds import WorldConfig, cache

OUT = ('--out', 'unused.onnx')


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt  # no signal: other tests have left a handler that is deaf for a while


@pytest.mark.parametrize(
    ('command', 'work', 'arguments'),
    [
        ('quantize', 'quantize', ('dmd_worlds', *OUT)),
        ('export', 'export', ('run', *OUT)),
        ('fov.export', 'export', ('run', *OUT)),
        ('evaluate', 'load_estimator', ('dmd_worlds',)),
        ('fov.evaluate', 'load_camera_source', ()),
        ('stage0.compare', 'compare', ('--out', 'unused')),
        ('stage0.sheet', 'load', ('run', '--out', 'unused.png')),
        ('worlds.cache', 'write_cache', ('--frames', '1', '--out', 'unused')),
        ('worlds.sheet', '_pictures', ('--out', 'unused.png')),
        ('worlds.statistics', 'table', ()),
        ('worlds.bench', '_rate', ()),
        ('sample_bag', 'write_bag', ('unused',)),
    ],
)
def test_ctrl_c_ends_a_command_in_one_line(
    command: str,
    work: str,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = import_module(f'train.{command}')
    monkeypatch.setattr(module, work, interrupted)
    monkeypatch.chdir(tmp_path)
    assert module.main([*arguments]) == 130
    assert 'interrupted\n' in capsys.readouterr().err


def test_ctrl_c_ends_a_worker_that_renders_without_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(numba, 'set_num_threads', lambda _: None)  # this process goes on
    with pytest.raises(SystemExit, match='130'):
        cache._work(tmp_path, [0], 1, WorldConfig(size=(16, 16)), '', interrupted)
    assert not list(tmp_path.iterdir())
