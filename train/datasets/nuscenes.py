# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""nuScenes: key frames of six cameras, depth from the LiDAR sweep of the same sample.

The car moves between the sweep and the pictures, so points go
LiDAR -> car (at the sweep) -> world -> car (at the picture) -> camera. The tables are plain JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.records import RawSample
from dmd_ros.eval import points
from train.datasets.base import Reader, camera_from_matrix, read_rgb
from train.errors import TrainError

CAMERAS = (
    'CAM_FRONT',
    'CAM_FRONT_LEFT',
    'CAM_FRONT_RIGHT',
    'CAM_BACK',
    'CAM_BACK_LEFT',
    'CAM_BACK_RIGHT',
)
LIDAR = 'LIDAR_TOP'
# x, y, z, intensity, ring.
_FLOATS_PER_POINT = 5
# Closer points are returns from the car itself.
_MIN_Z_M = 1.0
_CHUNK = 1 << 22


@dataclass(frozen=True)
class _Shot:
    """One picture and its LiDAR sweep."""

    picture: str
    sweep: str
    k: NDArray[np.float64]
    camera_from_lidar: NDArray[np.float64]


class NuScenes(Reader):
    """Key frames of one version of the tables (v1.0-trainval, v1.0-mini)."""

    dataset = 'nuscenes'
    tree = (
        'v1.0-trainval/{sample_data,calibrated_sensor,ego_pose,sensor}.json\n'
        'samples/CAM_FRONT/*.jpg\nsamples/LIDAR_TOP/*.pcd.bin'
    )

    def __init__(
        self,
        root: str | Path,
        version: str = 'v1.0-trainval',
        cameras: tuple[str, ...] = CAMERAS,
    ) -> None:
        """Join the tables (takes a minute for trainval; reads row by row to save memory)."""
        self.version = version
        self.cameras = cameras
        super().__init__(root)

    def _scan(self) -> list[_Shot]:
        tables = self.need(self.root / self.version)
        channel = {row['token']: row['channel'] for row in self._rows(tables, 'sensor')}
        mounted = {row['token']: row for row in self._rows(tables, 'calibrated_sensor')}
        wanted = (*self.cameras, LIDAR)
        frames: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self._rows(tables, 'sample_data'):
            seen_by = channel[mounted[row['calibrated_sensor_token']]['sensor_token']]
            if row['is_key_frame'] and seen_by in wanted:
                frames.setdefault(row['sample_token'], {})[seen_by] = row
        tokens = {row['ego_pose_token'] for frame in frames.values() for row in frame.values()}
        poses = {
            row['token']: _matrix(row)
            for row in self._rows(tables, 'ego_pose')
            if row['token'] in tokens
        }
        shots = []
        for frame in frames.values():
            for seen_by in self.cameras:
                if LIDAR in frame and seen_by in frame:
                    shots.append(_shot(frame[seen_by], frame[LIDAR], mounted, poses))
        return sorted(shots, key=lambda shot: shot.picture)

    def _rows(self, tables: Path, name: str) -> Iterator[dict[str, Any]]:
        return _rows_of(self.need(tables / f'{name}.json'))

    def _name(self, item: _Shot) -> str:
        return item.picture

    def _load(self, item: _Shot) -> RawSample:
        rgb = read_rgb(self.root / item.picture)
        camera = camera_from_matrix(item.k, rgb.shape[1], rgb.shape[0])
        scan = np.fromfile(self.root / item.sweep, np.float32)
        if scan.size % _FLOATS_PER_POINT:
            raise TrainError(f'{item.sweep} has {scan.size} floats, not 5 per point: truncated?')
        xyz = scan.reshape(-1, _FLOATS_PER_POINT)[:, :3]
        seen = points.apply(item.camera_from_lidar, xyz)
        return RawSample(rgb, points.depth_from_points(seen, camera, _MIN_Z_M), camera)


def _shot(
    picture: dict[str, Any],
    sweep: dict[str, Any],
    mounted: dict[str, dict[str, Any]],
    poses: dict[str, NDArray[np.float64]],
) -> _Shot:
    camera = mounted[picture['calibrated_sensor_token']]
    lidar = mounted[sweep['calibrated_sensor_token']]
    world_from_lidar = poses[sweep['ego_pose_token']] @ _matrix(lidar)
    world_from_camera = poses[picture['ego_pose_token']] @ _matrix(camera)
    return _Shot(
        picture['filename'],
        sweep['filename'],
        np.array(camera['camera_intrinsic'], np.float64),
        points.inverse(world_from_camera) @ world_from_lidar,
    )


def _matrix(row: dict[str, Any]) -> NDArray[np.float64]:
    """Return the pose of a table row, whose quaternion is w, x, y, z."""
    return points.transform(points.rotation_from_quaternion(*row['rotation']), row['translation'])


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list one by one: large tables do not fit into memory at once."""
    decoder = json.JSONDecoder()
    with path.open(encoding='utf-8') as file:
        text = ''
        while chunk := file.read(_CHUNK):
            text += chunk
            start = text.find('{')
            while start >= 0:
                try:
                    row, end = decoder.raw_decode(text, start)
                except json.JSONDecodeError:
                    break  # the object continues in the next chunk
                yield row
                start = text.find('{', end)
            text = text[start:] if start >= 0 else ''
    if text.strip():
        raise TrainError(f'{path} ends in the middle of a row: download it again')
