# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Printed matter, book spines, facades and window views (device)."""

import math

from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import M_A, M_B, M_CONTRAST, M_P0, M_P1, M_SX, M_SY
from train.worlds.kernels.noise import fade, fbm2, floor, hash3, noise2, whole


@device
def _vivid(h, seed):
    """Return a print colour from a hash: paper white, ink black or a saturated hue."""
    pick = hash3(int(h * 4096.0), 1, seed)
    if pick < 0.25:
        return 0.8, 0.78, 0.72
    if pick < 0.35:
        return 0.03, 0.03, 0.04
    # Squared to favour red and orange, with a second mode at blue: magenta print is rare.
    hue = hash3(int(h * 4096.0), 2, seed)
    hue = 1.6 * hue * hue if pick < 0.75 else 3.4 + 1.2 * hue
    level = 0.08 + 0.4 * hash3(int(h * 4096.0), 3, seed)
    return (
        level * (1.0 + 0.9 * math.cos(hue)),
        level * (1.0 + 0.9 * math.cos(hue - 2.09)),
        level * (1.0 + 0.9 * math.cos(hue + 2.09)),
    )


@device
def print_rgb(m, s, t, foot, seed):
    """Layout of a cover, label or poster on the unit square: fields, a picture, lines of text."""
    r, g, b = m[M_A], m[M_A + 1], m[M_A + 2]
    split = 0.3 + 0.5 * hash3(5, 5, seed)
    h = hash3(1, 0, seed)
    if t < split:
        if h < 0.6:
            r, g, b = m[M_B], m[M_B + 1], m[M_B + 2]
        else:
            n = noise2(s * 3.0, t * 4.0, seed)
            k = noise2(s * 6.0 + 9.0, t * 6.0, seed + 9)
            r2, g2, b2 = _vivid(floor(n * 5.0) * 0.17 + 0.3, seed)
            r, g, b = r2 * (0.6 + 0.8 * k), g2 * (0.6 + 0.8 * k), b2 * (0.6 + 0.8 * k)
    for i in range(3):
        x0 = 0.05 + 0.6 * hash3(i, 11, seed)
        y0 = 0.05 + 0.7 * hash3(i, 12, seed)
        wide = 0.1 + 0.6 * hash3(i, 13, seed)
        tall = 0.04 + 0.3 * hash3(i, 14, seed)
        if x0 < s < x0 + wide and y0 < t < y0 + tall:
            r, g, b = _vivid(hash3(i, 15, seed), seed)
    lines = 12.0 + 26.0 * hash3(3, 3, seed)
    row = t * lines
    line = whole(row)
    keep = fade(foot, 1.0 / lines)
    if hash3(line // 4, 21, seed) < 0.45 and 0.08 < s < 0.55 + 0.4 * hash3(line, 22, seed):
        word = noise2(s * lines * 1.6, floor(row) * 3.0, seed)
        ink = 1.0 if row - floor(row) < 0.55 and word > 0.35 else 0.0
        ink = 0.75 * (ink * keep + 0.35 * (1.0 - keep))
        dark = 0.04 if r + g + b > 0.6 else 0.7
        r, g, b = r + (dark - r) * ink, g + (dark - g) * ink, b + (dark - b) * ink
    return r, g, b


@device
def books_rgb(u, t, foot, seed):
    """Row of book spines along u (metres), t in [0, 1] from bottom to top."""
    cell = floor(u / 0.12)
    x = u / 0.12 - cell
    c = int(cell)
    start = 0.0
    which = 0
    for i in range(4):
        cut = start + 0.16 + 0.2 * hash3(c, i, seed)
        if x < cut or i == 3:
            which = i
            break
        start = cut
    h = hash3(c, which + 10, seed)
    height = 0.72 + 0.26 * hash3(c, which + 20, seed)
    if t > height:
        return 0.025, 0.02, 0.018
    r, g, b = _vivid(h, seed)
    edge = min(x - start, 0.3) * 0.12
    shade = 0.75 + 0.25 * min(1.0, edge / max(0.004, foot))
    if hash3(c, which + 30, seed) < 0.6 and 0.3 < t / height < 0.8:
        ink = noise2(t * 60.0, h * 99.0, seed)
        if ink > 0.55 and fade(foot, 0.01) > 0.3:
            shade *= 1.5 if r + g + b < 0.5 else 0.4
    if 0.1 < t / height < 0.16:
        shade *= 1.4
    return r * shade, g * shade, b * shade


@device
def facade_rgb(m, u, v, foot, seed, grime):
    """Storeys sy high with windows every sx metres; v is the height above the ground.

    Colour a is the wall, b the window frame; p0, p1 are the window's share of width and height.
    """
    x = u / m[M_SX]
    y = v / m[M_SY]
    column = whole(x)
    storey = whole(y)
    fx = abs(x - floor(x) - 0.5) * 2.0
    fy = y - floor(y)
    sill = 0.3 if storey > 0 else 0.25
    tall = m[M_P1]
    blur = foot / m[M_SX] + 0.005
    frame = 0.09 / m[M_SX] * 2.0
    across = (m[M_P0] - fx) / blur
    along = min(fy - sill, sill + tall - fy) * m[M_SY] / (foot + 0.01)
    inside = min(1.0, max(0.0, min(across, along)))
    wall = (1.0 + m[M_CONTRAST] * fbm2(u, v, 0.4, foot, seed)) * grime
    if v < 0.6:
        wall *= 0.7
    r, g, b = m[M_A] * wall, m[M_A + 1] * wall, m[M_A + 2] * wall
    if fade(foot, m[M_SX]) <= 0.0:
        inside = m[M_P0] * tall
    if 0.0 < (fy - (sill - 0.04)) * m[M_SY] < 0.1 and fx < m[M_P0] + 0.06:
        r, g, b = m[M_B] * 0.8, m[M_B + 1] * 0.8, m[M_B + 2] * 0.8
    if inside > 0.0:
        h = hash3(column, storey, seed + 5)
        glass = 0.02 + 0.14 * h * max(0.0, fy - sill)
        if h > 0.75:
            glass = 0.35 if fy > sill + tall * (h * 4.0 - 3.0) else glass
        gr, gg, gb = glass, glass * 1.03, glass * 1.1
        near = min(m[M_P0] - fx, 2.0 * min(fy - sill, sill + tall - fy) * m[M_SY] / m[M_SX])
        if near < frame or fx < 0.5 * frame:
            gr, gg, gb = m[M_B], m[M_B + 1], m[M_B + 2]
        r, g, b = r + (gr - r) * inside, g + (gg - g) * inside, b + (gb - b) * inside
    return r, g, b


@device
def outview_rgb(m, u, v, seed):
    """Blurred view out of a window: sky over trees or houses."""
    skyline = -0.2 + 0.7 * fbm2(u, 0.0, 1.1, 0.0, seed)
    sky = min(1.0, max(0.0, (v - skyline) * 8.0))
    leaf = 0.12 + 0.15 * noise2(u * 7.0, v * 7.0, seed)
    r = m[M_A] * sky + (m[M_B] * leaf * 4.0) * (1.0 - sky)
    g = m[M_A + 1] * sky + (m[M_B + 1] * leaf * 4.0) * (1.0 - sky)
    b = m[M_A + 2] * sky + (m[M_B + 2] * leaf * 4.0) * (1.0 - sky)
    return r, g, b
