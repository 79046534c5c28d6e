# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the machine, without which times are meaningless."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import rclpy


def describe() -> dict[str, str]:
    """Return the data needed to compare times: processor, cores, load, versions."""
    return {
        'processor': _processor(),
        'cores': str(len(os.sched_getaffinity(0))),
        'load average at the start': f'{os.getloadavg()[0]:.1f}',
        'system': f'{platform.system()} {platform.release()}',
        'Python': platform.python_version(),
        'NumPy': np.__version__,
        'OpenCV': cv2.__version__,
        'ONNX Runtime': _version('onnxruntime'),
        'rclpy': _version('rclpy'),
        'RMW': rclpy.get_rmw_implementation_identifier(),
    }


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB of 10^6 bytes."""
    for line in Path(f'/proc/{pid}/status').read_text(encoding='ascii').splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) * 1024 / 1e6
    return float('nan')


def _processor() -> str:
    for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
        if line.startswith(('model name', 'Model')):
            return line.split(':', 1)[1].strip()
    return platform.machine()


def _version(package: str) -> str:
    """Return the version of a package installed by pip; others do not record it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return f'not from pip, ROS_DISTRO {os.environ.get("ROS_DISTRO", "unset")}'
