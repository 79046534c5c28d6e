# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SceneNet RGB-D: rendered rooms; 16-bit millimetres along the ray."""

from __future__ import annotations

import math
from pathlib import Path

from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    camera_from_fov,
    metres_from_codes,
    read_codes,
    read_rgb,
    z_from_ray,
)

_TAN_HALF_HFOV = math.tan(math.radians(60.0) / 2.0)
_TAN_HALF_VFOV = math.tan(math.radians(45.0) / 2.0)


class SceneNet(Reader):
    """All frames; code 0 marks a ray that left through a window: +inf, not a hole."""

    dataset = 'scenenet'
    tree = 'train/0/123/photo/0.jpg\ntrain/0/123/depth/0.png'

    def _scan(self) -> list[Path]:
        return sorted(self.root.glob('**/photo/*.jpg'))

    def _load(self, item: Path) -> RawSample:
        rgb = read_rgb(item)
        camera = camera_from_fov(_TAN_HALF_HFOV, _TAN_HALF_VFOV, rgb.shape[1], rgb.shape[0])
        codes = read_codes(item.parents[1] / 'depth' / f'{item.stem}.png')
        distance = metres_from_codes(codes, 1000.0, unknown=(), sky=0)
        return RawSample(rgb, z_from_ray(distance, camera), camera)
