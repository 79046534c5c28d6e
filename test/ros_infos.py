# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A CameraInfo as a plain namespace with the fields of sensor_msgs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

K = (500.0, 0.0, 310.0, 0.0, 505.0, 250.0, 0.0, 0.0, 1.0)
P = (450.0, 0.0, 320.0, -45.0, 0.0, 455.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)
D = (-0.3, 0.1, 0.001, 0.002, 0.0)


def info(**changes: object) -> SimpleNamespace:
    """Return the info of a 640x480 camera whose K and P differ, with `changes`."""
    roi = {'x_offset': 0, 'y_offset': 0, 'width': 0, 'height': 0, 'do_rectify': False}
    roi.update(changes.pop('roi', {}))  # type: ignore[call-overload]
    values: dict[str, object] = {
        'width': 640,
        'height': 480,
        'k': np.array(K),
        'd': list(D),
        'p': np.array(P),
        'distortion_model': 'plumb_bob',
        'binning_x': 0,
        'binning_y': 0,
        **changes,
    }
    return SimpleNamespace(roi=SimpleNamespace(**roi), **values)
