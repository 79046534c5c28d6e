# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Differences between TensorRT 8.6, 10 and 11, by name. Does not import TensorRT.

The facts were read from the Python binding sources of the releases 8.6.1, 9.3, 10.0, 10.1, 10.3,
10.12, 10.16, 11.0 and 11.1 (github.com/NVIDIA/TensorRT, python/src), and from the signatures in
the wheels of 10.3.0 and 11.4.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dmd_ros.runtime.errors import BackendError

Version = tuple[int, int]

OLDEST: Version = (8, 6)
# The newest version whose bindings were read; a newer one is tried, with a remark in the log.
NEWEST_READ: Version = (11, 4)
PRECISIONS = ('fp32', 'fp16', 'bf16')


@dataclass(frozen=True)
class Dialect:
    """Properties of the API of one TensorRT version."""

    version: str  # as reported by TensorRT
    # Networks need the EXPLICIT_BATCH flag; it is ignored from 10 on, and removed in 11.
    explicit_batch_flag: bool
    # The types in the graph determine the precision. 10 needs a flag for that; in 11 it is the
    # only way (BuilderFlag.FP16 and BF16, ILayer.precision are removed). Before 10, the type of
    # each layer is set.
    strong_types: bool
    typed_flag: bool  # the STRONGLY_TYPED flag must be set; 11 ignores it
    progress_monitor: bool  # IProgressMonitor exists, so progress is known
    memory_attribute: str  # attribute of an engine: memory that a context needs
    plain_norms: bool  # see `norm_graph`
    own_tactics_only: bool  # do not use cuDNN and cuBLAS, so that their versions need not match
    precisions: tuple[str, ...]  # precisions that can be built


def parse(version: str) -> Version:
    """Parse '10.3.0.post1' as (10, 3); raises `BackendError` if it is not a version."""
    match = re.match(r'(\d+)\.(\d+)', version)
    if match is None:
        raise BackendError(f'TensorRT reports version {version!r}, which is not a version number')
    return int(match[1]), int(match[2])


def dialect(version: str) -> Dialect:
    """Return the properties of a TensorRT version; raises `BackendError` if it is too old."""
    number = parse(version)
    if number < OLDEST:
        raise BackendError(
            f'TensorRT {version} is older than {OLDEST[0]}.{OLDEST[1]}; install a newer one (on a '
            'Jetson: JetPack 6 or newer), or set backend to onnxruntime'
        )
    strong = number >= (10, 0)
    return Dialect(
        version=version,
        explicit_batch_flag=number < (10, 0),
        strong_types=strong,
        typed_flag=(10, 0) <= number < (11, 0),
        progress_monitor=number >= (9, 0),
        memory_attribute='device_memory_size_v2' if number >= (10, 1) else 'device_memory_size',
        plain_norms=not strong,
        own_tactics_only=not strong,
        precisions=PRECISIONS if strong else ('fp32', 'fp16'),
    )


def check_precision(precision: str, spoken: Dialect) -> None:
    """Raise `BackendError` if this version cannot build the precision."""
    if precision not in PRECISIONS:
        raise BackendError(f'precision {precision!r}; allowed: {", ".join(PRECISIONS)}')
    if precision not in spoken.precisions:
        raise BackendError(
            f'precision {precision} needs TensorRT 10 or newer, this is {spoken.version}; allowed '
            f'here: {", ".join(spoken.precisions)}'
        )


def remarks(spoken: Dialect) -> list[str]:
    """Return remarks on this version for the user."""
    said = []
    number = parse(spoken.version)
    if number == (10, 3):
        said.append(
            'TensorRT 10.3 (JetPack 6.1, 6.2) is known to return depth whose scale changes from '
            'frame to frame with some models; the proof repeats steps to catch it. Fixed in 10.16'
        )
    if number > NEWEST_READ:
        said.append(
            f'TensorRT {spoken.version} is newer than the newest version this code was written '
            f'for ({NEWEST_READ[0]}.{NEWEST_READ[1]}); it is used like that one'
        )
    return said
