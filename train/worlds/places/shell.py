# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Walls, doors, windows and lamps of rooms. Wall frame: x along the wall, +y into the room."""

from __future__ import annotations

from dataclasses import dataclass

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials, scaled
from train.worlds.render.scene import Rect, SceneBuilder

DOOR_WIDTH = 0.8
DOOR_HEIGHT = 2.0
THICK = 0.12


@dataclass(frozen=True)
class Opening:
    """Door or window in wall number `wall`, centred `at` metres along it.

    beyond: width and depth of the accessible space behind it, 0 = none.
    """

    wall: int
    at: float
    half: float
    sill: float  # 0 for a door
    beyond: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Counter:
    """Flat top: the middle of its front edge in the world and the yaw that its front faces."""

    x: float
    y: float
    yaw: float
    width: float
    height: float


@dataclass(frozen=True)
class RoomPlan:
    """Inner size of a room, x in [0, width], y in [0, depth], floor at z = 0 (metres).

    beyond: x0, y0, x1, y1 of the areas behind open doorways, with a view into the room.
    counters: the flat tops in the room.
    """

    width: float
    depth: float
    height: float
    beyond: tuple[Rect, ...] = ()
    counters: tuple[Counter, ...] = ()


def door(b: SceneBuilder, m: Materials, x: float, leaf_open: float | None = None) -> None:
    """Door of 0.8 x 2.0 m with frame and handle; leaf_open = angle, None = closed."""
    frame = m.white if m.rng.random() < 0.6 else m.wood()
    leaf = m.white if m.rng.random() < 0.5 else m.wood()
    half = DOOR_WIDTH / 2
    for side in (-1, 1):
        b.box(
            (x + side * (half + 0.04), 0, DOOR_HEIGHT / 2), (0.08, THICK + 0.2, DOOR_HEIGHT), frame
        )
    b.box((x, 0, DOOR_HEIGHT + 0.04), (DOOR_WIDTH + 0.16, THICK + 0.2, 0.08), frame)
    with b.at(x - half, 0.03, 0.0, leaf_open or 0.0):
        b.box((half, 0, DOOR_HEIGHT / 2), (DOOR_WIDTH, 0.04, DOOR_HEIGHT), leaf)
        if m.rng.random() < 0.5:
            for z, tall in ((0.55, 0.7), (1.45, 0.8)):
                b.box((half, 0.022, z), (0.5, 0.012, tall), leaf, bevel=0.012)
        for y in (-0.06, 0.06):
            b.box((DOOR_WIDTH - 0.11, y, 1.03), (0.12, 0.018, 0.02), m.chrome)
            b.box((DOOR_WIDTH - 0.06, y * 0.5, 1.0), (0.035, 0.03, 0.16), m.chrome)


def window(
    b: SceneBuilder, m: Materials, x: float, width: float, sill: float, top: float, strength: float
) -> None:
    """Window with frame, bright view, sometimes curtains, blinds, sill and radiator."""
    rng = m.rng
    frame = m.white if rng.random() < 0.7 else m.wood()
    middle, tall = (sill + top) / 2, top - sill
    view = m.add(L.OUTVIEW, (0.75, 0.85, 1.0), (0.5, 0.6, 0.3), emit=strength)
    b.box((x, 0.004, middle), (width, 0.02, tall), view, exact=True)
    bars = int(rng.integers(1, 4))
    for i in range(bars + 1):
        b.box((x - width / 2 + i * width / bars, 0.02, middle), (0.06, 0.05, tall), frame)
    for z in (sill, top) + ((sill + 0.65 * tall,) if rng.random() < 0.4 else ()):
        b.box((x, 0.02, z), (width + 0.06, 0.05, 0.06), frame)
    b.box((x, 0.1, sill - 0.04), (width + 0.1, 0.2, 0.03), frame)
    _drapery(b, m, x, width, sill, top)
    if sill > 0.6 and rng.random() < 0.6:
        b.box(
            (x, 0.1, 0.38),
            (min(width, 1.2), 0.09, 0.5),
            m.add(L.STRIPES, (0.7, 0.7, 0.68), (0.35, 0.35, 0.34), sx=0.05, p0=0.35),
            bevel=0.01,
        )


def _drapery(
    b: SceneBuilder, m: Materials, x: float, width: float, sill: float, top: float
) -> None:
    """Curtains, a blind, or nothing."""
    rng = m.rng
    drapery = rng.random()
    if drapery < 0.45:
        cloth = (
            m.fabric()
            if rng.random() < 0.6
            else m.add(
                L.STRIPES,
                c := m.hue((0.1, 0.9), (0.2, 0.8)),
                scaled(c, 0.6),
                sx=0.09,
                p0=0.5,
            )
        )
        bottom = 0.05 if rng.random() < 0.6 else sill - 0.1
        for side in (-1, 1):
            folds = int(rng.integers(3, 7))
            for i in range(folds):
                b.rod(
                    (x + side * (width / 2 + 0.02 - i * 0.07), 0.14, (bottom + top + 0.15) / 2),
                    0.085,
                    top + 0.15 - bottom,
                    cloth,
                )
        b.strut(
            (x - width / 2 - 0.3, 0.14, top + 0.17),
            (x + width / 2 + 0.3, 0.14, top + 0.17),
            0.03,
            m.chrome,
        )
    elif drapery < 0.6:
        low = rng.uniform(sill, top - 0.1)
        b.box(
            (x, 0.06, (low + top) / 2),
            (width, 0.012, top - low),
            m.add(L.STRIPES, (0.6, 0.58, 0.52), (0.35, 0.34, 0.3), sx=0.03, p0=0.3, p1=1.0),
        )


def picture(b: SceneBuilder, m: Materials, x: float, z: float) -> None:
    """Framed picture, poster, mirror, clock or notice board on a wall."""
    rng = m.rng
    w, h = rng.uniform(0.2, 1.0), rng.uniform(0.2, 0.8)
    if rng.random() < 0.8:
        b.box((x, 0.012, z), (w + 0.06, 0.024, h + 0.06), m.wood(), bevel=0.01)
    inner = m.mirror() if rng.random() < 0.12 else m.printed()
    b.box((x, 0.016, z), (w, 0.02, h), inner, exact=True)


def wall(
    b: SceneBuilder,
    length: float,
    height: float,
    mat: int,
    gap: float | None,
    opening: tuple[float, float] = (DOOR_WIDTH, DOOR_HEIGHT),
) -> None:
    """Wall with an optional opening (width, height) centred at `gap`."""
    if gap is None:
        b.box(
            (length / 2, -THICK / 2, height / 2),
            (length + 2 * THICK, THICK, height),
            mat,
            bevel=0.0,
        )
        return
    half, top = opening[0] / 2, opening[1]
    left = gap - half + THICK  # both parts extend around the corner
    b.box(((left - 2 * THICK) / 2, -THICK / 2, height / 2), (left, THICK, height), mat, bevel=0.0)
    b.box(
        ((gap + half + length + THICK) / 2, -THICK / 2, height / 2),
        (length + THICK - gap - half, THICK, height),
        mat,
        bevel=0.0,
    )
    b.box(
        (gap, -THICK / 2, (height + top) / 2),
        (opening[0], THICK, max(0.01, height - top)),
        mat,
        bevel=0.0,
    )


def side_room(
    b: SceneBuilder, m: Materials, gap: float, height: float, length: float
) -> tuple[float, float]:
    """Build a bare room or passage behind the doorway at `gap` of a wall -> its width, depth.

    It ends where the wall ends, because nothing would close it beyond.
    """
    rng = m.rng
    w, d = rng.uniform(1.6, 4.0), rng.uniform(1.2, 4.5)
    left, right = max(-0.05, gap - w / 2), min(length + 0.05, gap + w / 2)
    middle, w = (left + right) / 2, right - left
    paper, ground, top = m.wall(), m.floor(), m.ceiling()
    b.box((middle, -THICK - d / 2, -0.05), (w + 0.2, d + 2 * THICK, 0.1), ground, bevel=0.0)
    b.box((middle, -THICK - d / 2, height + 0.05), (w + 0.2, d + 2 * THICK, 0.1), top, bevel=0.0)
    b.box((middle, -THICK - d - 0.05, height / 2), (w + 0.2, 0.1, height), paper, bevel=0.0)
    for side in (-1, 1):
        b.box(
            (middle + side * (w / 2 + 0.05), -THICK / 2 - d / 2, height / 2),
            (0.1, d + THICK, height),
            paper,
            bevel=0.0,
        )
    with b.at(gap, -THICK - d):
        if rng.random() < 0.5:
            picture(b, m, rng.uniform(-0.3, 0.3), 1.5)
        else:
            door(b, m, 0.0)
    return w, d


def ceiling_lamps(b: SceneBuilder, m: Materials, plan: RoomPlan, strength: float) -> None:
    """One to four lamps on the ceiling."""
    rng = m.rng
    warm = rng.uniform(0.65, 1.15)
    colour = (strength, strength * (0.8 + 0.2 * warm), strength * warm)
    glow = m.glow((0.9, 0.85, 0.75), strength * 1.2)
    columns = 2 if plan.width * plan.depth > 25 and rng.random() < 0.6 else 1
    style = rng.random()
    for i in range(columns):
        x = plan.width * (i + 0.5) / columns + rng.uniform(-0.3, 0.3)
        y = plan.depth * rng.uniform(0.35, 0.65)
        drop = 0.35
        if style < 0.3:
            b.box((x, y, plan.height - 0.03), (0.3, 1.2, 0.05), glow)
        elif style < 0.6:
            b.rod((x, y, plan.height - 0.05), 0.38, 0.1, glow, top=0.8)
        else:
            drop = rng.uniform(0.5, 0.8)
            b.strut((x, y, plan.height - drop + 0.2), (x, y, plan.height), 0.012, m.dark)
            b.rod((x, y, plan.height - drop + 0.17), 0.35, 0.2, glow, top=0.5)
        b.lamp((x, y, plan.height - drop), scaled(colour, 1.0 / columns), 0.05)


def skirting(b: SceneBuilder, length: float, mat: int) -> None:
    """Skirting board along a wall."""
    b.box((length / 2, 0.008, 0.04), (length, 0.016, 0.08), mat)


def stairs(b: SceneBuilder, m: Materials, width: float, steps: int) -> None:
    """Straight flight along -y, steps of 0.17 x 0.28 m, with a hand rail."""
    mat = m.wood()
    for i in range(steps):
        b.box((0, -i * 0.28, (i + 1) * 0.085), (width, 0.3, (i + 1) * 0.17), mat)
    rail = m.chrome if m.rng.random() < 0.4 else mat
    for i in range(0, steps, 2):
        b.strut(
            (width / 2, -i * 0.28, (i + 1) * 0.17),
            (width / 2, -i * 0.28, (i + 1) * 0.17 + 0.9),
            0.03,
            rail,
        )
    b.strut((width / 2, 0, 1.05), (width / 2, -(steps - 1) * 0.28, steps * 0.17 + 0.9), 0.05, rail)
