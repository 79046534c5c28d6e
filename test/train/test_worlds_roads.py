# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Roads: flat marks of real sizes, and free junctions."""

import math

import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from train.worlds.generate import random_source
from train.worlds.kernels import layout as L
from train.worlds.materials import Materials
from train.worlds.materials.road_marks import ENDLESS, LETTERS, Mark
from train.worlds.places.road_lines import Carriageway
from train.worlds.places.sky import draw_sky
from train.worlds.places.streets import Street, outdoor_scene
from train.worlds.render.assets import Assets
from train.worlds.render.launch import render_cpu
from train.worlds.render.scene import SceneBuilder
from train.worlds.render.view import look, probe, scene_arrays

ABOVE = Camera(96.0, 96.0, 63.5, 63.5, 128, 128)  # from 6 m: 16 pixels per metre


def _from_above(marks: list[Mark]) -> tuple[np.ndarray, np.ndarray]:
    """Brightness and depth of a road with marks, seen from 6 m above."""
    m, b = Materials(random_source(1), Assets.none()), SceneBuilder()
    road = m.road((0.1, 0.1, 0.1), 3.5, 4.0, marks, 0.0)
    b.box((0, 0, -0.5), (8.0, 40.0, 1.0), road, exact=True, bevel=0.0)
    scene = b.finish(m.array(), draw_sky(random_source(3), b, 0))
    pose = look((0.0, 0.0, 6.0), math.pi / 2, -math.pi / 2)
    arrays = scene_arrays(scene, ABOVE, pose, Assets.none(), 1)
    colour, depth, _ = render_cpu(arrays, 128, 128)
    return colour.mean(axis=2), depth


@pytest.mark.parametrize(
    ('kind', 'size', 'p', 'area'),
    [
        (L.FILL, (0.3, 4.0), (), 1.2),
        (L.STRIPED, (0.5, 6.0), (1.0, 0.5), 1.5),
        (L.FRAME, (2.0, 3.0), (0.2, 0.0), 2.0 * 3.0 - 1.6 * 2.6),
        (L.DISC, (1.0, 1.0), (), None),
        (L.GLYPH, (1.5, 2.5), (LETTERS['T'],), 7 * 0.25),
    ],
)
def test_marks_are_flat_and_as_large_as_in_real_life(
    kind: int, size: tuple[float, float], p: tuple[float, ...], area: float | None
) -> None:
    mark = Mark(kind, 0.5, -0.2, *size, (0.6, 0.6, 0.6), 0.4, p, cover=1.0, wear=0.0)
    bright, depth = _from_above([mark])
    share = (bright / _from_above([])[0] - 1.0) / 5.0  # six times as bright as the road
    painted = float(share.sum()) / 16.0**2
    if area is None:  # the middle is fainter than the rim
        assert 0.5 * math.pi / 4 < painted < math.pi / 4
    else:
        assert painted == pytest.approx(area, rel=0.03)
    assert np.abs(depth - 6.0).max() < 1e-3


def test_lines_end_before_a_junction_and_endless_marks_come_first() -> None:
    for seed in range(20):
        way = Carriageway(random_source(seed), 3.3, 4, 6.9, (10.0, 30.0))
        marks = way.marks((0.15, 0.15, 0.15), bare=False)
        long = [mark.long >= ENDLESS for mark in marks]
        assert long == sorted(long, reverse=True)
        for mark in marks[: sum(long)]:
            whole = mark.long > 1500.0  # not interrupted by junctions: asphalt and its seams
            assert whole or not mark.y - mark.long / 2 < 20.0 < mark.y + mark.long / 2


def test_nothing_stands_on_the_crossing_road() -> None:
    seen = 0
    for seed in range(24):
        crossing = Street(random_source(seed), Assets.none()).road.crossing
        if crossing is None:
            continue
        seen += 1
        scene, _ = outdoor_scene(random_source(seed), Assets.none())
        rays = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
        assert probe(scene, (0.0, crossing[0], 1.0), rays).min() > 40.0, seed
    assert seen >= 4
