# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Marks on a road: paint, inlays and wear (device); see layout.py for their rows."""

from train.worlds.kernels.jit import device
from train.worlds.kernels.layout import (
    ARROW,
    CRACK,
    DISC,
    FRAME,
    GLYPH,
    K_COLOUR,
    K_COS,
    K_COVER,
    K_HX,
    K_HY,
    K_KIND,
    K_P0,
    K_P1,
    K_P2,
    K_SIN,
    K_WEAR,
    K_X,
    K_Y,
    M_CONTRAST,
    NET,
    R_FROM,
    R_HALF,
    R_LANE,
    R_LONG,
    R_MARKS,
    R_TO,
    R_TRACK,
    STRIPED,
)
from train.worlds.kernels.noise import fade, fbm2, floor, gradient2, noise2, whole


@device
def _inside(edge, foot):
    """Return the share of a pixel inside an edge that is `edge` metres away (inside > 0)."""
    return min(1.0, max(0.0, edge / max(foot, 0.004) + 0.5))


@device
def _bars(w, period, share, foot):
    """Bars at every `period` along w, `share` of it painted."""
    at = w / period
    off = abs(at - floor(at) - 0.5) * period
    keep = fade(foot, period)
    return _inside(0.5 * share * period - off, foot) * keep + share * (1.0 - keep)


@device
def _arrow(k, s, t, foot):
    """Arrow towards +t; p0 = 1 or -1: the head turns to +s or -s, p1 = 1: both heads."""
    hx, hy = k[K_HX], k[K_HY]
    turn = k[K_P0]
    paint = 0.0
    if turn == 0.0 or k[K_P1] > 0.5:
        tip = (hy - t) * 1.4286 / hy
        head = min(0.55 * hx * tip - abs(s), t - 0.3 * hy)
        shaft = min(0.09 - abs(s), min(0.35 * hy - t, hy + t))
        paint = _inside(max(head, shaft), foot)
    if turn != 0.0:
        a, bend = s * turn, 0.1 * hy
        shaft = min(0.09 - abs(s), min(bend + 0.2 - t, hy + t))
        arm = min(0.2 - abs(t - bend), min(a + 0.09, 0.5 * hx - a))
        head = min(0.35 * hy * (hx - a) / (0.6 * hx) - abs(t - bend), a - 0.4 * hx)
        paint = max(paint, _inside(max(shaft, max(arm, head)), foot))
    return paint


@device
def _shape(k, s, t, foot, seed):
    """Return the share of the pixel at (s, t) in a mark's frame that the mark covers."""
    kind = int(k[K_KIND])
    hx, hy = k[K_HX], k[K_HY]
    if kind == DISC:
        away = (s * s + t * t) / hx
        ring = 1.0 if away > 0.72 * hx else 0.55
        return _inside(0.5 * (hx - away), foot) * ring
    if kind == CRACK:
        s -= 2.0 * (hx - k[K_P0]) * gradient2(t / k[K_P1], 0.5, seed)
        s -= 0.5 * hx * gradient2(4.1 * t / k[K_P1], 7.5, seed)
        return _inside(k[K_P0] - abs(s), foot) * min(1.0, 2.0 * k[K_P0] / max(foot, 1e-4))
    edge = min(hx - abs(s), hy - abs(t))
    paint = _inside(edge, foot) * min(1.0, 2.0 * min(hx, hy) / max(foot, 1e-4))
    if kind == STRIPED:
        return paint * _bars(t + hy + k[K_P2] * s, k[K_P0], k[K_P1], foot)
    if kind in (FRAME, NET):
        width = k[K_P0]
        line = _inside(width - edge, foot)
        if kind == NET:
            share = width / k[K_P1]
            line = max(line, _bars(s + t, k[K_P1], share, foot))
            line = max(line, _bars(s - t, k[K_P1], share, foot))
        elif k[K_P1] > 0.0:
            line = max(line, _bars(t + hy + 0.5 * k[K_P1], k[K_P1], width / k[K_P1], foot))
        return paint * line * min(1.0, width / max(foot, 1e-4))
    if kind == ARROW:
        return _arrow(k, s, t, foot)
    if kind == GLYPH:
        column, row = whole(1.5 * (s / hx + 1.0)), whole(2.5 * (1.0 - t / hy))
        if 0 <= column < 3 and 0 <= row < 5:
            return paint if (int(k[K_P0]) >> (3 * row + column)) & 1 else 0.0
        return 0.0
    return paint


@device
def road_rgb(mats, number, r, g, b, u, v, foot, seed):
    """Return the colour of road `number` in `mats` with its marks, on a ground (r, g, b)."""
    m = mats[number]
    wear = fbm2(u, v, 0.15, foot, seed + 9)
    count = int(m[R_MARKS]) if m[R_FROM] < v < m[R_TO] else int(m[R_LONG])
    for i in range(count):
        k = mats[number + 1 + i]
        x, y = u - k[K_X], v - k[K_Y]
        s, t = k[K_COS] * x + k[K_SIN] * y, k[K_COS] * y - k[K_SIN] * x
        if abs(s) < k[K_HX] + foot and abs(t) < k[K_HY] + foot:
            a = _shape(k, s, t, foot, seed + i)
            a *= min(1.0, max(0.0, k[K_COVER] + k[K_WEAR] * wear))
            r = r + (k[K_COLOUR] - r) * a
            g = g + (k[K_COLOUR + 1] - g) * a
            b = b + (k[K_COLOUR + 2] - b) * a
    # Wheels polish two tracks per lane; rain and repairs leave long spots.
    lane = (u + m[R_HALF]) / m[R_LANE] * 2.0
    track = m[R_TRACK] * (1.0 - 4.0 * abs(lane - floor(lane) - 0.5))
    spots = 0.14 * (noise2(u * 0.35, v * 0.07, seed + 4) - 0.5)
    light = max(0.05, 1.0 + track + spots + m[M_CONTRAST] * fbm2(u, v, 0.02, foot, seed))
    return r * light, g * light, b * light
