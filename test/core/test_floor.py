# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The floor is found for every mount, and nothing else is mistaken for it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from floor_scene import floor_scene
from hypothesis import given
from hypothesis import strategies as st
from oracle_model import CONTRACT

from dmd_ros.core.camera import Camera
from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import FloorFinder, Mount
from dmd_ros.core.preprocess import ROTATIONS, full_view, turned

CAMERA = Camera(fx=100.0, fy=102.0, cx=64.5, cy=46.0, width=128, height=96)
VGA = replace(CONTRACT, train_sizes=((96, 128),))
VIEW = full_view(CAMERA, VGA)

# Typical mounts on a robot: the floor fills a good part of the picture.
mounts = st.builds(
    Mount, st.floats(0.1, 3.0), st.floats(5.0, 60.0), st.floats(-20.0, 20.0)
)  # fmt: skip
# Scale errors that a model may have, with some margin to the limit.
scales = st.floats(0.65, 1.5)


def body_rotation(mount: Mount, yaw_deg: float) -> np.ndarray:
    """R of x_floor = R x_camera_link: yaw, then pitch, then roll (REP-103)."""
    turns = (0.0, 0.0, yaw_deg), (0.0, mount.pitch_deg, 0.0), (mount.roll_deg, 0.0, 0.0)
    rotation = np.eye(3)
    for turn in turns:
        rotation = rotation @ cv2.Rodrigues(np.radians(turn))[0]
    return rotation


@given(mounts, st.floats(-180.0, 180.0))
def test_down_is_that_of_tf(mount: Mount, yaw_deg: float) -> None:
    down_link = body_rotation(mount, yaw_deg).T @ (0.0, 0.0, -1.0)
    # REP-103: an optical frame's x is right, y down, z ahead; a link's x ahead, y left, z up.
    x, y, z = down_link
    np.testing.assert_allclose(mount.down, (-y, -z, x), atol=1e-9)


@pytest.mark.parametrize(
    ('roll', 'pitch', 'rotation', 'implied'),
    [
        (0.0, 20.0, 90, 90), (0.0, 0.0, 180, 180), (10.0, 0.0, 270, -90), (90.0, 0.0, 0, 0),
        (-90.0, 0.0, 90, 90), (90.0, 0.0, 270, -90), (-50.0, 20.0, 0, 0), (180.0, 59.0, 0, 0),
        (0.0, 20.0, 0, None), (44.0, 0.0, 0, None), (90.0, 0.0, 90, None), (60.0, 0.0, 90, None),
        (-90.0, 5.0, 270, None), (180.0, 0.0, 180, None), (-180.0, 0.0, 180, None),
        (-170.0, 0.0, 180, None), (45.0, 0.0, 90, None), (0.0, 80.0, 180, None),
    ],
)  # fmt: skip
def test_a_roll_that_contradicts_the_image_rotation_is_doubted(roll, pitch, rotation, implied):
    """A camera that looks straight down has no upright."""
    said = Mount(1.0, pitch, roll).doubt(rotation)
    assert bool(said) == (implied is not None)
    assert (
        f'image_rotation is {rotation}, which implies a roll of about {implied}:' in said
        or not said
    )


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_an_undoubted_roll_shows_the_floor_at_the_bottom(rotation):
    view = full_view(CAMERA, VGA, rotation)
    upright = floor_scene(view.camera, Mount(1.0, 25.0), wall_m=4.0)
    for roll in (0.0, 90.0, 180.0, -90.0):
        mount = Mount(1.0, 25.0, roll)
        assert (FloorFinder(mount, view)(upright) is None) == bool(mount.doubt(rotation))


@given(mounts)
def test_a_mount_is_read_back_from_its_direction(mount: Mount) -> None:
    back = Mount.from_down(mount.height_m, 3.0 * mount.down)
    assert back.height_m == mount.height_m
    assert back.pitch_deg == pytest.approx(mount.pitch_deg, abs=1e-6)
    assert back.roll_deg == pytest.approx(mount.roll_deg, abs=1e-6)


@given(mounts, scales, st.floats(2.0, 20.0), st.randoms(use_true_random=False))
def test_the_scale_error_of_an_estimate_is_found(mount, scale, reach, random) -> None:
    true = floor_scene(CAMERA, mount, wall_m=reach * mount.height_m)
    noise = np.random.default_rng(random.randrange(1 << 30)).normal(0.0, 0.02, true.shape)
    estimate = (true / scale * np.exp(noise)).astype(np.float32)
    found = FloorFinder(mount, VIEW)(estimate)
    if found is None:  # nothing but the wall and the post
        rays = CAMERA.rays()
        drop = rays[..., 0] * mount.down[0] + rays[..., 1] * mount.down[1] + mount.down[2]
        assert np.mean(np.abs(true * drop - mount.height_m) < 1e-3 * mount.height_m) < 0.45
    else:
        assert found == pytest.approx(scale, rel=0.02)


@pytest.mark.parametrize('rotation', ROTATIONS)
@pytest.mark.parametrize('flip', [False, True])
def test_a_camera_on_its_side_sees_the_floor_in_its_own_frame(rotation: int, flip: bool) -> None:
    # Leans so that its picture, turned by `rotation`, is nearly upright: see docs/recipes.md.
    mount = Mount(0.8, 25.0, (rotation + 4.0 + 180.0) % 360.0 - 180.0)
    view = replace(full_view(CAMERA, VGA, rotation), flip=flip)
    true = floor_scene(CAMERA, mount)
    upright = turned(true, rotation)
    assert np.median(upright[:4]) == 6.0 and np.median(upright[-4:]) < 3.0  # wall above floor
    seen = true[:, ::-1] if flip else true
    seen = np.ascontiguousarray(np.rot90(seen, -rotation // 90))
    coarse = cv2.resize(seen, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
    assert FloorFinder(mount, view)(coarse / 1.2) == pytest.approx(1.2, rel=0.01)


def test_the_documented_mount_of_a_camera_on_its_side_gives_an_upright_picture() -> None:
    recipes = (Path(__file__).parents[2] / 'docs' / 'recipes.md').read_text(encoding='utf-8')
    found = re.search(r'image_rotation:=(\d+)\s+camera_roll_deg:=([-.\d]+)', recipes)
    assert found is not None
    seen = floor_scene(CAMERA, Mount(0.8, 25.0, float(found[2])))
    upright = turned(seen, int(found[1]))
    assert np.median(upright[:4]) == 6.0 and np.median(upright[-4:]) < 3.0


@pytest.mark.parametrize(
    'depth',
    [
        np.full((96, 128), 2.0, np.float32),
        np.full((96, 128), np.nan, np.float32),
        floor_scene(CAMERA, Mount(1.2, 30.0), table_m=0.75),
        # A low table that a factor of 1.5 would move to the floor, with the floor beside it.
        np.hstack(
            [
                floor_scene(CAMERA, Mount(1.2, 30.0), table_m=0.4)[:, :90],
                floor_scene(CAMERA, Mount(1.2, 30.0))[:, 90:],
            ]
        ),
        # The floor of a camera that looks down by 20 degrees less than configured.
        floor_scene(CAMERA, Mount(1.2, 10.0), wall_m=20.0),
        # By 10 degrees more than configured.
        floor_scene(CAMERA, Mount(1.2, 40.0), wall_m=20.0),
    ],
    ids=['wall', 'nothing', 'table', 'table on a floor', 'looks up', 'looks down'],
)
def test_surfaces_other_than_the_floor_give_no_scale(depth: np.ndarray) -> None:
    assert FloorFinder(Mount(1.2, 30.0), VIEW)(depth) is None


def test_a_table_is_found_if_the_height_is_measured_from_it() -> None:
    above_table, above_floor = Mount(0.5, 35.0), Mount(1.25, 35.0)
    depth = floor_scene(CAMERA, above_floor)
    depth[:, 20:100] = floor_scene(CAMERA, above_table)[:, 20:100]
    assert FloorFinder(above_table, VIEW)(depth / 1.2) == pytest.approx(1.2, rel=0.02)


def test_a_camera_that_looks_up_finds_no_floor() -> None:
    mount = Mount(1.0, -60.0)
    assert FloorFinder(mount, VIEW)(floor_scene(CAMERA, mount)) is None


def test_holes_do_not_matter_as_long_as_enough_is_left() -> None:
    mount = Mount(1.0, 25.0)
    depth = floor_scene(CAMERA, mount) / np.float32(0.9)
    depth[::3] = np.nan
    assert FloorFinder(mount, VIEW)(depth) == pytest.approx(0.9, rel=0.01)
    depth[10:] = np.nan
    assert FloorFinder(mount, VIEW)(depth) is None


def test_a_pitch_that_is_half_a_degree_off_costs_little() -> None:
    true = Mount(1.0, 20.0)
    found = FloorFinder(replace(true, pitch_deg=20.5), VIEW)(floor_scene(CAMERA, true, 30.0))
    assert found == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ((0.0,), 'a camera 0.0 m above the floor; allowed: above 0, at most 100 m'),
        ((-1.2,), 'above the floor'),
        ((float('nan'),), 'above the floor'),
        ((420.0,), 'at most 100 m'),
        ((1.0, 91.0), 'a pitch of 91.0 degrees; allowed: -90 to 90'),
        ((1.0, 0.0, float('inf')), 'a roll of inf degrees; allowed: -180 to 180'),
        (('1.2',), "height_m='1.2' of a camera must be a number"),
        ((True,), 'height_m=True of a camera must be a number'),
        ((1.2, None), 'pitch_deg=None of a camera must be a number'),
    ],
)
def test_an_invalid_mount_is_refused(values: tuple[object, ...], message: str) -> None:
    with pytest.raises(CoreError, match=message):
        Mount(*values)


def test_a_mount_accepts_any_numeric_type() -> None:
    mount = Mount(np.float32(1.5), np.int64(20), 3)
    assert mount == Mount(1.5, 20.0, 3.0)
    assert json.loads(json.dumps(asdict(mount))) == asdict(mount)
