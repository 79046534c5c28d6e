# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the scenes and their cameras promise: closed rooms, foregrounds, near tables."""

import math

import numpy as np

from dmd_ros.core.camera import Camera
from train.worlds.assets import Assets
from train.worlds.cameras import grid_rays, street_pose, tabletop_pose
from train.worlds.generate import random_source
from train.worlds.render import probe
from train.worlds.rooms import indoor_scene
from train.worlds.streets import outdoor_scene
from train.worlds.tabletop import tabletop_scene

CAMERA = Camera(110.0, 110.0, 79.5, 59.5, 160, 120)
WIDE = Camera(110.0, 110.0, 199.5, 59.5, 400, 120)


def test_rooms_are_closed_where_one_stands_behind_their_doorways() -> None:
    angles = np.linspace(0.0, 2.0 * math.pi, 90, endpoint=False)
    rays = np.stack([np.cos(angles), np.sin(angles), np.full(90, 0.05)], 1)
    deeper = 0
    for seed in range(8):
        scene, plan = indoor_scene(random_source(seed), Assets.none())
        for x0, y0, x1, y1 in plan.beyond:
            middle = ((x0 + x1) / 2, (y0 + y1) / 2, 2.25)
            assert not (0 < middle[0] < plan.width and 0 < middle[1] < plan.depth)
            assert np.isfinite(probe(scene, middle, rays)).all()
            deeper += 1
    assert deeper >= 6


def test_something_stands_right_before_foreground_spots() -> None:
    for seed in range(8):
        scene, spots = outdoor_scene(random_source(seed), Assets.none())
        spot = next(s for s in spots if s.foreground)
        yaw = spot.yaw + np.linspace(-0.5, 0.5, 101)  # level: the ground is not among it
        rays = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(101)], 1)
        assert probe(scene, (spot.x, spot.y, 0.5), rays).min() < 3.0


def test_very_wide_pictures_are_mostly_those_of_cars() -> None:
    scene, spots = outdoor_scene(random_source(1), Assets.none())
    lanes = {s.x for s in spots if s.car}
    rng = random_source(2)
    on_lane = [street_pose(rng, scene, spots, WIDE).position[0] in lanes for _ in range(40)]
    assert np.mean(on_lane) > 0.75


def test_cameras_come_near_to_tables_and_see_more_than_a_plane() -> None:
    medians = []
    for seed in range(12):
        scene, target, plan = tabletop_scene(random_source(seed), Assets.none())
        pose = tabletop_pose(random_source(seed, 1), scene, target, plan, CAMERA)
        depths = probe(scene, pose.position, grid_rays(CAMERA, pose))
        medians.append(np.median(depths))
        inverse = 1.0 / depths.reshape(6, 8)
        assert np.abs(np.diff(inverse, 2, axis=1)).max() > 0.02 * inverse.mean()
    assert 0.3 < np.median(medians) < 1.2
