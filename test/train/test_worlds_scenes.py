# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Guarantees of scenes and their cameras: closed rooms, foregrounds, near tables."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from train.worlds.cameras import grid_rays, indoor_pose, street_pose, tabletop_pose
from train.worlds.generate import random_source
from train.worlds.materials import Materials
from train.worlds.materials.cellar import CellarMaterials
from train.worlds.places.cellar import STOCK, cellar_scene
from train.worlds.places.openings import annex
from train.worlds.places.rooms import build_shell, draw_plan, furnish, indoor_scene
from train.worlds.places.shell import THICK, RoomPlan
from train.worlds.places.streets import Spot, outdoor_scene
from train.worlds.places.tabletop import tabletop_scene
from train.worlds.render.assets import Assets
from train.worlds.render.scene import SceneBuilder, extents, rotations
from train.worlds.render.sensor import draw_sensor, tone_table
from train.worlds.render.view import look, probe, render
from train.worlds.things.tables import screens
from train.worlds.things.utilities import wall_bench
from train.worlds.things.workbench import gripper

CAMERA = Camera(110.0, 110.0, 79.5, 59.5, 160, 120)
WIDE = Camera(110.0, 110.0, 199.5, 59.5, 400, 120)


def test_rooms_are_closed_as_seen_from_behind_their_doorways() -> None:
    angles = np.linspace(0.0, 2.0 * math.pi, 90, endpoint=False)
    rays = np.stack([np.cos(angles), np.sin(angles), np.full(90, 0.05)], 1)
    deeper = 0
    for seed in range(8):
        scene, plan = indoor_scene(random_source(seed), Assets.none())
        for x0, y0, x1, y1 in plan.beyond:
            middle = ((x0 + x1) / 2, (y0 + y1) / 2, min(2.25, plan.height - 0.05))
            assert not (0 < middle[0] < plan.width and 0 < middle[1] < plan.depth)
            assert np.isfinite(probe(scene, middle, rays)).all()
            deeper += 1
    assert deeper >= 6


def test_foreground_spots_have_an_object_right_in_front() -> None:
    for seed in range(8):
        scene, spots = outdoor_scene(random_source(seed), Assets.none())
        spot = next(s for s in spots if s.foreground)
        yaw = spot.yaw + np.linspace(-0.5, 0.5, 101)  # level, so that the ground is not hit
        rays = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(101)], 1)
        assert probe(scene, (spot.x, spot.y, 0.5), rays).min() < 3.0


def test_people_bins_and_fences_stand_on_the_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    feet: list[tuple[float, float, float]] = []

    def stand(b: SceneBuilder, *_: object) -> None:
        feet.append(b.world(0.0, 0.0, 0.0))

    for name in ('person', 'roadside.bin_', 'roadside.fence'):
        monkeypatch.setattr(f'train.worlds.places.streets.{name}', stand)
    gaps = []
    for seed in range(4):
        feet.clear()
        scene, _ = outdoor_scene(random_source(seed), Assets.none())
        down = np.array([[0.0, 0.0, -1.0]])
        gaps += [probe(scene, (x, y, z + 0.3), down)[0] - 0.3 for x, y, z in feet]
    assert len(gaps) > 20
    assert np.mean(np.abs(gaps) < 0.03) > 0.9


def test_very_wide_pictures_are_mostly_from_cars() -> None:
    scene, spots = outdoor_scene(random_source(1), Assets.none())
    lanes = {s.x for s in spots if s.car}
    rng = random_source(2)
    on_lane = [street_pose(rng, scene, spots, WIDE).position[0] in lanes for _ in range(40)]
    assert np.mean(on_lane) > 0.75


def test_no_camera_is_inside_a_thing() -> None:
    """Boxes have no inner surface, so rays from inside do not reveal them."""
    m, b = Materials(random_source(0), Assets.none()), SceneBuilder()
    b.box((0, 0, -0.5), (40, 40, 1.0), m.white)
    b.box((0, 0, 1.5), (3, 3, 3), m.white)
    scene, plan = b.finish(m.array()), RoomPlan(4.0, 4.0, 2.5)
    spots, table = [Spot(0.0, 0.0, 0.0, 0.3, 1.7, slack=4.0)], (1.8, 1.8, 0.7)
    for seed in range(20):
        for pose in (
            indoor_pose(random_source(seed), scene, plan, CAMERA),
            tabletop_pose(random_source(seed), scene, table, plan, CAMERA),
            street_pose(random_source(seed), scene, spots, CAMERA),
        ):
            assert max(map(abs, pose.position[:2])) > 1.5


def test_cameras_are_near_tables_and_see_more_than_a_plane() -> None:
    medians = []
    for seed in range(12):
        scene, target, plan = tabletop_scene(random_source(seed), Assets.none())
        pose = tabletop_pose(random_source(seed, 1), scene, target, plan, CAMERA)
        depths = probe(scene, pose.position, grid_rays(CAMERA, pose))
        medians.append(np.median(depths))
        inverse = 1.0 / depths.reshape(6, 8)
        assert np.abs(np.diff(inverse, 2, axis=1)).max() > 0.02 * inverse.mean()
    assert 0.3 < np.median(medians) < 1.2


def test_furniture_stays_inside_rooms_and_second_rooms() -> None:
    pieces = 0
    for seed in range(12):
        m, b = Materials(random_source(seed), Assets.none()), SceneBuilder()
        plan = draw_plan(m.rng)
        openings = build_shell(b, m, plan)
        start = len(b.rows)
        furnish(b, m, plan, openings)
        if len(b.rows) > start:
            x0, y0, x1, y1 = b.bounds(start)
            assert min(x0, y0) > -THICK, seed
            assert x1 < plan.width + THICK and y1 < plan.depth + THICK, seed
            pieces += len(b.rows) - start
    assert pieces > 500


def test_pieces_of_cellars_stand_on_the_floor() -> None:
    for seed, piece in enumerate(STOCK.pieces * 3):
        m, b = CellarMaterials(random_source(seed), Assets.none()), SceneBuilder()
        piece(b, m)
        rows = np.array(b.rows)
        low = rows[:, 3] - extents(rows, rotations(rows))[:, 2]
        highest = 0.6 if piece is wall_bench else 0.2  # may hang on brackets
        assert -0.05 < low.min() < highest, piece.__name__
        x0, y0, x1, y1 = b.bounds(0)
        assert x1 - x0 < 3.6 and y1 - y0 < 1.3, piece.__name__


def test_cellars_are_low_and_closed() -> None:
    angles = np.linspace(0.0, 2.0 * math.pi, 40, endpoint=False)
    rays = [(math.cos(a), math.sin(a), z) for a in angles for z in (-0.6, 0.1, 0.6)]
    for seed in range(8):
        scene, plan = cellar_scene(random_source(seed), Assets.none())
        inside = plan.width / 2, plan.depth / 2, 1.6
        assert np.isfinite(probe(scene, inside, np.array(rays))).all(), seed
        assert probe(scene, inside, np.array([[0.0, 0.0, 1.0]]))[0] < 1.05, seed


def test_a_flash_lights_the_view_of_the_camera() -> None:
    scene, plan = cellar_scene(random_source(4), Assets.none())
    pose = look((plan.width / 2, plan.depth / 2, 1.4), 0.5, -0.1)
    small = Camera(30.0, 30.0, 19.5, 14.5, 40, 30)
    dark, depth = render(replace(scene, flash=0.0), small, pose, Assets.none(), 1)
    lit, same = render(replace(scene, flash=3.0), small, pose, Assets.none(), 1)
    np.testing.assert_array_equal(depth, same)
    near = (depth > 1.0) & (depth < 3.0)
    assert near.any()
    assert lit[near].mean() > dark[near].mean() + 0.02


def test_second_rooms_contain_their_furniture() -> None:
    for seed in range(20):
        m, b = Materials(random_source(seed), Assets.none()), SceneBuilder()
        opening = annex(b, m, 0, 4.0, 2.5, m.white)
        length, deep = opening.beyond
        x0, y0, x1, y1 = b.bounds(0)
        walls = 0.16  # thickness of the enclosing walls
        assert x0 > -walls and x1 < length + walls, seed
        assert y0 > -THICK - deep - walls and y1 < walls, seed


def test_screens_and_robots_stand_on_their_tables() -> None:
    for seed in range(12):
        m, b = Materials(random_source(seed), Assets.none()), SceneBuilder()
        screens(b, m, 1.1, 0.6)
        x0, y0, x1, _ = b.bounds(0)
        assert x0 > -0.56 and x1 < 0.56 and y0 > -0.31, seed
        start = len(b.rows)
        gripper(b, m, 0.2)
        assert b.bounds(start)[1] > -0.3, seed


def test_some_views_show_cabinets_from_above_and_close_by() -> None:
    near = 0
    for seed in range(12):
        scene, plan = indoor_scene(random_source(seed), Assets.none())
        assert all(0.5 < c.height < 1.2 for c in plan.counters)
        for k in range(6):
            pose = indoor_pose(random_source(seed, k), scene, plan, CAMERA)
            x, y, z = pose.position
            down = pose.rotation[2, 2] < -0.35
            away = [math.hypot(c.x - x, c.y - y) for c in plan.counters if z > c.height]
            near += down and min(away, default=9.0) < 1.6
    assert near > 6


def test_the_sky_is_neither_the_bluest_nor_the_brightest() -> None:
    m = Materials(random_source(1), Assets.none())
    walls = np.array([m.render_colour() for _ in range(200)])
    assert np.mean(walls[:, 2] > 1.3 * walls[:, 0]) > 0.1  # bluish
    assert np.mean(walls.min(axis=1) > 0.6) > 0.1  # white


def test_little_light_is_black() -> None:
    table = tone_table(replace(draw_sensor(random_source(3)), black=0.02))
    assert table[:20].max() == 0.0
    assert (np.diff(table) >= 0.0).all()
    assert table[-1] == pytest.approx(1.0)
