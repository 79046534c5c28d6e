# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hashes and noise (device)."""

import numpy as np

from train.worlds.kernels.jit import device

_MASK = 0xFFFFFFFF


@device
def floor(x):
    """Floor of x within +-2**31: `np.floor` works on CPUs only, where `math.floor` is slow."""
    down = np.float32(np.int32(x))
    return down if down <= x else down - 1.0


@device
def whole(x):
    """Return the floor as an integer."""
    return int(floor(x))


@device
def _mixed(h):
    """Scramble the bits of an integer -> [0, 2**32)."""
    h &= _MASK
    h = ((h ^ (h >> 15)) * 739982445) & _MASK
    h = ((h ^ (h >> 12)) * 695872825) & _MASK
    return h ^ (h >> 15)


@device
def hash3(x, y, z):
    """Hash three integers to [0, 1)."""
    h = _mixed(x * 374761393 + y * 668265263 + z * 1442695041)
    return np.float32(np.int32(h >> 8)) * (1.0 / 16777216.0)  # 24 bits: more would round to 1


@device
def _slope(h, u, v):
    """Return the dot product of (u, v) with one of 16 gradients, chosen by one round of mixing."""
    h &= _MASK
    h = (((h ^ (h >> 15)) * 739982445) & _MASK) >> 20
    return (np.float32(np.int32(h & 3)) - 1.5) * u + (np.float32(np.int32((h >> 2) & 3)) - 1.5) * v


@device
def gradient2(x, y, seed):
    """Gradient noise around 0, about -0.6..0.6, without the blocky look of value noise."""
    fx = floor(x)
    fy = floor(y)
    base = int(fx) * 374761393 + int(fy) * 668265263 + seed * 1442695041
    u = x - fx
    v = y - fy
    a = _slope(base, u, v)
    b = _slope(base + 374761393, u - 1.0, v)
    c = _slope(base + 668265263, u, v - 1.0)
    d = _slope(base + 374761393 + 668265263, u - 1.0, v - 1.0)
    s = u * u * (3.0 - 2.0 * u)
    t = v * v * (3.0 - 2.0 * v)
    return (a + (b - a) * s) * (1.0 - t) + (c + (d - c) * s) * t


@device
def noise2(x, y, seed):
    """Smooth value noise in [0, 1] with period-1 cells."""
    fx = floor(x)
    fy = floor(y)
    ix = int(fx)
    iy = int(fy)
    u = x - fx
    v = y - fy
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    low = hash3(ix, iy, seed) * (1.0 - u) + hash3(ix + 1, iy, seed) * u
    high = hash3(ix, iy + 1, seed) * (1.0 - u) + hash3(ix + 1, iy + 1, seed) * u
    return low * (1.0 - v) + high * v


@device
def noise3(x, y, z, seed):
    """Smooth value noise in [0, 1] in space."""
    fz = floor(z)
    iz = int(fz)
    w = z - fz
    w = w * w * (3.0 - 2.0 * w)
    return noise2(x, y, seed + iz * 7919) * (1.0 - w) + noise2(x, y, seed + (iz + 1) * 7919) * w


@device
def fade(footprint, period):
    """Return how much of a detail of this period survives a pixel of this footprint."""
    return min(1.0, max(0.0, 1.5 - 2.0 * footprint / period))


@device
def fbm2(x, y, period, footprint, seed, octaves=3):
    """Octaves of noise around 0 (about -0.5..0.5); unresolved octaves fade out.

    Each octave is rotated relative to the previous one, which hides the lattice.
    """
    total = 0.0
    amplitude = 0.5
    x /= period
    y /= period
    footprint /= period
    for octave in range(octaves):
        keep = fade(footprint, 1.0)
        if keep <= 0.0:
            break
        total += amplitude * keep * gradient2(x, y, seed + octave * 101)
        amplitude *= 0.6
        x, y = 1.76 * x + 1.44 * y, 1.76 * y - 1.44 * x
        footprint *= 2.27
    return total
