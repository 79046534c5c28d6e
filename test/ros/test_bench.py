# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark runs and its figures are consistent; the speed itself is not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from peers import free_domain

from dmd_ros.ros.bench import __main__ as command
from dmd_ros.ros.bench import stages as stages_process
from dmd_ros.ros.bench import table
from dmd_ros.ros.bench.driver import Driver
from dmd_ros.ros.bench.live import latency
from dmd_ros.ros.processes import Family
from dmd_ros.runtime import engine_cache, select

COMMAND = (sys.executable, '-m', 'dmd_ros.ros.bench')
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (['--frames', '0'], 'argument --frames: 0 must be >= 1'),
        (['--memory-frames', '0'], 'argument --memory-frames: 0 must be >= 1'),
        (['--seconds', '0'], 'argument --seconds: 0 must be > 0'),
        (['--seconds', 'nan'], 'argument --seconds: nan is not a time'),
    ],
)
def test_invalid_options_are_refused(
    option: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        command.main([*option, '--out', str(tmp_path), '--parts', 'denoiser'])
    assert message in capsys.readouterr().err


def bench(out: Path, model: Path, *arguments: str) -> dict:
    with free_domain() as domain:
        done = subprocess.run(
            [*COMMAND, '--out', str(out), '--model', str(model), *arguments],
            cwd=ROOT,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    for line in (out / 'bench.md').read_text().splitlines()[2:]:
        assert line in done.stdout
    return json.loads((out / 'bench.json').read_text())


def test_stages_denoiser_and_clouds(oracle: Path, tmp_path: Path) -> None:
    parts = ('--parts', 'stages', 'denoiser', 'clouds', '--frames', '5', '--seconds', '2')
    found = bench(tmp_path, oracle, *parts)
    assert found['machine']['cores'] == str(len(os.sched_getaffinity(0)))
    for size in ('640x480', '1920x1080'):
        stages = found[f'stages {size}']
        times = dict(stages['stages_ms'])
        # For camera_info there is no memcpy to compare with, so there is no ratio.
        assert set(times) - set(stages['memcpy_ms']) == {'camera_info'}
        times.pop('decode jpeg')
        assert sum(times.values()) == pytest.approx(stages['everything_but_the_denoiser_ms'])
        # The last one always arrives; on a busy machine others may be overwritten by it.
        assert 0 < stages['delivered_share']['depth'] <= 1
        assert found[f'cloud {size}']['write_cloud'] > 0
    assert found['denoiser']['model'] == 'oracle'


def test_stages_build_no_engine_if_tensorrt_is_installed(
    oracle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They only need the contract; their denoiser returns immediately."""
    facts = select.Facts('10.3.0', gpus=('GPU',), providers=('CPUExecutionProvider',))
    monkeypatch.setattr(select, 'look_around', lambda *_: facts)
    monkeypatch.setattr(engine_cache, 'engine_for', lambda *_: pytest.fail('builds an engine'))
    monkeypatch.setattr(stages_process, 'keep_freed_memory', lambda: True)
    monkeypatch.setattr(stages_process, 'send_in_background', lambda: None)
    monkeypatch.setattr(sys, 'argv', ['stages', '640', '480', '5', str(oracle)])
    monkeypatch.setattr(stages_process.rclpy, 'init', MagicMock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # having read the model
        stages_process.main()


def test_the_patience_for_stages_grows_with_the_number_of_frames(
    oracle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, '_PATIENCE', 8.0)  # 300 frames take at least 9 s
    with Family(tmp_path) as family:
        found, _ = table.stage_table(family, (64, 48), oracle, 300)
    assert found['everything_but_the_denoiser_ms'] > 0


def test_a_camera_that_is_too_fast_leaves_no_image_unaccounted_for(
    oracle: Path, tmp_path: Path
) -> None:
    found = bench(tmp_path, oracle, '--parts', 'flood', 'memory', '--seconds', '3',
                  '--memory-frames', '20')  # fmt: skip
    flood = found['flood']
    assert flood['images sent'] == 300
    assert flood['received but not accounted for'] == 0
    assert flood['processed'] >= 1
    assert found['start']['start to first depth s'] > 0
    assert 50 < found['start']['resident MB after it'] < 2000
    assert abs(found['memory']['growth']) < 200


def test_counters_are_read_when_every_image_is_accounted_for() -> None:
    driver = Driver(MagicMock())
    said = [
        {'images': '0'},
        {'images': '2', 'processed': '1', 'dropped': '0'},
        {'images': '2', 'processed': '1', 'dropped': '1', 'dropped: lost in transport': '1'},
        {'images': '2', 'processed': '2', 'dropped': '1', 'dropped: lost in transport': '1'},
    ]

    def tell() -> None:
        for values in said:
            pairs = [SimpleNamespace(key=key, value=value) for key, value in values.items()]
            status = SimpleNamespace(name='dmd: depth', values=pairs)
            driver._on_diagnostics(SimpleNamespace(status=[status]))
            time.sleep(0.1)

    teller = threading.Thread(target=tell)
    teller.start()
    assert driver._settled(expected=3) == said[-1]
    teller.join()


def test_latency_without_the_denoiser() -> None:
    event = {
        'latency_ms': {'depth': [9.0, 10.0, 11.0], 'cloud': [14.0, 15.0, 16.0]},
        'after': {'stage denoise (ms)': '4.50', 'images': '3'},
    }
    assert latency(event) == {
        'image sent to depth received': 10.0,
        'image sent to cloud received': 15.0,
        'everything but the denoiser': 10.5,
        'in the node: denoise': 4.5,
    }
