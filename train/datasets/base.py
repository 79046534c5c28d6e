# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of all dataset readers: an index, loading by number, errors that name the file.

A reader returns `RawSample`: uint8 RGB, float32 metres along Z (NaN = unknown; +inf only where the
data itself marks sky), and the pinhole camera of both. All other peculiarities of a dataset are
handled in its reader.
"""

from __future__ import annotations

import importlib
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_picture
from dmd_ros.core.records import RawSample
from train.errors import TrainError

DOCS = 'docs/datasets.md'
# Exceptions that parsers raise for damaged or misplaced files.
BROKEN = (
    CoreError,
    OSError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    cv2.error,
    struct.error,
    zipfile.BadZipFile,
)


class Reader:
    """One dataset on disk. Subclasses define `tree`, `_scan`, `_name` and `_load`.

    Readers hold only paths and numbers, no open files, so they can be sent to worker processes.
    """

    dataset = ''
    # The expected tree, as shown in error messages and the documentation.
    tree = ''
    # Options for the trainer, set when the dataset is opened; empty: those of the run.
    fov = ''
    infill = ''

    def __init__(self, root: str | Path) -> None:
        """Find the samples below `root`; raises `TrainError` that names what is missing."""
        self.root = Path(root).expanduser()
        if not self.root.exists():
            raise self.missing(self.root)
        try:
            self._items: list[Any] = self._scan()
        except BROKEN as error:
            raise TrainError(
                f'{self.dataset}: cannot index {self.root}: {type(error).__name__}: {error}; '
                f'expected {self._where()}'
            ) from error
        if not self._items:
            raise TrainError(
                f'{self.dataset}: no samples below {self.root}; expected {self._where()}'
            )

    def index(self) -> list[str]:
        """Return the names of all samples, in the order of `load`; stable between runs."""
        return [self._name(item) for item in self._items]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._items)

    def name(self, i: int) -> str:
        """Return the names of the dataset and of sample `i`, for messages."""
        return f'{self.dataset} {self._name(self._items[i])}'

    def load(self, i: int) -> RawSample:
        """Read sample `i`; raises `TrainError` that names it if it is broken."""
        item = self._items[i]
        try:
            sample = self._load(item)
        except TrainError as error:
            raise TrainError(f'{self.name(i)}: {error}') from None
        except BROKEN as error:
            kind = type(error).__name__
            raise TrainError(f'{self.name(i)}: {kind}: {error}') from error
        size = (sample.camera.height, sample.camera.width)
        if sample.rgb.shape != (*size, 3) or sample.depth.shape != size:
            raise TrainError(
                f'{self.name(i)}: picture {sample.rgb.shape}, depth '
                f'{sample.depth.shape} and camera {size} (rows, columns) do not agree'
            )
        return sample

    def missing(self, path: Path) -> TrainError:
        """Return the error for a missing path of the tree."""
        return TrainError(f'{self.dataset}: {path} does not exist; expected {self._where()}')

    def need(self, path: Path) -> Path:
        """Return `path` if it exists; otherwise raise an error that shows the tree."""
        if not path.exists():
            raise self.missing(path)
        return path

    def _where(self) -> str:
        return f'below {self.root}:\n{self.tree}\n(see {DOCS}, section {self.dataset})'

    def _scan(self) -> list[Any]:
        raise NotImplementedError

    def _name(self, item: Any) -> str:
        """Return the name of an item; by default, a path or a tuple that starts with one."""
        path = item[0] if isinstance(item, tuple) else item
        return Path(path).relative_to(self.root).as_posix()

    def _load(self, item: Any) -> RawSample:
        raise NotImplementedError


def require(package: str, purpose: str) -> ModuleType:
    """Import an optional parser; raises `TrainError` that explains how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        top = package.split('.')[0]
        raise TrainError(
            f'{purpose} needs the package {top} ({error}); install it: pip install {top}, or '
            'pip install dmd_ros[data] for all of them'
        ) from None


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as uint8 [H, W, 3] RGB; ignore EXIF rotation, because K is not rotated."""
    return decode_rgb(_bytes_of(path), path)


def decode_rgb(data: bytes, source: object) -> NDArray[np.uint8]:
    """Decode JPEG or PNG bytes as uint8 [H, W, 3] RGB; `source` names them in the error."""
    image = _decoded(data, source, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_codes(path: Path) -> NDArray[np.uint16]:
    """Read a 16-bit grey PNG without conversion."""
    wanted = f'{path} must be a 16-bit grey png'
    try:
        image = decode_picture(_bytes_of(path), cv2.IMREAD_UNCHANGED, path.suffix)
    except CoreError as error:
        raise TrainError(f'{wanted}: {error}') from None
    if image.dtype != np.uint16 or image.ndim != 2:
        raise TrainError(f'{wanted}, but is {image.dtype} {image.shape}')
    return image


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask picture of any bit depth: True where it is not zero."""
    # A conversion to 8-bit grey would turn a 16-bit 1, or a 1 in a single colour, into 0.
    image = _decoded(_bytes_of(path), path, cv2.IMREAD_UNCHANGED)
    return np.atleast_3d(image)[..., :3].any(axis=2)  # without the alpha channel


def _decoded(data: bytes, source: object, flags: int) -> NDArray[Any]:
    """Decode a picture like the robot, rejecting truncated data."""
    try:
        return decode_picture(data, flags, Path(str(source)).suffix)
    except CoreError as error:
        raise TrainError(f'cannot decode picture {source}: {error}') from None


def metres_from_codes(
    codes: NDArray[np.uint16],
    per_metre: float,
    unknown: Sequence[int] = (0,),
    sky: int | None = None,
) -> NDArray[np.float32]:
    """Convert integer codes to metres: codes in `unknown` become NaN, the code `sky` +inf."""
    depth = codes.astype(np.float32) / np.float32(per_metre)
    for code in unknown:
        depth[codes == code] = np.nan
    if sky is not None:
        depth[codes == sky] = np.inf
    return depth


def z_from_ray(distance_m: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Convert distances along the viewing ray to depth along Z."""
    rays = camera.rays()
    length = np.sqrt(1.0 + rays[..., 0] ** 2 + rays[..., 1] ** 2)
    return (distance_m / length).astype(np.float32)


def camera_from_matrix(k: NDArray[np.float64], width: int, height: int) -> Camera:
    """Create a pinhole camera from a matrix whose upper left 3x3 part is K."""
    return Camera(
        float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), int(width), int(height)
    )


def camera_from_fov(tan_half_hfov: float, tan_half_vfov: float, width: int, height: int) -> Camera:
    """Create a centred pinhole camera from the tangents of its half angles of view."""
    return Camera(
        fx=width / (2.0 * tan_half_hfov),
        fy=height / (2.0 * tan_half_vfov),
        cx=(width - 1) / 2.0,
        cy=(height - 1) / 2.0,
        width=width,
        height=height,
    )


def read_list(path: Path) -> list[list[str]]:
    """Read a split file: one sample per line, words separated by spaces; skip empty lines."""
    try:
        lines = path.expanduser().read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise TrainError(f'cannot read the list {path}: {error}') from None
    return [line.split() for line in lines if line.strip()]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainError(f'cannot read {path}: {error.strerror}') from None
