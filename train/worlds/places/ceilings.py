# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Joists, ducts and pipes under the ceilings of cellars."""

from __future__ import annotations

from train.worlds.materials.cellar import CellarMaterials
from train.worlds.places.openings import wall_frames
from train.worlds.places.shell import RoomPlan
from train.worlds.render.scene import SceneBuilder

# Least clearance over a floor that people walk on (metres).
HEADROOM = 1.72


def joists(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan) -> float:
    """Joists across the room, sometimes a beam under them -> height of their underside."""
    rng = m.rng
    deep = min(rng.uniform(0.14, 0.24), plan.height - 1.92)
    step, thick, mat = (
        rng.uniform(0.38, 0.62),
        rng.uniform(0.04, 0.1),
        m.wood() if rng.random() < 0.7 else m.white,
    )
    clear = plan.height - deep
    across = plan.width < plan.depth
    length, span = (plan.depth, plan.width) if across else (plan.width, plan.depth)
    for i in range(int(length / step)):
        at, z = (i + 0.5) * step, plan.height - deep / 2
        if across:
            b.box((span / 2, at, z), (span + 0.2, thick, deep), mat)
        else:
            b.box((at, span / 2, z), (thick, span + 0.2, deep), mat)
    if rng.random() < 0.4:
        centre = (plan.width * rng.uniform(0.35, 0.65), plan.depth * rng.uniform(0.35, 0.65))
        low = clear - min(0.18, clear - HEADROOM) / 2
        size = (0.14, length, 0.18) if across else (length, 0.14, 0.18)
        at = (centre[0], length / 2, low) if across else (length / 2, centre[1], low)
        b.box(at, size, mat if rng.random() < 0.6 else m.metal())
    return clear


def ducts(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan, clear: float, count: int) -> None:
    """Round or square ducts along or across the room under `clear`, in jointed lengths."""
    rng = m.rng
    for _ in range(count):
        metal, wide = m.sheet_metal(), rng.uniform(0.12, 0.4)
        high = min(wide, 0.25, clear - HEADROOM)
        if high < 0.08:
            continue
        along = rng.random() < 0.6
        length, span = (plan.depth, plan.width) if along else (plan.width, plan.depth)
        side, z = rng.uniform(0.1, 0.9) * (span - wide) + wide / 2, clear - high / 2
        start = length * rng.choice([0.0, 0.0, 0.3, 0.6])
        end = length if start else length * rng.choice([0.5, 1.0])
        with b.at(side, 0.0) if along else b.at(plan.width, side, 0.0, 1.5707963):
            _duct(b, metal, start, end, (wide, high, z), square=wide > 0.25)


def _duct(
    b: SceneBuilder,
    metal: int,
    start: float,
    end: float,
    section: tuple[float, float, float],
    *,
    square: bool,
) -> None:
    """Duct along y; section: width, height and z of its middle."""
    wide, high, z = section
    if square:
        b.box((0, (start + end) / 2, z), (wide, end - start, high), metal)
    else:
        b.strut((0, start, z), (0, end, z), high, metal)
    y = start
    while y < end:
        if square:
            b.box((0, y, z), (wide + 0.03, 0.03, high + 0.02), metal)
        else:
            b.rod((0, y, z), high + 0.015, 0.04, metal, rot=(1.5708, 0, 0))
        y += 1.1


def pipework(b: SceneBuilder, m: CellarMaterials, plan: RoomPlan, clear: float) -> None:
    """Pipes and cables along the walls under the ceiling, some turning down at an end."""
    rng = m.rng
    for x, y, yaw, length in wall_frames(plan):
        with b.at(x, y, 0.0, yaw):
            for k in range(int(rng.integers(0, 4))):
                d = float(rng.choice([0.015, 0.022, 0.028, 0.05, 0.1]))
                mat = m.pipe()
                out, z = 0.05 + d / 2 + 0.1 * k, clear - 0.04 - d / 2 - rng.uniform(0.0, 0.15)
                start, end = sorted(rng.uniform(0.03, length - 0.03, 2).tolist())
                if rng.random() < 0.5:
                    start, end = 0.02, length - 0.02
                b.strut((start, out, z), (end, out, z), d, mat)
                if rng.random() < 0.6:
                    foot = rng.choice([0.0, 0.0, 0.5, 1.1])
                    b.ball((end, out, z), (1.15 * d, 1.15 * d, 1.15 * d), mat)
                    b.strut((end, out, z), (end, out, foot), d, mat)
