# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural and photographic albedo (device).

Texture coordinates are in metres on the surface. `footprint` is the size of a pixel there in
metres; finer detail fades to its mean to avoid aliasing.
"""

import numpy as np

from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import (
    BOOKS,
    CHECK,
    FACADE,
    GRAIN,
    LEAF,
    M_A,
    M_B,
    M_CONTRAST,
    M_GRIME,
    M_KIND,
    M_P0,
    M_P1,
    M_SEED,
    M_SX,
    M_SY,
    M_TILE,
    NOISE,
    OUTVIEW,
    PHOTO,
    PLANKS,
    PRINT,
    R_TILE,
    ROAD,
    SPECKLE,
    SPLAT,
    STRIPES,
    TILES,
)
from train.worlds.kernels.markings import road_rgb
from train.worlds.kernels.noise import fade, fbm2, floor, hash3, noise2, whole
from train.worlds.kernels.patterns import books_rgb, facade_rgb, outview_rgb, print_rgb
from train.worlds.kernels.photo import photo_rgb


@device
def _planks(m, u, v, foot, seed):
    """Boards of length sx and width sy -> (mix towards b, brightness)."""
    row = floor(v / m[M_SY])
    shift = hash3(int(row), 17, seed) * m[M_SX]
    column = floor((u + shift) / m[M_SX])
    board = hash3(int(row), int(column), seed + 3)
    grain = fbm2(u * 0.07, v, 0.02, foot, seed + int(board * 999.0))
    wide = fbm2(u * 0.15, v, 0.11, foot, seed + int(board * 777.0))
    edge_v = min(v / m[M_SY] - row, 1.0 - v / m[M_SY] + row) * m[M_SY]
    along = (u + shift) / m[M_SX] - column
    edge_u = min(along, 1.0 - along) * m[M_SX]
    gap = max(0.0, 1.0 - min(edge_u, edge_v) / max(0.002, 0.7 * foot))
    gap *= m[M_P0] * min(1.0, 0.004 / max(foot, 1e-4))
    return board * 0.8 + 0.9 * wide, (1.0 + m[M_CONTRAST] * (grain + 0.4 * (board - 0.5))) * (
        1.0 - gap
    )


@device
def _tiles(m, u, v, foot, seed):
    """Tiles or bricks sx x sy with joints of width p1, rows shifted by p0 -> (joint, value)."""
    y = v / m[M_SY]
    row = floor(y)
    x = u / m[M_SX] + m[M_P0] * np.float32(int(row) % 2)
    column = floor(x)
    edge = min(min(x - column, 1.0 - x + column) * m[M_SX], min(y - row, 1.0 - y + row) * m[M_SY])
    half = 0.5 * m[M_P1]
    blur = max(foot * 0.7, 0.0005)
    joint = min(1.0, max(0.0, (half - edge) / blur + 0.5))
    mean = min(1.0, m[M_P1] / m[M_SX] + m[M_P1] / m[M_SY])
    keep = fade(foot, min(m[M_SX], m[M_SY]))
    joint = joint * keep + mean * (1.0 - keep)
    value = (hash3(int(column), int(row), seed) - 0.5) * keep
    return joint, 1.0 + m[M_CONTRAST] * (value + 0.7 * fbm2(u, v, 0.05, foot, seed))


@device
def _two_tone(m, kind, u, v, foot, seed):
    """Return the mix factor towards colour b and the brightness of simple two-colour kinds."""
    if kind == NOISE:
        mix = 0.5 + 1.3 * fbm2(u, v, m[M_SX], foot, seed)
        return mix, 1.0 + m[M_CONTRAST] * fbm2(u, v, m[M_SX] * 0.21, foot, seed + 7)
    if kind == STRIPES:
        along = u if m[M_P1] < 0.5 else v
        x = along / m[M_SX]
        inside = 1.0 if x - floor(x) < m[M_P0] else 0.0
        keep = fade(foot, m[M_SX])
        return inside * keep + m[M_P0] * (1.0 - keep), 1.0 + m[M_CONTRAST] * fbm2(
            u, v, 0.02, foot, seed
        )
    if kind == CHECK:
        keep = fade(foot, m[M_SX])
        a = whole(u / m[M_SX]) & 1
        b = whole(v / m[M_SX]) & 1
        return 0.5 * np.float32(a + b) * keep + 0.5 * (1.0 - keep), 1.0 + m[M_CONTRAST] * fbm2(
            u, v, 0.01, foot, seed
        )
    if kind == SPECKLE:
        keep = fade(foot, m[M_SX])
        cell = hash3(whole(u / m[M_SX]), whole(v / m[M_SX]), seed)
        warp = noise2(u / m[M_SX] * 0.7, v / m[M_SX] * 0.7, seed + 5)
        return 0.5 + (0.6 * cell + 0.8 * warp - 0.7) * keep, 1.0 + m[M_CONTRAST] * fbm2(
            u, v, 0.6, foot, seed
        )
    if kind == SPLAT:
        spot = fbm2(u, v, m[M_SX], foot, seed)
        return min(1.0, max(0.0, 8.0 * (spot - 0.22))), 1.0 + m[M_CONTRAST] * fbm2(
            u, v, 0.02, foot, seed
        )
    if kind == GRAIN:
        bend = 0.06 * fbm2(u, v, 0.5, foot, seed, 1)
        rings = fbm2(u * 0.06, v + bend, m[M_SX], foot, seed + 11)
        return 0.5 + 1.4 * rings, 1.0 + m[M_CONTRAST] * fbm2(u * 0.05, v, 0.006, foot, seed + 2)
    if m[M_CONTRAST] <= 0.0:
        return 0.0, 1.0
    return 0.0, 1.0 + m[M_CONTRAST] * (
        fbm2(u, v, 0.25, foot, seed, 1) + 0.5 * fbm2(u, v, 0.015, foot, seed, 2)
    )


@device
def _leaf(m, x, y, z, foot, seed):
    """Foliage: clusters of light and dark leaves by position in the crown."""
    fine = fbm2(x + 0.7 * z, y - 0.6 * z, m[M_SX], foot, seed)
    clump = fbm2(x - 0.5 * z, y + 0.8 * z, m[M_SX] * 7.0, foot, seed + 3)
    return 0.5 + 1.1 * fine, 1.0 + m[M_CONTRAST] * (1.2 * clump + fine)


@device
def albedo_rgb(mats, number, atlas, tiles, u, v, hu, hv, x, y, z, footprint, offset):
    """Return the linear albedo of row `number` of the materials.

    u, v: metres on the face.
    hu, hv: half size of that face.
    x, y, z: local metres.
    offset: texture seed of the primitive; 0 keeps u and v exact.
    """
    m = mats[number]
    kind = int(m[M_KIND])
    seed = int(m[M_SEED]) + int(offset * 131.0)
    if kind == PRINT:
        return print_rgb(
            m, u / (2.0 * hu) + 0.5, v / (2.0 * hv) + 0.5, footprint / (2.0 * hv), seed
        )
    if kind == BOOKS:
        return books_rgb(u, v / (2.0 * hv) + 0.5, footprint, seed)
    if kind == OUTVIEW:
        return outview_rgb(m, u, v, seed)
    mix = 0.0
    light = 1.0
    grime = 1.0
    if m[M_GRIME] > 0.0:
        grime = 1.0 + m[M_GRIME] * fbm2(u, v, 1.1, footprint, seed + 77, 2)
    u += offset * 3.1
    v += offset * 1.7
    if kind == PHOTO or (kind == ROAD and m[M_TILE] >= 0.0):
        size = m[M_SX] if kind == PHOTO else m[R_TILE]
        high = m[M_SY] if kind == PHOTO else size
        blur = footprint / min(size, high)
        r, g, b = photo_rgb(atlas, tiles, int(m[M_TILE]), u / size, v / high, blur)
        r, g, b = r * m[M_A] * grime, g * m[M_A + 1] * grime, b * m[M_A + 2] * grime
        if kind == PHOTO:
            return r, g, b
    if kind == ROAD:
        if m[M_TILE] < 0.0:
            r, g, b = m[M_A] * grime, m[M_A + 1] * grime, m[M_A + 2] * grime
        return road_rgb(mats, number, r, g, b, u, v, footprint, seed)
    if kind == FACADE:
        return facade_rgb(m, u, v + hv, footprint, seed, grime)
    if kind == TILES:
        mix, light = _tiles(m, u, v, footprint, seed)
        mix = min(1.0, mix)
        light = light * (1.0 - mix) + mix
    elif kind == PLANKS:
        mix, light = _planks(m, u, v, footprint, seed)
    elif kind == LEAF:
        mix, light = _leaf(m, x, y, z, footprint, seed)
    else:
        mix, light = _two_tone(m, kind, u, v, footprint, seed)
    mix = min(1.0, max(0.0, mix))
    light = max(0.05, light * grime)
    r = (m[M_A] + (m[M_B] - m[M_A]) * mix) * light
    g = (m[M_A + 1] + (m[M_B + 1] - m[M_A + 1]) * mix) * light
    b = (m[M_A + 2] + (m[M_B + 2] - m[M_A + 2]) * mix) * light
    return r, g, b
