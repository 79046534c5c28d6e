# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vehicles at their real sizes, heading along +y, wheels on z = 0."""

from __future__ import annotations

import math

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder


def _wheels(
    b: SceneBuilder, m: Materials, width: float, front: float, rear: float, d: float
) -> None:
    for x in (-1, 1):
        for y in (front, rear):
            b.rod((x * (width / 2 - 0.1), y, d / 2), d, 0.22, m.dark, rot=(0, 1.5708, 0))
            b.rod((x * (width / 2 - 0.085), y, d / 2), d * 0.62, 0.2, m.chrome, rot=(0, 1.5708, 0))


def _lights(b: SceneBuilder, m: Materials, width: float, length: float, z: float) -> None:
    red = m.add(
        L.PLAIN, (0.4, 0.01, 0.01), emit=0.4 if m.rng.random() < 0.3 else 0.05, f0=0.05, rough=0.05
    )
    lamp = m.add(L.PLAIN, (0.7, 0.7, 0.7), f0=0.1, rough=0.05)
    for x in (-1, 1):
        b.box((x * (width / 2 - 0.2), -length / 2 - 0.005, z), (0.3, 0.05, 0.16), red, bevel=0.02)
        b.box(
            (x * (width / 2 - 0.22), length / 2 - 0.095, z - 0.08),
            (0.34, 0.25, 0.14),
            lamp,
            bevel=0.02,
        )
    plate = m.add(L.PRINT, (0.7, 0.7, 0.68), (0.7, 0.7, 0.68))
    for y in (0.06 - length / 2, length / 2 - 0.06):
        b.box((0, y, z - 0.25), (0.52, 0.2, 0.11), plate, exact=True)


def car(b: SceneBuilder, m: Materials) -> None:
    """Hatchback, saloon, estate or off-roader."""
    rng = m.rng
    w, length, h = rng.uniform(1.65, 1.88), rng.uniform(3.6, 4.9), rng.uniform(1.38, 1.56)
    if rng.random() < 0.2:
        h += 0.22
    paint = m.car_paint()
    waist = 0.58 * h + 0.05
    nose = rng.uniform(0.95, 1.25)
    saloon = rng.random() < 0.35
    tail = rng.uniform(0.6, 0.9) if saloon else rng.uniform(0.0, 0.15)
    b.wedge((0, 0, 0.33), (w * 0.97, length * 0.97, 0.3), paint, top=(1.03, 1.03))
    b.wedge((0, 0, 0.59), (w, length, 0.24), paint, top=(0.985, 0.98))
    # Shoulder with a bonnet that slopes down to the front.
    b.wedge(
        (0, 0, 0.5 * (0.7 + waist)),
        (w * 0.985, length * 0.98, waist - 0.7),
        paint,
        top=(0.94, 0.9 if saloon else 0.93),
        shift=(0.0, -0.03),
    )
    _cabin(b, m, paint, w * 0.92, length - nose - tail, 0.5 * (tail - nose), waist - 0.01, h)
    b.box((0, 0, 0.27), (w * 0.95, length * 0.97, 0.14), m.dark)
    b.box((0, length / 2 - 0.005, 0.58), (w * 0.5, 0.05, 0.12), m.dark)
    b.box((0, length / 2 - 0.02, 0.36), (w * 0.7, 0.05, 0.12), m.dark)
    d = rng.uniform(0.58, 0.68)
    for x in (-1, 1):
        b.box((x * 0.48 * w, -0.1, 0.86 * waist), (0.04, 0.2, 0.025), m.dark)
        for y in (-0.31, 0.31):
            arch = (x * (w / 2 - 0.09), y * length, 0.5 * d + 0.02)
            b.rod(arch, d + 0.14, 0.19, m.dark, rot=(0, 1.5708, 0))
    _wheels(b, m, w + 0.02, length * 0.31, -length * 0.31, d)
    _lights(b, m, w * 0.97, length * 0.985, 0.74)


def _cabin(
    b: SceneBuilder,
    m: Materials,
    paint: int,
    width: float,
    length: float,
    y: float,
    low: float,
    high: float,
) -> None:
    """Cabin of glass with pillars, roof and mirrors; slanted most at the windscreen."""
    glass = m.glass()
    tall = high - low
    narrow, short, back = 0.8, 0.6, -0.14
    top_y = y + back * length / 2
    b.wedge(
        (0, y, low + tall / 2),
        (width, length, tall),
        glass,
        top=(narrow, short),
        shift=(0.0, back),
    )
    roof = (width * (narrow + 0.04), length * (short + 0.04), 0.09)
    b.wedge((0, top_y, high - 0.025), roof, paint, top=(0.88, 0.88))
    for x in (-1, 1):
        for f in (-1.0, 0.05, 1.0):
            foot = (x * width * 0.492, y + f * length * 0.49, low)
            head = (x * width * narrow * 0.495, top_y + f * length * short * 0.49, high - 0.03)
            b.strut(foot, head, 0.075, paint)
        b.box(
            (x * (width / 2 + 0.09), y + length * 0.36, low + 0.1),
            (0.27, 0.1, 0.13),
            paint,
            bevel=0.03,
        )


def van(b: SceneBuilder, m: Materials) -> None:
    """Delivery van."""
    rng = m.rng
    w, length, h = rng.uniform(1.9, 2.05), rng.uniform(4.7, 6.0), rng.uniform(1.95, 2.7)
    paint, glass = (
        m.paint(
            m.pick(((0.7, 0.7, 0.7), (0.7, 0.7, 0.7), (0.5, 0.35, 0.02), (0.03, 0.06, 0.25))),
            f0=0.04,
            contrast=0.02,
        ),
        m.glass(),
    )
    b.wedge((0, -0.45, h / 2 + 0.15), (w, length - 0.9, h - 0.3), paint, top=(0.94, 0.98))
    b.wedge((0, length / 2 - 0.5, 0.75), (w, 1.0, 0.9), paint, top=(0.97, 0.8), shift=(0, -0.2))
    b.wedge(
        (0, length / 2 - 0.95, 1.2 + (h - 1.2) / 2),
        (w * 0.98, 1.2, h - 1.22),
        glass,
        top=(0.95, 0.4),
        shift=(0, -0.5),
    )
    for x in (-1, 1):
        b.box((x * w * 0.488, length / 2 - 1.5, 1.55), (0.05, 0.8, 0.5), glass)
    b.box((0, -length / 2 + 0.03, h * 0.68), (w * 0.8, 0.06, h * 0.24), glass)
    b.box((0, 0, 0.35), (w * 0.96, length * 0.98, 0.2), m.dark)
    _wheels(b, m, w, length * 0.33, -length * 0.3, 0.68)
    _lights(b, m, w, length, 0.95)


def truck(b: SceneBuilder, m: Materials) -> None:
    """Lorry with a box body."""
    rng = m.rng
    w, length, h = 2.45, rng.uniform(7.0, 11.0), rng.uniform(3.2, 3.9)
    cab, load = m.car_paint(), m.paint()
    b.box((0, -0.9, h / 2 + 0.5), (w, length - 1.9, h - 1.0), load)
    b.wedge(
        (0, length / 2 - 0.85, 1.7), (w * 0.97, 1.7, 2.4), cab, top=(0.96, 0.85), shift=(0, -0.12)
    )
    b.box((0, length / 2 - 0.155, 2.15), (w * 0.85, 0.06, 0.75), m.glass(), rot=(0.1, 0, 0))
    b.box((0, 0, 0.8), (w * 0.8, length + 0.04, 0.45), m.dark)
    _wheels(b, m, w, length * 0.36, -length * 0.3, 0.95)
    _lights(b, m, w, length, 1.0)


def bus(b: SceneBuilder, m: Materials) -> None:
    """City bus or tram."""
    w, length, h = 2.5, m.rng.uniform(10.0, 13.0), m.rng.uniform(2.9, 3.3)
    paint = m.paint(f0=0.04, contrast=0.02)
    b.box((0, 0, h / 2 + 0.15), (w, length, h - 0.3), paint, bevel=0.1)
    glass = m.glass()
    for x in (-1, 1):
        for i in range(6):
            b.box((x * w / 2, (i - 2.5) * length / 6.2, 1.85), (0.03, length / 6.8, 1.0), glass)
    for y in (-1, 1):
        b.box((0, y * length / 2, 1.8), (w * 0.88, 0.04, 1.25), glass)
    _wheels(b, m, w, length * 0.3, -length * 0.28, 0.95)
    _lights(b, m, w, length, 0.8)


def bicycle(b: SceneBuilder, m: Materials) -> None:
    """Bicycle."""
    mat = m.paint()
    for y in (-0.52, 0.52):
        for i in range(10):
            a, c = i * 0.6283, (i + 1) * 0.6283
            b.strut(
                (0, y + 0.33 * math.cos(a), 0.34 + 0.33 * math.sin(a)),
                (0, y + 0.33 * math.cos(c), 0.34 + 0.33 * math.sin(c)),
                0.035,
                m.dark,
            )
    points = (
        ((0, -0.52, 0.34), (0, -0.15, 0.85)),
        ((0, -0.15, 0.85), (0, 0.42, 0.85)),
        ((0, 0.52, 0.34), (0, 0.38, 1.02)),
        ((0, -0.1, 0.3), (0, 0.42, 0.8)),
        ((0, -0.1, 0.3), (0, -0.17, 0.95)),
        ((0, -0.52, 0.34), (0, -0.1, 0.3)),
    )
    for start, end in points:
        b.strut(start, end, 0.035, mat)
    b.strut((-0.28, 0.38, 1.02), (0.28, 0.38, 1.02), 0.03, m.dark)
    b.box((0, -0.19, 0.97), (0.14, 0.26, 0.06), m.dark, bevel=0.02)
