# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every live parameter has an effect; changes of the others are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from oracle_model import grey_from_depth, write_oracle
from peers import HEIGHT, WIDTH, depth_of, image_of, info_of, points_of
from test_time import noisy_model

from dmd_ros.ros.params import Settings

LISTEN = ('depth/image', 'points', 'depth/color')
# parameter -> (other value, topic whose message must change). The model shows its noise.
EFFECTS = {
    'steps': (3, 'depth/image'),
    'samples': (2, 'depth/image'),
    'seed': (9, 'depth/image'),
    'depth_scale': (1.3, 'depth/image'),
    'min_depth': (2.8, 'depth/image'),
    'max_depth': (2.8, 'depth/image'),
    'edge_filter': (0.15, 'points'),
    'cloud_stride': (2, 'points'),
    'cloud_min_range': (2.8, 'points'),
    'cloud_max_range': (2.8, 'points'),
    'color_near': (2.0, 'depth/color'),
    'color_far': (4.0, 'depth/color'),
}
# Tested elsewhere, because they do not change a single picture.
ELSEWHERE = {
    'edge_filter_depth', 'sampler', 'temporal', 'info_max_age', 'max_frame_age', 'max_rate',
    'max_uncertainty', 'camera_height', 'camera_pitch_deg', 'camera_roll_deg', 'floor_memory',
}  # fmt: skip


def test_no_live_parameter_is_forgotten():
    live = {f.name for f in dataclasses.fields(Settings) if not f.metadata['fixed']}
    assert live == EFFECTS.keys() | ELSEWHERE


@pytest.fixture(scope='module')
def robot(running, tmp_path_factory):
    model = noisy_model(tmp_path_factory.mktemp('noisy') / 'noisy.onnx')
    with running(model=model, edge_filter=5.0, peer={'listen': LISTEN}) as both:
        yield both


def picture(peer, topic: str) -> bytes:
    depth = np.geomspace(1.0, 8.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    stamp = peer.stamp()
    out = peer.ask(image_of(grey_from_depth(depth), stamp), info_of(stamp), *LISTEN)
    return bytes(getattr(out, topic.replace('/', '_')).data)


@pytest.mark.parametrize('name', EFFECTS)
def test_a_live_parameter_takes_effect_and_can_be_reset(robot, name):
    value, topic = EFFECTS[name]
    peer = robot.peer
    default = peer.get_parameter(name)
    before = picture(peer, topic)
    assert peer.set_parameter(name, value).successful
    changed = picture(peer, topic)
    assert peer.set_parameter(name, default).successful
    assert changed != before
    assert picture(peer, topic) == before


def test_sampler_and_temporal_mode_change_later_frames(robot):
    peer = robot.peer
    assert peer.set_parameter('steps', 2).successful
    before = picture(peer, 'depth/image')
    assert peer.set_parameter('sampler', 'ddim').successful
    assert picture(peer, 'depth/image') != before
    assert peer.set_parameter('temporal', 'random').successful
    assert picture(peer, 'depth/image') != picture(peer, 'depth/image')
    for name, value in (('steps', 0), ('sampler', 'ddpm'), ('temporal', 'fixed')):
        assert peer.set_parameter(name, value).successful


def test_pixels_with_high_uncertainty_have_no_depth_and_no_point(running, tmp_path):
    listen = ('depth/image', 'depth/uncertainty', 'points')
    model = noisy_model(tmp_path / 'noisy.onnx')
    with running(model=model, samples=4, edge_filter=0.0, peer={'listen': listen}) as robot:
        peer = robot.peer
        before = peer.ask_grey()
        spread = depth_of(before.depth_uncertainty)
        limit = float(np.median(spread))
        assert peer.set_parameter('max_uncertainty', limit).successful
        after = peer.ask_grey()
        refused = peer.set_parameter('samples', 1)
    assert not refused.successful
    assert 'uncertainty needs samples of 2 or more' in refused.reason
    # In the other order: which of the two must be set first depends on the direction.
    assert 'set the other one first' in refused.reason
    sure = spread <= np.float32(limit)
    assert 0.3 < sure.mean() < 0.7
    depth = depth_of(after.depth_image)
    np.testing.assert_array_equal(np.isfinite(depth), sure)
    np.testing.assert_array_equal(depth[sure], depth_of(before.depth_image)[sure])
    np.testing.assert_array_equal(np.isfinite(points_of(after.points)[..., 2]), sure)


def test_info_max_age_applies_from_the_start_and_at_once(running):
    listen = {'listen': ('depth/image',)}
    with running(info_pairing='latest', info_max_age=1.0, peer=listen) as both:
        peer = both.peer
        image = grey_from_depth(np.full((HEIGHT, WIDTH), 3.0))

        def dropped(values: dict[str, str]) -> bool:
            peer.send(image_of(image, peer.stamp()), info_of(0))
            return int(values.get('dropped: unpaired', 0)) > 0

        assert peer.wait_diagnostics(dropped)['pairs'] == '0'
        assert peer.set_parameter('info_max_age', 0.0).successful
        peer.ask(image_of(image, peer.stamp()), info_of(0))


def test_fixed_parameters_are_refused_and_live_ones_take_effect(running):
    with running() as robot:
        peer = robot.peer
        result = peer.set_parameter('model', 'other.onnx')
        assert not result.successful and 'read-only' in result.reason
        for name, value, words in (
            ('steps', 65, 'steps'),
            ('steps', 'many', 'type'),
            ('steps', 2.0, 'type'),
            ('max_depth', -1.0, 'max_depth'),
            ('temporal', 'mean', 'allowed: fixed, random, blend'),
            ('min_depth', 1000.0, 'min_depth (1000.0) must be below max_depth (1000.0)'),
            ('backend', 'tensorrt', 'read-only'),
        ):
            before = peer.get_parameter(name)
            result = peer.set_parameter(name, value)
            assert not result.successful and words in result.reason, (name, value, result)
            assert peer.get_parameter(name) == before
        for name, value in (('steps', 3), ('samples', 2), ('sampler', 'ddim'), ('seed', 9)):
            assert peer.set_parameter(name, value).successful
            assert peer.get_parameter(name) == value
        peer.ask_grey()
        values = peer.wait_diagnostics(lambda d: d.get('samples') == '2')
        assert values['steps'] == '3'


def test_steps_that_the_model_does_not_support_are_refused(running, tmp_path):
    path = write_oracle(tmp_path / 'regressor.onnx', noise='zeros')
    with running(model=path) as robot:
        result = robot.peer.set_parameter('steps', 2)
        assert not result.successful and 'deterministic' in result.reason
        assert robot.peer.get_parameter('steps') == 0
