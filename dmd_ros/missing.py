# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One-line errors for missing packages, with the command that installs them.

Ctrl-C is reported in one line as well. A command's imports run before its `main` can catch
anything, so importing this module installs an exception hook, but only in `python -m dmd_ros...`,
`python -m train...` and `dmd_node`, never in another program.
"""

from __future__ import annotations

import importlib.util
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# The extras of setup.py: pip package -> imported module. '': always needed.
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
    """Return what to install if an import failed for a missing package of `EXTRAS` or ROS."""
    top = (error.name or '').partition('.')[0] if isinstance(error, ImportError) else ''
    if top in _ROS or top.endswith('_msgs'):
        if _is_there(top):
            return _misfit(error)
        return (
            f'no ROS 2 here ({error}): source its setup.bash, or, without an installation, run '
            f'{_pip([".[ros]"])} in the source folder of dmd_ros'
        )
    for extra, packages in EXTRAS.items():
        lacking = [name for name, module in packages.items() if not _is_there(module)]
        if top in (packages[name].partition('.')[0] for name in lacking):
            part = f' (the extra {extra} of dmd_ros)' if extra else ''
            return f'not installed: {", ".join(lacking)}; install with {_pip(lacking)}{part}'
    return None


def _misfit(error: BaseException) -> str | None:
    """Return an explanation if the installed ROS was compiled for another Python version."""
    if not (isinstance(error, ModuleNotFoundError) and '_rclpy_pybind11' in str(error.name)):
        return None
    version = '.'.join(map(str, sys.version_info[:2]))
    return (
        f'the ROS 2 here was built for another Python than {sys.executable}, which is {version} '
        f'({str(error).splitlines()[0]}): use the Python that this ROS was built for'
    )


def _pip(packages: Sequence[str]) -> str:
    return shlex.join([sys.executable, '-m', 'pip', 'install', *packages])


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its parent package is missing
        return False


def _is_command() -> bool:
    """Return whether this interpreter runs one of our commands; others may use -m, too."""
    script = next(iter(sys.argv), '')
    if script != '-m':  # Python's placeholder until it has found the module
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
