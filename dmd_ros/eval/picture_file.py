# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find photographs, decode them upright, and read the EXIF data of their lens."""

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

# Suffixes of pictures in a folder; a file that is given by name is read with any suffix.
SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
# Maximum length of a name, bytes: file systems allow 255, including a number, a suffix and
# '.partial', which are appended.
_MAX_BYTES = 220

_ORIENTATION, _EXIF_IFD, _FOCAL_35MM = 0x0112, 0x8769, 0xA405
_EXIF_WIDTH, _EXIF_HEIGHT, _ZOOM = 0xA002, 0xA003, 0xA404
# EXIF orientation -> whether to mirror left-right, then by how many degrees to turn clockwise.
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
    """The EXIF data of a picture that is used here."""

    orientation: int = 1  # 1: stored as shown
    focal_35mm: float | None = None  # focal length that gives this view on 35 mm film, mm
    size: tuple[int, int] | None = None  # (width, height) as taken, pixels
    zoom: float = 1.0  # factor of the digital zoom; 1: none


@dataclass(frozen=True)
class Picture:
    """A photograph; rgb: uint8 [H, W, 3], turned and mirrored according to EXIF."""

    path: Path
    rgb: NDArray[np.uint8]
    exif: Exif


def find_pictures(given: Sequence[Path]) -> tuple[list[Path], int]:
    """Return the given pictures and those in given folders (sorted); count the other files there.

    Subfolders are not searched. Raises `EvalError` if a path does not exist or there is none.
    """
    found: list[Path] = []
    others = 0
    for path in given:
        if path.is_dir():
            files = sorted(entry for entry in path.iterdir() if entry.is_file())
            # Hidden files are left out: macOS adds a ._a.jpg to a.jpg on disks of other systems.
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
            f'no picture in {", ".join(map(str, given))} ({others} other file(s)); suffixes of '
            f'pictures: {", ".join(SUFFIXES)}'
        )
    return list({os.path.abspath(path): path for path in found}.values()), others


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return a unique name for the outputs of each picture: that of its file, if possible.

    Otherwise the suffix (a_jpg, a_png), the folder (left_a, right_a) or both are added, or finally
    a number. Long names are shortened, because suffixes are appended.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]
    schemes = [
        [path.stem for path in whole],
        [path.name.replace('.', '_') for path in whole],
        [f'{path.parent.name}_{path.stem}' for path in whole],
        [f'{path.parent.name}_{path.name.replace(".", "_")}' for path in whole],
    ]
    schemes = [[_cut(name) for name in scheme] for scheme in schemes]
    # Some file systems do not distinguish A and a.
    counts = [Counter(name.lower() for name in scheme) for scheme in schemes]
    names: list[str] = []
    taken: set[str] = set()
    for place, last in enumerate(schemes[-1]):
        choices = [
            s[place] for s, c in zip(schemes, counts, strict=True) if c[s[place].lower()] == 1
        ]
        numbered = (f'{last}_{number}' for number in itertools.count(1))
        free = (c for c in itertools.chain(choices, numbered) if c.lower() not in taken)
        names.append(next(free))
        taken.add(names[-1].lower())
    return names


def _cut(name: str) -> str:
    while len(os.fsencode(name)) > _MAX_BYTES:
        name = name[:-1]
    return name


def read_picture(path: Path) -> Picture:
    """Read one picture; raises `OSError` or `CoreError` if it cannot be."""
    data = path.read_bytes()
    # Otherwise OpenCV applies EXIF in some formats and versions only.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    rgb = cv2.cvtColor(decode_picture(data, flags, path.suffix, _size_of), cv2.COLOR_BGR2RGB)
    exif = read_exif(data)
    mirrored, degrees = _TURNS.get(exif.orientation, (False, 0))
    if _is_tiff(data):  # OpenCV turns it in spite of the flag
        return Picture(path, rgb, exif)
    upright = turned(np.flip(rgb, 1) if mirrored else rgb, degrees)
    return Picture(path, np.ascontiguousarray(upright), exif)


def _size_of(data: bytes) -> tuple[int, int]:
    """Read (width, height) from the header; (0, 0) if Pillow cannot, so that OpenCV decides."""
    try:
        with _opened(data) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise CoreError(f'{error} Make it smaller, if it is not damaged') from None
    except Exception:  # Pillow raises many classes for damaged files
        return 0, 0


def read_exif(data: bytes) -> Exif:
    """Read the EXIF data from a picture's bytes; damaged data is treated as absent."""
    try:
        with _opened(data) as image:
            tags = image.getexif()
            details = tags.get_ifd(_EXIF_IFD)
    except Exception:  # Pillow raises many classes for damaged files
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
    """Open a picture without decoding it, and without Pillow's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        with Image.open(io.BytesIO(data)) as image:
            yield image


def _positive(value: Any) -> float | None:
    """Return a number > 0, or None; EXIF uses 0 for "not known"."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0.0 < number < math.inf else None


def _is_tiff(data: bytes) -> bool:
    return data.startswith((b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'))  # classic TIFF, BigTIFF
