# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs as files: found in folders, decoded upright, with what EXIF says of their lens."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_picture
from dmd_ros.core.preprocess import turned
from dmd_ros.eval.errors import EvalError

# What is taken from a folder; a file that is named is tried whatever its name.
SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
# Of a name; file systems take 255, of which a number, an ending and '.partial' need some.
_MOST_BYTES = 220

_ORIENTATION, _EXIF_IFD, _FOCAL_35MM = 0x0112, 0x8769, 0xA405
_EXIF_WIDTH, _EXIF_HEIGHT, _ZOOM = 0xA002, 0xA003, 0xA404
# EXIF orientation -> whether mirrored left-right, then by how many degrees turned clockwise.
_TURNS = {
    2: (True, 0),
    3: (False, 180),
    4: (True, 180),
    5: (True, 270),
    6: (False, 90),
    7: (True, 90),
    8: (False, 270),
}


@dataclass(frozen=True)
class Exif:
    """What a picture says of itself.

    orientation: 1 = stored as shown. focal_35mm: focal length, mm, of the lens that gives this
    view on 35 mm film; None if it is not said. size: (width, height), pixels, as it was taken;
    None if it is not said. zoom: by what the digital zoom cut and enlarged it, 1 = not at all.
    """

    orientation: int = 1
    focal_35mm: float | None = None
    size: tuple[int, int] | None = None
    zoom: float = 1.0


@dataclass(frozen=True)
class Picture:
    """rgb: uint8 [H, W, 3], turned and mirrored as EXIF asks."""

    path: Path
    rgb: NDArray[np.uint8]
    exif: Exif


def find_pictures(given: Sequence[Path]) -> tuple[list[Path], int]:
    """List the pictures among files and in folders (sorted, not those below); count other files.

    Raises `EvalError` for what does not exist, and if there is no picture.
    """
    found: list[Path] = []
    others = 0
    for path in given:
        if path.is_dir():
            files = sorted(entry for entry in path.iterdir() if entry.is_file())
            # Hidden ones are no pictures: macOS leaves a ._a.jpg beside a.jpg on foreign disks.
            pictures = [
                file
                for file in files
                if file.suffix.lower() in SUFFIXES and not file.name.startswith('.')
            ]
            others += len(files) - len(pictures)
            found += pictures
        elif path.exists():
            found.append(path)
        else:
            raise EvalError(f'{path} does not exist; give pictures, or folders of pictures')
    if not found:
        raise EvalError(
            f'no picture in {", ".join(map(str, given))} ({others} other file(s)); what ends in '
            f'{", ".join(SUFFIXES)} is looked for'
        )
    return list({os.path.abspath(path): path for path in found}.values()), others


def names_of(paths: Sequence[Path]) -> list[str]:
    """Give each picture a name of its own to be written under: its file's, as far as that goes.

    Where several would share one, they get their suffix (a_jpg, a_png), their folder (left_a,
    right_a) or both; a number helps where that does not. Long ones are cut: more is appended.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]
    rungs = [
        [path.stem for path in whole],
        [path.name.replace('.', '_') for path in whole],
        [f'{path.parent.name}_{path.stem}' for path in whole],
        [f'{path.parent.name}_{path.name.replace(".", "_")}' for path in whole],
    ]
    rungs = [[_cut(name) for name in rung] for rung in rungs]
    # Some file systems take A and a for one name.
    counts = [Counter(name.lower() for name in rung) for rung in rungs]
    names: list[str] = []
    taken: set[str] = set()
    for place, last in enumerate(rungs[-1]):
        choices = [
            r[place] for r, c in zip(rungs, counts, strict=True) if c[r[place].lower()] == 1
        ]
        numbered = (f'{last}_{number}' for number in itertools.count(1))
        free = (c for c in itertools.chain(choices, numbered) if c.lower() not in taken)
        names.append(next(free))
        taken.add(names[-1].lower())
    return names


def _cut(name: str) -> str:
    while len(os.fsencode(name)) > _MOST_BYTES:
        name = name[:-1]
    return name


def read_picture(path: Path) -> Picture:
    """Read one picture; raises `OSError` or `CoreError` if it cannot be."""
    data = path.read_bytes()
    # Formats differ, and versions of OpenCV, in whether it heeds EXIF.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    rgb = cv2.cvtColor(decode_picture(data, flags, path.suffix, _size_of), cv2.COLOR_BGR2RGB)
    exif = read_exif(data)
    mirrored, degrees = _TURNS.get(exif.orientation, (False, 0))
    if _is_tiff(data):  # which OpenCV turns, whatever it is told
        return Picture(path, rgb, exif)
    upright = turned(np.flip(rgb, 1) if mirrored else rgb, degrees)
    return Picture(path, np.ascontiguousarray(upright), exif)


def _size_of(data: bytes) -> tuple[int, int]:
    """Read the (width, height) that a file announces; (0, 0): what it is is for OpenCV to say."""
    try:
        with _opened(data) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise CoreError(f'{error} Make it smaller, if it is not damaged') from None
    except Exception:  # Pillow has a class for every way to be damaged
        return 0, 0


def read_exif(data: bytes) -> Exif:
    """Read the EXIF of a picture's bytes; damage there counts as nothing said."""
    try:
        with _opened(data) as image:
            tags = image.getexif()
            details = tags.get_ifd(_EXIF_IFD)
    except Exception:  # Pillow has a class for every way to be damaged
        return Exif()
    orientation = tags.get(_ORIENTATION)
    width, height = (_positive(details.get(tag)) for tag in (_EXIF_WIDTH, _EXIF_HEIGHT))
    return Exif(
        orientation if orientation in _TURNS else 1,
        _positive(details.get(_FOCAL_35MM)),
        (int(width), int(height)) if width and height else None,
        _positive(details.get(_ZOOM)) or 1.0,
    )


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Look at a picture's header, in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        with Image.open(io.BytesIO(data)) as image:
            yield image


def _positive(value: Any) -> float | None:
    """Read a number > 0; 0 is EXIF for "not known"."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0.0 < number < math.inf else None


def _is_tiff(data: bytes) -> bool:
    return data.startswith((b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'))  # the latter: BigTIFF
