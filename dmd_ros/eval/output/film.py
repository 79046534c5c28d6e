# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write pictures to an mp4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.video_file import captured_stderr, name_for_ffmpeg, open_capture

# The OpenCV of PyPI cannot write H.264; of its other codecs, VP9 is thirty times slower, and MJPEG
# takes eight times the space.
CODEC, _FOURCC = 'MPEG-4 Part 2', cv2.VideoWriter.fourcc(*'mp4v')
# Lowest frame rate, 1/s: OpenCV rounds rates to thousandths.
_MIN_FPS = 0.1
# Newer versions of OpenCV log this error instead of raising it.
_FAILED = 'Failed to write frame'
# Every block of this many pixels takes at least one bit, even if it does not change. FFmpeg
# buffers half as many bytes as given here, so the file must grow within a known number of frames.
_BLOCK, _BUFFERED = 256, 1 << 19


class Film:
    """A new mp4 of pictures of one size; frames: number so far; size: (width, height), pixels."""

    def __init__(self, path: Path, fps: float) -> None:
        """Begin, without writing yet; fps: frames per second, raised to at least 0.1."""
        self.path, self.fps = path, max(fps, _MIN_FPS)
        self.frames, self.size = 0, (0, 0)
        self._bytes = 0  # size of the file when last checked
        self._name = name_for_ffmpeg(path)
        self._writer: cv2.VideoWriter | None = None

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append uint8 [H, W, 3]; odd sizes are padded by a row or column, as the codec requires.

        Raises `OSError`, or `EvalError` if OpenCV cannot write.
        """
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        height, width = bgr.shape[:2]
        bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self.path.open('wb').close()  # raises the system's error, which OpenCV hides
            self.size = (bgr.shape[1], bgr.shape[0])
            how = (cv2.CAP_FFMPEG, _FOURCC, self.fps, self.size)
            self._writer = cv2.VideoWriter(self._name, *how)
            if not self._writer.isOpened():
                raise EvalError(f'cannot write {self.path}: OpenCV cannot begin it as {CODEC}')
        with captured_stderr() as lines:
            self._writer.write(bgr)
        self.frames += 1
        # Checked here and not only at the end, which would be late for a long film.
        if any(_FAILED in line for line in lines) or not self._grows(bgr[..., 0].size):
            raise EvalError(
                f'cannot write {self.path}: it ends at frame {self.frames}; is the disk full?'
            )

    def _grows(self, pixels: int) -> bool:
        """Return whether the file has grown since the last check; pixels: of a frame."""
        if self.frames % max(1, 8 * _BLOCK * _BUFFERED // pixels):
            return True
        before, self._bytes = self._bytes, self.path.stat().st_size
        return self._bytes > before

    def facts(self) -> dict[str, Any]:
        """Return the properties of the film, for a report."""
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
        """Write the index; raises `EvalError` if the file does not have all pictures."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not report lost frames.
        written, _ = open_capture(self.path)
        found = round(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
        written.release()
        if found != self.frames:
            raise EvalError(
                f'cannot write {self.path}: it holds {found} of {self.frames} frames; is the disk '
                'full?'
            )
