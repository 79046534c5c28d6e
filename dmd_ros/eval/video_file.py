# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos as files: decoded frame by frame as they are shown, each with the time that it is."""

from __future__ import annotations

import contextlib
import math
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera_info import ASPECT_TOLERANCE
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.picture_file import SUFFIXES

# Frames a second that a file may tell; containers that know none tell ticks of their clock.
_SLOWEST, _FASTEST = 0.1, 480.0
# Frames that a header may tell too many of: some are a guess by the length.
_FEW, _FEW_SHARE = 2, 0.02
# Of addresses; a path has one of their slashes.
_PROTOCOLS = ('http', 'https', 'rtsp', 'rtmp', 'rtp', 'udp', 'ftp')
# Shapes of pixels, wide by high: video tape and anamorphic lenses have them up to 32:11.
_NARROWEST, _WIDEST = 0.25, 4.0


@dataclass(frozen=True)
class VideoFrame:
    """index: among the frames of the video. stamp_ns: when it is shown, from its begin.

    rgb: uint8 [H, W, 3], turned and widened as the metadata ask. decode_s: what that took,
    seconds.
    """

    index: int
    stamp_ns: int
    rgb: NDArray[np.uint8]
    decode_s: float


class VideoFile:
    """Frames of a video that OpenCV reads by FFmpeg: mp4, mkv, webm, avi, mov and others.

    fps: frames a second. told: frames that the header tells of, which may be a guess; None: it
    tells of none. turned: by how many degrees the metadata had the frames turned. widened: by
    which factor they made them wider, as pixels are shown that are not square. read: frames so
    far. at_end: whether there was none after them.
    """

    def __init__(self, path: Path, fps: float | None = None, square: bool = True) -> None:
        """Open it; raises `OSError`, or `EvalError` if it is no video.

        fps: frames a second, whatever the file tells of its times. square: whether frames are to
        have square pixels; otherwise they come as they are stored, as a calibration is of.
        """
        _check_file(path)
        if path.suffix.lower() in SUFFIXES:
            raise EvalError(f'{path} is a picture; python -m dmd_ros.eval.pictures is for those')
        self.path = path
        self.read, self.at_end = 0, False
        self._capture, said = open_capture(path)
        if not self._capture.isOpened():
            reason = f' ({said})' if said else ''
            raise EvalError(
                f'{path} cannot be read as a video{reason}: it is none, is cut off, or is of a '
                'kind that this OpenCV does not know'
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1.0)  # a default that versions differ in
        self.turned = round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        self.widened = self._shape_of_pixels() if square else 1.0
        told = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.told = round(told) if 0.0 < told < 1e9 else None
        self._by_count = fps is not None
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) if fps is None else fps
        if not _SLOWEST <= self.fps <= _FASTEST:
            raise EvalError(
                f'{path} has {self.fps:g} frames a second, {_SLOWEST:g} to {_FASTEST:g} can be: '
                'give --fps'
            )
        self._last_ns = -1

    def frames(
        self, start_s: float = 0.0, end_s: float = math.inf, stride: int = 1, limit: int = 0
    ) -> Iterator[VideoFrame]:
        """Yield, once, every stride-th frame from start_s to before end_s, limit of them (0: all).

        What is left out is decoded all the same: to jump would mean to land beside, by some files.
        """
        places = 0
        while True:
            started = time.perf_counter()
            if not self._capture.grab():
                self.at_end = True
                return
            index, stamp_ns = self.read, self._stamp_ns()
            if stamp_ns >= end_s * 1e9:
                return
            self.read += 1
            if stamp_ns < start_s * 1e9:
                continue
            places += 1
            if (places - 1) % stride:
                continue
            there, bgr = self._capture.retrieve()
            if not there:
                self.at_end = True
                return
            rgb = self._widened(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            yield VideoFrame(index, stamp_ns, rgb, time.perf_counter() - started)
            if limit and places > (limit - 1) * stride:
                return

    def expected(
        self, start_s: float = 0.0, end_s: float = math.inf, stride: int = 1, limit: int = 0
    ) -> int | None:
        """Say how many frames `frames` may yield, by the header; None if that does not tell."""
        if self.told is None:
            return limit or None
        first, last = (min(s * self.fps, self.told) for s in (start_s, end_s))
        count = math.ceil((math.ceil(last) - math.ceil(first)) / stride)
        return min(count, limit) if limit else count

    def trouble(self) -> str:
        """Say what the user should know of frames that did not come, or nothing."""
        missing = 0 if self.told is None or not self.at_end else self.told - self.read
        if missing <= max(_FEW, _FEW_SHARE * (self.told or 0)):
            return ''
        return (
            f'{self.read} frames were read, of {self.told} that the header tells of: the video is '
            'cut off or damaged, or its begin was trimmed away, or its sound is longer, or its '
            'frames come at a rate that varies'
        )

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _shape_of_pixels(self) -> float:
        """Give width by height of a pixel as it is shown, once the frame is turned."""
        wide = self._capture.get(cv2.CAP_PROP_SAR_NUM)
        high = self._capture.get(cv2.CAP_PROP_SAR_DEN)
        if self.turned % 180:
            wide, high = high, wide
        # Some files tell nothing, or nonsense, and are shown with square ones; encoders that scale
        # to whole numbers of pixels tell of the rest here.
        told = wide / high if wide > 0.0 and high > 0.0 else 1.0
        is_square = abs(told - 1.0) <= ASPECT_TOLERANCE or not _NARROWEST <= told <= _WIDEST
        return 1.0 if is_square else told

    def _widened(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = rgb.shape[:2]
        wanted = max(1, round(width * self.widened))
        if wanted == width:
            return rgb
        how = cv2.INTER_AREA if wanted < width else cv2.INTER_LINEAR
        return cv2.resize(rgb, (wanted, height), interpolation=how)

    def _stamp_ns(self) -> int:
        """Give the time of the frame that was grabbed; times that do not rise are counted on."""
        by_fps = self._last_ns + round(1e9 / self.fps) if self.read else 0
        told = self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6
        if self._by_count:
            stamp_ns = round(self.read * 1e9 / self.fps)
        else:
            # Some versions of OpenCV tell nonsense where the file tells nothing.
            stamp_ns = round(told) if self._last_ns < told < 1e18 else by_fps
        self._last_ns = stamp_ns
        return stamp_ns


def _check_file(path: Path) -> None:
    """Raise `OSError` or `EvalError` for what is no file that can be read."""
    if str(path).partition(':/')[0] in _PROTOCOLS and not path.exists():
        raise EvalError(f'{path} is an address; download the video first')
    if not os.path.lexists(path):
        raise EvalError(f'{path} does not exist; give the file of a video')
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise EvalError(
            f'{path} is a device or a pipe, and a video is read from a file; save it as one first'
        )
    path.open('rb').close()  # what the system has against it, it says better than FFmpeg


def open_capture(path: Path) -> tuple[cv2.VideoCapture, str]:
    """Open a video; gives also what FFmpeg says against it. Raises `EvalError`."""
    name = name_for_ffmpeg(path)
    with heard() as said:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    # '[mov,mp4 @ 0x55e7] moov atom not found'; OpenCV's own lines tell users nothing.
    lines = [line.partition('] ')[2] for line in said if ' @ 0x' in line]
    return capture, lines[-1] if lines else ''


def name_for_ffmpeg(path: Path) -> str:
    """Give the name by which OpenCV opens a file; raises `EvalError` if it cannot."""
    if cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends():
        raise EvalError(
            'this OpenCV was built without FFmpeg, and reads and writes no videos; that of PyPI '
            '(opencv-python-headless) does'
        )
    name = os.path.abspath(path)  # for FFmpeg, a:b.mp4 is a file b.mp4 by protocol a
    try:
        name.encode()
    except UnicodeEncodeError:  # which ends the process
        raise EvalError(
            f'{path} has a name that is no text, at which OpenCV fails; rename it'
        ) from None
    return name


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Keep what libraries write to stderr; the list has it when this is left."""
    said: list[str] = []
    sys.stderr.flush()
    with open(os.memfd_create('stderr'), 'w+b') as kept:  # on a disk it might find no place
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            said += kept.read().decode(errors='replace').splitlines()
