# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric depth from one calibrated camera: a field-of-view conditioned diffusion model (DMD)."""

import dmd_ros.missing  # noqa: F401 - before any import that may fail
from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import Mount
from dmd_ros.core.records import DepthFrame
from dmd_ros.estimator import DepthEstimator
from dmd_ros.loading import load_estimator
from dmd_ros.runtime.errors import BackendError

__all__ = [
    'BackendError',
    'Camera',
    'CoreError',
    'DepthEstimator',
    'DepthFrame',
    'Mount',
    'load_estimator',
]
