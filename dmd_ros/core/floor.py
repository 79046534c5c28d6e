# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric scale from the floor, given the camera's height above it.

For every pixel below the horizon, the camera's height and tilt determine the depth that the floor
would have there. The ratio of that depth to the estimated one is the same for all pixels that see
the floor; on objects it differs from pixel to pixel. So the most frequent ratio in the picture is
the correction factor of the estimate, on three conditions:

- enough of the picture agrees on it;
- almost nothing is below that floor (otherwise it is a table, with the true floor around it);
- few ratios are just beside it (otherwise the floor is not tilted as configured).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core import depth_codec
from dmd_ros.core.checks import real
from dmd_ros.core.errors import CoreError
from dmd_ros.core.preprocess import View

MAX_HEIGHT_M = 100.0
# Every n-th pixel of each row and column is used: a few thousand are enough to find a plane.
_STRIDE = 2
# A pixel is weighted by how precisely it determines the ratio. Depth of a floor scatters by 5 %;
# the tilt of a nodding robot, or of a mount measured by hand, by 1 degree. The steeper a pixel
# looks down, the less tilt matters; pixels less than 2 degrees below the horizon are left out.
_DEPTH_STD, _TILT_STD = 0.05, math.radians(1.0)
_LEAST_SINE = 0.03
# No model is off by more than this factor, up or down; a table in front of the camera is.
_MOST_OFF = 1.67
# Ratios are counted in bins of 2 %; a peak is five bins wide.
_BIN, _PEAK = 0.02, 5
# Limits of the three conditions, on weighted pixel counts, chosen on rendered worlds: without them
# beds, tables and wrong tilts pass for the floor.
# Pixels that agree: at least these fractions of the picture, and of its part below the horizon.
_LEAST_OF_PICTURE, _LEAST_OF_BELOW = 0.025, 0.3
# Pixels more than _UNDER_STDS standard deviations below the floor: at most this fraction of the
# agreeing ones.
_MOST_UNDER, _UNDER_STDS = 0.1, 2.5
# Pixels beside the peak, within its width on either side: at most this fraction of those in it.
_MOST_BESIDE = 0.33
# Degrees. Beyond the first, roll and image_rotation contradict each other; within it, the robot
# may just lean. A camera pitched up or down by more than the second has no defined upright.
_MOST_LEANING, _STEEP = 45.0, 60.0


@dataclass(frozen=True)
class Mount:
    """Pose of a camera above the floor, a plane that fills a good part of its picture.

    height_m: metres from the floor to the optical centre.
    pitch_deg, roll_deg: of the camera's body (x ahead, y left, z up, REP-103) in a frame whose z
        is up, as tf2_echo prints them: positive pitch looks down, positive roll leans right.
    """

    height_m: float
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        """Raise `CoreError` for impossible values."""
        for name in ('height_m', 'pitch_deg', 'roll_deg'):
            object.__setattr__(self, name, real(name, getattr(self, name)))
        if not 0.0 < self.height_m <= MAX_HEIGHT_M:
            raise CoreError(
                f'a camera {self.height_m} m above the floor; allowed: above 0, at most '
                f'{MAX_HEIGHT_M:g} m'
            )
        for name, value, most in (('pitch', self.pitch_deg, 90.0), ('roll', self.roll_deg, 180.0)):
            if not -most <= value <= most:
                raise CoreError(
                    f'a camera with a {name} of {value} degrees; allowed: {-most:g} to {most:g}'
                )

    @classmethod
    def from_down(cls, height_m: float, down: NDArray[np.float64]) -> Mount:
        """Return the mount of a camera whose optical frame has the floor in direction `down`."""
        x, y, z = np.asarray(down) / np.linalg.norm(down)
        pitch, roll = math.asin(min(max(z, -1.0), 1.0)), math.atan2(x, y)
        return cls(height_m, math.degrees(pitch), math.degrees(roll))

    @property
    def down(self) -> NDArray[np.float64]:
        """Unit vector towards the floor, in the optical frame: x right, y down, z ahead."""
        pitch, roll = math.radians(self.pitch_deg), math.radians(self.roll_deg)
        level = math.cos(pitch)
        return np.array([level * math.sin(roll), level * math.cos(roll), math.sin(pitch)])

    def doubt(self, image_rotation: int) -> str:
        """Return a warning if the roll contradicts `image_rotation`, else ''.

        image_rotation: clockwise rotation in degrees that makes pictures upright.
        """
        implied = image_rotation if image_rotation <= 180 else image_rotation - 360
        off = abs((self.roll_deg - implied + 180.0) % 360.0 - 180.0)
        if off <= _MOST_LEANING or abs(self.pitch_deg) > _STEEP:
            return ''
        return (
            f'the roll of the camera is {self.roll_deg:g} degrees, and image_rotation is '
            f'{image_rotation}, which implies a roll of about {implied}: one of them is wrong, so '
            'the floor is searched on the wrong side of the picture'
        )


class FloorFinder:
    """Finds the floor in estimates: finder(coarse) -> factor that moves it to its true depth."""

    def __init__(self, mount: Mount, view: View) -> None:
        """Prepare for estimates on the grid of `view`, the network's picture."""
        rays = view.camera.rays()[::_STRIDE, ::_STRIDE].astype(np.float64)
        down = _as_seen(mount.down, view)
        drop = rays[..., 0] * down[0] + rays[..., 1] * down[1] + down[2]  # m down per m along Z
        sine = (drop / np.sqrt((rays**2).sum(axis=-1) + 1.0)).ravel()
        self._pixels = np.flatnonzero(sine > _LEAST_SINE)
        self._expected = depth_codec.log_metres(mount.height_m / drop.ravel()[self._pixels])
        sine = sine[self._pixels]
        tangent = sine / np.sqrt(np.maximum(1.0 - sine**2, 1e-9))
        self._weights = _DEPTH_STD**2 / (_DEPTH_STD**2 + (_TILT_STD / tangent) ** 2)
        self._under = -_UNDER_STDS * _DEPTH_STD / np.sqrt(self._weights)
        self._needed = max(
            _LEAST_OF_PICTURE * drop.size, _LEAST_OF_BELOW * float(self._weights.sum())
        )

    def __call__(self, coarse: NDArray[np.float32]) -> float | None:
        """Return the scale of depth [h, w], metres > 0 or NaN; None if the floor is not found."""
        depth = coarse[::_STRIDE, ::_STRIDE].ravel()[self._pixels]
        ratios = self._expected - depth_codec.log_metres(depth)
        known = np.isfinite(ratios)
        ratios, weights = ratios[known], self._weights[known]
        middle = _most_frequent(ratios, weights)
        off, reach = ratios - middle, 0.5 * (_PEAK + 1) * _BIN
        near = np.abs(off) < reach
        agreeing = weights[near].sum()
        beside = weights[~near & (np.abs(off) < 3.0 * reach)].sum()
        # Pixels too deep for the error of any model do not count against the peak: they are the
        # true floor around a table, and the height was specified above that table.
        rival = ratios > -math.log(_MOST_OFF)
        under = weights[rival & (off < self._under[known])].sum()
        if agreeing < self._needed:
            return None
        if under > _MOST_UNDER * agreeing or beside > _MOST_BESIDE * agreeing:
            return None
        return math.exp(_median(ratios[near], weights[near]))


def _most_frequent(ratios: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the centre of the highest peak of logarithms of ratios."""
    half = math.log(_MOST_OFF)
    bins = math.ceil(2 * half / _BIN)
    place = np.floor((ratios + half) / _BIN).astype(np.intp)
    inside = (place >= 0) & (place < bins)
    counts = np.bincount(place[inside], weights[inside], bins)
    highest = int(np.convolve(counts, np.ones(_PEAK), 'same').argmax())
    return (highest + 0.5) * _BIN - half


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, 0.5 * below[-1])])


def _as_seen(down: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Flip and rotate a direction of the source camera's frame as the view's picture is."""
    x, y, z = down
    if view.flip:
        x = -x
    for _ in range(view.rotation // 90 % 4):
        x, y = -y, x
    return np.array([x, y, z])
