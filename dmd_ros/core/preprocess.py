# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a camera's picture to the network's and back. The only place that resizes and normalises.

The robot, the replay and the trainer use the same `cut_rgb` and `normalise`; augmentation is just
another `View`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from dmd_ros.core.contract import PictureContract
from dmd_ros.core.errors import CoreError

# Degrees by which a picture may have to be turned.
ROTATIONS = (0, 90, 180, 270)
# Cost of another area relative to another aspect, when no multiple of the stride fits exactly.
_AREA_WEIGHT = 0.1
# |log(fx / fy)| up to which pixels count as square. Training distorts the aspect by as much (its
# aspect_jitter), so a camera that is off by a percent or two is not resampled for it.
_SQUARE_PIXELS = 0.03
# Rows that `_two_fifths` processes at once, a multiple of 5: they stay in the cache.
_BAND = 160


@dataclass(frozen=True)
class View:
    """How the network's picture is cut from the camera's picture: a virtual camera.

    source: rectified camera of the whole picture.
    left, top, crop_width, crop_height: window in source pixels; may extend beyond the picture.
    height, width: size of the network's picture.
    flip: mirror left-right after the cut.
    rotation: clockwise degrees, a multiple of 90, by which the picture is turned after that.
    """

    source: Camera
    left: int
    top: int
    crop_width: int
    crop_height: int
    height: int
    width: int
    flip: bool = False
    rotation: int = 0

    @property
    def camera(self) -> Camera:
        """The virtual camera of the network's picture."""
        camera = self.source.cropped(self.left, self.top, self.crop_width, self.crop_height)
        if self.flip:
            camera = camera.flipped()
        return camera.turned(self.rotation).resized(self.width, self.height)

    @property
    def cut_size(self) -> tuple[int, int]:
        """(width, height) of the network's picture before the rotation."""
        on_side = self.rotation % 180 != 0
        return (self.height, self.width) if on_side else (self.width, self.height)

    @property
    def is_inside(self) -> bool:
        """Whether the window is within the picture (nothing to pad)."""
        return (
            self.left >= 0
            and self.top >= 0
            and self.left + self.crop_width <= self.source.width
            and self.top + self.crop_height <= self.source.height
        )


def network_size(height: float, width: float, contract: PictureContract) -> tuple[int, int]:
    """Choose the network's (height, width) for a picture of the given size in square pixels.

    Of the multiples of the stride near the area of the model's first training size, the one with
    the nearest aspect: no camera's aspect changes by more than the rounding.
    """
    stride = contract.stride
    base_height, base_width = contract.train_sizes[0]
    area, aspect = base_height * base_width, width / height
    ideal = (math.sqrt(area / aspect), math.sqrt(area * aspect))
    heights, widths = (
        [max(stride, (int(side // stride) + k) * stride) for k in (-1, 0, 1, 2)] for side in ideal
    )

    def cost(size: tuple[int, int]) -> float:
        h, w = size
        squash = abs(math.log((w / h) / aspect))
        return squash + _AREA_WEIGHT * abs(math.log(h * w / area))

    return min(itertools.product(heights, widths), key=cost)


def full_view(camera: Camera, contract: PictureContract, rotation: int = 0) -> View:
    """Return the view of the whole picture, which the robot always uses.

    The network assumes square pixels. If the camera's are not square (binned in one direction, or
    16:9 squeezed into 4:3), the picture is stretched back. rotation: see `View`.
    """
    upright = camera.turned(rotation)
    pixel_width = upright.fy / upright.fx  # relative to its height
    if abs(math.log(pixel_width)) <= _SQUARE_PIXELS:
        pixel_width = 1.0
    height, width = network_size(upright.height, upright.width * pixel_width, contract)
    return View(camera, 0, 0, camera.width, camera.height, height, width, rotation=rotation)


def centred_view(camera: Camera, contract: PictureContract) -> View:
    """Return the view of the largest centred window with the aspect of one of the training sizes.

    For a network whose output depends on the aspect: it only gets those that it was trained on.
    """

    def window(size: tuple[int, int]) -> tuple[int, int]:
        height, width = size
        rows = min(float(camera.height), camera.width * height / width)
        return max(1, round(rows)), max(1, round(rows * width / height))

    size = max(contract.train_sizes, key=lambda size: math.prod(window(size)))
    rows, columns = window(size)
    left, top = (camera.width - columns) // 2, (camera.height - rows) // 2
    return View(camera, left, top, columns, rows, *size)


def prepare(
    rgb: NDArray[np.uint8],
    view: View,
    contract: PictureContract,
) -> NDArray[np.float32]:
    """Crop, scale and normalise uint8 [H, W, 3] to the network's float32 [1, 3, h, w]."""
    return normalise(cut_rgb(rgb, view), contract)


def cut_rgb(rgb: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Crop and scale to uint8 [h, w, 3]; beyond the picture, its border is repeated.

    The trainer fills that part with noise (see `outside`); a robot's view never extends beyond the
    picture.
    """
    _check_size(rgb, view)
    window = _window(rgb, view, None)
    return _placed(_scaled(window, *view.cut_size), view)


def normalise(rgb: NDArray[np.uint8], contract: PictureContract) -> NDArray[np.float32]:
    """Convert uint8 [h, w, 3] to (rgb / 255 - mean) / std, float32 [1, 3, h, w]."""
    std = np.asarray(contract.rgb_std, np.float32)
    scale = np.float32(1.0 / 255.0) / std
    shift = np.asarray(contract.rgb_mean, np.float32) / std
    planes = np.empty((1, 3, *rgb.shape[:2]), np.float32)
    for c, plane in enumerate(cv2.split(rgb)):
        np.multiply(plane, scale[c], out=planes[0, c])
        planes[0, c] -= shift[c]
    return planes


def prepare_depth(depth_m: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Crop and scale depth [H, W] (metres, NaN = unlabelled) to [h, w]; NaN beyond the picture.

    Nearest neighbour: averaging across an edge would create depths that do not exist in the scene.
    """
    _check_size(depth_m, view)
    window = _window(depth_m, view, np.nan)
    small = cv2.resize(window, view.cut_size, interpolation=cv2.INTER_NEAREST_EXACT)
    return _placed(small, view)


def outside(view: View) -> NDArray[np.bool_]:
    """Mark the pixels [h, w] of the network's picture that the camera did not see."""
    everywhere = np.zeros((view.source.height, view.source.width), np.float32)
    return np.isnan(prepare_depth(everywhere, view))


def restore(code: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Bring a map [h, w] of the network's picture back to the source's grid [H, W].

    Bilinear, so it never overshoots; its input is the depth *code*, so log depth is interpolated.
    Source pixels outside the view are NaN. Raises `CoreError` unless the map has the view's size.
    """
    if code.shape != (view.height, view.width):
        raise CoreError(f'map has shape {code.shape}, not {(view.height, view.width)}')
    code = np.ascontiguousarray(_taken_back(code, view))
    window = cv2.resize(code, (view.crop_width, view.crop_height), interpolation=cv2.INTER_LINEAR)
    return _on_source(window, view, np.nan)


def spread_cells(cells: NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """Mark the source's pixels [H, W] that `restore` interpolates within a marked cell.

    cells: [h + 1, w + 1]; cell [i, j] is above and left of the network's pixel [i, j]; cells along
    the border repeat its pixels. A source pixel exactly on the line between two cells, where no
    interpolation across takes place, is marked if both cells are.
    """
    cells = _taken_back(cells, view)
    left, right = _cells_of(view.crop_width, view.cut_size[0])
    above, below = _cells_of(view.crop_height, view.cut_size[1])
    # take() is ten times faster than indexing with arrays.
    columns = cells.take(left, axis=1) & cells.take(right, axis=1)
    window = columns.take(above, axis=0)
    on_line = np.flatnonzero(above != below)
    window[on_line] &= columns[below[on_line]]
    return _on_source(window, view, False)


def turned(image: NDArray[Any], degrees: int) -> NDArray[Any]:
    """Turn a picture or map clockwise by a multiple of 90 degrees, without copying."""
    return np.rot90(image, -degrees // 90)


def _placed(small: NDArray[Any], view: View) -> NDArray[Any]:
    """Mirror and turn a cropped and scaled picture according to the view."""
    mirrored = small[:, ::-1] if view.flip else small
    return turned(mirrored, view.rotation)


def _taken_back(placed: NDArray[Any], view: View) -> NDArray[Any]:
    """Undo `_placed`."""
    mirrored = turned(placed, -view.rotation)
    return mirrored[:, ::-1] if view.flip else mirrored


def _cells_of(source: int, network: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells before and after each of `source` pixels; they differ only on a line."""
    # In integers, to detect exactly when a pixel is on a line:
    # (i + 0.5) network / source - 0.5, times 2 source.
    twice = (2 * np.arange(source) + 1) * network - source
    return -(-twice // (2 * source)), twice // (2 * source) + 1


def _scaled(window: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Scale a picture without aliasing or phase shift."""
    rows, columns = window.shape[:2]
    # Exact halving is ten times faster per pixel than averaging over fractional pixels. Halved
    # pixels stay at most half as large as a pixel of the result.
    while not (rows % 2 or columns % 2) and columns >= 4 * width and rows >= 4 * height:
        rows, columns = rows // 2, columns // 2
        window = cv2.resize(window, (columns, rows), interpolation=cv2.INTER_AREA)
    if (columns, rows) == (width, height):
        return window
    if window.dtype == np.uint8 and 5 * height == 2 * rows and 5 * width == 2 * columns:
        return _two_fifths(window)
    # INTER_AREA averages all covered pixels: shrinking without aliasing. It cannot enlarge.
    shrinks = width <= columns and height <= rows
    if not shrinks and (columns > 2 * width or rows > 2 * height):
        # Pixels far from square: only one axis shrinks, and INTER_LINEAR would skip pixels.
        narrow = (min(columns, width), min(rows, height))
        window = cv2.resize(window, narrow, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(window, (width, height), interpolation=how)


def _two_fifths(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale [5 n, 5 m, C] to [2 n, 2 m, C]: the same result as INTER_AREA in 40 % of its time.

    VGA is scaled to 192x256 this way. The means are integers over 25, so none is half-way between
    two grey values, and rounding cannot differ.
    """
    rows, columns, channels = picture.shape
    small = np.empty((2 * rows // 5, 2 * columns // 5, channels), np.uint8)
    for top in range(0, rows, _BAND):
        tall = _five_to_two(picture[top : top + _BAND])
        sums = _five_to_two(cv2.transpose(tall))
        sums += 12
        sums //= 25
        cv2.transpose(sums.astype(np.uint8), small[2 * top // 5 : 2 * (top + _BAND) // 5])
    return small


def _five_to_two(rows: NDArray[Any]) -> NDArray[np.uint16]:
    """Reduce every five rows a b c d e to two: 2 a + 2 b + c and c + 2 d + 2 e."""
    fives = rows.reshape(-1, 5, rows[0].size)
    sums = np.add(fives[:, 0::3], fives[:, 1::3], dtype=np.uint16)
    sums += sums
    sums += fives[:, 2:3]
    return sums.reshape(-1, *rows.shape[1:])


def _check_size(image: NDArray[Any], view: View) -> None:
    expected = (view.source.height, view.source.width)
    if image.shape[:2] != expected:
        raise CoreError(
            f'picture is {image.shape[1]}x{image.shape[0]}, its camera '
            f'{expected[1]}x{expected[0]}; scale the camera with Camera.resized() first'
        )


def _overlap(view: View) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of the source and of the window that show the same pixels."""
    top, left = max(view.top, 0), max(view.left, 0)
    bottom = min(view.top + view.crop_height, view.source.height)
    right = min(view.left + view.crop_width, view.source.width)
    if bottom <= top or right <= left:
        raise CoreError(f'view {view} does not overlap the picture')
    inside = (slice(top, bottom), slice(left, right))
    target = (
        slice(top - view.top, bottom - view.top),
        slice(left - view.left, right - view.left),
    )
    return inside, target


def _on_source(window: NDArray[Any], view: View, fill: float) -> NDArray[Any]:
    """Place the view's window, at full resolution, in a picture filled with `fill`."""
    height, width = view.source.height, view.source.width
    if (view.left, view.top, view.crop_width, view.crop_height) == (0, 0, width, height):
        return window
    full = np.full((height, width), fill, window.dtype)
    inside, target = _overlap(view)
    full[inside] = window[target]
    return full


def _window(image: NDArray[Any], view: View, fill: float | None) -> NDArray[Any]:
    """Crop the view's window at full resolution; a plain slice if it is within the picture.

    fill: value beyond the picture; None repeats its border.
    """
    inside, (rows, columns) = _overlap(view)
    if view.is_inside:
        return image[inside]
    below, right = view.crop_height - rows.stop, view.crop_width - columns.stop
    how = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
    borders = rows.start, below, columns.start, right
    return cv2.copyMakeBorder(image[inside], *borders, how, value=fill)
