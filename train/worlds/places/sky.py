# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Skies: sun, clouds and haze of an outdoor scene."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from train.worlds.kernels import layout as L
from train.worlds.render.scene import SceneBuilder


def draw_sky(rng: Generator, b: SceneBuilder, panos: int) -> NDArray[np.float32]:
    """Sky, sun and haze."""
    env = np.zeros(L.E_COLS, np.float32)
    clear = rng.random() < 0.65
    high = math.radians(rng.uniform(12.0, 65.0))
    turn = rng.uniform(-math.pi, math.pi)
    sun = (math.cos(high) * math.cos(turn), math.cos(high) * math.sin(turn), math.sin(high))
    low = max(0.0, 1.0 - math.degrees(high) / 30.0)
    if clear:
        gain = rng.uniform(1.6, 4.5)
        b.sun(sun, (gain, gain * (0.93 - 0.25 * low), gain * (0.82 - 0.4 * low)))
        env[L.E_ZENITH : L.E_ZENITH + 3] = np.array([0.16, 0.32, 0.75]) * rng.uniform(0.6, 1.1)
        env[L.E_HORIZON : L.E_HORIZON + 3] = np.array([0.75, 0.85, 1.0]) * rng.uniform(0.7, 1.2)
        env[L.E_CLOUD] = rng.uniform(0.1, 0.6)
        env[L.E_SUNGLOW] = rng.uniform(0.2, 2.0)
    else:
        level = rng.uniform(0.6, 1.2)
        b.sun((0.0, 0.0, 1.0), (0.08, 0.08, 0.08))
        env[L.E_ZENITH : L.E_ZENITH + 3] = np.array([0.75, 0.8, 0.88]) * level
        env[L.E_HORIZON : L.E_HORIZON + 3] = np.array([0.95, 0.97, 1.0]) * level
        env[L.E_CLOUD] = rng.uniform(0.5, 1.0)
    env[L.E_SUN : L.E_SUN + 3] = sun
    # Per metre: mostly clear air with a visibility of 4-400 km, occasionally mist.
    thin = rng.random() < 0.85
    env[L.E_HAZE] = math.exp(rng.uniform(-11.5, -7.0) if thin else rng.uniform(-6.5, -4.0))
    env[L.E_PANO] = float(rng.integers(panos)) if panos and rng.random() < 0.5 else -1.0
    env[L.E_PANO_YAW] = rng.uniform(0.0, 6.28)
    return env
