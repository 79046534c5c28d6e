# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look-up in the atlas of photographic tiles on the device."""

import math

from train.worlds.jit import device

# A tile of 128 x 128 and its halvings lie one after the other in one flat row.
TILE = 128
LEVELS = 8
_INV = 1.0 / 255.0


@device
def _texel(atlas, base, size, x, y, channel):
    return atlas[base + ((y % size) * size + (x % size)) * 3 + channel]


@device
def _bilinear(atlas, base, size, s, t, channel):
    x = s * size - 0.5
    y = t * size - 0.5
    fx = math.floor(x)
    fy = math.floor(y)
    ix, iy = int(fx), int(fy)
    u, v = x - fx, y - fy
    top = _texel(atlas, base, size, ix, iy, channel) * (1.0 - u) + _texel(atlas, base, size, ix + 1, iy, channel) * u
    low = _texel(atlas, base, size, ix, iy + 1, channel) * (1.0 - u) + _texel(atlas, base, size, ix + 1, iy + 1, channel) * u
    return top * (1.0 - v) + low * v


@device
def photo_rgb(atlas, tiles, tile, s, t, footprint):
    """Linear colour of tile number `tile` at (s, t) in tile units; repeats outside [0, 1)."""
    level = 0
    width = footprint * TILE
    while width > 1.5 and level < LEVELS - 1:
        width *= 0.5
        level += 1
    size = TILE
    base = tiles[tile]
    for _ in range(level):
        base += size * size * 3
        size //= 2
    r = _bilinear(atlas, base, size, s, -t, 0) * _INV
    g = _bilinear(atlas, base, size, s, -t, 1) * _INV
    b = _bilinear(atlas, base, size, s, -t, 2) * _INV
    return r * r, g * g, b * b  # gamma 2 stored, linear out
