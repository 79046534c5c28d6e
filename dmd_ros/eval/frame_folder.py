# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading folders of labelled frames.

Each is DIR/<name>/{rgb.png|jpg, depth.png, meta.json[, depth_full.npz]}. depth.png is uint16
millimetres, 0 = unlabelled; depth_full.npz (u, v in pixels, z in metres) adds what does not fit,
beyond 65.535 m. meta.json gives fx, fy, cx, cy, width, height (pixels) and, if it likes, scene
(indoor, outdoor) and group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_file
from dmd_ros.core.records import RawSample
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.metrics import valid_mask

GROUPS = ('indoor', 'table top', 'outdoor')
# An indoor view with a nearer median is of a table, not of a room.
TABLE_TOP_M = 1.5
# Files of a frame by which it is found.
_PARTS = ('meta.json', 'depth.png')


@dataclass(frozen=True)
class LabelledFrame:
    """One frame of a folder; group: one of `GROUPS`."""

    name: str
    group: str
    sample: RawSample
    meta: Mapping[str, Any]


def find_frames(folder: Path) -> list[Path]:
    """List the frame folders in `folder` (or `folder` itself, if it is one), by name.

    Raises `EvalError` if there are none.
    """
    if not folder.is_dir():
        raise EvalError(f'{folder} is not a folder; give one with <name>/meta.json in it')
    if all((folder / name).is_file() for name in _PARTS):
        return [folder]
    # One that has lost its meta.json is a frame too: whoever reads it says what it lacks.
    found = sorted({path.parent for name in _PARTS for path in folder.glob(f'*/{name}')})
    if not found:
        raise EvalError(f'{folder} has no <name>/meta.json in it: there is no frame to evaluate')
    return found


def read_frame(folder: Path) -> LabelledFrame:
    """Read one frame; raises `EvalError` that names the file at fault."""
    meta = _read_meta(folder / 'meta.json')
    rgb = _read_rgb(folder)
    truth = _read_depth(folder)
    try:
        camera = Camera(
            fx=float(meta['fx']),
            fy=float(meta['fy']),
            cx=float(meta['cx']),
            cy=float(meta['cy']),
            width=int(meta['width']),
            height=int(meta['height']),
        )
    except KeyError as error:
        raise EvalError(
            f'{folder / "meta.json"} has no {error}; it must give the camera'
        ) from None
    except (CoreError, TypeError, ValueError, OverflowError) as error:
        raise EvalError(f'{folder / "meta.json"}: {error}') from None
    size = (camera.height, camera.width)
    if rgb.shape[:2] != size or truth.shape != size:
        raise EvalError(
            f'{folder}: rgb is {rgb.shape[:2]}, depth {truth.shape}, meta.json says {size} (rows, '
            'columns); all three must agree'
        )
    sample = RawSample(rgb, truth, camera)
    return LabelledFrame(folder.name, group_of(meta, truth), sample, meta)


def group_of(meta: Mapping[str, Any], truth_m: NDArray[np.float32]) -> str:
    """Name the group: meta's own `group`, its scene, what its texts say, or the median depth.

    A frame whose `scene` is outdoor is outdoor. One whose scene or data set mentions a table top
    is that; so is any other indoor frame with a median depth below `TABLE_TOP_M`.
    """
    if meta.get('group') in GROUPS:
        return str(meta['group'])
    scene = str(meta.get('scene', 'indoor')).lower()
    if scene == 'outdoor':
        return 'outdoor'
    text = f'{scene} {meta.get("dataset", "")}'.lower().replace('-', ' ').replace('_', ' ')
    if 'table top' in text or 'tabletop' in text:
        return 'table top'
    known = truth_m[valid_mask(truth_m)]
    return 'table top' if known.size and np.median(known) < TABLE_TOP_M else 'indoor'


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvalError(f'cannot read {path}: {error}') from None
    if not isinstance(meta, dict):
        raise EvalError(f'{path} must hold a JSON object, not {type(meta).__name__}')
    return meta


def _read_rgb(folder: Path) -> NDArray[np.uint8]:
    names = ('rgb.png', 'rgb.jpg', 'rgb.jpeg')
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise EvalError(f'{folder} has none of {", ".join(names)}')
    # EXIF orientation would turn the picture but not its intrinsics.
    image = _decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise EvalError(f'cannot decode {path}')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read_depth(folder: Path) -> NDArray[np.float32]:
    path = folder / 'depth.png'
    image = _decoded(path, cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if image is None or image.dtype != np.uint16 or image.ndim != 2:
        raise EvalError(f'{path} must be a readable 16-bit grey png (millimetres, 0 = unlabelled)')
    depth = image.astype(np.float32) * np.float32(1e-3)
    full = folder / 'depth_full.npz'
    if full.is_file():
        try:
            # A cast of NaN is pixel 0 on ARM.
            with np.load(full) as points, np.errstate(invalid='raise'):
                height, width = depth.shape
                u, v = _nearest(points['u'], width), _nearest(points['v'], height)
                z = points['z']
            # Unlike an index in brackets, it knows no negative pixels.
            places = np.ravel_multi_index((v, u), depth.shape)
            depth.reshape(-1)[places] = z
        except Exception as error:  # those of NumPy, zip and zlib share no base
            raise EvalError(f'{full} must hold u, v (pixels) and z (metres): {error}') from None
    depth[depth <= 0.0] = np.nan  # in either file it says that nothing was measured
    return depth


def _nearest(places: NDArray[Any], size: int) -> NDArray[np.intp]:
    """Round to whole pixels; the half pixel before `size` belongs to the last one."""
    last = (places > size - 1) & (places < size)
    return np.where(last, size - 1, np.rint(places)).astype(np.intp)


def _decoded(path: Path, flags: int) -> NDArray[Any] | None:
    # Not with cv2.imread, which ends the process where a name is not UTF-8.
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalError(f'cannot read {path}: {error.strerror}') from None
    try:
        return decode_file(content, flags, path.suffix)
    except CoreError:  # damaged, or cut off, where OpenCV 4 alone makes up the rest
        return None
