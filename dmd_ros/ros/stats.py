# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counters and latencies, updated by two threads and read by diagnostics."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dmd_ros.core.records import FloorReading

# Frames over which percentiles are computed: ten seconds of a typical camera.
_WINDOW = 300


@dataclass(frozen=True)
class Summary:
    """A consistent copy of the counters; times in s."""

    # Since activation.
    images: int
    infos: int
    pairs: int
    processed: int
    idle: int
    drops: Mapping[str, int]  # by reason
    # Since the previous copy.
    image_rate: float  # Hz
    depth_rate: float  # Hz
    new_errors: int
    paired: int  # images that found their camera_info
    unpaired: int  # images that did not
    # Over the newest frames.
    latency: tuple[float, float, float]  # p50, p95, max
    stages: Mapping[str, float]  # median per stage
    # Current state.
    mismatched: bool  # the last image without a camera_info had one with another frame_id
    last_error: str
    since_start: float
    since_image: float
    since_pair: float
    untrained: str  # why the model was not trained for this camera; empty: it was
    vfov_deg: float  # vertical, of the newest image; 0: none yet
    floor_used: bool  # depth is scaled by the floor
    floor_looked: int  # images searched for the floor since the mount last changed
    floor_seen: int  # those of them that showed the floor
    floor_scale: float | None  # last factor applied to depth; None: none
    age: float | None  # of the newest image when its depth was published, by the node clock


@dataclass
class _Counts:
    images: int = 0
    infos: int = 0
    pairs: int = 0
    processed: int = 0
    idle: int = 0
    errors: int = 0
    floor_looked: int = 0
    floor_seen: int = 0
    drops: Counter[str] = field(default_factory=Counter)


class Stats:
    """Thread-safe counters of one activation; times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        """Start counting at `now`."""
        self._lock = threading.Lock()
        self._counts = _Counts()
        self._latencies: deque[float] = deque(maxlen=_WINDOW)
        self._stages: dict[str, deque[float]] = {}
        self._started = self._last_image = self._last_pair = self._last_summary = now
        self._seen = _Counts()  # values at the previous summary
        self._mismatched = False
        self._last_error = ''
        self._untrained = ''
        self._vfov_deg = 0.0
        self._floor_used = False
        self._floor_scale: float | None = None
        self._age: float | None = None

    def image(self, now: float) -> None:
        """Count an image that arrived."""
        with self._lock:
            self._counts.images += 1
            self._last_image = now

    def info(self) -> None:
        """Count a camera_info that arrived."""
        with self._lock:
            self._counts.infos += 1

    def pair(self, now: float) -> None:
        """Count an image that found its camera_info."""
        with self._lock:
            self._counts.pairs += 1
            self._last_pair = now

    def idle(self) -> None:
        """Count a pair that was not processed because there are no subscribers."""
        with self._lock:
            self._counts.idle += 1

    def drop(self, reason: str, number: int = 1) -> None:
        """Count dropped frames by reason."""
        with self._lock:
            self._counts.drops[reason] += number
            if reason in ('frame_id', 'unpaired'):
                self._mismatched = reason == 'frame_id'

    def error(self, message: str) -> None:
        """Remember the last error."""
        with self._lock:
            self._counts.errors += 1
            self._last_error = message

    def processed(self, latency: float, stages: Mapping[str, float], age: float) -> None:
        """Count a published frame: seconds since reception, per stage, and since its stamp."""
        with self._lock:
            self._counts.processed += 1
            self._age = age
            self._latencies.append(latency)
            for stage, seconds in stages.items():
                self._stages.setdefault(stage, deque(maxlen=_WINDOW)).append(seconds)

    def vfov(self, degrees: float) -> None:
        """Remember the vertical field of view in use."""
        with self._lock:
            self._vfov_deg = degrees

    def mounted(self, used: bool) -> None:
        """Reset the floor counts; used: whether the mount is known, so that depth is scaled."""
        with self._lock:
            if used != self._floor_used:
                self._floor_used, self._floor_scale = used, None
            self._counts.floor_looked = self._counts.floor_seen = 0

    def floor(self, reading: FloorReading | None) -> None:
        """Count an image searched for the floor (None: it was not), and store its scale."""
        with self._lock:
            if reading is not None and self._floor_used:
                self._counts.floor_looked += 1
                self._counts.floor_seen += reading.seen
                self._floor_scale = reading.scale

    def untrained(self, message: str) -> None:
        """Store why the model was not trained for this camera; empty: it was."""
        with self._lock:
            self._untrained = message

    def summary(self, now: float) -> Summary:
        """Copy everything, and start the next interval of the rates."""
        with self._lock:
            counts = self._counts
            period = max(now - self._last_summary, 1e-9)
            seen, self._seen = self._seen, replace(counts, drops=counts.drops.copy())
            self._last_summary = now
            return Summary(
                images=counts.images,
                infos=counts.infos,
                pairs=counts.pairs,
                processed=counts.processed,
                idle=counts.idle,
                drops=dict(counts.drops),
                image_rate=(counts.images - seen.images) / period,
                depth_rate=(counts.processed - seen.processed) / period,
                new_errors=counts.errors - seen.errors,
                mismatched=self._mismatched,
                paired=counts.pairs - seen.pairs,
                unpaired=counts.drops['unpaired'] - seen.drops['unpaired'],
                latency=_percentiles(self._latencies),
                stages={name: _quantile(sorted(v), 0.5) for name, v in self._stages.items()},
                last_error=self._last_error,
                since_start=now - self._started,
                since_image=now - self._last_image,
                since_pair=now - self._last_pair,
                untrained=self._untrained,
                vfov_deg=self._vfov_deg,
                floor_used=self._floor_used,
                floor_looked=counts.floor_looked,
                floor_seen=counts.floor_seen,
                floor_scale=self._floor_scale,
                age=self._age,
            )


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    if not values:
        return 0.0, 0.0, 0.0
    ordered = sorted(values)
    return _quantile(ordered, 0.5), _quantile(ordered, 0.95), ordered[-1]


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[int(share * len(ordered))]
