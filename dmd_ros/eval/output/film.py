# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures as an mp4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.video_file import heard, name_for_ffmpeg, open_capture

# Of what the OpenCV of PyPI can write (no H.264), VP9 takes thirty times as long, MJPEG eight
# times the space.
CODEC, _FOURCC = 'MPEG-4 Part 2', cv2.VideoWriter.fourcc(*'mp4v')
# OpenCV rounds to thousandths; pictures a second.
_SLOWEST = 0.1
# What OpenCV logs, from some version on, instead of telling it.
_FAILED = 'Failed to write frame'
# A block of so many pixels takes a bit at least, even where nothing is new; FFmpeg holds back half
# as many bytes.
_BLOCK, _HELD_BACK = 256, 1 << 19


class Film:
    """A new mp4, of pictures of one size. frames: so far. size: (width, height), pixels."""

    def __init__(self, path: Path, fps: float) -> None:
        """Begin; nothing is written yet. fps: pictures a second, of which 0.1 is the least."""
        self.path, self.fps = path, max(fps, _SLOWEST)
        self.frames, self.size = 0, (0, 0)
        self._bytes = 0  # when last looked at
        self._name = name_for_ffmpeg(path)
        self._writer: cv2.VideoWriter | None = None

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append uint8 [H, W, 3]; an odd last row or column is doubled, as the codec needs it.

        Raises `OSError`, or `EvalError` where OpenCV cannot write.
        """
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        height, width = bgr.shape[:2]
        bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self.path.open('wb').close()  # OpenCV does not tell what the system has against it
            self.size = (bgr.shape[1], bgr.shape[0])
            how = (cv2.CAP_FFMPEG, _FOURCC, self.fps, self.size)
            self._writer = cv2.VideoWriter(self._name, *how)
            if not self._writer.isOpened():
                raise EvalError(f'cannot write {self.path}: OpenCV cannot begin it as {CODEC}')
        with heard() as said:
            self._writer.write(bgr)
        self.frames += 1
        # At the end of a long film it would be late.
        if any(_FAILED in line for line in said) or not self._grows(bgr[..., 0].size):
            raise EvalError(
                f'cannot write {self.path}: it ends at frame {self.frames}; is the disk full?'
            )

    def _grows(self, pixels: int) -> bool:
        """Say whether the file is longer than some frames ago; pixels: of a frame."""
        if self.frames % max(1, 8 * _BLOCK * _HELD_BACK // pixels):
            return True
        before, self._bytes = self._bytes, self.path.stat().st_size
        return self._bytes > before

    def facts(self) -> dict[str, Any]:
        """Tell what it is, for a report."""
        width, height = self.size
        return {
            'file': self.path.name,
            'codec': CODEC,
            'frames': self.frames,
            'fps': self.fps,
            'width': width,
            'height': height,
        }

    def close(self) -> None:
        """Write the index; raises `EvalError` if the file does not hold all of the pictures."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not tell what became of them.
        written, _ = open_capture(self.path)
        found = round(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
        written.release()
        if found != self.frames:
            raise EvalError(
                f'cannot write {self.path}: it holds {found} of {self.frames} frames; is the disk '
                'full?'
            )
