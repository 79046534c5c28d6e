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
from dmd_ros.eval.video_file import name_for_ffmpeg, open_capture

# Of what the OpenCV of PyPI can write (no H.264), VP9 takes thirty times as long, MJPEG eight
# times the space.
CODEC, _FOURCC = 'MPEG-4 Part 2', cv2.VideoWriter.fourcc(*'mp4v')


class Film:
    """A new mp4, of pictures of one size. frames: so far. size: (width, height), pixels."""

    def __init__(self, path: Path, fps: float) -> None:
        """Begin; nothing is written yet. fps: pictures a second."""
        self.path, self.fps = path, fps
        self.frames, self.size = 0, (0, 0)
        self._name = name_for_ffmpeg(path)
        self._writer: cv2.VideoWriter | None = None

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append uint8 [H, W, 3]; an odd last row or column is doubled, as the codec needs it."""
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        height, width = bgr.shape[:2]
        bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self.size = (bgr.shape[1], bgr.shape[0])
            how = (cv2.CAP_FFMPEG, _FOURCC, self.fps, self.size)
            self._writer = cv2.VideoWriter(self._name, *how)
            if not self._writer.isOpened():
                raise EvalError(f'cannot write {self.path}: OpenCV cannot begin it as {CODEC}')
        self._writer.write(bgr)
        self.frames += 1

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
