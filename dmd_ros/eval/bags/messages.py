# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make messages common to the bags that are written, in the classes of a rosbags type store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmd_ros.core.camera import Camera
from dmd_ros.core.camera_info import info_fields


def make_header(types: Mapping[str, Any], stamp_ns: int, frame_id: str) -> Any:
    """Make a std_msgs/Header; types: of the store, by name."""
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)


def make_info(types: Mapping[str, Any], header: Any, camera: Camera) -> Any:
    """Make the CameraInfo of a rectified camera."""
    fields = {k: np.array(v) if isinstance(v, list) else v for k, v in info_fields(camera).items()}
    return types['sensor_msgs/msg/CameraInfo'](
        header=header,
        binning_x=0,
        binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
        **fields,
    )
