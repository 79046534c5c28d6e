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
    x = s * size - 0.5
    y = -t * size - 0.5
    fx, fy = math.floor(x), math.floor(y)
    u, v = x - fx, y - fy
    last = size - 1  # sizes are powers of two
    left, right = int(fx) & last, (int(fx) + 1) & last
    top, low = (int(fy) & last) * size, ((int(fy) + 1) & last) * size
    w00, w10, w01, w11 = (1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v
    i00, i10 = base + (top + left) * 3, base + (top + right) * 3
    i01, i11 = base + (low + left) * 3, base + (low + right) * 3
    r = (atlas[i00] * w00 + atlas[i10] * w10 + atlas[i01] * w01 + atlas[i11] * w11) * _INV
    g = (
        atlas[i00 + 1] * w00 + atlas[i10 + 1] * w10 + atlas[i01 + 1] * w01 + atlas[i11 + 1] * w11
    ) * _INV
    b = (
        atlas[i00 + 2] * w00 + atlas[i10 + 2] * w10 + atlas[i01 + 2] * w01 + atlas[i11 + 2] * w11
    ) * _INV
    return r * r, g * g, b * b  # gamma 2 stored, linear out
