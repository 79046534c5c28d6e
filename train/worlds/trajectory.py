# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A smooth camera walk through one room, as a video with poses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.records import RawSample
from train.worlds.cameras import draw_camera, grid_rays
from train.worlds.generate import build_world, random_source
from train.worlds.render.assets import Assets
from train.worlds.render.sensor import expose
from train.worlds.render.view import Pose, probe, render

# Pictures averaged per frame, because the noise of bounced light would flicker in a video.
PASSES = 4
STEP = 0.03  # metres per frame


def _turned(rotation: NDArray[np.float64], yaw: float, pitch: float) -> NDArray[np.float64]:
    """Turn a camera about its own vertical and sideways axes."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return rotation @ about_y @ about_x


def trajectory(
    seed: int,
    frames: int,
    size: tuple[int, int],
) -> Iterator[tuple[RawSample, Pose]]:
    """Yield (sample, pose) of a walk: one room, one camera, one exposure, noise per frame.

    size: (height, width). The pose's rotation takes camera axes (x right, y down, z forward) to
    the world (z up); metres.
    """
    assets = Assets.none()
    rng = random_source(seed, 0, 5)
    world = build_world('indoor', rng, assets)
    camera = draw_camera(rng, size[1], size[0], 'indoor')
    pose = max(
        (world.pose(rng, camera) for _ in range(8)),
        key=lambda p: float(np.median(probe(world.scene, p.position, grid_rays(camera, p)))),
    )
    ahead = pose.rotation[:, 2] * (1.0, 1.0, 0.0)
    side = rng.choice([-1.0, 1.0])
    room = float(probe(world.scene, pose.position, (ahead + 1e-9)[None])[0])
    length = min(STEP * (frames - 1), max(0.0, 0.6 * room - 0.4))
    look_seed = int(rng.integers(1 << 62))
    for index in range(frames):
        share = index / max(1, frames - 1)
        smooth = share * share * (3.0 - 2.0 * share)
        position = np.array(pose.position) + ahead * (length * smooth)
        position[2] += 0.012 * np.sin(9.0 * share)
        rotation = _turned(
            pose.rotation, side * 0.25 * np.sin(np.pi * share), 0.02 * np.sin(6.0 * share)
        )
        here = Pose((float(position[0]), float(position[1]), float(position[2])), rotation)
        first = (seed * 1009 + index) * PASSES
        passes = [render(world.scene, camera, here, assets, first + k) for k in range(PASSES)]
        colour, depth = np.mean([p[0] for p in passes], 0), passes[0][1]
        look = np.random.default_rng(look_seed)  # same exposure and lens in every frame
        yield (
            RawSample(
                expose(colour, look, np.random.default_rng((look_seed, index))), depth, camera
            ),
            here,
        )
