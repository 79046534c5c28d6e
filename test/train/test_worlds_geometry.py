# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numba
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from train.rotation import rotation_from_euler
from train.worlds.kernels import passes
from train.worlds.materials import Materials
from train.worlds.places.shell import DOOR_HEIGHT, DOOR_WIDTH, wall
from train.worlds.render.assets import Assets
from train.worlds.render.scene import Scene, SceneBuilder
from train.worlds.render.view import look, occupied, probe, render

CAMERA = Camera(120.0, 122.0, 79.0, 61.0, 160, 120)


def make(build) -> Scene:
    materials = Materials(np.random.default_rng(0), Assets.none())
    builder = SceneBuilder()
    build(builder, materials)
    return builder.finish(materials.array())


def world_points(depth: np.ndarray, pose) -> np.ndarray:
    seen = np.isfinite(depth)
    points = np.concatenate([CAMERA.rays(), np.ones((120, 160, 1))], -1)[seen] * depth[seen, None]
    return points @ pose.rotation.T + pose.position


def test_floor_is_at_the_height_of_the_camera() -> None:
    scene = make(lambda b, m: b.box((0, 0, -0.5), (200, 200, 1), m.white))
    pose = look((1.0, 2.0, 1.37), 0.4, -0.35, 0.1)
    _, depth = render(scene, CAMERA, pose, Assets.none(), 0)
    points = world_points(depth, pose)
    assert len(points) > 5000
    assert np.abs(points[:, 2]).max() < 2e-3


def test_box_corners_are_where_they_were_placed() -> None:
    scene = make(lambda b, m: b.box((3.0, 0.2, 0.6), (0.8, 0.5, 1.2), m.white, rot=(0, 0, 0.3)))
    pose = look((0.0, 0.0, 1.8), 0.05, -0.4)
    _, depth = render(scene, CAMERA, pose, Assets.none(), 0)
    points = world_points(depth, pose) - (3.0, 0.2, 0.6)
    local = points @ rotation_from_euler(*np.array([[0.0], [0.0], [0.3]]))[0]
    limit = np.array([0.4, 0.25, 0.6])
    assert (np.abs(local) < limit + 1e-3).all()
    assert local[:, 2].max() == pytest.approx(0.6, abs=1e-3)
    assert local[:, 1].max() == pytest.approx(0.25, abs=0.03)


def test_doorway_is_as_large_as_a_door() -> None:
    def build(b: SceneBuilder, m: Materials) -> None:
        wall(b, 4.0, 2.6, m.white, 2.0)

    scene = make(build)
    heights = np.linspace(0.02, 2.5, 1250)
    open_ = [
        np.isinf(probe(scene, (2.0, 1.0, z), np.array([[0.0, -1.0, 0.0]]))[0]) for z in heights
    ]
    assert (
        heights[open_].max()
        == pytest.approx(DOOR_HEIGHT, abs=0.01)
        == pytest.approx(2.0, abs=0.01)
    )
    across = np.linspace(0.5, 3.5, 1500)
    open_ = [
        np.isinf(probe(scene, (x, 1.0, 1.0), np.array([[0.0, -1.0, 0.0]]))[0]) for x in across
    ]
    assert (
        np.ptp(across[open_])
        == pytest.approx(DOOR_WIDTH, abs=0.01)
        == pytest.approx(0.8, abs=0.01)
    )


def test_depth_is_along_the_optical_axis() -> None:
    scene = make(lambda b, m: b.box((5.05, 0, 0), (0.1, 40, 40), m.white))
    _, depth = render(scene, CAMERA, look((0.0, 0.0, 0.0), 0.0, 0.0), Assets.none(), 0)
    assert np.allclose(depth, 5.0, atol=1e-3)


def test_depth_agrees_with_an_independent_ray_caster() -> None:
    """Marching each ray in small steps through inside-or-outside tests finds the same surfaces."""

    def build(b: SceneBuilder, m: Materials) -> None:
        b.box((0, 0, -0.05), (6, 6, 0.1), m.white)
        b.box((0.3, 0.5, 0.3), (0.4, 0.6, 0.6), m.white, rot=(0.1, 0.2, 0.5))
        b.ball((-0.5, 0.4, 0.3), (0.5, 0.7, 0.6), m.white, rot=(0.3, 0, 0.2))
        b.rod((-0.2, -0.5, 0.35), 0.4, 0.7, m.white, top=0.5, rot=(0, 0.2, 0))
        b.rod((0.5, -0.3, 0.15), 0.25, 0.3, m.white, top=1.6, hollow=0.9, floor=0.2)
        b.wedge((0.9, 0.3, 0.2), (0.5, 0.5, 0.4), m.white, top=(0.5, 0.7), shift=(0.1, -0.3))

    scene = make(build)
    pose = look((-1.6, -1.4, 1.3), 0.75, -0.55)
    _, depth = render(scene, CAMERA, pose, Assets.none(), 0)
    rays = np.concatenate([CAMERA.rays(), np.ones((120, 160, 1))], -1) @ pose.rotation.T
    pixels = [(v, u) for v in range(8, 120, 7) for u in range(5, 160, 9)]
    steps = np.arange(0.3, 9.0, 0.002)
    wrong = 0
    for v, u in pixels:
        inside = solid(np.array(pose.position) + steps[:, None] * rays[v, u])
        expected = steps[np.argmax(inside)] if inside.any() else math.inf
        wrong += not (expected == depth[v, u] or abs(expected - depth[v, u]) < 0.006)
    assert wrong <= 1  # a ray may graze an edge


def solid(p: np.ndarray) -> np.ndarray:
    def local(centre, half, rot):
        r = rotation_from_euler(*np.array(rot)[:, None])[0]
        return (p - centre) @ r / np.array(half)

    def cube(q):
        return (np.abs(q) <= 1).all(-1)

    out = cube(local((0, 0, -0.05), (3, 3, 0.05), (0, 0, 0)))
    out |= cube(local((0.3, 0.5, 0.3), (0.2, 0.3, 0.3), (0.1, 0.2, 0.5)))
    out |= (local((-0.5, 0.4, 0.3), (0.25, 0.35, 0.3), (0.3, 0, 0.2)) ** 2).sum(-1) <= 1
    q = local((-0.2, -0.5, 0.35), (0.2, 0.2, 0.35), (0, 0.2, 0))
    out |= (np.hypot(q[:, 0], q[:, 1]) <= 0.75 - 0.25 * q[:, 2]) & (np.abs(q[:, 2]) <= 1)
    q = local((0.5, -0.3, 0.15), (0.125, 0.125, 0.15), (0, 0, 0))
    radius, wide = np.hypot(q[:, 0], q[:, 1]), 1.3 + 0.3 * q[:, 2]
    out |= (radius <= wide) & (np.abs(q[:, 2]) <= 1) & ((radius >= 0.9 * wide) | (q[:, 2] < -0.8))
    q = local((0.9, 0.3, 0.2), (0.25, 0.25, 0.2), (0, 0, 0))
    rise = 0.5 * (q[:, 2] + 1)
    out |= (
        (np.abs(q[:, 0] - 0.1 * rise) <= 1 - 0.5 * rise)
        & (np.abs(q[:, 1] + 0.3 * rise) <= 1 - 0.3 * rise)
        & (np.abs(q[:, 2]) <= 1)
    )
    return out


def test_only_solid_space_is_occupied() -> None:
    def build(b: SceneBuilder, m: Materials) -> None:
        with b.at(1.0, -2.0, 0.5, 0.7):
            b.box((0, 0, 1), (0.4, 1.0, 0.6), m.white, rot=(0.2, 0.3, 0))
            b.ball((2, 0, 1), (0.4, 1.0, 0.6), m.white)
            b.rod((4, 0, 1), 0.8, 0.6, m.white, top=0.5)
            b.wedge((6, 0, 1), (1.0, 1.0, 0.6), m.white, top=(0.4, 1.0), shift=(0.5, 0.0))

    scene, frame = make(build), SceneBuilder()
    with frame.at(1.0, -2.0, 0.5, 0.7):
        inside = [(0, 0, 1), (0, 0.45, 1.08), (2, 0.45, 1), (4.3, 0, 0.75), (6.4, 0, 1.28)]
        beside = [(1, 0, 1), (2.17, 0.4, 1), (4.3, 0, 1.2), (5.6, 0, 1.28), (6, 0, 1.4), (0, 0, 0)]
        assert all(occupied(scene, frame.world(*point)) for point in inside)
        assert not any(occupied(scene, frame.world(*point)) for point in beside)


def test_small_distant_things_are_hit_where_they_are() -> None:
    """A ball and a rod of 5 cm, 80 m away, against the exact quadratic equation."""

    def build(b: SceneBuilder, m: Materials) -> None:
        b.ball((80.0, 3.0, 1.0), (0.05, 0.05, 0.05), m.white)
        b.rod((80.0, -3.0, 1.0), 0.05, 0.5, m.white)

    scene = make(build)
    rays = np.stack(
        np.meshgrid(1.0, np.linspace(-0.022, 0.022, 9), np.linspace(-0.02, 0.02, 7)),
        -1,
    ).reshape(-1, 3)
    for y, axes in ((3.0, [0, 1, 2]), (-3.0, [0, 1])):
        directions = ((rays * (80.0, 1.0, 1.0) + (0.0, y, 1.0)) / 80.0).astype(np.float32)
        d, centre = directions.astype(float)[:, axes], np.array((80.0, y, 1.0))[axes]
        a, b = (d * d).sum(-1), d @ centre
        disc = b * b - a * (centre @ centre - 0.025**2)
        hit = disc > 0.1 * disc.max()
        found = probe(scene, (0.0, 0.0, 0.0), directions)
        assert hit.sum() > 30
        assert np.abs(found - (b - np.sqrt(np.maximum(disc, 0.0))) / a)[hit].max() < 1e-4


@pytest.mark.parametrize('name', ['visible_pixel', 'soft_pixel', 'gather_pixel', 'edge_pixel'])
def test_passes_compute_in_single_precision(name: str) -> None:
    """GPUs are many times slower with doubles, and a single literal reintroduces them."""
    number, place = numba.float32, numba.int64
    table = numba.types.Array(number, 2, 'C')
    which = numba.types.Array(numba.int32, 2, 'C')
    picture = numba.types.Array(number, 3, 'C')
    vector = numba.types.Array(number, 1, 'C')
    textures = [numba.typeof(texture) for texture in Assets.none().textures]
    scene = numba.types.Tuple((table, table, table, which, table, vector, *textures))
    shared = () if name == 'gather_pixel' else (scene,)
    more = {'visible_pixel': 1, 'soft_pixel': 1, 'gather_pixel': 4, 'edge_pixel': 3}[name]
    compiled = numba.njit(getattr(passes, name).py_func, error_model='numpy')
    compiled.compile((*shared, place, place, table, which, picture, *[picture] * more))
    code = compiled.inspect_llvm(compiled.signatures[0])
    assert 'fmul' in code and 'double' not in code
