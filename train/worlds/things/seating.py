# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chairs, sofas and beds."""

from __future__ import annotations

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Size
from train.worlds.things.tables import legs


def chair(b: SceneBuilder, m: Materials) -> Size:
    """Chair with the seat at 0.45 m."""
    rng = m.rng
    frame = m.wood() if rng.random() < 0.7 else m.metal()
    seat = m.fabric() if rng.random() < 0.4 else frame
    w, d, h = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.48), rng.uniform(0.43, 0.48)
    back = rng.uniform(0.8, 1.02)
    leg = rng.uniform(0.025, 0.045)
    b.box((0, 0, h - 0.02), (w, d, 0.04), seat, bevel=0.015)
    legs(b, frame, w, d, h - 0.03, leg, rng.random() < 0.5, rng.uniform(0.0, 0.03))
    for sx in (-1, 1):
        b.box(
            (sx * (w - leg) / 2, -d / 2 + 0.01, (h + back) / 2),
            (leg, leg, back - h),
            frame,
            rot=(0.1, 0, 0),
        )
    style = rng.random()
    if style < 0.4:
        for z in (0.35, 0.62, 0.9):
            b.box((0, -d / 2 + 0.02, h + z * (back - h)), (w - leg, 0.018, 0.06), frame)
    elif style < 0.7:
        for i in range(4):
            b.box(
                ((i - 1.5) * w / 5, -d / 2 + 0.015, (h + back) / 2),
                (0.025, 0.015, back - h - 0.04),
                frame,
            )
        b.box((0, -d / 2, back - 0.03), (w, 0.022, 0.07), frame)
    else:
        b.box(
            (0, -d / 2 + 0.02, h + 0.6 * (back - h)),
            (w - leg, 0.03, 0.65 * (back - h)),
            seat,
            rot=(0.1, 0, 0),
            bevel=0.015,
        )
    return w, d, back


def office_chair(b: SceneBuilder, m: Materials) -> Size:
    """Swivel chair."""
    cloth = m.fabric() if m.rng.random() < 0.6 else m.dark
    h = m.rng.uniform(0.44, 0.54)
    for i in range(5):
        with b.at(0, 0, 0, i * 1.2566):
            b.box((0.15, 0, 0.08), (0.3, 0.04, 0.03), m.dark, rot=(0, 0.1, 0))
            b.ball((0.3, 0, 0.03), (0.05, 0.05, 0.06), m.dark)
    b.rod((0, 0, h / 2), 0.05, h, m.chrome)
    b.box((0, 0, h), (0.48, 0.48, 0.09), cloth, bevel=0.04)
    b.box((0, -0.24, h + 0.36), (0.44, 0.07, 0.52), cloth, rot=(0.12, 0, 0), bevel=0.03)
    b.box((0, -0.24, h + 0.1), (0.07, 0.04, 0.26), m.dark, rot=(0.12, 0, 0))
    for sx in (-1, 1):
        b.box((sx * 0.26, 0, h + 0.2), (0.05, 0.25, 0.03), m.dark)
        b.box((sx * 0.25, 0, h + 0.09), (0.03, 0.05, 0.22), m.dark)
    return 0.65, 0.65, h + 0.6


def sofa(b: SceneBuilder, m: Materials, seats: int | None = None) -> Size:
    """Sofa or armchair."""
    rng = m.rng
    n = seats or int(rng.integers(1, 4))
    each = rng.uniform(0.58, 0.75)
    w, d, h = n * each + 0.36, rng.uniform(0.8, 0.98), rng.uniform(0.75, 0.92)
    cloth = m.fabric()
    pillow = m.fabric()
    seat = rng.uniform(0.4, 0.46)
    b.box((0, 0.03, 0.2), (w - 0.04, d - 0.08, 0.26), cloth, bevel=0.04)
    b.box(
        (0, -d / 2 + 0.12, h / 2 + 0.03),
        (w - 0.1, 0.2, h - 0.08),
        cloth,
        bevel=0.06,
        rot=(0.08, 0, 0),
    )
    for sx in (-1, 1):
        b.box((sx * (w / 2 - 0.09), 0.02, 0.32), (0.18, d - 0.06, 0.56), cloth, bevel=0.06)
        b.box((sx * (w / 2 - 0.1), d / 2 - 0.12, 0.04), (0.05, 0.05, 0.08), m.dark)
    for i in range(n):
        x = (i - (n - 1) / 2) * each
        b.box((x, 0.1, seat - 0.06), (each - 0.015, d - 0.3, 0.15), cloth, bevel=0.05)
        b.box(
            (x, -d / 2 + 0.27, seat + 0.2),
            (each - 0.03, 0.15, 0.38),
            cloth,
            bevel=0.06,
            rot=(0.2, 0, 0),
        )
    for _ in range(int(rng.integers(0, 3))):
        b.box(
            (rng.uniform(-0.4, 0.4) * n * each, -d / 2 + 0.42, seat + 0.17),
            (0.4, 0.12, 0.36),
            pillow,
            rot=(0.4, rng.uniform(-0.3, 0.3), 0),
            bevel=0.06,
        )
    return w, d, h


def bed(b: SceneBuilder, m: Materials) -> Size:
    """Bed of 2 m length."""
    rng = m.rng
    w = float(rng.choice([0.9, 1.0, 1.4, 1.6, 1.8]))
    d, h = 2.08, rng.uniform(0.42, 0.6)
    frame, sheet, cover, pillow = m.wood(), m.white, m.fabric(), m.fabric()
    b.box((0, 0, 0.2), (w + 0.06, d, 0.2), frame)
    legs(b, frame, w, d, 0.2, 0.06, False)
    b.box(
        (0, -d / 2 - 0.02, rng.uniform(0.4, 0.6)),
        (w + 0.08, 0.05, rng.uniform(0.7, 1.1)),
        frame,
        bevel=0.02,
    )
    b.box((0, 0, (h + 0.28) / 2), (w, d - 0.08, h - 0.28), sheet, bevel=0.05)
    b.box((0, 0.25, h - 0.06), (w + 0.06, d - 0.55, 0.2), cover, bevel=0.06)
    for x in (-w / 4, w / 4) if w > 1.2 else (0.0,):
        b.ball(
            (x, -d / 2 + 0.32, h + 0.06),
            (min(0.7, w * 0.46), 0.42, 0.2),
            pillow if rng.random() < 0.5 else sheet,
        )
    return w + 0.1, d + 0.1, 1.0
