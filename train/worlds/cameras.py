# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing cameras and poses as robots, hands and cars hold them."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from dmd_ros.core.camera import Camera
from train.worlds.render import Pose, look, probe
from train.worlds.scene import Scene
from train.worlds.shell import RoomPlan

TRIES = 24


def draw_camera(rng: Generator, width: int, height: int, kind: str) -> Camera:
    """Pinhole camera: vertical field of view 25-100 degrees, slightly off-centre."""
    aspect = width / height
    if kind == 'outdoor':
        low, high = (22.0, 40.0) if aspect > 2.5 else (25.0, 75.0)
        vfov = rng.uniform(low, high) if rng.random() < 0.65 else rng.uniform(26.0, 34.0)
    else:
        vfov = rng.normal(49.0, 6.0) if rng.random() < 0.5 else rng.uniform(30.0, 85.0)
    widest = 2 * math.degrees(math.atan(math.tan(math.radians(60.0)) / aspect))
    vfov = float(np.clip(vfov, 22.0, min(100.0, widest)))
    focal = height / 2 / math.tan(math.radians(vfov) / 2)
    return Camera(
        focal,
        focal * float(rng.normal(1.0, 0.004)),
        (width - 1) / 2 + rng.normal(0.0, 0.012) * width,
        (height - 1) / 2 + rng.normal(0.0, 0.012) * height,
        width,
        height,
    )


def grid_rays(camera: Camera, pose: Pose) -> np.ndarray:
    """World rays of a coarse 8 x 6 grid of pixels, camera-Z component 1."""
    x = (np.linspace(0, camera.width - 1, 8) - camera.cx) / camera.fx
    y = (np.linspace(0, camera.height - 1, 6) - camera.cy) / camera.fy
    gx, gy = np.meshgrid(x, y)
    rays = np.stack([gx, gy, np.ones_like(gx)], -1).reshape(-1, 3)
    return rays @ pose.rotation.T


def _view(scene: Scene, camera: Camera, pose: Pose) -> tuple[float, float]:
    """Third nearest and median depth on a coarse grid of pixels, metres."""
    near = np.sort(probe(scene, pose.position, grid_rays(camera, pose)))
    return float(near[2]), float(near[len(near) // 2])


def indoor_pose(rng: Generator, scene: Scene, plan: RoomPlan, camera: Camera) -> Pose:
    """Robot or hand-held camera in a room; most views look into the room, some at a wall."""
    fallback = look((plan.width / 2, plan.depth / 2, 1.4), 0.0, -0.1)
    wanted = rng.choice([0.7, 1.4, 1.9, 2.4])
    best = 0.0
    for _ in range(TRIES):
        height = rng.uniform(1.2, 1.75) if rng.random() < 0.6 else rng.uniform(0.2, 1.3)
        x, y = rng.uniform(0.25, plan.width - 0.25), rng.uniform(0.25, plan.depth - 0.25)
        tx, ty = rng.uniform(0, plan.width), rng.uniform(0, plan.depth)
        pitch = float(np.clip(rng.normal(-0.16, 0.17), -0.7, 0.4))
        roll = rng.normal(0.0, 0.035)
        if math.hypot(tx - x, ty - y) < 1.2:
            continue
        pose = look(
            (x, y, min(height, plan.height - 0.3)), math.atan2(ty - y, tx - x), pitch, roll
        )
        near, median = _view(scene, camera, pose)
        if near > 0.3 and median > best:
            fallback, best = pose, median
        if best > wanted:
            break
    return fallback


def tabletop_pose(
    rng: Generator,
    scene: Scene,
    target: tuple[float, float, float],
    plan: RoomPlan,
    camera: Camera,
) -> Pose:
    """Camera 0.4-1.5 m from a table, looking down 15-70 degrees."""
    pose = look((target[0], target[1], target[2] + 1.0), 0.0, -1.4)
    for _ in range(TRIES):
        yaw = rng.uniform(-math.pi, math.pi)
        down = math.radians(rng.uniform(15.0, 70.0))
        away = rng.uniform(0.4, 1.5)
        aim = (target[0] + rng.uniform(-0.3, 0.3), target[1] + rng.uniform(-0.25, 0.25), target[2])
        x = aim[0] - away * math.cos(down) * math.cos(yaw)
        y = aim[1] - away * math.cos(down) * math.sin(yaw)
        z = aim[2] + away * math.sin(down)
        if not (
            0.2 < x < plan.width - 0.2 and 0.2 < y < plan.depth - 0.2 and z < plan.height - 0.2
        ):
            continue
        pose = look(
            (x, y, z),
            yaw + rng.normal(0.0, 0.1),
            -down + rng.normal(0.0, 0.08),
            rng.normal(0.0, 0.06),
        )
        near, median = _view(scene, camera, pose)
        if near > 0.18 and median > 0.3:
            break
    return pose


def street_pose(
    rng: Generator,
    scene: Scene,
    spots: list[tuple[float, float, float, float, float]],
    camera: Camera,
) -> Pose:
    """Camera of a car, a walker or a robot at one of the spots (x, y, yaw, low, high)."""
    pose = look((0.0, 0.0, 1.6), math.pi / 2, 0.0)
    for _ in range(TRIES):
        x, y, yaw, low, high = spots[int(rng.integers(len(spots)))]
        y += rng.uniform(-12.0, 12.0)
        turn = rng.normal(0.0, 0.05) if rng.random() < 0.6 else rng.normal(0.0, 0.6)
        pitch = rng.normal(-0.02, 0.03) if low > 1.1 else rng.normal(-0.06, 0.1)
        pose = look((x, y, rng.uniform(low, high)), yaw + turn, pitch, rng.normal(0.0, 0.012))
        near, median = _view(scene, camera, pose)
        if near > 1.0 and median > 2.5:
            break
    return pose
