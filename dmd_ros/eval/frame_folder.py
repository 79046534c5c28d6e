# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading folders of labelled frames.

A frame is DIR/<name>/{rgb.png|jpg, depth.png|npy, meta.json[, depth_full.npz]}. Or all pictures
lie together, and all depth: DIR/{rgb/<name>.png|jpg, depth/<name>.png|npy, meta.json}.

depth.png is uint16, 0 = unlabelled, in millimetres or by the depth_per_metre of meta.json;
depth.npy is float metres, as z of depth_full.npz (u, v in pixels), which adds what a png does not
hold. meta.json gives fx, fy, cx, cy, width, height (pixels) and, if it likes, scene (indoor,
outdoor) and group; what DIR/meta.json says holds for every frame whose own says nothing else.
Depth may be of another size than the picture if it shows the same. (docs/datasets.md: Your own
frames.)
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
# An indoor view with a nearer median is of a table, not of a room.
TABLE_TOP_M = 1.5
_META = 'meta.json'
# Files by which the folder of a frame is found.
_PARTS = (_META, *(f'depth{case}' for ending in DEPTHS for case in (ending, ending.upper())))
_FLAT = ('rgb', 'depth')
_UNIT = 'depth_per_metre'
_CAMERA = ('fx', 'fy', 'cx', 'cy', 'width', 'height')


@dataclass(frozen=True)
class LabelledFrame:
    """One frame of a folder; group: one of `GROUPS`.

    truth_m: float32 [h, w], depth on the grid that it came on, to be judged on; `sample` has it on
    the picture's.
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
    # One that has lost its meta.json is a frame too: whoever reads it says what it lacks.
    found = {path.parent for name in _PARTS for path in folder.glob(f'*/{name}')}
    if _is_flat(folder):
        found -= {folder / name for name in _FLAT}
        if found:
            raise EvalError(
                f'{folder} has frames in rgb/ and depth/, and others in folders of their own, as '
                f'{min(found).name}/; keep them in folders apart'
            )
        files = (folder / 'depth').iterdir()
        # A name that starts with a dot is of a Mac's copy, not of a picture.
        found = {folder / f.stem for f in files if f.suffix.lower() in DEPTHS and f.name[0] != '.'}
    if not found:
        raise EvalError(
            f'{folder} has no <name>/meta.json, <name>/depth.png or .npy, nor rgb/ with depth/: '
            'there is no frame to evaluate'
        )
    return sorted(found)


def read_frame(frame: Path) -> LabelledFrame:
    """Read one frame of `find_frames`; raises `EvalError` that names the file at fault."""
    meta, sources = _read_meta(frame)
    camera, per_metre = _camera(meta, sources), _per_metre(meta, sources)
    rgb, truth = read_rgb(_stem(frame, 'rgb')), read_depth(_stem(frame, 'depth'), per_metre)
    size = (camera.height, camera.width)
    if rgb.shape[:2] != size or not _fits(truth.shape, camera):
        raise EvalError(
            f'{frame}: rgb is {rgb.shape[:2]}, depth {truth.shape}, {sources["width"]} says '
            f'{size} (rows, columns, not turned by EXIF); rgb must have that size, and depth that '
            'or one that is scaled from it'
        )
    sample = RawSample(rgb, on_picture(truth, camera), camera)
    return LabelledFrame(frame.name, group_of(meta, truth), sample, meta, truth)


def read_camera(frame: Path) -> Camera:
    """Read the camera alone of one frame of `find_frames`; raises `EvalError` as `read_frame`."""
    return _camera(*_read_meta(frame))


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


def centre_warning(frame: LabelledFrame) -> str | None:
    """Say that the principal point lies outside of the picture, or None.

    A picture may be cut like that. More often, the intrinsics are of another size.
    """
    c = frame.sample.camera
    if -0.5 <= c.cx <= c.width - 0.5 and -0.5 <= c.cy <= c.height - 0.5:
        return None
    return (
        f'{frame.name}: the principal point ({c.cx:g}, {c.cy:g}) is outside of the picture of '
        f'{c.width}x{c.height}; are fx, fy, cx, cy those of another size?'
    )


def _is_frame(folder: Path) -> bool:
    """Tell whether a folder holds one frame, and no others in it."""
    has_meta = (folder / _META).is_file() or _meta_of_all(folder).is_file()
    return has_meta and any((folder / name).is_file() for name in _PARTS[1:])


def _stem(frame: Path, part: str) -> Path:
    """Name a file of a frame, rgb or depth, but for its ending."""
    return frame.parent / part / frame.name if _lies_flat(frame) else frame / part


def _lies_flat(frame: Path) -> bool:
    """Tell whether a frame lies in rgb/ and depth/, and not in a folder of its own."""
    return _is_flat(frame.parent) and (frame.name in _FLAT or not _is_frame(frame))


def _is_flat(folder: Path) -> bool:
    """Tell whether the pictures of all frames lie in rgb/ and their depth in depth/."""
    places = [folder / name for name in _FLAT]
    return all(place.is_dir() and not (place / _META).is_file() for place in places)


def _meta_of_all(frame: Path) -> Path:
    """Name the file that is about all frames beside `frame`, which may be '.'."""
    return Path(os.path.abspath(frame)).parent / _META


def _read_meta(frame: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Give what is said of a frame, by itself or for all, and the file that says each of it.

    The camera is that of one file: parts of two would make a third.
    """
    meta: dict[str, Any] = {}
    paths = [_meta_of_all(frame), *([] if _lies_flat(frame) else [frame / _META])]
    there = [path for path in paths if path.is_file()]
    if not there:
        names = ' or '.join(str(path) for path in reversed(paths))
        raise EvalError(f'cannot read {names}: no such file; it must give the camera')
    sources = dict.fromkeys(_CAMERA, there[-1])
    for path in there:
        said = _json_object(path)
        replaced = _CAMERA if any(key in said for key in _CAMERA) else ()
        meta = {key: value for key, value in meta.items() if key not in replaced} | said
        sources.update(dict.fromkeys((*replaced, *said), path))
    return meta, sources


def _json_object(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvalError(f'cannot read {path}: {error}') from None
    if not isinstance(said, dict):
        raise EvalError(f'{path} must hold a JSON object, not {type(said).__name__}')
    return said


def _camera(meta: Mapping[str, Any], sources: Mapping[str, Path]) -> Camera:
    path = sources['fx']
    try:
        fx, fy, cx, cy = (float(meta[key]) for key in _CAMERA[:4])
        width, height = (_whole(key, meta[key]) for key in _CAMERA[4:])
        return Camera(fx, fy, cx, cy, width, height)
    except KeyError as error:
        raise EvalError(
            f'{path} has no {error}; it must give the camera: {", ".join(_CAMERA)}'
        ) from None
    except (CoreError, TypeError, ValueError, OverflowError) as error:
        raise EvalError(f'{path}: {error}') from None


def _whole(key: str, value: Any) -> int:
    if not float(value).is_integer():
        raise ValueError(f'{key}={value!r} is no whole number of pixels')
    return int(value)


def _per_metre(meta: Mapping[str, Any], sources: Mapping[str, Path]) -> float | None:
    if _UNIT not in meta:
        return None
    try:
        return check_per_metre(meta[_UNIT])
    except EvalError as error:
        raise EvalError(f'{sources[_UNIT]}: {error}') from None


def _fits(shape: tuple[int, ...], camera: Camera) -> bool:
    """Tell whether depth of `shape` is the picture's, scaled. Scaled one way only, it was cut."""
    same_height, same_width = shape[0] == camera.height, shape[1] == camera.width
    return same_height == same_width and same_view(shape, camera)
