# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The code revision and machine of a run, for its checkpoints and model cards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch


def revision() -> str:
    """Return the Git revision, marked if modified; 'unknown' outside a checkout."""
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=12']
    here = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return done.stdout.strip()


def hardware(device: torch.device, processes: int) -> str:
    """Return the name of the hardware that a run uses."""
    if device.type == 'cuda':
        return f'{processes} x {torch.cuda.get_device_name(device)}'
    table = Path('/proc/cpuinfo')
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return f'{len(names) or "some"} CPU cores ({names[0] if names else "unknown"})'
