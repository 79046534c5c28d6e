# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Virtual KITTI 2: rendered streets; 16-bit centimetres, where the far plane is the sky."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import Reader, metres_from_codes, read_codes, read_list, read_rgb
from train.errors import TrainError

# The camera of all frames, used without the text archive (intrinsic.txt).
CAMERA = Camera(725.0087, 725.0087, 620.5, 187.0, 1242, 375)
_SKY = 65535


class VirtualKitti2(Reader):
    """Frames of all scenes and variants; cameras: '0' (left) and/or '1' (right).

    list_file: pictures to use (relative to rgb/), one per line, instead of all.
    """

    dataset = 'vkitti2'
    tree = (
        'rgb/Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg\n'
        'depth/Scene01/clone/frames/depth/Camera_0/depth_00000.png\n'
        'textgt/Scene01/clone/intrinsic.txt   (optional)'
    )

    def __init__(
        self,
        root: str | Path,
        cameras: tuple[str, ...] = ('0',),
        list_file: str | Path | None = None,
    ) -> None:
        """Find the pictures; raises `TrainError`."""
        self.cameras = cameras
        self.list_file = list_file
        super().__init__(root)

    def _scan(self) -> list[Path]:
        rgb = self.need(self.root / 'rgb')
        self.need(self.root / 'depth')
        if self.list_file:
            return [self.need(rgb / words[0]) for words in read_list(Path(self.list_file))]
        return [
            path
            for camera in self.cameras
            for path in sorted(rgb.glob(f'*/*/frames/rgb/Camera_{camera}/rgb_*.jpg'))
        ]

    def _load(self, item: Path) -> RawSample:
        image = read_rgb(item)
        scene, variant, _, _, camera, _ = item.relative_to(self.root / 'rgb').parts
        frame = item.stem.removeprefix('rgb_')
        folder = self.root / 'depth' / scene / variant / 'frames' / 'depth' / camera
        codes = read_codes(folder / f'depth_{frame}.png')
        depth = metres_from_codes(codes, 100.0, sky=_SKY)
        text = self.root / 'textgt' / scene / variant / 'intrinsic.txt'
        calibrated = CAMERA
        if text.is_file():
            key = (int(frame), int(camera.removeprefix('Camera_')))
            values = _intrinsics(text).get(key)
            if values is None:
                raise TrainError(f'{text} has no line for frame {key[0]}, camera {key[1]}')
            calibrated = Camera(*values, width=image.shape[1], height=image.shape[0])
        return RawSample(image, depth, calibrated)


@lru_cache(maxsize=64)
def _intrinsics(path: Path) -> dict[tuple[int, int], tuple[float, float, float, float]]:
    """Read the table "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]" below its title line."""
    table = {}
    for words in read_list(path)[1:]:
        fx, fy, cx, cy = (float(word) for word in words[2:6])
        table[int(words[0]), int(words[1])] = (fx, fy, cx, cy)
    return table
