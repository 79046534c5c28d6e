# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read videos frame by frame, as players show them, each frame with its time."""

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

# Plausible frames per second; containers without a rate may report the ticks of their clock.
_MIN_FPS, _MAX_FPS = 0.1, 480.0
# Missing frames that give no warning, number and share: some headers estimate the number.
_FEW, _FEW_SHARE = 2, 0.02
# Protocols of addresses; as a path, an address has only one of its two slashes.
_PROTOCOLS = ('http', 'https', 'rtsp', 'rtmp', 'rtp', 'udp', 'ftp')
# Plausible width by height of a pixel: video tape and anamorphic lenses have up to 32:11.
_NARROWEST, _WIDEST = 0.25, 4.0


@dataclass(frozen=True)
class VideoFrame:
    """A decoded frame of a video."""

    index: int  # among all frames of the video
    stamp_ns: int  # time since the beginning of the video
    rgb: NDArray[np.uint8]  # [H, W, 3], turned and widened according to the metadata
    decode_s: float  # time for decoding, seconds


class VideoFile:
    """Frames of a video that OpenCV reads with FFmpeg: mp4, mkv, webm, avi, mov and others.

    fps: frames per second. told: number of frames in the header, maybe an estimate, or None.
    turned: degrees by which the metadata turn the frames. widened: factor by which frames with
    pixels that are not square are widened. read: number of frames so far. at_end: whether the end
    of the file was reached.
    """

    def __init__(self, path: Path, fps: float | None = None, square: bool = True) -> None:
        """Open a video; raises `OSError`, or `EvalError` if it is not one.

        fps: frames per second; overrides the times in the file. square: whether to make pixels
        square; otherwise frames are as stored, as a calibration describes them.
        """
        _check_file(path)
        if path.suffix.lower() in SUFFIXES:
            raise EvalError(f'{path} is a picture; use python -m dmd_ros.eval.pictures')
        self.path = path
        self.read, self.at_end = 0, False
        self._capture, problem = open_capture(path)
        if not self._capture.isOpened():
            reason = f' ({problem})' if problem else ''
            raise EvalError(
                f'{path} cannot be read as a video{reason}: it is not one, is cut off, or has a '
                'format that this OpenCV does not support'
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1.0)  # the default depends on the version
        self.turned = round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        self.widened = self._shape_of_pixels() if square else 1.0
        reported = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.told = round(reported) if 0.0 < reported < 1e9 else None
        self._by_count = fps is not None
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) if fps is None else fps
        if not _MIN_FPS <= self.fps <= _MAX_FPS:
            raise EvalError(
                f'{path} has {self.fps:g} frames per second; allowed: {_MIN_FPS:g} to '
                f'{_MAX_FPS:g}; give --fps'
            )
        self._last_ns = -1

    def frames(
        self, start_s: float = 0.0, end_s: float = math.inf, stride: int = 1, limit: int = 0
    ) -> Iterator[VideoFrame]:
        """Yield every stride-th frame from start_s to before end_s, at most limit (0: all).

        Can be used once. Other frames are decoded, too, because seeking is inexact in some files.
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
        """Return how many frames `frames` will yield according to the header, or None."""
        if self.told is None:
            return limit or None
        first, last = (min(s * self.fps, self.told) for s in (start_s, end_s))
        count = math.ceil((math.ceil(last) - math.ceil(first)) / stride)
        return min(count, limit) if limit else count

    def trouble(self) -> str:
        """Return a warning if frames are missing at the end, or ''."""
        missing = 0 if self.told is None or not self.at_end else self.told - self.read
        if missing <= max(_FEW, _FEW_SHARE * (self.told or 0)):
            return ''
        return (
            f'{self.read} frames were read, of {self.told} in the header: the video is cut off or '
            'damaged, or its beginning was trimmed, or its sound is longer, or its frame rate '
            'varies'
        )

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _shape_of_pixels(self) -> float:
        """Return width by height of a pixel in the turned frame."""
        wide = self._capture.get(cv2.CAP_PROP_SAR_NUM)
        high = self._capture.get(cv2.CAP_PROP_SAR_DEN)
        if self.turned % 180:
            wide, high = high, wide
        # Without a plausible value, players assume square pixels. Values close to 1 are the
        # rounding errors of encoders that scale to whole numbers of pixels.
        shape = wide / high if wide > 0.0 and high > 0.0 else 1.0
        is_square = abs(shape - 1.0) <= ASPECT_TOLERANCE or not _NARROWEST <= shape <= _WIDEST
        return 1.0 if is_square else shape

    def _widened(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = rgb.shape[:2]
        wanted = max(1, round(width * self.widened))
        if wanted == width:
            return rgb
        how = cv2.INTER_AREA if wanted < width else cv2.INTER_LINEAR
        return cv2.resize(rgb, (wanted, height), interpolation=how)

    def _stamp_ns(self) -> int:
        """Return the time of the grabbed frame; if times do not increase, add 1 / fps."""
        by_fps = self._last_ns + round(1e9 / self.fps) if self.read else 0
        reported = self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6
        if self._by_count:
            stamp_ns = round(self.read * 1e9 / self.fps)
        else:
            # Without times in the file, some versions of OpenCV return nonsense.
            stamp_ns = round(reported) if self._last_ns < reported < 1e18 else by_fps
        self._last_ns = stamp_ns
        return stamp_ns


def _check_file(path: Path) -> None:
    """Raise `OSError` or `EvalError` if a path is not a readable file."""
    if str(path).partition(':/')[0] in _PROTOCOLS and not path.exists():
        raise EvalError(f'{path} is an address; download the video first')
    if not os.path.lexists(path):
        raise EvalError(f'{path} does not exist; give the file of a video')
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise EvalError(
            f'{path} is a device or a pipe, but a video must be a file; save it as one first'
        )
    path.open('rb').close()  # raises a better error than FFmpeg


def open_capture(path: Path) -> tuple[cv2.VideoCapture, str]:
    """Open a video; return it with FFmpeg's last error, or ''. Raises `EvalError`."""
    name = name_for_ffmpeg(path)
    with captured_stderr() as output:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    # For example '[mov,mp4 @ 0x55e7] moov atom not found'; OpenCV's own lines do not help users.
    lines = [line.partition('] ')[2] for line in output if ' @ 0x' in line]
    return capture, lines[-1] if lines else ''


def name_for_ffmpeg(path: Path) -> str:
    """Return the name with which OpenCV can open a file; raises `EvalError` if there is none."""
    if cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends():
        raise EvalError(
            'this OpenCV was built without FFmpeg, so it cannot read or write videos; install '
            'that of PyPI (opencv-python-headless)'
        )
    name = os.path.abspath(path)  # FFmpeg would read a:b.mp4 as protocol a
    try:
        name.encode()
    except UnicodeEncodeError:  # in OpenCV, it would end the process
        raise EvalError(
            f'{path} has a name that is not valid text, which OpenCV cannot open; rename it'
        ) from None
    return name


@contextlib.contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Capture what C libraries write to stderr; the list is filled on exit."""
    lines: list[str] = []
    sys.stderr.flush()
    with open(os.memfd_create('stderr'), 'w+b') as kept:  # not on a disk, which may be full
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            lines += kept.read().decode(errors='replace').splitlines()
