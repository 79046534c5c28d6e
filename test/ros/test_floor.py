# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth scaled by the floor in the live node: outputs, messages and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from floor_scene import floor_scene
from oracle_model import grey_from_depth
from peers import FOCAL, HEIGHT, WIDTH, depth_of, image_of, info_of, points_of

from dmd_ros.core.camera import Camera
from dmd_ros.core.floor import Mount
from dmd_ros.loading import load_estimator
from dmd_ros.ros.loader import retuned
from dmd_ros.ros.params import Settings

CAMERA = Camera(FOCAL, FOCAL, 31.0, 24.0, WIDTH, HEIGHT)
MOUNT = Mount(0.8, 25.0, -6.0)
TRUE = floor_scene(CAMERA, MOUNT, wall_m=4.0)
PARAMETERS = {'camera_height': 0.8, 'camera_pitch_deg': 25.0, 'camera_roll_deg': -6.0}
LISTEN = {'listen': ('depth/image', 'points')}


def shown(peer, depth: np.ndarray):
    """Return the outputs for a picture that the oracle reads as `depth`."""
    stamp = peer.stamp()
    return peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp))


def median_scale(out) -> float:
    return float(np.median(depth_of(out.depth_image) / TRUE))


def test_depth_and_cloud_are_scaled_and_diagnostics_show_the_factor(running) -> None:
    with running(peer=LISTEN, **PARAMETERS) as robot:
        out = shown(robot.peer, TRUE / 1.3)
        assert median_scale(out) == pytest.approx(1.0, abs=0.03)
        assert np.nanmedian(points_of(out.points)[..., 2] / TRUE) == pytest.approx(1.0, abs=0.03)
        # Stages are recorded after the floor: a report in between has only the floor.
        values = robot.peer.wait_diagnostics(lambda d: 'stage floor (ms)' in d)
        assert float(values['floor'].split()[1].rstrip(',')) == pytest.approx(1.3, rel=0.02)


def test_a_node_whose_camera_shows_no_floor_reports_it_and_continues(running) -> None:
    with running(peer=LISTEN, **PARAMETERS) as robot:
        out = shown(robot.peer, np.full_like(TRUE, 2.0))
        assert np.median(depth_of(out.depth_image)) == pytest.approx(2.0, rel=0.03)
        said = 'no scale yet, seen in 0 of 1 images'
        assert robot.peer.wait_diagnostics(lambda d: d.get('floor') == said)
        robot.node.wait_line('shows the floor where camera_height')


def test_height_and_tilt_are_live_and_the_memory_survives_a_turn(running) -> None:
    with running(peer=LISTEN) as robot:
        peer = robot.peer
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1 / 1.3, rel=0.03)
        # The tilt first, so that no picture in between is scaled by an incomplete mount.
        for name, value in reversed(PARAMETERS.items()):
            assert peer.set_parameter(name, value).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1.0, abs=0.03)
        # The camera turns up, where there is no floor: the previous scale is kept.
        assert peer.set_parameter('camera_pitch_deg', -60.0).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1.0, abs=0.03)
        assert peer.set_parameter('floor_memory', 1).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1 / 1.3, rel=0.03)
        # Resetting the height ends it at once, without another picture.
        assert peer.set_parameter('camera_height', 0.0).successful
        assert peer.wait_diagnostics(lambda d: d.get('floor') == 'not used')
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1 / 1.3, rel=0.03)
        assert peer.set_parameter('camera_height', 0.8).successful
        assert peer.wait_diagnostics(
            lambda d: d.get('floor') == 'no scale yet, seen in 0 of 0 images'
        )


def test_a_tilt_without_a_height_is_reported_at_startup(running) -> None:
    with running(camera_pitch_deg=25.0) as robot:
        robot.node.wait_line('camera_pitch_deg 25 and camera_roll_deg 0 have no effect')


def test_a_roll_that_contradicts_the_rotation_is_reported_while_it_lasts(running) -> None:
    said = 'the roll of the camera is 0 degrees, and image_rotation is 90, which implies a roll'
    with running(peer=LISTEN, camera_height=0.8, image_rotation=90) as robot:
        robot.node.wait_line(said)
        assert robot.peer.wait_diagnostics(lambda d: said in d['message'])
        assert robot.peer.set_parameter('camera_roll_deg', 90.0).successful
        assert robot.peer.wait_diagnostics(lambda d: said not in d['message'])


def test_panning_resets_neither_the_noise_nor_the_rectification_maps(oracle):
    settings = Settings(camera_height=1.0, camera_pitch_deg=20.0, temporal='random')
    camera = Camera(50.0, 50.0, 31.5, 23.5, 64, 48, 'plumb_bob', (0.1, 0.0, 0.0, 0.0))
    grey = np.full((48, 64, 3), 90, np.uint8)
    panned = load_estimator(oracle, threads=1, mount=settings.mount(), temporal='random')
    panned(grey, camera)
    maps, noise = panned._rectifier, panned._random.bit_generator.state
    moved = replace(settings, camera_pitch_deg=30.0)
    again = retuned(panned, settings, moved)
    assert again._rectifier is maps and again._random.bit_generator.state == noise
    assert again.floor_scale.mount == moved.mount()
    assert retuned(again, moved, replace(moved, camera_height=0.0)).floor_scale is None
    seeded = retuned(again, moved, replace(moved, seed=3, camera_height=2.0))
    assert seeded.seed == 3 and seeded.floor_scale.mount.height_m == 2.0
