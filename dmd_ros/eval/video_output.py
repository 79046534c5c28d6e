# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the outputs of the command for videos: the film, depth files and a bag."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval import options
from dmd_ros.eval.bags.reader import BagFrame
from dmd_ros.eval.bags.writer import DepthBagWriter, check_replaceable
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.estimates import Estimate
from dmd_ros.eval.output import report, sheet
from dmd_ros.eval.output.depth_file import write_depth
from dmd_ros.eval.output.film import Film
from dmd_ros.eval.replay_session import FrameResult

FILM, SUMMARY, DEPTH, BAG = 'depth.mp4', 'video.json', 'depth', 'bag'
DEPTH_KINDS = ('npy', 'png')
# Stride of rows and columns of the clouds in the bag; they then take as many bytes as depth.
CLOUD_STRIDE = 2
_DEPTH_NAMES = rf'\.?\d{{6,}}\.({"|".join(DEPTH_KINDS)})(\.partial)?'
_SECTION = 'video'
_PANEL = 640  # width of a picture in the film, pixels


def left_over(out: Path, video: Path, overwrite: bool) -> list[Path]:
    """List the outputs of an earlier run; raises `EvalError` if they must not be removed."""
    left = options.left_over(out, (FILM, SUMMARY, DEPTH, BAG), overwrite)
    for path in left:
        check_replaceable(path, video, _DEPTH_NAMES if path.name == DEPTH else '')
    # Without a film beside it, the folder may be another program's, such as an RGB-D recording.
    if not {FILM, SUMMARY} & {path.name for path in left}:
        for found in itertools.islice((out / DEPTH).glob('*'), 1):
            raise EvalError(f'{found} is not from an earlier run; choose another --out')
    return left


def strip(title: str, subtitle: str, scale_m: tuple[float, float]) -> sheet.Strip:
    """Return the layout of the frames of a film; scale_m: (near, far) of its colours."""
    words = (report.as_text(title), report.as_text(subtitle))
    return sheet.Strip(*words, _SECTION, scale_m, _PANEL)


class VideoOutput:
    """Write the outputs of each frame into a folder; remove them after an error.

    To be used in a `with` statement. film: the video that is written.
    """

    def __init__(
        self, out: Path, fps: float, strip: sheet.Strip, depth: str | None, bag: bool
    ) -> None:
        """Begin. fps: of the film. strip: its layout. depth: one of `DEPTH_KINDS`, or None."""
        self.film = Film(out / FILM, fps)
        self._strip, self._depth, self._out = strip, depth, out
        self._opened = contextlib.ExitStack()
        self._writer = None
        if depth:
            (out / DEPTH).mkdir()
        if bag:
            writer = DepthBagWriter(out / BAG, with_images=True)
            self._writer = self._opened.enter_context(writer)

    def __enter__(self) -> VideoOutput:
        """Return the output, which is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the files; raises `EvalError` if they are incomplete."""
        try:
            with contextlib.ExitStack() as closing:
                closing.callback(self._opened.close)
                self.film.close()
        except (EvalError, OSError) as late:
            error = error or late
        if error is not None:
            options.remove(self._out / name for name in (FILM, DEPTH, BAG))
        if isinstance(error, OSError):
            raise EvalError(f'cannot write into {self._out}: {error}') from None
        if error is not None and kind is None:
            raise error

    def write(self, frame: BagFrame, result: FrameResult, estimate: Estimate) -> None:
        """Write the outputs of one frame; raises `OSError` or `EvalError`."""
        self.film.write(self._strip.draw(_row(result, estimate)))
        if self._depth:
            name = f'{frame.index:06d}.{self._depth}'
            write_depth(self._out / DEPTH / name, estimate.depth)
        if self._writer is not None:
            points = estimate.points
            self._writer.write(
                frame.stamp_ns,
                frame.logged_ns,
                frame.frame_id,
                estimate.depth,
                estimate.camera,
                None if points is None else points[::CLOUD_STRIDE, ::CLOUD_STRIDE],
                estimate.rgb,
            )

    def written(self) -> Iterable[str]:
        """Yield descriptions of the written files."""
        yield '{file} ({codec}, {frames} frames of {width}x{height}, {fps:.4g} a second)'.format(
            **self.film.facts()
        )
        yield SUMMARY
        if self._depth:
            yield f'{DEPTH}/NNNNNN.{self._depth}'
        if self._writer is not None:
            yield f'{BAG} (rosbag2 mcap)'


def _row(result: FrameResult, estimate: Estimate) -> sheet.Row:
    caption = f'frame {result.index}, {result.stamp_ns / 1e9:.2f} s'
    figures = f'median {result.median_m:.2f} m' if result.coverage else 'no depth within the range'
    return sheet.Row(_SECTION, caption, figures, estimate.rgb, _small(estimate.depth))


def _small(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce depth to the size that is shown, because colouring millions of pixels is slow."""
    height, width = depth_m.shape
    if width <= _PANEL:
        return depth_m
    rows = max(1, round(height * _PANEL / width))
    return cv2.resize(depth_m, (_PANEL, rows), interpolation=cv2.INTER_NEAREST)
