# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The installed package: the wheel's contents, a fresh environment, and colcon if available."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from oracle_model import write_oracle

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()
# In a workspace that was built and sourced, PYTHONPATH has this very package: installed already.
ALONE = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package's files; a small model takes the place of the default model."""
    copy = tmp_path_factory.mktemp('source') / 'dmd_ros'
    copy.mkdir()
    for name in ('dmd_ros', 'config', 'launch', 'models', 'resource'):
        ignored = shutil.ignore_patterns('__pycache__', '*.onnx')
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    files = ('setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'README.md', 'LICENSE')
    for name in (*files, 'MANIFEST.in', 'CHANGELOG.rst'):
        shutil.copy(ROOT / name, copy / name)
    (copy / 'models').mkdir(exist_ok=True)
    write_oracle(copy / 'models' / 'dmd_worlds.onnx')
    return copy


@pytest.fixture(scope='module')
def wheel(source: Path) -> Path:
    pytest.importorskip('wheel')
    pip = (sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation')
    run(*pip, '-q', '-w', source / 'out', source)
    (found,) = (source / 'out').glob('*.whl')
    return found


def metadata(wheel: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith('.dist-info/METADATA'))
        message = Parser().parsestr(archive.read(name).decode())
    return {key: message.get_all(key) for key in message}


def test_the_version_has_one_source(wheel: Path) -> None:
    version = PACKAGE.findtext('version')
    assert metadata(wheel)['Version'] == [version]
    assert version not in (ROOT / 'setup.py').read_text()


def test_the_changelog_is_ready_for_a_release() -> None:
    """catkin_prepare_release renames 'Forthcoming'; released sections are 'version (date)'."""
    text = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    pairs = itertools.pairwise(text.splitlines())
    headings = [line for line, rule in pairs if rule and rule == '-' * len(line)]
    released = [one for one in headings if re.fullmatch(r'\d+(\.\d+){2} \(\d{4}(-\d\d){2}\)', one)]
    assert headings and headings in (released, ['Forthcoming', *released])
    assert not released or released[0].startswith(f'{PACKAGE.findtext("version")} (')


def test_the_wheel_holds_the_share_folder_and_no_trainer(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shared = {n.split('/data/', 1)[1] for n in names if '/data/' in n}
    expected = {
        'share/ament_index/resource_index/packages/dmd_ros',
        'share/dmd_ros/package.xml',
        'share/dmd_ros/models/dmd_worlds.onnx',
        *(f'share/dmd_ros/launch/{p.name}' for p in (ROOT / 'launch').glob('*.launch.py')),
        *(f'share/dmd_ros/config/{p.name}' for p in (ROOT / 'config').iterdir()),
    }
    assert expected <= shared
    packages = {n.split('/')[0] for n in names if n.endswith('.py') and '.data/' not in n}
    assert packages == {'dmd_ros'}
    for path in (ROOT / 'dmd_ros').rglob('*.py'):
        assert str(path.relative_to(ROOT)) in names


def test_the_installed_package_needs_no_torch_and_no_ros(wheel: Path) -> None:
    needs = metadata(wheel)['Requires-Dist']
    always = sorted(re.split(r'[<>= ;]', need)[0] for need in needs if 'extra ==' not in need)
    assert always == ['numpy', 'opencv-python-headless']
    # At 4.5.4, test_interleaved_encodings_are_exact fails for bgr8 of 1x1.
    assert 'opencv-python-headless>=4.5.5' in needs
    # torch 2.2 has no compiler.is_compiling(), which every pass of the network asks for.
    assert [n for n in needs if n.startswith('torch')] == ['torch>=2.5; extra == "train"']


@pytest.fixture(scope='module')
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; libraries come from this one, without its dmd_ros."""
    root = tmp_path_factory.mktemp('fresh') / 'venv'
    run(sys.executable, '-m', 'venv', '--without-pip', root)
    python = root / 'bin' / 'python'
    pip = (sys.executable, '-m', 'pip', '--python', python)
    run(*pip, 'install', '-q', '--no-deps', wheel, env=ALONE)
    where = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    site = Path(run(python, '-c', where).stdout.strip())
    lent = run(sys.executable, '-c', where).stdout.strip()
    # After the wheel's own folder on the path, so an editable dmd_ros there is not used.
    (site / 'lent.pth').write_text(f'{lent}\n')
    return python


def test_the_installed_package_finds_its_model_and_loads_no_torch(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        'import sys, numpy, dmd_ros\n'
        'from dmd_ros import Camera, load_estimator\n'
        'estimator = load_estimator()\n'
        'rgb = numpy.zeros((48, 64, 3), numpy.uint8)\n'
        'frame = estimator(rgb, Camera(50, 50, 31.5, 23.5, 64, 48))\n'
        'print(dmd_ros.__file__, frame.depth.shape, "torch" in sys.modules)\n'
    )
    said = run(installed, '-c', code, cwd=tmp_path, env=ALONE).stdout
    assert said.endswith('site-packages/dmd_ros/__init__.py (48, 64) False\n')
    assert str(installed.parent.parent) in said


def test_the_executable_is_installed(installed: Path) -> None:
    node = installed.parent / 'dmd_node'
    assert node.is_file() and os.access(node, os.X_OK)


@pytest.mark.skipif(shutil.which('colcon') is None, reason='colcon is not installed')
def test_colcon_builds_a_workspace(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / 'src' / 'dmd_ros', ignore=shutil.ignore_patterns('out'))
    run('colcon', 'build', cwd=tmp_path)
    prefix = tmp_path / 'install' / 'dmd_ros'
    assert os.access(prefix / 'lib' / 'dmd_ros' / 'dmd_node', os.X_OK)
    share = prefix / 'share'
    assert (share / 'ament_index' / 'resource_index' / 'packages' / 'dmd_ros').is_file()
    for part in ('package.xml', 'config/dmd.yaml', 'models/dmd_worlds.onnx'):
        assert (share / 'dmd_ros' / part).is_file()


def test_package_xml_names_what_the_node_imports() -> None:
    """Every ROS package that dmd_ros/ros or launch/ imports or starts is an exec_depend."""
    declared = {element.text for element in PACKAGE.iter('exec_depend')}
    sources = [*(ROOT / 'dmd_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    text = '\n'.join(path.read_text() for path in sources)
    imported = set(re.findall(r'^\s*(?:from|import) (\w+_msgs|rclpy|launch\w*)\b', text, re.M))
    started = set(re.findall(r"^\s*package='(\w+)'", text, re.M))
    assert "'ros2', 'bag', 'play'" in text and 'rviz2' in started
    # RViz needs the last one to show a compressed picture.
    assert imported | started | {'rosbag2', 'compressed_image_transport'} <= declared


def test_the_linter_leaves_environments_out_without_git_too(tmp_path: Path) -> None:
    """In a downloaded archive, `make demo` and then `make test` linted all of .venv-demo."""
    pytest.importorskip('ruff')
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    for environment in ('.venv', '.venv-demo', '.venv-jazzy'):
        (tmp_path / environment).mkdir()
        (tmp_path / environment / 'library.py').write_text('import os,sys\n')
    run(sys.executable, '-m', 'ruff', 'check', '.', cwd=tmp_path)
