# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ScanNet: .sens streams, or the folders that its exporter writes from them.

Colour (1296x968) and depth (640x480) come from two cameras, each with its own K and, in this set,
a common origin. The colour picture is warped to the depth camera's grid: depth is not resampled,
and one camera describes the pair.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.datasets.base import (
    Reader,
    camera_from_matrix,
    decode_rgb,
    metres_from_codes,
    read_codes,
    read_rgb,
)
from train.errors import TrainError

_VERSION = 4
_JPEG, _PNG = 2, 1
_RAW, _ZLIB = 0, 1
# Pose 4x4 float32, two time stamps, sizes of colour and depth in bytes.
_FRAME = struct.Struct('<16f4Q')
# No warp if it would move pixels by less than this.
_STILL_PX = 0.25


@dataclass(frozen=True)
class SensHeader:
    """Header of a .sens file; `frames_at` is the offset of the first frame."""

    color_k: tuple[float, ...]
    depth_k: tuple[float, ...]
    color_compression: int
    depth_compression: int
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_per_metre: float
    frame_count: int
    frames_at: int


class ScanNetSens(Reader):
    """Frames of all .sens files; every: use every n-th frame (of 30 Hz video)."""

    dataset = 'scannet_sens'
    tree = 'scans/scene0000_00/scene0000_00.sens'

    def __init__(self, root: str | Path, every: int = 1) -> None:
        """Read the headers; frames are located when their file is first used."""
        self.every = every
        super().__init__(root)

    def _scan(self) -> list[tuple[Path, int]]:
        items: list[tuple[Path, int]] = []
        for path in sorted(self.root.glob('**/*.sens')):
            count = read_sens_header(path).frame_count
            items.extend((path, frame) for frame in range(0, count, self.every))
        return items

    def _name(self, item: tuple[Path, int]) -> str:
        return f'{item[0].relative_to(self.root).as_posix()}#{item[1]}'

    def _load(self, item: tuple[Path, int]) -> RawSample:
        header = read_sens_header(item[0])
        color, depth = _read_frame(item[0], header, item[1])
        width, height = header.depth_size
        codes = np.frombuffer(depth, '<u2')
        if codes.size != width * height:
            raise TrainError(f'depth has {codes.size} pixels, expected {width}x{height}')
        metres = metres_from_codes(codes.reshape(height, width), header.depth_per_metre)
        rgb = decode_rgb(color, f'frame {item[1]}')
        color_camera = _camera(header.color_k, *header.color_size)
        return align(rgb, color_camera, metres, _camera(header.depth_k, width, height))


class ScanNetFolder(Reader):
    """Scenes as written by the exporter; every: use every n-th frame."""

    dataset = 'scannet'
    tree = (
        'scans/scene0000_00/color/0.jpg\nscans/scene0000_00/depth/0.png   (uint16 millimetres)\n'
        'scans/scene0000_00/intrinsic/{intrinsic_color,intrinsic_depth}.txt'
    )

    def __init__(self, root: str | Path, every: int = 1) -> None:
        """Find the pictures; raises `TrainError`."""
        self.every = every
        super().__init__(root)

    def _scan(self) -> list[Path]:
        scenes: dict[Path, list[Path]] = {}
        for path in self.root.glob('**/color/*.jpg'):
            scenes.setdefault(path.parent, []).append(path)
        items = []
        for folder in sorted(scenes):
            frames = sorted(scenes[folder], key=lambda path: int(path.stem))
            items.extend(frames[:: self.every])
        return items

    def _load(self, item: Path) -> RawSample:
        scene = item.parents[1]
        rgb = read_rgb(item)
        metres = metres_from_codes(read_codes(scene / 'depth' / f'{item.stem}.png'), 1000.0)
        cameras = []
        for name, image in (('color', rgb), ('depth', metres)):
            k = np.loadtxt(self.need(scene / 'intrinsic' / f'intrinsic_{name}.txt'))
            cameras.append(camera_from_matrix(k, image.shape[1], image.shape[0]))
        return align(rgb, cameras[0], metres, cameras[1])


def align(
    rgb: NDArray[np.uint8],
    color_camera: Camera,
    depth: NDArray[np.float32],
    depth_camera: Camera,
) -> RawSample:
    """Warp the colour picture to the depth camera's grid; drop depth outside of the picture."""
    width, height = depth_camera.width, depth_camera.height
    if rgb.shape[:2] != (color_camera.height, color_camera.width):
        raise TrainError(f'colour is {rgb.shape[:2]}, which differs from its calibration')
    if rgb.shape[:2] != (height, width):
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    source = color_camera.resized(width, height)
    warp = depth_camera.matrix @ np.linalg.inv(source.matrix)
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1]], np.float64)
    if np.abs(corners @ warp.T - corners).max() > _STILL_PX:
        seen = np.ones(rgb.shape[:2], np.uint8)
        rgb = cv2.warpPerspective(rgb, warp, (width, height), flags=cv2.INTER_LINEAR)
        seen = cv2.warpPerspective(seen, warp, (width, height), flags=cv2.INTER_NEAREST)
        depth = np.where(seen > 0, depth, np.float32(np.nan))
    return RawSample(rgb, depth, depth_camera)


@lru_cache(maxsize=4096)
def read_sens_header(path: Path) -> SensHeader:
    """Read the header of a .sens file; raises `TrainError`."""
    with path.open('rb') as file:

        def take(layout: str) -> tuple[float, ...]:
            data = file.read(struct.calcsize(layout))
            if len(data) < struct.calcsize(layout):
                raise TrainError(f'{path} ends within its header: download it again')
            return struct.unpack(layout, data)

        version = take('<I')[0]
        if version != _VERSION:
            raise TrainError(f'{path} has version {version}; only {_VERSION} is supported')
        file.seek(int(take('<Q')[0]), 1)  # the sensor's name
        matrices = [take('<16f') for _ in range(4)]  # K and pose of colour, K and pose of depth
        compressions = take('<2i')
        sizes = take('<4I')
        per_metre, count = take('<f')[0], take('<Q')[0]
        return SensHeader(
            matrices[0],
            matrices[2],
            int(compressions[0]),
            int(compressions[1]),
            (int(sizes[0]), int(sizes[1])),
            (int(sizes[2]), int(sizes[3])),
            per_metre,
            int(count),
            file.tell(),
        )


@lru_cache(maxsize=64)
def _frame_offsets(path: Path, header: SensHeader) -> tuple[int, ...]:
    """Find the offset of each frame by reading all frame headers, because frame sizes differ."""
    offsets, at = [], header.frames_at
    with path.open('rb') as file:
        for _ in range(header.frame_count):
            file.seek(at)
            head = file.read(_FRAME.size)
            if len(head) < _FRAME.size:
                raise TrainError(
                    f'{path} ends after {len(offsets)} of {header.frame_count} frames'
                )
            offsets.append(at)
            *_, color_bytes, depth_bytes = _FRAME.unpack(head)
            at += _FRAME.size + color_bytes + depth_bytes
    return tuple(offsets)


def _read_frame(path: Path, header: SensHeader, number: int) -> tuple[bytes, bytes]:
    """Read one frame: the encoded colour picture, and depth as uncompressed uint16."""
    if header.color_compression not in (_JPEG, _PNG):
        raise TrainError(f'colour compression {header.color_compression} is not jpeg or png')
    if header.depth_compression not in (_RAW, _ZLIB):
        raise TrainError(f'depth compression {header.depth_compression} is not raw or zlib')
    with path.open('rb') as file:
        file.seek(_frame_offsets(path, header)[number])
        *_, color_bytes, depth_bytes = _FRAME.unpack(file.read(_FRAME.size))
        color, depth = file.read(color_bytes), file.read(depth_bytes)
    if header.depth_compression == _ZLIB:
        try:
            depth = zlib.decompress(depth)
        except zlib.error as error:
            raise TrainError(f'depth of frame {number} is damaged: {error}') from None
    return color, depth


def _camera(k: tuple[float, ...], width: int, height: int) -> Camera:
    return camera_from_matrix(np.array(k, np.float64).reshape(4, 4), width, height)
