# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw contact sheets: image, estimated depth, ground truth and error side by side."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import canvas

COLUMN = 420  # pixels
_GAP, _MARGIN = 8, 24
_HEADER, _SECTION, _CAPTION = 84, 62, 34
# Remedies for the system's errors of writing a file.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES = {
    **dict.fromkeys(_FULL, 'free some space, or choose another place'),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check the folder's permissions"),
    errno.ENOENT: 'make its folder first',
}


@dataclass(frozen=True)
class Row:
    """One frame of a sheet."""

    section: str  # rows of one section are together, and share a colour scale
    caption: str
    figures: str
    rgb: NDArray[np.uint8]  # [H, W, 3]
    depth_m: NDArray[np.float32]  # [H, W]
    truth_m: NDArray[np.float32] | None = None  # [H, W]


class Sheet:
    """A sheet to which rows are added; only their small drawings are kept in memory.

    scales_m: section -> (near, far) of its colours, in the order of the sections. labelled:
    whether there are columns for truth and error. panel: width of each picture, pixels.
    """

    def __init__(
        self,
        scales_m: Mapping[str, tuple[float, float]],
        labelled: bool,
        panel: int = COLUMN,
    ) -> None:
        """Begin a sheet without rows."""
        self._titles = ('image', 'depth', 'ground truth', 'error')[: 4 if labelled else 2]
        self._width = _left(len(self._titles), panel) - _GAP + _MARGIN
        self._scales_m, self._panel = scales_m, panel
        self._drawn: dict[str, list[NDArray[np.uint8]]] = {section: [] for section in scales_m}

    def add(self, row: Row) -> None:
        """Draw a row below those of its section."""
        scale = self._scales_m[row.section]
        self._drawn[row.section].append(_row(row, scale, self._panel, self._width))

    def draw(self, title: str, subtitle: str = '') -> NDArray[np.uint8]:
        """Return the sheet, uint8 [H, W, 3] RGB."""
        blocks = [_header(title, subtitle, self._width)]
        for section, rows in self._drawn.items():
            if rows:
                scale = self._scales_m[section]
                blocks.append(_section(section, self._titles, scale, self._panel, self._width))
                blocks += rows
        return np.vstack([*blocks, _blank(_MARGIN // 2, self._width)])


def draw_sheet(
    rows: Sequence[Row],
    scales_m: Mapping[str, tuple[float, float]],
    title: str,
    subtitle: str = '',
    panel: int = COLUMN,
) -> NDArray[np.uint8]:
    """Draw rows in sections (see `Sheet`); rows of sections not in `scales_m` are left out."""
    drawn = Sheet(scales_m, any(row.truth_m is not None for row in rows), panel)
    for row in rows:
        if row.section in scales_m:
            drawn.add(row)
    return drawn.draw(title, subtitle)


class Strip:
    """Draws sheets of one row each, with a common header that is drawn only once.

    panel: see `Sheet`; scale_m: (near, far) of the colours.
    """

    def __init__(
        self, title: str, subtitle: str, section: str, scale_m: tuple[float, float], panel: int
    ) -> None:
        """Draw the common header."""
        self._width = _left(2, panel) - _GAP + _MARGIN
        self._panel, self._scale_m = panel, scale_m
        self._top = [
            _header(title, subtitle, self._width),
            _section(section, ('image', 'depth'), scale_m, panel, self._width),
        ]

    def draw(self, row: Row) -> NDArray[np.uint8]:
        """Return the sheet of one row, uint8 [H, W, 3] RGB."""
        bottom = _blank(_MARGIN // 2, self._width)
        return np.vstack([*self._top, _row(row, self._scale_m, self._panel, self._width), bottom])


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W, 3] RGB in the format of the suffix, .png or .jpg; raises `EvalError`."""
    check_picture_name(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, 80] if path.suffix == '.jpg' else []
    try:
        # Encoded first, because OpenCV's own writing of files gives no reason for an error.
        made, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    except cv2.error:  # before version 5; later versions return False
        made = False
    if not made:
        height, width = picture.shape[:2]
        raise EvalError(f'cannot write {path}: {width} x {height} is too large; .png takes more')
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, 'choose another place')
        if error.errno in _FULL:
            path.unlink(missing_ok=True)  # the incomplete file
        raise EvalError(f'cannot write {path}: {error.strerror}; {remedy}') from None


def check_picture_name(path: Path) -> None:
    """Raise `EvalError` if the suffix is not that of a picture."""
    if not cv2.haveImageWriter(f'picture{path.suffix}'):
        raise EvalError(f'cannot write {path}: give a name that ends in .png or .jpg')


def places(count: int, rows: int) -> set[int]:
    """Return the indices of at most `rows` frames, evenly spread over `count` frames."""
    return {round(i * (count - 1) / max(1, min(rows, count) - 1)) for i in range(min(rows, count))}


def nice_scale(maps_m: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Return round metres (near, far) of a colour scale that covers nearly all depths."""
    known = [m[np.isfinite(m)] for m in maps_m]
    values = np.concatenate(known) if known else np.empty(0, np.float32)
    if values.size == 0:
        return 0.5, 10.0
    low, high = (float(v) for v in np.percentile(values, (1, 98)))
    steps = np.array([float(f'{m}e{k}') for k in range(-2, 3) for m in (1, 1.5, 2, 3, 4, 5, 6, 8)])
    near = float(steps[steps <= low].max(initial=float(steps[0])))
    far = float(steps[steps >= high].min(initial=float(steps[-1])))
    return near, max(far, 2 * near)


def _header(title: str, subtitle: str, width: int) -> NDArray[np.uint8]:
    block = _blank(_HEADER, width)
    canvas.write(block, _MARGIN, 18, *canvas.fitted(title, 28, width - 2 * _MARGIN))
    canvas.write(
        block, _MARGIN, 54, *canvas.fitted(subtitle, 16, width - 2 * _MARGIN), canvas.FAINT
    )
    return block


def _section(
    section: str,
    titles: Sequence[str],
    scale: tuple[float, float],
    panel: int,
    width: int,
) -> NDArray[np.uint8]:
    """Draw the name of a section and the column titles, each with its colour scale."""
    block = _blank(_SECTION, width)
    block[4:5, _MARGIN : width - _MARGIN] = (214, 214, 210)
    canvas.write(block, _MARGIN, 16, *canvas.fitted(section, 22, panel))
    for column, title in enumerate(titles[1:], start=1):
        left = _left(column, panel)
        canvas.write(block, left, 14, title, 16)
        bar = left + 120
        if title == 'error':
            canvas.error_bar(block, bar, 18, panel - 120)
        else:
            canvas.depth_bar(block, bar, 18, panel - 120, *scale)
    return block


def _row(row: Row, scale: tuple[float, float], panel: int, width: int) -> NDArray[np.uint8]:
    panels = [canvas.scaled(row.rgb, panel), _depth_panel(row.depth_m, scale, panel)]
    if row.truth_m is not None:
        known = np.isfinite(row.truth_m)
        panels.append(_depth_panel(row.truth_m, scale, panel))
        error = canvas.error_colours(row.depth_m, np.where(known, row.truth_m, np.float32(np.nan)))
        panels.append(canvas.panel(error, known, panel))
    height = max(p.shape[0] for p in panels)
    block = _blank(height + _CAPTION, width)
    for column, picture in enumerate(panels):
        left = _left(column, panel)
        block[: picture.shape[0], left : left + panel] = picture
    canvas.write(block, _MARGIN, height + 6, *canvas.fitted(row.caption, 16, panel))
    left = _left(1, panel)
    figures = canvas.fitted(row.figures, 16, width - _MARGIN - left)
    canvas.write(block, left, height + 6, *figures, canvas.FAINT)
    return block


def _depth_panel(
    depth_m: NDArray[np.float32], scale: tuple[float, float], panel: int
) -> NDArray[np.uint8]:
    return canvas.panel(canvas.depth_colours(depth_m, *scale), ~np.isnan(depth_m), panel)


def _left(column: int, panel: int) -> int:
    return _MARGIN + column * (panel + _GAP)


def _blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), canvas.PAPER, np.uint8)
