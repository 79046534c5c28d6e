# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read folders of labelled frames.

Layouts: DIR/<name>/{rgb.png|jpg, depth.png|npy, meta.json[, depth_full.npz]}, a folder per frame;
or DIR/{rgb/<name>.png|jpg, depth/<name>.png|npy, meta.json}, all pictures and all depth together.

depth.png is uint16, 0 = unlabelled, in millimetres or in the unit depth_per_metre of meta.json.
depth.npy is float metres. depth_full.npz has points u, v (pixels) and z (metres) that are added,
such as those that a png cannot hold. meta.json has fx, fy, cx, cy, width, height (pixels) and,
optionally, scene (indoor, outdoor) and group; values in a frame's own meta.json override those in
DIR/meta.json. Depth may be of another size than the picture if it has the same view. (See "Your
own frames" in docs/datasets.md.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.records import RawSample
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_files import DEPTHS, check_per_metre, read_depth, read_rgb
from dmd_ros.eval.metrics import valid_mask
from dmd_ros.eval.registration import on_picture, same_view

GROUPS = ('indoor', 'table top', 'outdoor')
# An indoor view whose median depth is below this is of a table, not of a room.
TABLE_TOP_M = 1.5
_META = 'meta.json'
# A folder with any of these files is a frame.
_PARTS = (_META, *(f'depth{case}' for ending in DEPTHS for case in (ending, ending.upper())))
_FLAT = ('rgb', 'depth')
_UNIT = 'depth_per_metre'
_CAMERA = ('fx', 'fy', 'cx', 'cy', 'width', 'height')


@dataclass(frozen=True)
class LabelledFrame:
    """One frame of a folder; group: one of `GROUPS`.

    truth_m: float32 [h, w], depth on its own grid, for judging; `sample` has it on the picture's.
    """

    name: str
    group: str
    sample: RawSample
    meta: Mapping[str, Any]
    truth_m: NDArray[np.float32]


def find_frames(folder: Path) -> list[Path]:
    """List the frames in `folder` (or `folder` itself, if it is one) as folder / name, by name.

    Raises `EvalError` if there are none.
    """
    if not folder.is_dir():
        raise EvalError(f'{folder} is not a folder; give one with frames in it')
    if _is_frame(folder):
        return [folder]
    # A folder without meta.json counts, too, so that `read_frame` reports the missing file.
    found = {path.parent for name in _PARTS for path in folder.glob(f'*/{name}')}
    if _is_flat(folder):
        found -= {folder / name for name in _FLAT}
        if found:
            raise EvalError(
                f'{folder} has frames in rgb/ and depth/, and others in folders of their own, '
                f'such as {min(found).name}/; keep the two layouts in separate folders'
            )
        files = (folder / 'depth').iterdir()
        # macOS adds files whose names start with a dot; they are not depth maps.
        found = {folder / f.stem for f in files if f.suffix.lower() in DEPTHS and f.name[0] != '.'}
    if not found:
        raise EvalError(
            f'{folder} has no <name>/meta.json, <name>/depth.png or .npy, nor rgb/ with depth/: '
            'there is no frame to evaluate'
        )
    return sorted(found)


def read_frame(frame: Path) -> LabelledFrame:
    """Read one frame of `find_frames`; raises `EvalError` with the name of the bad file."""
    meta, sources = _read_meta(frame)
    camera, per_metre = _camera(meta, sources), _per_metre(meta, sources)
    rgb, truth = read_rgb(_stem(frame, 'rgb')), read_depth(_stem(frame, 'depth'), per_metre)
    size = (camera.height, camera.width)
    if rgb.shape[:2] != size or not _fits(truth.shape, camera):
        raise EvalError(
            f'{frame}: rgb is {rgb.shape[:2]}, depth {truth.shape}, {sources["width"]} says '
            f'{size} (rows, columns, not rotated by EXIF); rgb must have that size, and depth '
            'that size or one scaled from it'
        )
    sample = RawSample(rgb, on_picture(truth, camera), camera)
    return LabelledFrame(frame.name, group_of(meta, truth), sample, meta, truth)


def read_camera(frame: Path) -> Camera:
    """Read only the camera of one frame of `find_frames`; raises `EvalError` as `read_frame`."""
    return _camera(*_read_meta(frame))


def group_of(meta: Mapping[str, Any], truth_m: NDArray[np.float32]) -> str:
    """Return the group of a frame, from the `group` in meta, its texts, or the median depth.

    Without a `group`, a frame whose `scene` is outdoor is outdoor. A frame whose scene or data set
    mentions a table top, or with a median depth below `TABLE_TOP_M`, is table top; others indoor.
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


def centre_warning(frame: LabelledFrame) -> str | None:
    """Return a warning if the principal point is outside of the picture, else None.

    That can be a crop. More often, the intrinsics are those of another size.
    """
    c = frame.sample.camera
    if -0.5 <= c.cx <= c.width - 0.5 and -0.5 <= c.cy <= c.height - 0.5:
        return None
    return (
        f'{frame.name}: the principal point ({c.cx:g}, {c.cy:g}) is outside of the picture of '
        f'{c.width}x{c.height}; are fx, fy, cx, cy those of another size?'
    )


def _is_frame(folder: Path) -> bool:
    """Return whether a folder is one frame, not a folder of frames."""
    has_meta = (folder / _META).is_file() or _meta_of_all(folder).is_file()
    return has_meta and any((folder / name).is_file() for name in _PARTS[1:])


def _stem(frame: Path, part: str) -> Path:
    """Return the path of a file of a frame, rgb or depth, without its suffix."""
    return frame.parent / part / frame.name if _lies_flat(frame) else frame / part


def _lies_flat(frame: Path) -> bool:
    """Return whether a frame is in rgb/ and depth/, not in a folder of its own."""
    return _is_flat(frame.parent) and (frame.name in _FLAT or not _is_frame(frame))


def _is_flat(folder: Path) -> bool:
    """Return whether the pictures of all frames are in rgb/ and their depth in depth/."""
    places = [folder / name for name in _FLAT]
    return all(place.is_dir() and not (place / _META).is_file() for place in places)


def _meta_of_all(frame: Path) -> Path:
    """Return the path of the meta.json for all frames in the folder of `frame` (maybe '.')."""
    return Path(os.path.abspath(frame)).parent / _META


def _read_meta(frame: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the merged meta of a frame (its own and that for all), and the file of each key.

    All parameters of the camera come from one file: mixing two cameras would give a wrong one.
    """
    meta: dict[str, Any] = {}
    paths = [_meta_of_all(frame), *([] if _lies_flat(frame) else [frame / _META])]
    existing = [path for path in paths if path.is_file()]
    if not existing:
        names = ' or '.join(str(path) for path in reversed(paths))
        raise EvalError(f'cannot read {names}: no such file; it must have the camera')
    sources = dict.fromkeys(_CAMERA, existing[-1])
    for path in existing:
        content = _json_object(path)
        replaced = _CAMERA if any(key in content for key in _CAMERA) else ()
        meta = {key: value for key, value in meta.items() if key not in replaced} | content
        sources.update(dict.fromkeys((*replaced, *content), path))
    return meta, sources


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvalError(f'cannot read {path}: {error}') from None
    if not isinstance(content, dict):
        raise EvalError(f'{path} must hold a JSON object, not {type(content).__name__}')
    return content


def _camera(meta: Mapping[str, Any], sources: Mapping[str, Path]) -> Camera:
    path = sources['fx']
    try:
        fx, fy, cx, cy = (float(meta[key]) for key in _CAMERA[:4])
        width, height = (_whole(key, meta[key]) for key in _CAMERA[4:])
        return Camera(fx, fy, cx, cy, width, height)
    except KeyError as error:
        raise EvalError(
            f'{path} has no {error}; it must have the camera: {", ".join(_CAMERA)}'
        ) from None
    except (CoreError, TypeError, ValueError, OverflowError) as error:
        raise EvalError(f'{path}: {error}') from None


def _whole(key: str, value: Any) -> int:
    if not float(value).is_integer():
        raise ValueError(f'{key}={value!r} is not a whole number of pixels')
    return int(value)


def _per_metre(meta: Mapping[str, Any], sources: Mapping[str, Path]) -> float | None:
    if _UNIT not in meta:
        return None
    try:
        return check_per_metre(meta[_UNIT])
    except EvalError as error:
        raise EvalError(f'{sources[_UNIT]}: {error}') from None


def _fits(shape: tuple[int, ...], camera: Camera) -> bool:
    """Return whether depth of `shape` is a scaled view of the picture.

    If only one side is the picture's, it is a crop.
    """
    same_height, same_width = shape[0] == camera.height, shape[1] == camera.width
    return same_height == same_width and same_view(shape, camera)
