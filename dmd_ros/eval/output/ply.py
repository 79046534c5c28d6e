# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write coloured clouds as PLY files for MeshLab, CloudCompare, Blender and Open3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.edges import DEFAULT_THRESHOLD, flying_pixels
from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.core.records import DepthFrame
from dmd_ros.eval.output.report import write_file

_POINT = np.dtype([('xyz', '<f4', 3), ('rgb', 'u1', 3)])
_HEADER = """ply
format binary_little_endian 1.0
comment metres; x to the right, y down, z ahead of the camera
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def points_of(frame: DepthFrame, stride: int = 1) -> NDArray[np.float32]:
    """Return the organised cloud [h, w, 4] of every stride-th row and column.

    Flying pixels are removed with the node's default threshold.
    """
    grid = np.s_[::stride, ::stride]
    depth, rgb = frame.depth[grid], frame.rgb[grid]
    holes = flying_pixels(frame.coarse, frame.view, DEFAULT_THRESHOLD)[grid]
    points = np.empty((*depth.shape, 4), np.float32)
    write_cloud(depth, frame.camera.rays()[grid], rgb, 0.0, np.inf, points, holes)
    return points


def write_ply(path: Path, points: NDArray[np.float32]) -> int:
    """Write the valid points of a cloud [H, W, 4] as binary PLY; return their number.

    points: in the layout of `core.pointcloud.write_cloud`. Raises `OSError` with the file's name.
    """
    known = points[~np.isnan(points[..., 2])]
    vertices = np.empty(len(known), _POINT)
    vertices['xyz'] = known[:, :3]
    # 0x00RRGGBB in little-endian memory.
    vertices['rgb'] = known[:, 3:].view(np.uint8)[:, 2::-1]
    write_file(path, _HEADER.format(count=len(known)).encode(), vertices.tobytes())
    return len(known)
