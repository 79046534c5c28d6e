# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DDAD in its own format (DGP): scenes as JSON, rectified pictures, LiDAR clouds as .npz.

Each datum has the pose of its sensor in the world at its own time. So points go
LiDAR -> world -> camera, without the mounting poses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.eval import points
from train.datasets.base import Reader, read_rgb
from train.errors import TrainError

SPLITS = {'train': '0', 'val': '1', 'test': '2'}
LIDAR = 'lidar'


@dataclass(frozen=True)
class _Shot:
    """One picture with its cloud: paths, calibration file and world_from_sensor poses."""

    picture: Path
    cloud: Path
    calibration: Path
    camera: str
    picture_pose: NDArray[np.float64]
    cloud_pose: NDArray[np.float64]


class Ddad(Reader):
    """Pictures of the chosen cameras (01: front; 05-09: surround) of one split."""

    dataset = 'ddad'
    tree = (
        'ddad.json\n000150/scene_<hash>.json\n000150/calibration/<hash>.json\n'
        '000150/rgb/CAMERA_01/*.png\n000150/point_cloud/LIDAR/*.npz'
    )

    def __init__(
        self,
        root: str | Path,
        split: str = 'val',
        cameras: tuple[str, ...] = ('camera_01',),
    ) -> None:
        """Read the scenes of the split; raises `TrainError`."""
        if split not in SPLITS:
            raise TrainError(f'ddad: split={split!r}; allowed: {", ".join(SPLITS)}')
        self.split = split
        self.cameras = tuple(name.lower() for name in cameras)
        super().__init__(root)

    def _scan(self) -> list[_Shot]:
        top = _read_json(self.need(self.root / 'ddad.json'))
        scenes = _get(top, 'scene_splits').get(SPLITS[self.split])
        if scenes is None:
            raise TrainError(f'{self.root / "ddad.json"} has no split {self.split}')
        shots: list[_Shot] = []
        for name in scenes['filenames']:
            shots.extend(self._scene_shots(self.need(self.root / name)))
        return shots

    def _scene_shots(self, path: Path) -> list[_Shot]:
        scene = _read_json(path)
        data = {datum['key']: datum for datum in scene['data']}
        shots = []
        for sample in scene['samples']:
            named = {}
            for key in _get(sample, 'datum_keys'):
                named[data[key]['id']['name'].lower()] = data[key]['datum']
            if LIDAR not in named:
                continue
            cloud = _get(named[LIDAR], 'point_cloud')
            calibration = path.parent / 'calibration' / f'{_get(sample, "calibration_key")}.json'
            for camera in self.cameras:
                if camera in named:
                    image = named[camera]['image']
                    shots.append(
                        _Shot(
                            path.parent / image['filename'],
                            path.parent / cloud['filename'],
                            calibration,
                            camera,
                            _pose(image['pose']),
                            _pose(cloud['pose']),
                        )
                    )
        return shots

    def _name(self, item: _Shot) -> str:
        return item.picture.relative_to(self.root).as_posix()

    def _load(self, item: _Shot) -> RawSample:
        rgb = read_rgb(item.picture)
        k = _intrinsics(self.need(item.calibration)).get(item.camera)
        if k is None:
            raise TrainError(f'{item.calibration} does not contain {item.camera}')
        camera = Camera(*k, width=rgb.shape[1], height=rgb.shape[0])
        with np.load(self.need(item.cloud)) as file:
            xyz = _xyz(file['data'])
        seen = points.apply(points.inverse(item.picture_pose) @ item.cloud_pose, xyz)
        return RawSample(rgb, points.depth_from_points(seen, camera), camera)


def _xyz(cloud: NDArray[Any]) -> NDArray[np.float64]:
    """Return x, y, z of a cloud: plain columns, or a record array with fields X, Y, Z."""
    if cloud.dtype.fields is not None:
        return np.stack([cloud[key].ravel() for key in 'XYZ'], axis=-1).astype(np.float64)
    return cloud[:, :3].astype(np.float64)


def _pose(pose: dict[str, Any]) -> NDArray[np.float64]:
    """Convert a JSON pose to a 4x4 matrix; protobuf omits fields that are zero."""
    q, t = pose.get('rotation', {}), pose.get('translation', {})
    quaternion = [float(q.get(key, 0.0)) for key in ('qw', 'qx', 'qy', 'qz')]
    rotation = points.rotation_from_quaternion(*quaternion) if any(quaternion) else np.eye(3)
    return points.transform(rotation, [float(t.get(key, 0.0)) for key in 'xyz'])


@lru_cache(maxsize=256)
def _intrinsics(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """Read fx, fy, cx, cy of every camera; skip the LiDAR, whose entry has none."""
    table = _read_json(path)
    cameras = {}
    for name, k in zip(table['names'], table['intrinsics'], strict=True):
        if k.get('fx'):
            cameras[name.lower()] = (k['fx'], k['fy'], k['cx'], k['cy'])
    return cameras


def _get(record: dict[str, Any], key: str) -> Any:
    """Return a field by its name in snake or camel case: protobuf's JSON may use either."""
    head, *rest = key.split('_')
    camel = head + ''.join(word.capitalize() for word in rest)
    if key not in record and camel not in record:
        raise TrainError(f'a record has no {key}; its fields are {sorted(record)}')
    return record[key] if key in record else record[camel]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise TrainError(f'{path} is not JSON ({error}): download it again') from None
