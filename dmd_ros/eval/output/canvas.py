# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing primitives for pictures of results: text, panels, error colours, colour bars."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dmd_ros.core.colormap import colorize

PAPER = (250, 250, 248)
INK = (32, 34, 38)
FAINT = (118, 122, 128)
# Colour of pixels without depth or error.
NOTHING = (36, 38, 44)
# The error scale ends at this factor too near or too far.
ERROR_FACTOR = 2.0
# Below this share of labelled pixels, points are drawn enlarged.
_SPARSE = 0.5
_TOO_NEAR, _RIGHT, _TOO_FAR = (20, 92, 200), (238, 238, 232), (200, 40, 28)

# Maximum height of a picture as a multiple of its width: a very narrow one would take gigabytes.
_MAX_HEIGHT = 8

Rgb = NDArray[np.uint8]  # [H, W, 3]


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's built-in font, which is the same on every machine."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Return the width of one line, pixels."""
    return math.ceil(font(size).getlength(text))


def fitted(text: str, size: int, width: int) -> tuple[str, int]:
    """Fit a line into `width` pixels by a smaller size, then by cutting its middle; return both.

    Line ends, which names of files may contain, become spaces.
    """
    text = ' '.join(text.split())
    smallest = size * 3 // 4
    while size > smallest and text_width(text, size) > width:
        size -= 1
    kept, whole = len(text), text
    while kept > 2 and text_width(text, size) > width:
        kept -= 1
        text = f'{whole[: kept // 2]}...{whole[-(kept - kept // 2) :]}'
    return text, size


def write(
    canvas: Rgb,
    x: int,
    y: int,
    text: str,
    size: int,
    colour: tuple[int, int, int] = INK,
    align: str = 'left',
) -> None:
    """Write one line into `canvas`, with its top at y; align: left, centre or right at x."""
    shift = {'left': 0.0, 'centre': 0.5, 'right': 1.0}[align] * text_width(text, size)
    band = canvas[y : y + 2 * size]  # higher than a line; small, because Pillow copies it twice
    picture = Image.fromarray(band)
    ImageDraw.Draw(picture).text((x - round(shift), 0), text, font=font(size), fill=colour)
    band[:] = np.asarray(picture)


def depth_colours(depth_m: NDArray[np.float32], near_m: float, far_m: float) -> Rgb:
    """Colour depth [H, W] on a fixed scale; NaN is `NOTHING`.

    Equal steps of colour are equal *ratios* of depth, like the errors. The colours of the node,
    which are linear in 1 / depth, hardly distinguish large depths.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        nearness = np.log(far_m / depth_m) / np.float32(math.log(far_m / near_m))
        # `colorize` is linear in the inverse, so pass an inverse that is linear in `nearness`.
        inverted = np.float32(2.0) / (1.0 + np.clip(nearness, 0.0, 1.0))
    inverted = np.where(np.isfinite(depth_m), inverted, depth_m).astype(np.float32)
    rgb = colorize(inverted, 1.0, 2.0)
    rgb[np.isnan(depth_m)] = NOTHING
    return rgb


def error_colours(predicted_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> Rgb:
    """Colour ln(p / g) [H, W]: blue is too near (-inf, too), red is too far, pale is right."""
    with np.errstate(invalid='ignore', divide='ignore'):
        level = np.log(np.maximum(predicted_m, 0.0) / truth_m) / np.float32(math.log(ERROR_FACTOR))
    return level_colours(level.astype(np.float32))


def level_colours(level: NDArray[np.float32]) -> Rgb:
    """Colour -1 (blue) .. 0 (pale) .. 1 (red); NaN is `NOTHING`."""
    known = ~np.isnan(level)
    clipped = np.clip(np.where(known, level, 0.0), -1.0, 1.0)[..., None].astype(np.float32)
    far, near, right = (np.array(c, np.float32) for c in (_TOO_FAR, _TOO_NEAR, _RIGHT))
    colour = right + np.abs(clipped) * (np.where(clipped > 0, far, near) - right)
    rgb = np.rint(colour).astype(np.uint8)
    rgb[~known] = NOTHING
    return rgb


def panel(colours: Rgb, known: NDArray[np.bool_], width: int) -> Rgb:
    """Scale a coloured map to `width`; sparse points are drawn as small squares."""
    if not known.any() or known.mean() > _SPARSE or width >= colours.shape[1]:
        return scaled(colours, width)
    height = _height_at(colours, width)
    out = np.full((height, width, 3), NOTHING, np.uint8)
    rows, columns = np.nonzero(known)
    y = (rows * height) // colours.shape[0]
    x = (columns * width) // colours.shape[1]
    for dy in (0, 1):
        for dx in (0, 1):
            out[np.minimum(y + dy, height - 1), np.minimum(x + dx, width - 1)] = colours[
                rows, columns
            ]
    return out


def scaled(picture: Rgb, width: int) -> Rgb:
    """Scale a picture to `width`, keeping its aspect ratio unless it is very narrow."""
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, _height_at(picture, width)), interpolation=how)


def _height_at(picture: Rgb, width: int) -> int:
    """Return the height of a picture that is scaled to `width`."""
    height = round(picture.shape[0] * width / picture.shape[1])
    return min(max(1, height), _MAX_HEIGHT * width)


def depth_bar(canvas: Rgb, x: int, y: int, room: int, near_m: float, far_m: float) -> None:
    """Draw the colour scale of depth with labels in metres; room: total width from x, pixels."""
    width = room - math.ceil(text_width(f'{far_m:g} m', 13) / 2)
    ramp = np.geomspace(near_m, far_m, width, dtype=np.float32)[None]
    canvas[y : y + 12, x : x + width] = depth_colours(ramp, near_m, far_m)
    taken: list[tuple[int, int]] = []
    for metres in _ticks(near_m, far_m):
        at = x + round(math.log(metres / near_m) / math.log(far_m / near_m) * (width - 1))
        label = f'{metres:g} m' if metres == far_m else f'{metres:g}'
        half = text_width(label, 13) // 2 + 4
        if any(at - half < right and at + half > left for left, right in taken):
            continue
        canvas[y + 12 : y + 16, at] = INK
        write(canvas, at, y + 16, label, 13, FAINT, 'centre')
        taken.append((at - half, at + half))


def error_bar(canvas: Rgb, x: int, y: int, width: int) -> None:
    """Draw the colour scale of error, with its labels."""
    canvas[y : y + 12, x : x + width] = level_colours(
        np.linspace(-1, 1, width, dtype=np.float32)[None]
    )
    labels = ((0.0, '/2 too near', 'left'), (0.5, 'right', 'centre'), (1.0, 'too far x2', 'right'))
    for share, label, align in labels:
        write(canvas, x + round(share * (width - 1)), y + 16, label, 13, FAINT, align)


def _ticks(near_m: float, far_m: float) -> list[float]:
    """Return round metres from near to far: both ends, and 1-2-5 steps between them."""
    steps = [m * 10.0**k for k in range(-2, 4) for m in (1, 2, 5)]
    return [near_m, far_m, *sorted(s for s in steps if near_m < s < far_m)]
