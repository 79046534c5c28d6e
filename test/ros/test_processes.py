# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes of the demo and the benchmark."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from peers import ROOT, TIMEOUT, free_domain

from dmd_ros.ros import processes
from dmd_ros.ros.errors import NodeError


def test_shared_files_are_found_in_all_folders_of_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example in the folder of pip install --user."""
    monkeypatch.setattr(site, 'USER_BASE', str(tmp_path))
    file = tmp_path / 'share' / 'dmd_ros' / 'config' / 'only_here.xml'
    file.parent.mkdir(parents=True)
    file.touch()
    assert processes.shared_file(Path('config') / 'only_here.xml') == file


def test_a_missing_shared_file_is_reported_with_the_searched_folders() -> None:
    with pytest.raises(NodeError, match=re.escape(f'looked for {Path(__file__).parents[2]}')):
        processes.shared_file(Path('config') / 'nowhere.xml')


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for the reservations of this test only."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.delenv('ROS_DOMAIN_ID', raising=False)
    return tmp_path


def test_threads_of_a_child_do_not_interleave_their_lines() -> None:
    """The demo would wait for a lost 'ready' until its timeout."""
    program = (
        'import threading; from dmd_ros.ros.processes import say;'
        'many = lambda name: [say(name, at=i) for i in range(5000)];'
        'threads = [threading.Thread(target=many, args=(name,)) for name in ("one", "two")];'
        '[t.start() for t in threads]; [t.join() for t in threads]'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    for name in ('one', 'two'):
        assert [e['at'] for e in events if e['event'] == name] == list(range(5000))


@pytest.mark.parametrize(
    ('module', 'command'),
    [
        ('demo.player', 'demo'),
        ('demo.recorder', 'demo'),
        ('bench.stages', 'bench'),
        ('bench.driver', 'bench'),
        ('bench.listener', 'bench'),
    ],
)
@pytest.mark.parametrize('words', [(), ('--help',)])
def test_a_child_started_by_hand_names_its_parent_command(
    module: str, command: str, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, '-m', f'dmd_ros.ros.{module}', *words],
        capture_output=True,
        stdin=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        cwd=ROOT,
    )
    assert done.stderr.endswith(
        f'. Not a stand-alone command: it is started by python -m dmd_ros.ros.{command}.\n'
    )
    assert (done.returncode, done.stdout, done.stderr.count('\n')) == (1, '', 1)


@pytest.mark.parametrize('words', [(), ('--help',), ('dmd_ros.ros.node', '-h'), ('1',)])
def test_the_child_starter_is_not_a_command_either(words: tuple[str, ...]) -> None:
    command = [sys.executable, '-m', 'dmd_ros.runtime.child', *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr.count('\n')) == (1, 1)
    assert done.stderr.startswith('python -m dmd_ros.runtime.child is not for direct use: demo, ')


def domain_of(family: processes.Family) -> str:
    return family._environment['ROS_DOMAIN_ID']


def test_concurrent_families_have_separate_domains(alone: Path) -> None:
    with processes.Family(alone) as one:
        with processes.Family(alone) as two:
            assert domain_of(one) != domain_of(two)
            taken = domain_of(two)
        with processes.Family(alone) as three:
            assert domain_of(three) == taken  # free again


def test_an_impatient_ctrl_c_leaves_no_child_behind(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    class Interrupted:
        def __init__(self, name: str, *_: object) -> None:
            self.name = name

        def stop(self) -> None:
            stopped.append(self.name)
            raise KeyboardInterrupt

    monkeypatch.setattr(processes, 'Child', Interrupted)
    with pytest.raises(KeyboardInterrupt), processes.Family(alone) as family:
        for name in ('node', 'recorder', 'player'):
            family.start(name, 'module')
    assert stopped == ['player', 'recorder', 'node']


SAMPLE = ROOT / 'test' / 'data' / 'sample_bag'
# A demo that has started its children and runs for a long time.
PARENT = """
import sys, time
from pathlib import Path
from dmd_ros.ros.processes import Family

with Family(Path(sys.argv[1])) as family:
    family.start_node({'model': sys.argv[2], 'threads': 1})
    family.start('recorder', 'dmd_ros.ros.demo.recorder', sys.argv[1] + '/recorded')
    family.wait_for('recorder', 'ready')
    # It waits for a subscriber of compressed images.
    family.start('player', 'dmd_ros.ros.demo.player', sys.argv[3], '/image/compressed', '', '1')
    print(*(child.process.pid for child in family.children.values()), flush=True)
    time.sleep(600)
"""


def has_ended(pid: int) -> bool:
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:
        return True
    return state == 'Z'


def test_children_end_with_a_parent_that_is_killed(oracle: Path, tmp_path: Path) -> None:
    """Their domain is then free, and the next demo would also receive from a leftover node."""
    words = [sys.executable, '-c', PARENT, str(tmp_path), str(oracle), str(SAMPLE)]
    with free_domain() as domain:
        env = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        parent = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + TIMEOUT
        while not all(map(has_ended, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(children) == 3 and all(map(has_ended, children))


def test_a_domain_that_the_user_has_set_is_kept(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    with processes.Family(alone) as family:
        assert domain_of(family) == '7'


def test_a_reservation_that_cannot_be_opened_is_taken(alone: Path) -> None:
    for domain in (100, 99):
        (alone / f'dmd_ros_domain_{domain}').mkdir()  # cannot be opened, like another user's file
    with free_domain() as domain:
        assert domain == 98


def test_no_domain_left(alone: Path) -> None:
    with (
        processes.free_domain([5]),
        pytest.raises(NodeError, match='all reserved; set ROS_DOMAIN_ID'),
        processes.free_domain([5]),
    ):
        pass
