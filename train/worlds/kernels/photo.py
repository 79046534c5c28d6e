# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look up colours in the atlas of photographic tiles (device)."""

import numpy as np

from train.worlds.kernels.jit import device
from train.worlds.kernels.noise import floor

# A tile of 128 x 128 and its mip levels are stored consecutively in one flat row.
TILE = 128
LEVELS = 8


@device
def blend(a, b, c, d, u, v):
    """Interpolate between two texels and the two below them at (u, v) in [0, 1]."""
    above = np.float32(a) * (1.0 - u) + np.float32(b) * u
    below = np.float32(c) * (1.0 - u) + np.float32(d) * u
    return (above * (1.0 - v) + below * v) * (1.0 / 255.0)


@device
def photo_rgb(atlas, tiles, tile, s, t, footprint):
    """Return the linear colour of tile number `tile` at (s, t) in tile units, repeating."""
    level = 0
    width = footprint * np.float32(TILE)
    while width > 1.5 and level < LEVELS - 1:
        width *= 0.5
        level += 1
    size = TILE
    base = tiles[tile]
    for _ in range(level):
        base += size * size * 3
        size //= 2
    x = s * np.float32(size) - 0.5
    y = -t * np.float32(size) - 0.5
    fx, fy = floor(x), floor(y)
    u, v = x - fx, y - fy
    last = size - 1  # sizes are powers of two
    left, right = int(fx) & last, (int(fx) + 1) & last
    top, low = (int(fy) & last) * size, ((int(fy) + 1) & last) * size
    i00, i10 = base + (top + left) * 3, base + (top + right) * 3
    i01, i11 = base + (low + left) * 3, base + (low + right) * 3
    r = blend(atlas[i00], atlas[i10], atlas[i01], atlas[i11], u, v)
    g = blend(atlas[i00 + 1], atlas[i10 + 1], atlas[i01 + 1], atlas[i11 + 1], u, v)
    b = blend(atlas[i00 + 2], atlas[i10 + 2], atlas[i01 + 2], atlas[i11 + 2], u, v)
    return r * r, g * g, b * b  # stored with gamma 2, returned linear
