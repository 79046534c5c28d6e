# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: image, estimated depth, ground truth and error side by side, as one PNG."""

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
# What helps against the system's reason for not writing a file.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES = {
    **dict.fromkeys(_FULL, 'free some space, or choose another place'),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check the folder's permissions"),
    errno.ENOENT: 'make its folder first',
}


@dataclass(frozen=True)
class Row:
    """One frame: a caption, its figures, and what to show ([H, W], metres; truth may be None).

    section: rows of one section stand together and share a colour scale.
    """

    section: str
    caption: str
    figures: str
    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    truth_m: NDArray[np.float32] | None = None


class Sheet:
    """A sheet that grows by rows, of which no more is kept than what is drawn of them.

    scales_m: section -> (near, far) of its colours; sections stand in this order. labelled:
    whether there is a column for the truth. panel: width of each picture, pixels.
    """

    def __init__(
        self,
        scales_m: Mapping[str, tuple[float, float]],
        labelled: bool,
        panel: int = COLUMN,
    ) -> None:
        """Begin, without rows."""
        self._titles = ('image', 'depth', 'ground truth', 'error')[: 4 if labelled else 2]
        self._width = _left(len(self._titles), panel) - _GAP + _MARGIN
        self._scales_m, self._panel = scales_m, panel
        self._drawn: dict[str, list[NDArray[np.uint8]]] = {section: [] for section in scales_m}

    def add(self, row: Row) -> None:
        """Draw a row below those of its section."""
        scale = self._scales_m[row.section]
        self._drawn[row.section].append(_row(row, scale, self._panel, self._width))

    def draw(self, title: str, subtitle: str = '') -> NDArray[np.uint8]:
        """Put it together."""
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
    """Draw rows in sections: see `Sheet`. What is in no section of `scales_m` is left out."""
    drawn = Sheet(scales_m, any(row.truth_m is not None for row in rows), panel)
    for row in rows:
        if row.section in scales_m:
            drawn.add(row)
    return drawn.draw(title, subtitle)


class Strip:
    """Sheets of one row, one after the other: what they share is drawn once.

    panel: see `draw_sheet`; scale_m: (near, far) of the colours.
    """

    def __init__(
        self, title: str, subtitle: str, section: str, scale_m: tuple[float, float], panel: int
    ) -> None:
        """Draw what they share."""
        self._width = _left(2, panel) - _GAP + _MARGIN
        self._panel, self._scale_m = panel, scale_m
        self._top = [
            _header(title, subtitle, self._width),
            _section(section, ('image', 'depth'), scale_m, panel, self._width),
        ]

    def draw(self, row: Row) -> NDArray[np.uint8]:
        """Draw the sheet of this row."""
        bottom = _blank(_MARGIN // 2, self._width)
        return np.vstack([*self._top, _row(row, self._scale_m, self._panel, self._width), bottom])


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W, 3] RGB as the name ends, .png or .jpg; `EvalError` if it cannot be."""
    check_picture_name(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, 80] if path.suffix == '.jpg' else []
    try:
        # In two steps: OpenCV writes files too, but does not tell why it could not.
        made, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    except cv2.error:  # before version 5 it throws where it gives False later
        made = False
    if not made:
        height, width = picture.shape[:2]
        raise EvalError(f'cannot write {path}: {width} x {height} is too large; .png takes more')
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, 'choose another place')
        if error.errno in _FULL:
            path.unlink(missing_ok=True)  # half a picture, if there was space for a name
        raise EvalError(f'cannot write {path}: {error.strerror}; {remedy}') from None


def check_picture_name(path: Path) -> None:
    """Raise `EvalError` for a name that does not end as that of a picture."""
    if not cv2.haveImageWriter(f'picture{path.suffix}'):
        raise EvalError(f'cannot write {path}: give a name that ends in .png or .jpg')


def places(count: int, rows: int) -> set[int]:
    """Spread at most `rows` rows evenly over `count` frames; gives their places."""
    return {round(i * (count - 1) / max(1, min(rows, count) - 1)) for i in range(min(rows, count))}


def nice_scale(maps_m: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Choose round metres that hold nearly all of the depths, for a colour scale."""
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
    """Draw a section's name and the column titles, each with its colour scale."""
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
