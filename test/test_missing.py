# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands in environments with missing packages, and programs that are not our commands."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import setuptools

from dmd_ros.missing import EXTRAS

ROOT = Path(__file__).parents[1]
# Imported by Python at its start; used here to hide installed packages.
HIDING = """
import sys

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {hidden!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Hiding())
"""


def run_without(hidden: tuple[str, ...], folder: Path, *words: str) -> tuple[int, str]:
    (folder / 'sitecustomize.py').write_text(HIDING.format(hidden=hidden))
    return run(folder, *words)


def run(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {'PYTHONPATH': f'{folder}:{ROOT}'},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ('hidden', 'module', 'installed', 'extra'),
    [
        (('torch', 'tensorboard'), 'train.run', 'tensorboard torch', 'train'),
        (('torch',), 'train.export', 'torch', 'train'),
        (('numba',), 'train.worlds.sheet', 'numba', 'train'),
        (('onnxruntime',), 'train.finetune', 'onnxruntime', 'cpu'),
        (('rosbags', 'PIL', 'tqdm'), 'dmd_ros.eval.replay', 'pillow rosbags tqdm', 'eval'),
        (('lz4',), 'dmd_ros.eval.replay', 'lz4', 'eval'),
        (('backports',), 'dmd_ros.eval.replay', 'backports.zstd', 'eval'),
        (('yaml',), 'dmd_ros.eval.pictures', 'pyyaml', 'eval'),
    ],
)
def test_a_command_reports_missing_packages_in_one_line(
    hidden: tuple[str, ...], module: str, installed: str, extra: str, tmp_path: Path
) -> None:
    status, said = run_without(hidden, tmp_path, '-m', module, '--help')
    assert said == (
        f'error: not installed: {installed.replace(" ", ", ")}; install with {sys.executable} '
        f'-m pip install {installed} (the extra {extra} of dmd_ros)\n'
    )
    assert status == 1


def test_packages_that_every_command_needs_belong_to_no_extra(tmp_path: Path) -> None:
    _, said = run_without(('numpy', 'cv2'), tmp_path, '-m', 'dmd_ros.eval.pictures')
    assert said.endswith('-m pip install numpy opencv-python-headless\n')
    assert said.count('\n') == 1


def test_the_installed_node_is_a_command(tmp_path: Path) -> None:
    (tmp_path / 'dmd_node').write_text('from dmd_ros.ros.node import main\nmain()')
    _, said = run_without(('rclpy',), tmp_path, 'dmd_node')
    assert said.startswith('error: no ROS 2 here (No module named ') and said.count('\n') == 1


@pytest.mark.parametrize('module', ['dmd_ros.ros.node', 'dmd_ros.ros.demo', 'dmd_ros.ros.bench'])
def test_commands_that_need_ros_say_how_to_get_it(module: str, tmp_path: Path) -> None:
    _, said = run_without(('rclpy', 'sensor_msgs'), tmp_path, '-m', module)
    assert said.startswith('error: no ROS 2 here (No module named ') and said.count('\n') == 1
    assert 'setup.bash' in said and "pip install '.[ros]'" in said


@pytest.mark.parametrize(
    ('failure', 'told'),
    [
        ('import rclpy._rclpy_pybind11', 'error: the ROS 2 here was built for another Python '),
        ('from rclpy import node', 'Traceback'),
    ],
)
def test_an_installed_ros_is_not_reported_as_missing(
    failure: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / 'rclpy').mkdir()
    (tmp_path / 'rclpy' / '__init__.py').write_text(failure)
    _, said = run_without((), tmp_path, '-m', 'dmd_ros.ros.node')
    assert said.startswith(told) and 'no ROS 2 here' not in said
    assert said.startswith('Traceback') or said.count('\n') == 1


@pytest.mark.parametrize('module', ['pictures', 'frames', 'compare'])
def test_pictures_and_frames_need_only_what_rosdep_installs(module: str, tmp_path: Path) -> None:
    """Except ONNX Runtime, for which rosdep has no key."""
    keys = {'python3-pil': 'PIL', 'python3-tqdm': 'tqdm', 'python3-yaml': 'yaml'}
    package = ElementTree.parse(ROOT / 'package.xml')
    declared = {keys.get(element.text or '') for element in package.iter('exec_depend')}
    hidden = {*EXTRAS['eval'].values(), *EXTRAS['train'].values(), *EXTRAS['data'].values()}
    hidden = {module.partition('.')[0] for module in hidden} - declared
    assert run_without(tuple(hidden), tmp_path, '-m', f'dmd_ros.eval.{module}', '-h') == (0, '')


@pytest.mark.parametrize('module', ['train.run', 'dmd_ros.eval.pictures'])
def test_ctrl_c_while_a_command_imports_is_one_line(module: str, tmp_path: Path) -> None:
    raising = HIDING.format(hidden=('cv2',)).replace(
        "ModuleNotFoundError(f'No module named {name!r}', name=name)", 'KeyboardInterrupt'
    )
    (tmp_path / 'sitecustomize.py').write_text(raising)
    status, said = run(tmp_path, '-m', module)
    assert (status, said) == (-signal.SIGINT, 'interrupted\n')  # a shell calls it 130


def test_another_error_keeps_its_traceback(tmp_path: Path) -> None:
    _, said = run_without(('argparse',), tmp_path, '-m', 'dmd_ros.eval.compare')
    assert said.startswith('Traceback') and said.endswith("No module named 'argparse'\n")


@pytest.mark.parametrize('words', [(), ('-m', 'train.run')])
def test_other_programs_keep_their_tracebacks(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / 'robot.py').write_text('import dmd_ros, train.run')
    _, said = run_without(('torch',), tmp_path, 'robot.py', *words)
    assert said.startswith('Traceback') and said.endswith("No module named 'torch'\n")


def test_the_extras_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, dict[str, list[str]]] = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **words: told.update(words))
    monkeypatch.chdir(ROOT)
    runpy.run_path('setup.py')
    extras = {'': told['install_requires'], **told['extras_require']}
    names = {
        extra: {need.partition(';')[0].partition('>')[0] for need in needs}
        for extra, needs in extras.items()
    }
    # Packages of several extras are listed under the first one.
    names['train'] -= names['eval'] | names['cpu']
    assert {extra: names[extra] for extra in EXTRAS} == {e: set(p) for e, p in EXTRAS.items()}
