# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render a scene from a pose: from arrays to linear colour and metric depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.camera import Camera
from train.worlds.kernels import layout as L
from train.worlds.kernels.bvh import closest_hit, thread_tree
from train.worlds.kernels.intersect import hit_primitive
from train.worlds.kernels.jit import host
from train.worlds.render.assets import Assets
from train.worlds.render.launch import render_cpu
from train.worlds.render.scene import Scene


@dataclass(frozen=True)
class Pose:
    """Position of the camera (world, metres) and rotation from camera axes to the world."""

    position: tuple[float, float, float]
    rotation: NDArray[np.float64]  # [3, 3], columns: right, down, forward in the world


def look(
    position: tuple[float, float, float], yaw: float, pitch: float, roll: float = 0.0
) -> Pose:
    """Return a pose looking along yaw (0 = +x, towards +y) and pitch (up positive), with roll."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    c, s = math.cos(roll), math.sin(roll)
    forward, right, down = (cp * cy, cp * sy, sp), (sy, -cy, 0.0), (sp * cy, sp * sy, -cp)
    rows = [
        (c * r + s * d, c * d - s * r, f) for r, d, f in zip(right, down, forward, strict=True)
    ]
    return Pose(position, np.array(rows))


def scene_arrays(scene: Scene, camera: Camera, pose: Pose, assets: Assets, seed: int) -> tuple:
    """Return all arrays that the device functions need, in the order of layout.S_*."""
    env = scene.sky.copy()
    env[L.E_POS : L.E_POS + 3] = pose.position
    env[L.E_ROT : L.E_ROT + 9] = pose.rotation.ravel()
    env[L.E_FX], env[L.E_FY], env[L.E_CX], env[L.E_CY] = camera.fx, camera.fy, camera.cx, camera.cy
    env[L.E_OUTDOOR] = scene.outdoor
    env[L.E_AMBIENT : L.E_AMBIENT + 3] = scene.ambient
    env[L.E_SEED] = seed % (1 << 20)
    if not scene.outdoor or not len(assets.panos):
        env[L.E_PANO] = -1.0
    boxes, links = thread_tree(*scene.tree, np.array(pose.position, np.float32))
    return (
        scene.prims,
        scene.mats,
        boxes,
        links,
        _with_flash(scene, pose) if scene.flash else scene.lights,
        env,
        *assets.textures,
    )


def _with_flash(scene: Scene, pose: Pose) -> NDArray[np.float32]:
    """Return the light of the camera, 6 cm above its lens, followed by those of the scene."""
    row = np.zeros(L.L_COLS, np.float32)
    row[L.L_TYPE], row[L.L_RADIUS] = L.LAMP, 0.01
    row[L.L_POS : L.L_POS + 3] = pose.position - 0.06 * pose.rotation[:, 1]
    row[L.L_COLOUR : L.L_COLOUR + 3] = scene.flash
    return np.concatenate([row[None], scene.lights[:3]])


def render(
    scene: Scene,
    camera: Camera,
    pose: Pose,
    assets: Assets,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Render -> linear colour [H, W, 3] and depth [H, W] in metres along Z (+inf = sky)."""
    arrays = scene_arrays(scene, camera, pose, assets, seed)
    colour, depth, _ = render_cpu(arrays, camera.height, camera.width)
    return colour, depth


_NEAR, _FAR = np.float32(1e-4), np.float32(1e6)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@host
def _cast(prims, boxes, links, origin, directions):
    """Return distances along directions [N, 3], in units of their length; inf without a hit."""
    out = np.empty(len(directions), np.float32)
    for i in range(len(directions)):
        d = directions[i]
        t, which = closest_hit(
            prims, boxes, links, origin[0], origin[1], origin[2], d[0], d[1], d[2], _NEAR, _FAR
        )
        out[i] = t if which >= 0 else np.inf
    return out


def probe(
    scene: Scene, origin: tuple[float, float, float], directions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return distances from a point to the first surface along directions [N, 3]; inf = none."""
    start = np.array(origin, np.float32)
    boxes, links = thread_tree(*scene.tree, start)
    return _cast(scene.prims, boxes, links, start, np.ascontiguousarray(directions, np.float32))


_ABOVE = np.float32(100.0)  # metres: above all primitives that are tested from outside


@host
def _holds(prims, x, y, z):
    """Return whether rays from above and from below hit a primitive before reaching the point."""
    for i in range(len(prims)):
        down = hit_primitive(prims[i], x, y, z + _ABOVE, _ZERO, _ZERO, -_ONE, _NEAR)
        if down < _ABOVE:
            up = hit_primitive(prims[i], x, y, z - _ABOVE, _ZERO, _ZERO, _ONE, _NEAR)
            if up < _ABOVE:
                return True
    return False


def occupied(scene: Scene, point: tuple[float, float, float]) -> bool:
    """Return whether a point is in a primitive; `probe` cannot, as boxes have no inner surface."""
    x, y, z = (np.float32(v) for v in point)
    return bool(_holds(scene.prims, x, y, z))
