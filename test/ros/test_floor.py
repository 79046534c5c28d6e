# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth scaled by the floor in the live node: what it publishes, says and refuses."""

from __future__ import annotations

import numpy as np
import pytest
from floor_scene import floor_scene
from oracle_model import grey_from_depth
from peers import FOCAL, HEIGHT, WIDTH, depth_of, image_of, info_of, points_of

from dmd_ros.core.camera import Camera
from dmd_ros.core.floor import Mount

CAMERA = Camera(FOCAL, FOCAL, 31.0, 24.0, WIDTH, HEIGHT)
MOUNT = Mount(0.8, 25.0, -6.0)
TRUE = floor_scene(CAMERA, MOUNT, wall_m=4.0)
PARAMETERS = {'camera_height': 0.8, 'camera_pitch_deg': 25.0, 'camera_roll_deg': -6.0}
LISTEN = {'listen': ('depth/image', 'points')}


def shown(peer, depth: np.ndarray):
    """What the node makes of a picture that the oracle reads as `depth`."""
    stamp = peer.stamp()
    return peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp))


def median_scale(out) -> float:
    return float(np.median(depth_of(out.depth_image) / TRUE))


def test_depth_and_cloud_are_scaled_and_diagnostics_say_by_how_much(running) -> None:
    with running(peer=LISTEN, **PARAMETERS) as robot:
        out = shown(robot.peer, TRUE / 1.3)
        assert median_scale(out) == pytest.approx(1.0, abs=0.03)
        assert np.nanmedian(points_of(out.points)[..., 2] / TRUE) == pytest.approx(1.0, abs=0.03)
        said = robot.peer.wait_diagnostics(lambda d: d.get('floor', '').startswith('scale 1.'))
        assert float(said['floor'].split()[1].rstrip(',')) == pytest.approx(1.3, rel=0.02)
        assert 'stage floor (ms)' in said


def test_a_node_whose_camera_shows_no_floor_says_so_and_goes_on(running) -> None:
    with running(peer=LISTEN, **PARAMETERS) as robot:
        out = shown(robot.peer, np.full_like(TRUE, 2.0))
        assert np.median(depth_of(out.depth_image)) == pytest.approx(2.0, rel=0.03)
        values = robot.peer.wait_diagnostics(lambda d: d.get('floor', '').startswith('no scale'))
        seen, looked = (int(values['floor'].split()[k]) for k in (5, 7))
        assert seen == 0 and looked >= 1
        robot.node.wait_line('shows the floor where camera_height')


def test_height_and_tilt_are_live_and_the_memory_survives_a_turn(running) -> None:
    with running(peer=LISTEN) as robot:
        peer = robot.peer
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1 / 1.3, rel=0.03)
        for name, value in PARAMETERS.items():
            assert peer.set_parameter(name, value).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1.0, abs=0.03)
        # The camera turns up, where no floor is: the scale is that of before.
        assert peer.set_parameter('camera_pitch_deg', -60.0).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1.0, abs=0.03)
        assert peer.set_parameter('floor_memory', 1).successful
        assert median_scale(shown(peer, TRUE / 1.3)) == pytest.approx(1 / 1.3, rel=0.03)
        for name in reversed(PARAMETERS):
            assert peer.set_parameter(name, 0.0).successful
        shown(peer, TRUE)
        assert peer.wait_diagnostics(lambda d: d.get('floor') == 'not used')
