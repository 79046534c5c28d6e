# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw cameras and poses typical of robots, hand-held cameras and cars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from train.worlds.places.shell import RoomPlan
from train.worlds.places.streets import Spot
from train.worlds.render.scene import Scene
from train.worlds.render.view import Pose, look, occupied, probe

TRIES = 24
# Fewer tries indoors, where some wishes are met by few views.
INDOOR_TRIES = 12
# Share of the views in rooms with cabinets that show one from close by.
COUNTER_SHARE = 0.17
# Share of the views into a room that reach far, along its length or through an opening.
FAR_SHARE = 0.4
# Least relief of the view of a table, see `_relief`.
RELIEF = 0.1


def draw_camera(rng: Generator, width: int, height: int, kind: str) -> Camera:
    """Pinhole camera: vertical field of view 22-85 degrees, slightly off-centre."""
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
    """Return the world rays of a coarse 8 x 6 grid of pixels, with camera-Z component 1."""
    return _camera_rays(camera) @ pose.rotation.T


@lru_cache(maxsize=4)  # shared by all tries for a pose
def _camera_rays(camera: Camera) -> np.ndarray:
    x = (np.linspace(0, camera.width - 1, 8) - camera.cx) / camera.fx
    y = (np.linspace(0, camera.height - 1, 6) - camera.cy) / camera.fy
    gx, gy = np.meshgrid(x, y)
    return np.stack([gx, gy, np.ones_like(gx)], -1).reshape(-1, 3)


def _view(scene: Scene, camera: Camera, pose: Pose) -> NDArray[np.float32]:
    """Return the sorted depths (metres) on a coarse grid of pixels."""
    return np.sort(probe(scene, pose.position, grid_rays(camera, pose)))


@dataclass(frozen=True)
class Wish:
    """Requirements on a view: `share` of it is nearer than `near`, its median beyond `median`.

    far: the farthest tenth of it is beyond this (metres).
    """

    share: float
    near: float
    median: float
    far: float = 0.0

    def met_by(self, depths: NDArray[np.float32]) -> float:
        """Return how well sorted depths meet the requirements: 1 or more if they do."""
        met = float(depths[len(depths) // 2]) / self.median
        if self.share:
            edge = float(depths[int(self.share * len(depths))])
            met = min(met, self.near / max(edge, 1e-3))
        if self.far:
            met = min(met, float(depths[int(0.9 * len(depths))]) / self.far)
        return met


def _relief(depths: NDArray[np.float32]) -> float:
    """Return how far the depths of `grid_rays` are from those of a plane, 0 for a plane.

    The inverse depth of a plane is linear in the pixel.
    """
    inverse = 1.0 / depths.reshape(6, 8)
    return float(np.abs(np.diff(inverse, 2, axis=1)).max() / inverse.mean())


def draw_wish(rng: Generator) -> Wish:
    """Draw a view into the room or through a door, at a wall, or past a nearby object."""
    if rng.random() < 0.16:
        near = rng.uniform(0.5, 1.4)
        return Wish(rng.uniform(0.1, 0.35), near, near * rng.uniform(1.3, 2.2))
    far = float(rng.uniform(4.0, 9.0)) if rng.random() < FAR_SHARE else 0.0
    return Wish(0.0, 0.0, float(rng.choice([1.2, 2.0, 2.5, 3.0, 3.5, 4.0])), far)


def _room_place(
    rng: Generator, plan: RoomPlan, steep: bool
) -> tuple[float, float, float, float, float]:
    """Draw x, y, z in a room or on a threshold, and yaw and pitch of a view into the room."""
    height = rng.uniform(1.2, 1.75) if steep or rng.random() < 0.6 else rng.uniform(0.2, 1.3)
    x0, y0, x1, y1 = 0.25, 0.25, plan.width - 0.25, plan.depth - 0.25
    if plan.beyond and rng.random() < 0.2:
        x0, y0, x1, y1 = plan.beyond[int(rng.integers(len(plan.beyond)))]
    u, v = rng.beta(0.8, 0.8, 2)  # often near a wall, where one sees most of the room
    x, y = x0 + u * (x1 - x0), y0 + v * (y1 - y0)
    tx, ty = rng.uniform(0, plan.width), rng.uniform(0, plan.depth)
    if math.hypot(tx - x, ty - y) < 1.2:  # into the room, not at its nearest corner
        tx, ty = plan.width - x, plan.depth - y
    pitch = float(np.clip(rng.normal(-0.13, 0.16), -0.6, 0.4))
    if steep:
        pitch = rng.uniform(-0.95, -0.3)
    return x, y, min(height, plan.height - 0.3), math.atan2(ty - y, tx - x), pitch


def _counter_place(rng: Generator, plan: RoomPlan) -> tuple[float, float, float, float, float]:
    """Draw x, y, z 0.3-1.5 m from a cabinet or table, and yaw and pitch towards its edge."""
    counter = plan.counters[int(rng.integers(len(plan.counters)))]
    c, s = math.cos(counter.yaw), math.sin(counter.yaw)
    out, aside = rng.uniform(0.3, 1.5), rng.uniform(-0.5, 0.5) * (counter.width + 1.0)
    x = float(np.clip(counter.x + c * out - s * aside, 0.2, plan.width - 0.2))
    y = float(np.clip(counter.y + s * out + c * aside, 0.2, plan.depth - 0.2))
    z = rng.uniform(1.2, 1.75) if rng.random() < 0.75 else rng.uniform(0.3, 1.2)
    at = rng.uniform(-0.5, 0.5) * counter.width
    dx, dy = counter.x - s * at - x, counter.y + c * at - y
    dz = counter.height - rng.uniform(-0.1, 0.6) - z
    pitch = max(-1.2, math.atan2(dz, math.hypot(dx, dy)))
    return x, y, z, math.atan2(dy, dx) + rng.normal(0.0, 0.1), pitch


def indoor_pose(rng: Generator, scene: Scene, plan: RoomPlan, camera: Camera) -> Pose:
    """Draw the pose of a robot's or hand-held camera; some show a cabinet, see `draw_wish`."""
    fallback = look((plan.width / 2, plan.depth / 2, 1.4), 0.0, -0.1)
    wish, steep, best = draw_wish(rng), rng.random() < 0.2, 0.0
    at_counter = bool(plan.counters) and rng.random() < COUNTER_SHARE
    if at_counter:
        wish = Wish(0.0, 0.0, 0.5)
    for _ in range(INDOOR_TRIES):
        x, y, z, yaw, pitch = (
            _counter_place(rng, plan) if at_counter else _room_place(rng, plan, steep)
        )
        pose = look((x, y, z), yaw, pitch, rng.normal(0.0, 0.035))
        if occupied(scene, pose.position):
            continue
        depths = _view(scene, camera, pose)
        if depths[2] > 0.3 and wish.met_by(depths) > best:
            fallback, best = pose, wish.met_by(depths)
        if best >= 1.0:
            break
    return fallback


def tabletop_pose(
    rng: Generator,
    scene: Scene,
    target: tuple[float, float, float],
    plan: RoomPlan,
    camera: Camera,
) -> Pose:
    """Draw a pose 0.4-1.6 m from a point on a table, looking down 12-88 degrees; some are nearer.

    The nearest object fills a few per cent of the picture, so that one of known size is visible.
    """
    pose = look((target[0], target[1], target[2] + 1.0), 0.0, -1.4)
    closest = 0.25 if rng.random() < 0.1 else 0.4
    for _ in range(TRIES):
        yaw = rng.uniform(-math.pi, math.pi)
        down = math.radians(rng.triangular(12.0, 35.0, 88.0))
        away = math.exp(rng.uniform(math.log(closest), math.log(1.6)))
        aim = (target[0] + rng.uniform(-0.3, 0.3), target[1] + rng.uniform(-0.25, 0.25), target[2])
        x = aim[0] - away * math.cos(down) * math.cos(yaw)
        y = aim[1] - away * math.cos(down) * math.sin(yaw)
        z = aim[2] + away * math.sin(down)
        if not (
            0.2 < x < plan.width - 0.2 and 0.2 < y < plan.depth - 0.2 and z < plan.height - 0.2
        ):
            continue
        turned = yaw + rng.normal(0.0, 0.1), -down + rng.normal(0.0, 0.08), rng.normal(0.0, 0.06)
        if occupied(scene, (x, y, z)):
            continue
        pose = look((x, y, z), *turned)
        depths = probe(scene, pose.position, grid_rays(camera, pose))
        near = np.sort(depths)
        if (
            near[2] > 0.5 * closest
            and near[len(near) // 2] > 0.9 * closest
            and _relief(depths) > RELIEF
        ):
            break
    return pose


def street_pose(
    rng: Generator,
    scene: Scene,
    spots: list[Spot],
    camera: Camera,
) -> Pose:
    """Draw the pose of a car's, pedestrian's or robot's camera; cars take very wide pictures."""
    if camera.width > 2.5 * camera.height and rng.random() < 0.8:
        spots = [spot for spot in spots if spot.car]
    pose = look((0.0, 0.0, 1.6), math.pi / 2, 0.0)
    for _ in range(TRIES):
        spot = spots[int(rng.integers(len(spots)))]
        y = spot.y + rng.uniform(-spot.slack, spot.slack)
        aside = not spot.foreground and rng.random() < (0.3 if spot.car else 0.5)
        turn = rng.uniform(-1.6, 1.6) if aside else rng.normal(0.0, 0.05)
        pitch = rng.normal(0.0, 0.03) if spot.low > 1.1 else rng.normal(-0.03, 0.1)
        height = rng.uniform(spot.low, spot.high)
        roll = rng.normal(0.0, 0.012)
        if occupied(scene, (spot.x, y, height)):
            continue
        pose = look((spot.x, y, height), spot.yaw + turn, pitch, roll)
        depths = _view(scene, camera, pose)
        close, middle = (0.3, 1.5) if spot.foreground else (1.5, 5.0)
        if depths[2] > close and depths[len(depths) // 2] > middle:
            break
    return pose
