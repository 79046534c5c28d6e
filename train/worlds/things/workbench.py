# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work benches: hardware, boards, cables on them, and the arms and grippers that work there.

Things are at the origin on the surface z = 0; sizes are in metres.
"""

from __future__ import annotations

import math
from itertools import pairwise

from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder, Vec


def hardware(b: SceneBuilder, m: Materials) -> None:
    """Scattered bolts, nuts and pins."""
    rng = m.rng
    metal = m.chrome if rng.random() < 0.5 else m.metal()
    for _ in range(int(rng.integers(3, 9))):
        d, length = rng.uniform(0.004, 0.012), rng.uniform(0.01, 0.06)
        x, y, turn = rng.uniform(-0.09, 0.09), rng.uniform(-0.09, 0.09), rng.uniform(0.0, 6.28)
        if rng.random() < 0.4:
            b.rod((x, y, d / 2), 2.2 * d, d, metal, hollow=0.5, floor=-1.0)
        else:
            b.rod((x, y, d), d, length, metal, rot=(0.0, 1.57, turn))
            end = (x + 0.5 * length * math.cos(turn), y + 0.5 * length * math.sin(turn), d)
            b.rod(end, 2.0 * d, 0.7 * d, metal, rot=(0.0, 1.57, turn))


def cable(b: SceneBuilder, m: Materials) -> None:
    """Cable in a loop or a wave."""
    rng = m.rng
    mat = m.dark if rng.random() < 0.6 else m.plastic()
    d, reach, turns = rng.uniform(0.004, 0.009), rng.uniform(0.05, 0.14), rng.uniform(0.4, 1.3)
    points: list[Vec] = []
    for i in range(11):
        a = i / 10 * 6.28 * turns
        r = reach * (1.0 - 0.03 * i) if turns > 0.9 else reach * i / 5
        points.append((r * math.cos(a), r * math.sin(a), d / 2 + 0.0008 * i))
    for start, end in pairwise(points):
        b.strut(start, end, d, mat)


def pattern(b: SceneBuilder, m: Materials) -> None:
    """Calibration board or cutting mat, flat or propped up."""
    rng = m.rng
    w, d = rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.32)
    dark, light = (0.02, 0.02, 0.02), (0.75, 0.75, 0.74)
    if rng.random() < 0.3:
        dark, light = (0.02, 0.1, 0.07), (0.03, 0.15, 0.1)
    mat = m.add(L.CHECK, light, dark, sx=rng.uniform(0.02, 0.07), contrast=0.05)
    if rng.random() < 0.7:
        b.box((0, 0, 0.0025), (w, d, 0.005), mat, exact=True)
    else:
        tilt = rng.uniform(0.9, 1.4)
        z = 0.5 * d * math.sin(tilt)
        b.box((0, 0, z), (w, d, 0.006), mat, rot=(tilt, 0.0, 0.0), exact=True)


def blocks(b: SceneBuilder, m: Materials) -> None:
    """Bricks and cubes, side by side and on top of each other."""
    rng = m.rng
    for _ in range(int(rng.integers(2, 6))):
        s = rng.uniform(0.02, 0.06)
        size = (s * rng.choice([1.0, 2.0]), s, s)
        x, y, z = rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), s * rng.choice([0.5, 1.5])
        b.box((x, y, z), size, m.plastic(), rot=(0.0, 0.0, rng.uniform(0.0, 3.14)), bevel=0.003)


def machine(b: SceneBuilder, m: Materials) -> None:
    """Open circuit board, power supply or motor."""
    rng = m.rng
    if rng.random() < 0.5:
        w, d = rng.uniform(0.06, 0.2), rng.uniform(0.05, 0.14)
        b.box((0, 0, 0.008), (w, d, 0.002), m.paint((0.01, 0.12, 0.04)))
        for _ in range(5):
            x, y = rng.uniform(-0.4, 0.4) * w, rng.uniform(-0.4, 0.4) * d
            s = rng.uniform(0.005, 0.03)
            b.box((x, y, 0.009 + s / 4), (s, s * 0.8, s / 2), m.dark if s > 0.015 else m.chrome)
        return
    w, d, h = rng.uniform(0.12, 0.3), rng.uniform(0.15, 0.3), rng.uniform(0.06, 0.16)
    b.box((0, 0, h / 2), (w, d, h), m.metal() if rng.random() < 0.5 else m.plastic())
    b.box((0, d / 2, h / 2), (w * 0.92, 0.004, h * 0.85), m.printed(), exact=True)
    for x in (-0.3, 0.0, 0.3):
        b.rod((x * w, d / 2 + 0.008, h * 0.3), 0.02, 0.016, m.dark, rot=(1.57, 0.0, 0.0))


def phone(b: SceneBuilder, m: Materials) -> None:
    """Telephone, tablet or drawing."""
    w = m.rng.choice([0.075, 0.08, 0.17])
    b.box((0, 0, 0.005), (w, w * 1.6 + 0.03, 0.009), m.dark, bevel=0.004)
    face = m.glass() if m.rng.random() < 0.6 else m.screen()
    b.box((0, 0, 0.0098), (w * 0.92, w * 1.5 + 0.02, 0.001), face, exact=True)


def cutlery(b: SceneBuilder, m: Materials) -> None:
    """Knives, spoons, pens and pliers."""
    rng = m.rng
    for i in range(int(rng.integers(1, 4))):
        x, length = 0.035 * (i - 1), rng.uniform(0.12, 0.22)
        mat = m.chrome if rng.random() < 0.5 else m.plastic()
        b.strut((x, -length / 2, 0.005), (x, length / 2, 0.005), 0.01, mat)
        end = (x, length / 2, 0.007)
        b.ball(end, (0.025, 0.06, 0.01), mat if rng.random() < 0.7 else m.dark)


BENCH = (hardware, cable, pattern, blocks, machine, phone, cutlery)


def arm(b: SceneBuilder, m: Materials, reach: float) -> None:
    """Forearm with a hand from -y, `reach` metres over the edge; the hand may hold a bar."""
    rng = m.rng
    skin, sleeve = m.skin(), m.fabric()
    z = rng.uniform(0.05, 0.2)
    wrist = (0.0, reach - 0.12, z)
    elbow = (rng.uniform(-0.15, 0.15), reach - 0.42, z + rng.uniform(0.0, 0.15))
    middle = tuple(0.5 * (p + q) for p, q in zip(wrist, elbow, strict=True))
    b.strut(elbow, middle, 0.1, sleeve, top=0.9)
    b.strut(middle, wrist, 0.075, sleeve if rng.random() < 0.4 else skin, top=0.75)
    shoulder = (elbow[0] + rng.uniform(-0.1, 0.1), elbow[1] - 0.3, z + 0.35)
    b.strut(shoulder, elbow, 0.12, sleeve, top=0.85)
    b.ball((0.0, reach - 0.06, z), (0.09, 0.11, 0.045), skin)
    for i in range(4):
        x = 0.022 * (i - 1.5)
        tip = (x * 0.8, reach + 0.055, z - 0.035)
        knuckle = (x, reach - 0.01, z + 0.005)
        b.strut(knuckle, tip, 0.019, skin, top=0.8)
    b.strut((0.04, reach - 0.06, z), (0.035, reach + 0.02, z - 0.03), 0.022, skin, top=0.8)
    if rng.random() < 0.4:
        b.rod((0.0, reach + 0.04, z - 0.02), 0.03, 0.16, m.plastic(), rot=(0.0, 1.57, 0.3))


def gripper(b: SceneBuilder, m: Materials, behind: float) -> None:
    """Robot arm with two fingers that point down; its base is at most `behind` metres away."""
    rng = m.rng
    shell = m.plastic() if rng.random() < 0.5 else m.white
    z = rng.uniform(0.08, 0.3)
    gap = rng.uniform(0.02, 0.09)
    for side in (-1, 1):
        b.box((side * gap / 2, 0, z + 0.03), (0.014, 0.022, 0.07), m.dark)
    b.box((0, 0, z + 0.09), (0.19, 0.06, 0.06), m.dark if rng.random() < 0.5 else shell)
    b.rod((0, 0, z + 0.16), 0.085, 0.09, m.metal())
    foot = -min(behind, rng.uniform(0.35, 0.9))
    elbow = (0.0, foot * rng.uniform(0.55, 0.9), z + rng.uniform(0.3, 0.6))
    b.ball((0, 0, z + 0.22), (0.12, 0.12, 0.12), shell)
    b.strut((0, 0, z + 0.22), elbow, 0.085, shell)
    b.ball(elbow, (0.14, 0.14, 0.14), m.dark)
    b.strut(elbow, (0.0, foot, 0.0), 0.1, shell, top=1.2)
    b.rod((0.0, foot, 0.02), 0.15, 0.04, m.dark)
