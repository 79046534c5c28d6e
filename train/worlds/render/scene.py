# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build scenes: primitives in nested frames, lights, and the arrays for rendering."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from train.rotation import rotation_from_euler
from train.worlds.kernels import layout as L
from train.worlds.kernels.bvh import build_tree

Vec = tuple[float, float, float]
Size = Vec  # width, depth, height
Rect = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass
class Scene:
    """A finished scene: arrays as described in kernels/layout.py, and its bounding tree."""

    prims: NDArray[np.float32]
    mats: NDArray[np.float32]
    lights: NDArray[np.float32]
    sky: NDArray[np.float32]
    tree: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]
    outdoor: bool
    ambient: Vec = (0.05, 0.05, 0.05)
    flash: float = 0.0  # light of the camera itself at 1 m


@dataclass
class SceneBuilder:
    """Collection of primitives. Positions and sizes are in metres, in the frame set by `at`."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    lights: list[tuple[float, ...]] = field(default_factory=list)
    _x: float = 0.0
    _y: float = 0.0
    _z: float = 0.0
    _yaw: float = 0.0

    @contextmanager
    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Iterator[SceneBuilder]:
        """Work in a frame at (x, y, z) of the current one, turned by yaw (radians)."""
        saved = (self._x, self._y, self._z, self._yaw)
        self._x, self._y, self._z = self.world(x, y, z)
        self._yaw += yaw
        try:
            yield self
        finally:
            self._x, self._y, self._z, self._yaw = saved

    @property
    def yaw(self) -> float:
        """Return the direction of the current frame's +x in the world (radians)."""
        return self._yaw

    def world(self, x: float, y: float, z: float) -> Vec:
        """Convert a position in the current frame to the world."""
        c, s = math.cos(self._yaw), math.sin(self._yaw)
        return self._x + c * x - s * y, self._y + s * x + c * y, self._z + z

    def world_rect(self, rect: Rect) -> Rect:
        """Convert a rectangle to the world; the frame's yaw is a multiple of 90 degrees."""
        (x0, y0, _), (x1, y1, _) = self.world(*rect[:2], 0.0), self.world(*rect[2:], 0.0)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def local_rect(self, rect: Rect) -> Rect:
        """Convert a world rectangle to the frame, whose yaw is a multiple of 90 degrees."""
        c, s = math.cos(self._yaw), math.sin(self._yaw)
        us, vs = [], []
        for x, y in (rect[:2], rect[2:]):
            us.append(c * (x - self._x) + s * (y - self._y))
            vs.append(c * (y - self._y) - s * (x - self._x))
        return min(us), min(vs), max(us), max(vs)

    def bounds(self, start: int) -> Rect:
        """Return the bounds in x and y (world) of all but the first `start` primitives."""
        rows = np.array(self.rows[start:], np.float64)
        extent = extents(rows, rotations(rows))[:, :2]
        (x0, y0), (x1, y1) = (
            (rows[:, 1:3] - extent).min(axis=0),
            (rows[:, 1:3] + extent).max(axis=0),
        )
        return float(x0), float(y0), float(x1), float(y1)

    def shift(self, start: int, x: float, y: float) -> None:
        """Move all but the first `start` primitives by (x, y) in the current frame."""
        to, at = self.world(x, y, 0.0), self.world(0.0, 0.0, 0.0)
        dx, dy = to[0] - at[0], to[1] - at[1]
        self.rows[start:] = [(r[0], r[1] + dx, r[2] + dy, *r[3:]) for r in self.rows[start:]]

    def _add(
        self,
        kind: int,
        centre: Vec,
        size: Vec,
        mat: int,
        rot: Vec,
        shape: tuple[float, ...],
        bevel: float,
        exact: bool,
    ) -> None:
        x, y, z = self.world(*centre)
        seed = 0.0 if exact else (len(self.rows) * 0.377) % 7.0 + 0.1
        self.rows.append(
            (
                kind,
                x,
                y,
                z,
                0.5 * size[0],
                0.5 * size[1],
                0.5 * size[2],
                rot[2] + self._yaw,
                rot[1],
                rot[0],
                mat,
                *shape,
                *(0.0,) * (4 - len(shape)),
                bevel,
                seed,
            )
        )

    def box(
        self,
        centre: Vec,
        size: Vec,
        mat: int,
        *,
        rot: Vec = (0.0, 0.0, 0.0),
        bevel: float = 0.004,
        exact: bool = False,
    ) -> None:
        """Box by centre and full size; rot = (roll, pitch, yaw) about x, y, z in radians."""
        self._add(L.BOX, centre, size, mat, rot, (), bevel, exact)

    def ball(self, centre: Vec, size: Vec, mat: int, *, rot: Vec = (0.0, 0.0, 0.0)) -> None:
        """Ellipsoid by centre and full size."""
        self._add(L.ELLIPSOID, centre, size, mat, rot, (), 0.0, False)

    def rod(
        self,
        centre: Vec,
        diameter: float,
        height: float,
        mat: int,
        *,
        top: float = 1.0,
        hollow: float = 0.0,
        floor: float = 0.1,
        rot: Vec = (0.0, 0.0, 0.0),
        exact: bool = False,
    ) -> None:
        """Cylinder or cone: bottom diameter, top = top/bottom; hollow = inner/outer of a cup."""
        self._add(
            L.FRUSTUM,
            centre,
            (diameter, diameter, height),
            mat,
            rot,
            (top, hollow, floor),
            0.0,
            exact,
        )

    def wedge(
        self,
        centre: Vec,
        size: Vec,
        mat: int,
        *,
        top: tuple[float, float],
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Box whose top is scaled by `top` and shifted by `shift` (in half sizes) in x and y."""
        self._add(L.WEDGE, centre, size, mat, (0.0, 0.0, 0.0), (*top, *shift), 0.0, False)

    def leaves(self, centre: Vec, size: Vec, mat: int, leaf: float, density: float) -> None:
        """Crown or bush by full size; leaf = size of leaf clusters; density about 0.5-0.8."""
        cells = max(2.0, 0.5 * min(size) / leaf)
        self._add(
            L.BLOB,
            centre,
            size,
            mat,
            (0.0, 0.0, 0.0),
            (cells, density, float(len(self.rows) % 97)),
            0.0,
            False,
        )

    def strut(self, start: Vec, end: Vec, diameter: float, mat: int, *, top: float = 1.0) -> None:
        """Round bar between two points."""
        d = [e - s for s, e in zip(start, end, strict=True)]
        length = math.sqrt(sum(v * v for v in d)) + 1e-9
        centre = tuple(0.5 * (s + e) for s, e in zip(start, end, strict=True))
        pitch = math.acos(max(-1.0, min(1.0, d[2] / length)))
        self.rod(centre, diameter, length, mat, top=top, rot=(0.0, pitch, math.atan2(d[1], d[0])))

    def lamp(self, position: Vec, colour: Vec, radius: float) -> None:
        """Lamp; colour is its light at 1 m."""
        self.lights.append((L.LAMP, *self.world(*position), *colour, radius, 0.0, 0.0, 1.0))

    def window_light(self, position: Vec, normal: Vec, colour: Vec, radius: float) -> None:
        """Light from a window, shining towards `normal` in the current frame."""
        c, s = math.cos(self._yaw), math.sin(self._yaw)
        turned = (c * normal[0] - s * normal[1], s * normal[0] + c * normal[1], normal[2])
        self.lights.append((L.WINDOW, *self.world(*position), *colour, radius, *turned))

    def sun(self, direction: Vec, colour: Vec) -> None:
        """Sun: unit vector towards it, and its light on a surface that faces it."""
        self.lights.append((L.SUN, *direction, *colour, 0.008, 0.0, 0.0, 0.0))

    def finish(
        self,
        mats: NDArray[np.float32],
        sky: NDArray[np.float32] | None = None,
        ambient: Vec = (0.05, 0.05, 0.05),
    ) -> Scene:
        """Return the arrays for rendering."""
        prims, lower, upper = primitive_arrays(np.array(self.rows, np.float64))
        # The key light casts a crisp shadow; wide windows are part of the smoothed soft light.
        lights = sorted(self.lights, key=lambda light: (light[0] == L.WINDOW, -max(light[4:7])))[
            :4
        ]
        if not lights or lights[0][0] == L.WINDOW:
            lights.insert(0, (L.LAMP, 0.0, 0.0, -50.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0, 1.0))
        env = np.zeros(L.E_COLS, np.float32)
        if sky is not None:
            env[:] = sky
        return Scene(
            prims,
            mats,
            np.array(lights, np.float32),
            env,
            build_tree(lower, upper),
            sky is not None,
            ambient,
        )


def rotations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotations [N, 3, 3] of rows of the builder."""
    yaw, pitch, roll = rows[:, 7:10].T
    return rotation_from_euler(roll, pitch, yaw)


def primitive_arrays(rows: NDArray[np.float64]) -> tuple[NDArray[np.float32], ...]:
    """Convert rows of the builder to primitives [N, P_COLS] and lower, upper bounds [N, 3]."""
    kind, centre, half = rows[:, 0], rows[:, 1:4], np.maximum(rows[:, 4:7], 5e-4)
    turn = rotations(rows)
    prims = np.zeros((len(rows), L.P_COLS), np.float32)
    inverse = np.swapaxes(turn, 1, 2) / half[:, :, None]
    affine = np.concatenate([inverse, -(inverse @ centre[:, :, None])], 2)
    prims[:, L.P_A : L.P_A + 12] = affine.reshape(-1, 12)
    prims[:, L.P_HALF : L.P_HALF + 3] = half
    prims[:, L.P_TYPE] = kind
    prims[:, L.P_MAT] = rows[:, 10]
    prims[:, L.P_SHAPE : L.P_SHAPE + 4] = rows[:, 11:15]
    prims[:, L.P_BEVEL] = rows[:, 15]
    prims[:, L.P_SEED] = rows[:, 16]
    extent = extents(rows, turn)
    return (prims, (centre - extent).astype(np.float32), (centre + extent).astype(np.float32))


def extents(rows: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half sizes [N, 3] along the world axes of rows that are turned by `turn`."""
    kind, reach = rows[:, 0], np.maximum(rows[:, 4:7], 5e-4)
    wedge = kind == L.WEDGE
    top = np.abs(rows[wedge, 11:13]) + np.abs(rows[wedge, 13:15])
    reach[wedge, :2] *= np.maximum(1.0, top)
    cone = kind == L.FRUSTUM
    reach[cone, :2] *= np.maximum(1.0, rows[cone, 11:12])
    round_ = (kind == L.ELLIPSOID) | (kind == L.BLOB)
    part = turn * reach[:, None, :]  # a stack of 3x3 products takes several times as long
    extent = np.abs(part).sum(axis=2)
    extent[round_] = np.sqrt((part[round_] ** 2).sum(axis=2))
    return np.asarray(extent + 1e-4)
