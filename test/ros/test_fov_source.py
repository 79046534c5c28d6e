# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the field of view: camera_info, an estimate from the image, or a fixed angle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fov_oracle import grey, tan_of, write_fov_oracle
from oracle_model import grey_from_depth
from peers import (
    HEIGHT,
    WIDTH,
    NodeProcess,
    Peer,
    depth_of,
    free_domain,
    image_of,
    info_of,
    points_of,
)

from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.params import Settings


@pytest.fixture(scope='module')
def fov_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fov_oracle(tmp_path_factory.mktemp('fov') / 'fov.onnx')


def uncalibrated(stamp: int):
    """Return the camera_info of a driver without a calibration."""
    return info_of(stamp, k=[0.0] * 9, p=[0.0] * 12, d=[])


def test_without_calibration_images_are_dropped_and_the_message_has_the_fix(running) -> None:
    with running(peer={'listen': ('depth/image',)}) as robot:
        peer: Peer = robot.peer
        stamp = peer.stamp()
        peer.ask(image_of(grey(128), stamp), info_of(stamp))
        stamp = peer.stamp()
        peer.send(image_of(grey(128), stamp), uncalibrated(stamp))
        values = peer.wait_diagnostics(lambda d: int(d.get('dropped: bad camera_info', 0)) > 0)
        assert 'k[0] is 0: the camera is not calibrated' in values['last error']
        assert 'set fov_source to estimate or fixed' in values['last error']
        assert values['fov source'] == 'camera_info'
        assert float(values['vfov (deg)']) == pytest.approx(
            np.degrees(2 * np.arctan(HEIGHT / 100.0)), abs=0.01
        )
        robot.node.wait_line('set fov_source to estimate or fixed')


def test_estimated_with_an_uncalibrated_camera_info(running, fov_model: Path) -> None:
    with running(fov_source='estimate', fov_model=fov_model, fov_memory=3) as robot:
        peer: Peer = robot.peer
        level = 150
        stamp = peer.stamp()
        out = peer.ask(image_of(grey(level), stamp), uncalibrated(stamp))
        info = out.depth_camera_info
        focal = HEIGHT / (2 * tan_of(level))
        assert info.k[0] == info.k[4] == pytest.approx(focal, rel=1e-4)
        assert (info.k[2], info.k[5]) == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
        assert (info.width, info.height, list(info.d)) == (WIDTH, HEIGHT, [0.0] * 5)
        assert depth_of(out.depth_image).shape == (HEIGHT, WIDTH)
        corner, depth = points_of(out.points)[0, 0], depth_of(out.depth_image)[0, 0]
        assert corner[0] / depth == pytest.approx(-(WIDTH - 1) / 2 / focal, rel=1e-4)
        peer.wait_diagnostics(lambda d: 'stage fov (ms)' in d)
        values = peer.wait_diagnostics(lambda d: d.get('vfov (deg)', 'unknown') != 'unknown')
        assert values['fov source'] == 'estimate'
        degrees = np.degrees(2 * np.arctan(tan_of(level)))
        assert float(values['vfov (deg)']) == pytest.approx(degrees, abs=0.01)
        assert robot.node.output.count('active: /image -> /depth/image')
        assert peer.node.count_subscribers('camera_info') == 0


def test_estimates_do_not_flicker_and_are_reset_by_a_time_jump(running, fov_model: Path) -> None:
    options = {'listen': ('depth/camera_info',)}
    with running(fov_source='estimate', fov_model=fov_model, fov_memory=9, peer=options) as robot:
        peer: Peer = robot.peer

        def focal(level: int) -> float:
            stamp = peer.stamp()
            image = image_of(grey(level), stamp)
            return peer.ask(image, uncalibrated(stamp)).depth_camera_info.k[0]

        expected = HEIGHT / (2 * tan_of(130))
        assert [focal(level) for level in (130, 130, 130, 250, 130)] == [
            pytest.approx(expected, rel=1e-4)
        ] * 5
        peer._stamp -= 60_000_000_000  # a bag that is played again
        assert focal(200) == pytest.approx(HEIGHT / (2 * tan_of(200)), rel=1e-4)


def test_fixed_with_images_alone(running) -> None:
    with running(fov_source='fixed', fixed_vfov_deg=60.0) as robot:
        peer: Peer = robot.peer
        depth = np.linspace(1.0, 8.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
        picture = grey_from_depth(depth)
        seen = []

        def answered() -> bool:
            stamp = peer.stamp()
            peer.send_image(image_of(picture, stamp))
            seen.append(stamp)
            return bool(peer.received['depth/image'] and peer.received['depth/camera_info'])

        assert peer.until(answered)
        image, info = peer.received['depth/image'][0], peer.received['depth/camera_info'][0]
        assert image.header.frame_id == info.header.frame_id == 'camera'
        np.testing.assert_allclose(depth_of(image), depth, rtol=0.05)
        assert info.k[4] == pytest.approx(HEIGHT / (2 * np.tan(np.radians(30.0))))
        values = peer.wait_diagnostics(lambda d: int(d.get('processed', 0)) > 0)
        assert (values['fov source'], values['vfov (deg)']) == ('fixed', '60.00')
        assert values['camera_infos'] == '0'
        assert peer.wait_diagnostics(lambda d: d['level'] == 0)['message'] == 'active'


def test_an_angle_outside_the_trained_range_gets_a_warning(running) -> None:
    with running(fov_source='fixed', fixed_vfov_deg=140.0) as robot:
        peer: Peer = robot.peer
        stamp = peer.stamp()
        peer.ask(image_of(grey(128), stamp), uncalibrated(stamp))
        assert peer.wait_diagnostics(lambda d: 'tan(vfov/2) = 2.747' in d['message'])['level'] == 1


def test_a_changed_parameter_keeps_the_source(running) -> None:
    with running(fov_source='fixed', fixed_vfov_deg=60.0) as robot:
        assert robot.peer.set_parameter('steps', 2).successful
        stamp = robot.peer.stamp()
        out = robot.peer.ask(image_of(grey(128), stamp), uncalibrated(stamp))
        assert out.depth_camera_info.k[4] == pytest.approx(24.0 / np.tan(np.radians(30.0)))
        assert not robot.peer.set_parameter('fov_source', 'camera_info').successful


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'fov_source': 'guess'}, "fov_source is 'guess'; allowed: camera_info, estimate, fixed"),
        ({'fov_source': 'fixed'}, 'fixed needs an angle above 0'),
        ({'fixed_vfov_deg': 50.0}, 'fixed needs an angle above 0, the others need 0'),
        ({'fov_source': 'fixed', 'fixed_vfov_deg': 180.0}, 'allowed: 0.0 to 179.0'),
        ({'fov_model': 'x.onnx'}, 'only estimate uses it'),
        ({'fov_source': 'estimate', 'fov_memory': 0}, 'allowed: 1 to 1000'),
    ],
)
def test_contradictions_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        Settings(**changes)


def test_a_missing_model_prevents_configuration(oracle: Path) -> None:
    arguments = {'model': oracle, 'fov_source': 'estimate', 'fov_model': '/nowhere/fov.onnx'}
    with free_domain() as domain:
        pairs = [part for k, v in arguments.items() for part in ('-p', f'{k}:={v}')]
        node = NodeProcess(domain, '--ros-args', *pairs)
        assert node.wait() == 1
        assert 'cannot configure: model file /nowhere/fov.onnx does not exist' in node.output
