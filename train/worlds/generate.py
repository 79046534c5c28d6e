# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An endless, deterministic source of metric RGB-D frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.errors import TrainError
from train.worlds.cameras import draw_camera, indoor_pose, street_pose, tabletop_pose
from train.worlds.places.rooms import indoor_scene
from train.worlds.places.streets import outdoor_scene
from train.worlds.places.tabletop import tabletop_scene
from train.worlds.render.assets import Assets
from train.worlds.render.launch import render_cpu
from train.worlds.render.scene import Scene
from train.worlds.render.sensor import expose
from train.worlds.render.view import Pose, scene_arrays

KINDS: Mapping[str, float] = {'indoor': 0.45, 'tabletop': 0.2, 'outdoor': 0.35}
# Added to a seed for evaluation; training seeds are below it, so the two never coincide.
EVALUATION_SEED = 1 << 32
# Views of one scene are consecutive; a prime stride reaches a new scene each time.
SCENE_STRIDE = 7
# Frames that share a picture size when sizes are drawn, so that aligned batches of 32 stack.
SIZE_BLOCK = 32
ASPECTS = ((4 / 3, 0.5), (16 / 9, 0.2), (3.3, 0.2), (1.0, 0.1))


@dataclass(frozen=True)
class WorldConfig:
    """Settings of the frames to render.

    size: (height, width) in pixels, or None to draw the aspect ratio per block of 32 frames.
    kinds: weights of the kinds of world.
    views: frames that share one scene.
    area: approximate number of pixels, if size is None.
    cameras: tan(vfov / 2) of the only lens of a kind, as in data sets taken with one camera; the
    lenses of other kinds are drawn.
    """

    size: tuple[int, int] | None = (192, 256)
    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS))
    views: int = 4
    area: int = 192 * 256
    stride: int = 32
    size_block: int = SIZE_BLOCK
    cameras: Mapping[str, float] = field(default_factory=dict)


def held_out(seed: int) -> int:
    """Return a seed for evaluation, never a training seed (0 <= seed < 2**32)."""
    if not 0 <= seed < EVALUATION_SEED:
        raise TrainError(f'seed {seed} must be in [0, 2**32); held-out worlds use larger ones')
    return seed + EVALUATION_SEED


def random_source(*key: int) -> Generator:
    """Return an independent random generator for each key."""
    return np.random.default_rng(key)


@dataclass(frozen=True)
class World:
    """A scene and a function that draws poses in it: pose(rng, camera) -> Pose."""

    kind: str
    scene: Scene
    pose: Callable[[Generator, Camera], Pose]


def build_world(kind: str, rng: Generator, assets: Assets) -> World:
    """Build a random scene of the given kind."""
    if kind == 'indoor':
        scene, plan = indoor_scene(rng, assets)
        return World(kind, scene, lambda r, camera: indoor_pose(r, scene, plan, camera))
    if kind == 'tabletop':
        scene, target, room = tabletop_scene(rng, assets)
        return World(kind, scene, lambda r, camera: tabletop_pose(r, scene, target, room, camera))
    if kind == 'outdoor':
        scene, spots = outdoor_scene(rng, assets)
        return World(kind, scene, lambda r, camera: street_pose(r, scene, spots, camera))
    raise TrainError(f'unknown kind {kind!r}; allowed: {", ".join(KINDS)}')


@dataclass(frozen=True)
class Frame:
    """Input of a renderer: the scene tuple, the camera, and random numbers for its sensor.

    pose: of the camera in the scene, whose floor, road or meadow is at z = 0.
    """

    arrays: tuple[Any, ...]
    camera: Camera
    pose: Pose
    rng: Generator


class Worlds:
    """Random access to the frames of one seed: `worlds[i]` depends on (seed, i, config) only."""

    def __init__(
        self, seed: int, config: WorldConfig | None = None, assets: Assets | None = None
    ) -> None:
        self.seed = seed
        self.config = config or WorldConfig()
        self.assets = assets or Assets.none()
        unknown = set(self.config.kinds) - set(KINDS)
        if unknown:
            raise TrainError(f'unknown kinds {sorted(unknown)}; allowed: {", ".join(KINDS)}')
        weights = self.config.kinds.values()
        if not all(0.0 <= weight < math.inf for weight in weights) or sum(weights) <= 0:
            raise TrainError(
                f'weights of kinds {dict(self.config.kinds)} must be numbers >= 0, not all 0'
            )
        self._world = lru_cache(maxsize=2)(self._build)

    def _build(self, number: int) -> World:
        rng = random_source(self.seed, number, 1)
        return build_world(self.kind(number), rng, self.assets)

    def size(self, index: int) -> tuple[int, int]:
        """Return the (height, width) of a frame."""
        if self.config.size is not None:
            return self.config.size
        rng = random_source(self.seed, index // self.config.size_block, 2)
        aspect = float(rng.choice([a for a, _ in ASPECTS], p=[p for _, p in ASPECTS]))
        step = self.config.stride
        height = max(step, round(math.sqrt(self.config.area / aspect) / step) * step)
        return height, max(step, round(self.config.area / height / step) * step)

    def kind(self, number: int) -> str:
        """Return the kind of scene `number`."""
        names = sorted(self.config.kinds)
        weights = np.array([self.config.kinds[n] for n in names], float)
        height, width = self.size(number * self.config.views)
        if width > 2.5 * height and self.config.kinds.get('outdoor', 0.0) > 0.0:
            return 'outdoor'
        return str(random_source(self.seed, number, 3).choice(names, p=weights / weights.sum()))

    def frame(self, index: int) -> Frame:
        """Build frame `index` up to the point where it can be rendered."""
        number = index // self.config.views
        world = self._world(number)
        rng = random_source(self.seed, index, 4)
        height, width = self.size(index)
        camera = draw_camera(rng, width, height, world.kind)
        if world.kind in self.config.cameras:
            focal = height / (2.0 * self.config.cameras[world.kind])
            camera = replace(camera, fx=focal, fy=focal)
        pose = world.pose(rng, camera)
        seed = int(rng.integers(1 << 20))
        arrays = scene_arrays(world.scene, camera, pose, self.assets, seed)
        return Frame(arrays, camera, pose, rng)

    def __getitem__(self, index: int) -> RawSample:
        """Render frame `index`."""
        frame = self.frame(index)
        colour, depth, _ = render_cpu(frame.arrays, frame.camera.height, frame.camera.width)
        return RawSample(expose(colour, frame.rng), depth, frame.camera)
