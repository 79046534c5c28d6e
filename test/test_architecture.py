# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the architecture, checked in every file's syntax tree and with planted violations.

`faults` is a pure function of a path and a source text, so planted sources go through the same
check as the repository's.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPDX = [
    '# SPDX-FileCopyrightText: 2026 The dmd_ros authors',
    '# SPDX-License-Identifier: Apache-2.0',
]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
# Intentionally one function, top to bottom.
LONG_FUNCTIONS = {'train/loop.py'}

# Room -> what of this repository it may import: prefixes. A room is its longest matching prefix.
CORE, RUNTIME = 'dmd_ros.core', 'dmd_ros.runtime'
SOURCES = ('dmd_ros.fov', 'dmd_ros.floor_scale')
ENGINE = (CORE, RUNTIME, *SOURCES, 'dmd_ros.estimator', 'dmd_ros.loading')
KERNELS, RENDER = 'train.worlds.kernels', 'train.worlds.render'
MATERIALS, THINGS = 'train.worlds.materials', 'train.worlds.things'
# Modules that build scenes know their representation, but not how they are rendered.
BUILDING = (f'{KERNELS}.layout', f'{RENDER}.assets', f'{RENDER}.scene', MATERIALS)
DOORS: dict[str, tuple[str, ...]] = {
    'dmd_ros/core': (CORE,),
    'dmd_ros/runtime': (CORE, RUNTIME),
    'dmd_ros/fov.py': (CORE, RUNTIME),
    'dmd_ros/floor_scale.py': (CORE,),
    'dmd_ros/estimator.py': (CORE, RUNTIME, *SOURCES),
    'dmd_ros/loading.py': (CORE, RUNTIME, *SOURCES, 'dmd_ros.estimator'),
    'dmd_ros/__init__.py': (*ENGINE, 'dmd_ros.missing'),
    'dmd_ros/eval': (*ENGINE, 'dmd_ros.eval'),
    'dmd_ros/ros': (*ENGINE, 'dmd_ros.ros'),
    # These run a node and evaluate its output.
    'dmd_ros/ros/demo': (*ENGINE, 'dmd_ros.ros', 'dmd_ros.eval'),
    'dmd_ros/ros/bench': (*ENGINE, 'dmd_ros.ros', 'dmd_ros.eval'),
    'launch': ('dmd_ros',),
    'train': (*ENGINE, 'dmd_ros.missing', 'dmd_ros.eval', 'train'),
    'train/worlds/kernels': (KERNELS,),
    'train/worlds/render': (
        CORE,
        KERNELS,
        RENDER,
        'train.batch_image',
        'train.errors',
        'train.rotation',
    ),
    'train/worlds/materials': (f'{KERNELS}.layout', f'{RENDER}.assets', MATERIALS),
    'train/worlds/things': (*BUILDING, THINGS),
    'train/worlds/places': (*BUILDING, THINGS, 'train.worlds.places'),
}
CORE_LIBRARIES = {'numpy', 'cv2'}
# Functions that need a clock, a file or a random state are not pure.
NOT_PURE = {'time', 'random', 'os', 'pathlib', 'io', 'datetime', 'secrets', 'logging', 'threading'}

# Heavy library -> the only places that may import it.
OWNERS: dict[str, tuple[str, ...]] = {
    'torch': ('train',),
    'onnxruntime': ('dmd_ros/runtime/ort_backend.py', 'train'),
    'tensorrt': ('dmd_ros/runtime/trt_backend.py',),
    'pycuda': ('dmd_ros/runtime/trt_backend.py',),
    'onnx': ('dmd_ros/runtime/graphs', 'train'),
    'rclpy': ('dmd_ros/ros',),
    'launch': ('launch',),
    'launch_ros': ('launch',),
    'rosbags': ('dmd_ros/eval', 'dmd_ros/ros/demo', 'dmd_ros/ros/bench', 'train'),
}
ROS_MESSAGES = ('dmd_ros/ros', 'launch')
ROS_MESSAGE_PACKAGES = {'builtin_interfaces', 'std_srvs', 'rcl_interfaces', 'sensor_msgs_py'}

# One place for a fact. Eval measures and draws, train/worlds and train/datasets make and read raw
# pictures: there a logarithm or a resize is not the one that the network's input goes through.
ELSEWHERE = ('dmd_ros/eval', 'dmd_ros/ros/demo', 'train/worlds', 'train/datasets', 'launch')
CALLS: dict[str, tuple[str, ...]] = {
    'np.log': ('dmd_ros/core/depth_codec.py',),
    'cv2.log': ('dmd_ros/core/depth_codec.py',),
    'torch.log': ('dmd_ros/core/depth_codec.py',),
    'cv2.resize': ('dmd_ros/core/preprocess.py',),
    'cv2.initUndistortRectifyMap': ('dmd_ros/core/camera.py',),
    'cv2.imdecode': ('dmd_ros/core/image_file.py', 'train'),
}
# The normalisation, whose constants are in the contract.
ATTRIBUTES = {
    'rgb_mean': ('dmd_ros/core/preprocess.py', 'dmd_ros/core/contract.py', 'train'),
    'rgb_std': ('dmd_ros/core/preprocess.py', 'dmd_ros/core/contract.py', 'train'),
}

# Functions that share hidden global state; classes begin with a capital letter.
_HIDDEN_RANDOMNESS = re.compile(r'np\.random\.(?!default_rng$)[a-z_]+')


def within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f'{place}/') for place in places)


def faults(path: str, source: str) -> list[str]:
    """List the violations of the rules in the file `path` (relative, with '/')."""
    tree = ast.parse(source)
    found = [*_import_faults(path, tree), *_fact_faults(path, tree), *_length_faults(path, tree)]
    if source.split('\n')[:2] != SPDX:
        found.append('the two SPDX lines are missing')
    if source.count('\n') > MAX_FILE_LINES:
        found.append(f'file of {source.count(chr(10))} lines, at most {MAX_FILE_LINES}')
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield every imported dotted name, whether at the top, in a function, or by a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield '.relative'
            else:
                yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).split('.')[-1]
            name = node.args[0]
            if called in ('import_module', '__import__') and isinstance(name, ast.Constant):
                yield str(name.value)


def _import_faults(path: str, tree: ast.AST) -> Iterator[str]:
    if within(path, ('test',)):
        return
    room = max((door for door in DOORS if within(path, (door,))), key=len, default=None)
    for name in _imports(tree):
        top = name.split('.')[0]
        if name == '.relative':
            yield 'relative import; write it absolute'
        elif top in ('dmd_ros', 'train', 'test'):
            allowed = DOORS[room] if room else ()
            if not any(f'{name}.'.startswith(f'{prefix}.') for prefix in allowed):
                yield f'{name} is behind no door of {room}'
        elif top in OWNERS and not within(path, OWNERS[top]):
            yield f'{top} belongs to {", ".join(OWNERS[top])}'
        elif _is_message_package(top) and not within(path, ROS_MESSAGES):
            yield f'{top} belongs to {", ".join(ROS_MESSAGES)}'
        if room == 'dmd_ros/core' and top != 'dmd_ros':
            if top not in CORE_LIBRARIES | sys.stdlib_module_names:
                yield f'{top} is neither NumPy, OpenCV nor the standard library'
            elif top in NOT_PURE:
                yield f'{top} in core, whose functions are pure'


def _is_message_package(top: str) -> bool:
    return top.endswith('_msgs') or top in ROS_MESSAGE_PACKAGES


def _fact_faults(path: str, tree: ast.AST) -> Iterator[str]:
    if within(path, ('test', *ELSEWHERE)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).replace('numpy.', 'np.')
            if name in CALLS and not within(path, CALLS[name]):
                yield f'line {node.lineno}: {name} belongs to {", ".join(CALLS[name])}'
            if name == 'open' and within(path, ('dmd_ros/core',)):
                yield f'line {node.lineno}: a file opened in core'
            if _HIDDEN_RANDOMNESS.fullmatch(name):
                yield f'line {node.lineno}: {name} is hidden randomness; take a Generator'
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            if not within(path, ATTRIBUTES[node.attr]):
                yield f'line {node.lineno}: {node.attr} belongs to {ATTRIBUTES[node.attr][0]}'
        elif isinstance(node, ast.Global):
            yield f'line {node.lineno}: global state'


def _length_faults(path: str, tree: ast.AST) -> Iterator[str]:
    if within(path, ('test',)) or path in LONG_FUNCTIONS:
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f'{node.name} has {lines} lines, at most {MAX_FUNCTION_LINES}'


def files() -> list[str]:
    rooms = ('dmd_ros', 'train', 'launch', 'test')
    found = [path for room in rooms for path in (ROOT / room).rglob('*.py')]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*found, *ROOT.glob('*.py')])


@pytest.mark.parametrize('path', files())
def test_files_obey_the_rules(path: str) -> None:
    assert faults(path, (ROOT / path).read_text(encoding='utf-8')) == []


def test_the_rules_name_existing_folders() -> None:
    """A rule about a removed file would check nothing."""
    known = files()
    assert len(known) > 50
    tables = (*OWNERS.values(), *CALLS.values(), *ATTRIBUTES.values())
    named = [*DOORS, *(place for places in tables for place in places)]
    for place in (
        p for p in named if p not in ('launch', 'dmd_ros/ros/bench', 'dmd_ros/ros/demo')
    ):
        assert any(within(path, (place,)) for path in known), place


def circle(sources: dict[str, str]) -> list[str]:
    """Return modules with circular imports, given path -> source; empty if there are none."""
    modules = {path.removesuffix('.py').replace('/', '.'): path for path in sources}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = set(_imports(ast.parse(sources[path])))
        names |= {name.rpartition('.')[0] for name in names}
        graph[module] = (names & modules.keys()) - {module}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_there_are_no_circular_imports() -> None:
    """Not even by an import inside a function."""
    assert circle({path: (ROOT / path).read_text(encoding='utf-8') for path in files()}) == []


def test_a_planted_circular_import_is_caught() -> None:
    planted = {
        'dmd_ros/runtime/a.py': 'from dmd_ros.runtime import b',
        'dmd_ros/runtime/b.py': 'def f():\n    from dmd_ros.runtime.c import g',
        'dmd_ros/runtime/c.py': "importlib.import_module('dmd_ros.runtime.a')",
    }
    assert set(circle(planted)) == {f'dmd_ros.runtime.{name}' for name in 'abc'}
    assert circle(planted | {'dmd_ros/runtime/c.py': ''}) == []


PLANTED = [
    ('dmd_ros/core/camera.py', 'import torch', 'torch belongs to train'),
    ('dmd_ros/core/camera.py', 'import scipy.ndimage', 'scipy is neither NumPy, OpenCV nor'),
    ('dmd_ros/core/camera.py', 'import time', 'time in core'),
    ('dmd_ros/core/camera.py', 'from sensor_msgs.msg import Image', 'sensor_msgs belongs to'),
    ('dmd_ros/core/camera.py', 'from dmd_ros.runtime import backend', 'behind no door'),
    ('dmd_ros/core/camera.py', 'from dmd_ros import estimator', 'behind no door'),
    ('dmd_ros/core/camera.py', 'import dmd_ros', 'behind no door'),
    ('dmd_ros/core/camera.py', 'from . import errors', 'relative import'),
    ('dmd_ros/core/camera.py', 'def f():\n    import rclpy', 'rclpy belongs to dmd_ros/ros'),
    ('dmd_ros/core/camera.py', 'open("x")', 'a file opened in core'),
    ('dmd_ros/core/camera.py', 'np.random.normal()', 'hidden randomness'),
    ('dmd_ros/core/camera.py', 'def f():\n    global g', 'global state'),
    ('dmd_ros/core/pointcloud.py', 'np.log(depth)', 'np.log belongs to dmd_ros/core/depth_codec'),
    ('dmd_ros/ros/pipeline.py', 'cv2.resize(x, (3, 4))', 'cv2.resize belongs to dmd_ros/core/pre'),
    ('dmd_ros/ros/pipeline.py', 'y = (x - contract.rgb_mean)', 'rgb_mean belongs to'),
    ('dmd_ros/ros/node.py', 'import train.net', 'train.net is behind no door'),
    ('dmd_ros/ros/node.py', 'from torch import nn', 'torch belongs to train'),
    ('dmd_ros/ros/node.py', 'from dmd_ros.eval import metrics', 'behind no door of dmd_ros/ros'),
    ('dmd_ros/ros/node.py', 'import onnxruntime', 'onnxruntime belongs to dmd_ros/runtime/ort_'),
    ('dmd_ros/eval/metrics.py', 'from dmd_ros.ros.node import main', 'behind no door'),
    ('dmd_ros/eval/metrics.py', 'import rclpy', 'rclpy belongs to dmd_ros/ros'),
    ('dmd_ros/runtime/backend.py', 'import dmd_ros.estimator', 'behind no door'),
    ('dmd_ros/runtime/backend.py', 'import tensorrt as trt', 'tensorrt belongs to'),
    ('dmd_ros/runtime/backend.py', 'import pycuda.driver', 'pycuda belongs to'),
    ('dmd_ros/runtime/backend.py', "importlib.import_module('torch')", 'torch belongs to'),
    ('dmd_ros/estimator.py', 'from dmd_ros import loading', 'behind no door'),
    ('dmd_ros/loading.py', 'from dmd_ros.ros import node', 'behind no door'),
    ('train/augment.py', 'from dmd_ros.ros import messages', 'behind no door of train'),
    ('train/augment.py', 'torch.log(depth)', 'torch.log belongs to dmd_ros/core/depth_codec.py'),
    ('train/augment.py', 'import rclpy', 'rclpy belongs to dmd_ros/ros'),
    ('train/worlds/kernels/bvh.py', 'from train.worlds.render import scene', 'behind no door'),
    ('train/worlds/render/view.py', 'from train.worlds.things import tables', 'behind no door'),
    ('train/worlds/render/view.py', 'from train.worlds import Assets', 'behind no door'),
    ('train/worlds/materials/table.py', 'import train.worlds.things.tables', 'behind no door'),
    ('train/worlds/things/tables.py', 'from train.worlds.places import road', 'behind no door'),
    ('train/worlds/things/tables.py', 'from train.worlds.render import view', 'behind no door'),
    ('train/worlds/places/road.py', 'from train.worlds.generate import KINDS', 'behind no door'),
    ('launch/dmd.launch.py', 'import train', 'train is behind no door of launch'),
    ('dmd_ros/core/camera.py', 'def f():\n' + '    x = 1\n' * 61, 'f has 62 lines, at most 60'),
    ('dmd_ros/core/camera.py', 'x = 1\n' * 401, 'lines, at most 400'),
]
HARMLESS = [
    ('dmd_ros/core/camera.py', 'import math\nimport cv2\nimport numpy as np'),
    ('dmd_ros/core/camera.py', 'from dmd_ros.core.errors import CoreError'),
    ('dmd_ros/core/depth_codec.py', 'np.log(depth)'),
    ('dmd_ros/core/preprocess.py', 'cv2.resize(x, (3, 4))\nmath.log(2)'),
    ('dmd_ros/runtime/ort_backend.py', 'import onnxruntime as ort'),
    ('dmd_ros/estimator.py', 'rng = np.random.default_rng(0)'),
    ('dmd_ros/ros/node.py', 'import rclpy\nfrom sensor_msgs.msg import Image'),
    ('dmd_ros/ros/demo/results.py', 'from dmd_ros.eval import metrics'),
    ('dmd_ros/eval/metrics.py', 'np.log(p)'),
    ('train/loop.py', 'import torch\ndef f():\n' + '    x = 1\n' * 90),
    ('train/loop.py', 'from dmd_ros.eval.metrics import score\nfrom dmd_ros.core import camera'),
    ('train/worlds/places/road.py', 'from train.worlds.things import tables'),
    ('train/worlds/things/tables.py', 'from train.worlds.materials import Materials'),
    ('test/core/test_camera.py', 'import torch, rclpy, dmd_ros.ros'),
]


@pytest.mark.parametrize(('path', 'planted', 'expected'), PLANTED)
def test_a_planted_violation_is_caught(path: str, planted: str, expected: str) -> None:
    found = faults(path, '\n'.join([*SPDX, planted]))
    assert len(found) >= 1
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(('path', 'source'), HARMLESS)
def test_allowed_code_is_not_reported(path: str, source: str) -> None:
    assert faults(path, '\n'.join([*SPDX, source])) == []


@pytest.mark.parametrize('top', ['', '#!/usr/bin/env python3\n', SPDX[1] + '\n' + SPDX[0] + '\n'])
def test_a_file_without_its_licence_is_caught(top: str) -> None:
    assert faults('train/new.py', top + 'x = 1\n') == ['the two SPDX lines are missing']


def test_paths_match_by_whole_names() -> None:
    assert within('train/loop.py', ('train',))
    assert not within('training/loop.py', ('train',))
