# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a command lacks is said in one line: what is missing, and what installs it.

So is Ctrl-C. A command's imports come before its `main` could catch anything, so a hook does it,
which importing this sets: of `python -m dmd_ros...`, `python -m train...` and `dmd_node` alone, in
nobody else's program.
"""

from __future__ import annotations

import importlib.util
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# The extras of setup.py: what is imported, by what pip calls it. '': always needed.
EXTRAS: dict[str, dict[str, str]] = {
    '': {'numpy': 'numpy', 'opencv-python-headless': 'cv2'},
    'cpu': {'onnxruntime': 'onnxruntime'},
    'eval': {
        'apsw': 'apsw',
        'backports.zstd': 'compression' if sys.version_info >= (3, 14) else 'backports.zstd',
        'lz4': 'lz4',
        'pillow': 'PIL',
        'pyyaml': 'yaml',
        'rosbags': 'rosbags',
        'tqdm': 'tqdm',
    },
    'train': {
        'matplotlib': 'matplotlib',
        'numba': 'numba',
        'onnx': 'onnx',
        'tensorboard': 'tensorboard',
        'torch': 'torch',
    },
    'data': {'h5py': 'h5py', 'pyarrow': 'pyarrow', 'scipy': 'scipy'},
}
_ROS = ('rclpy', 'builtin_interfaces', 'rcl_interfaces')


def advice(error: BaseException) -> str | None:
    """Say what to install if a package of `EXTRAS` or of ROS is what an import lacked."""
    top = (error.name or '').partition('.')[0] if isinstance(error, ImportError) else ''
    if top in _ROS or top.endswith('_msgs'):
        if _is_there(top):
            return _misfit(error)
        return (
            f'no ROS 2 here ({error}): source its setup.bash, or, without an installation, '
            f'{_pip([".[ros]"])} where the sources of dmd_ros are'
        )
    for extra, packages in EXTRAS.items():
        lacking = [name for name, module in packages.items() if not _is_there(module)]
        if top in (packages[name].partition('.')[0] for name in lacking):
            part = f' (the extra {extra} of dmd_ros)' if extra else ''
            return f'not installed: {", ".join(lacking)}; {_pip(lacking)} brings that{part}'
    return None


def _misfit(error: BaseException) -> str | None:
    """Say that a ROS that is there has nothing compiled for this Python, if that is the error."""
    if not (isinstance(error, ModuleNotFoundError) and '_rclpy_pybind11' in str(error.name)):
        return None
    version = '.'.join(map(str, sys.version_info[:2]))
    return (
        f'the ROS 2 here is for another Python than {sys.executable}, which is {version} '
        f'({str(error).splitlines()[0]}): use the Python that this ROS was built for'
    )


def _pip(packages: Sequence[str]) -> str:
    return shlex.join([sys.executable, '-m', 'pip', 'install', *packages])


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its parent is not
        return False


def _is_command() -> bool:
    """Say whether this interpreter runs a command of ours; other programs may have a -m, too."""
    script = next(iter(sys.argv), '')
    if script != '-m':  # which Python puts there until it has found the module
        return Path(script).name == 'dmd_node'
    words = itertools.pairwise(sys.orig_argv)
    module = next((word for flag, word in words if flag == '-m'), '')
    return module.partition('.')[0] in ('dmd_ros', 'train')


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print('interrupted', file=sys.stderr)
    elif (said := advice(error)) is None:
        _BEFORE(kind, error, trace)
    else:
        print(f'error: {said}', file=sys.stderr)


_BEFORE = sys.excepthook
if _is_command():
    sys.excepthook = _tell
