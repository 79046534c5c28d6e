# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counters and the problems derived from them; every sent frame is accounted for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from peers import GREY, image_of, info_of

from dmd_ros.core.records import FloorReading
from dmd_ros.ros.diagnostics import PATIENCE, problems, status, values_of
from dmd_ros.ros.stats import Stats


def test_rates_and_percentiles():
    stats = Stats(100.0)
    for k in reversed(range(100)):
        stats.image(100.0)
        stats.processed(k * 1e-3, {'decode': k * 1e-3}, 0.0)
    first = stats.summary(110.0)
    assert (first.image_rate, first.depth_rate) == (10.0, 10.0)
    assert first.latency == pytest.approx((0.050, 0.095, 0.099))
    assert first.stages == {'decode': pytest.approx(0.050)}
    stats.image(115.0)
    stats.info()
    stats.error('a bad image')
    stats.drop('lost in transport', 3)
    again = stats.summary(120.0)
    assert (again.image_rate, again.images) == (0.1, 101)
    assert (again.depth_rate, again.processed) == (0.0, 100)
    assert (again.infos, again.new_errors, again.since_image) == (1, 1, 5.0)
    assert again.drops == {'lost in transport': 3}


def test_latencies_and_stages_are_of_the_last_frames():
    stats = Stats(0.0)
    for _ in range(1000):
        stats.processed(9.0, {'denoise': 9.0}, 0.0)
    for _ in range(400):
        stats.processed(0.1, {'denoise': 0.1}, 0.0)
    summary = stats.summary(1.0)
    assert summary.latency == (0.1, 0.1, 0.1) and summary.stages == {'denoise': 0.1}


def test_patience_with_slow_discovery():
    stats = Stats(0.0)
    stats.image(0.0)
    assert problems(stats.summary(PATIENCE - 0.1), '/i', '/c') == {}
    assert list(problems(stats.summary(PATIENCE + 0.1), '/i', '/c')) == ['silent']


def test_a_camera_that_stops_is_a_problem_until_it_returns():
    stats = Stats(0.0)
    for _ in range(2):
        stats.image(1.0)
        stats.info()
        stats.pair(1.0)
    stats.summary(1.0)
    assert 'stopped' in problems(stats.summary(10.0), '/i', '/c')
    stats.pair(10.5)
    assert problems(stats.summary(11.0), '/i', '/c') == {}


@pytest.mark.parametrize('period', [0.1, 60.0])
def test_a_stopped_camera_and_one_without_infos_are_distinguished_at_any_period(period: float):
    stats = Stats(0.0)
    stats.info()
    stats.image(99.0)
    stats.summary(100.0 - period)
    assert list(problems(stats.summary(100.0), '/i', '/c')) == ['unpaired']
    stats.summary(130.0 - period)
    assert problems(stats.summary(130.0), '/i', '/c')['stopped'].startswith('no image for 31 s')


def test_a_camera_info_of_another_camera_is_not_reported_as_a_stamp_problem():
    stats = Stats(0.0)

    def second(now: float, reason: str) -> dict[str, str]:
        for _ in range(10):
            stats.image(now)
            stats.info()
            stats.drop(reason)
            if reason == 'frame_id':
                stats.error("frame_id: image is in frame 'left', camera_info in 'right'")
        return problems(stats.summary(now), '/i', '/c')

    for now in (1.0, 10.0, 11.0):
        found = second(now, 'frame_id')
        assert list(found) == ['failed'] and "in 'right'" in found['failed']
        stats.drop('lost in transport')  # unrelated to frame_ids
        # Diagnostics may be more frequent than images.
        again = problems(stats.summary(now + 0.1), '/i', '/c')
        assert list(again) == ([] if now < PATIENCE else ['failed'])
    assert 'stopped' in problems(stats.summary(11.0 + 2 * PATIENCE), '/i', '/c')
    assert list(second(32.0, 'unpaired')) == ['unpaired']


def test_infos_that_get_lost_are_a_problem_even_if_some_images_pair():
    stats = Stats(0.0)

    def second(now: float, paired: int) -> dict[str, str]:
        for number in range(10):
            stats.image(now)
            stats.info()
            if number < paired:
                stats.pair(now)
            else:
                stats.drop('unpaired')
        return problems(stats.summary(now), '/i', '/c')

    assert second(1.0, paired=2) == {}  # at startup, discovery
    assert '8 of the last 10 images' in second(PATIENCE + 1.0, paired=2)['unpaired']
    assert problems(stats.summary(PATIENCE + 1.1), '/i', '/c') == {}  # no image since then
    assert second(PATIENCE + 2.0, paired=8) == {}


def test_info_pairing_latest_is_not_advised_if_already_set():
    stats = Stats(0.0)
    for _ in range(10):
        stats.image(PATIENCE)
        stats.info()
        stats.drop('unpaired')
    summary = stats.summary(PATIENCE + 1.0)
    exact = problems(summary, '/i', '/c')['unpaired']
    latest = problems(summary, '/i', '/c', info_max_age=0.25)['unpaired']
    assert 'set info_pairing to latest' in exact
    assert 'within info_max_age (0.25 s)' in latest and 'info_pairing' not in latest
    assert 'info_max_age' not in problems(summary, '/i', '/c', info_max_age=0.0)['unpaired']
    some = replace(summary, since_pair=0.1)
    assert 'or raise that' in problems(some, '/i', '/c', info_max_age=0.25)['unpaired']
    assert 'info_max_age' not in problems(some, '/i', '/c', info_max_age=0.0)['unpaired']


def test_a_second_publisher_is_a_problem_once_killed_nodes_have_left_the_graph():
    """A killed node stays in the graph for 20 s, which must not cause a warning in a new one."""
    stats = Stats(0.0)
    stats.image(20.0)
    stats.pair(20.0)
    assert problems(stats.summary(20.0), '/i', '/c', shared=['/points']) == {}
    stats.pair(31.0)
    found = problems(stats.summary(31.0), '/i', '/c', shared=['/depth/image', '/points'])
    assert list(found) == ['shared']
    assert found['shared'].startswith('another node also publishes /depth/image and /points')
    assert 'remap one of them' in found['shared']  # it may well be a LiDAR
    assert problems(stats.summary(31.0), '/i', '/c') == {}


def test_failing_frames_are_an_error_only_if_no_frame_succeeds():
    stats = Stats(0.0)
    levels = []
    for now in (1.0, 2.0):
        stats.error('bad image: cut off')
        summary = stats.summary(now)
        found = problems(summary, '/i', '/c')
        levels.append(status('dmd', 'active', {}, summary, found).level)
        stats.processed(0.1, {}, 0.0)
    assert levels == [DiagnosticStatus.ERROR, DiagnosticStatus.WARN]


def test_each_value_is_reported_in_its_unit():
    stats = Stats(0.0)
    for k in range(100):
        stats.image(9.0)
        if k < 50:
            stats.processed(k * 1e-3, {'decode': 2e-3}, 0.2 + k * 1e-3)
    stats.drop('superseded', 3)
    stats.drop('stale', 2)
    stats.vfov(48.0)
    said = status('/dmd', 'active', {'model': 'm'}, stats.summary(10.0), {})
    values = values_of(DiagnosticArray(status=[said]))
    expected = {
        'image rate (Hz)': '10.00',
        'depth rate (Hz)': '5.00',
        'dropped': '5',
        'dropped: superseded': '3',
        'latency p50 (ms)': '25.00',
        'latency p95 (ms)': '47.00',
        'latency max (ms)': '49.00',
        'image age (ms)': '249.00',
        'stage decode (ms)': '2.00',
        'vfov (deg)': '48.00',
    }
    assert {key: values[key] for key in expected} == expected
    assert said.hardware_id == 'm'
    nothing = status('/dmd', 'active', {}, Stats(0.0).summary(1.0), {})
    values = values_of(DiagnosticArray(status=[nothing]))
    assert (values['vfov (deg)'], values['image age (ms)']) == ('unknown', 'unknown')


def test_the_status_of_other_nodes_is_ignored():
    ours = status('/dmd', 'active', {}, None, {})
    others = DiagnosticStatus(name='camera: rate', values=[KeyValue(key='images', value='7')])
    assert values_of(DiagnosticArray(status=[others, ours])) == {'state': 'active'}


def test_diagnostics_of_a_live_node_are_complete(running):
    with running() as robot:
        peer = robot.peer
        peer.ask_grey()
        values = peer.wait_diagnostics(lambda d: int(d['processed']) > 0)
        status = peer.received['diag'][-1].status[0]
        assert status.name == '/dmd: depth' and status.hardware_id == 'oracle'
        expected = {
            'state': 'active',
            'model': 'oracle',
            'backend': 'onnxruntime',
            'device': 'cpu',
            'precision': 'fp32',
            'steps': '1',
            'samples': '1',
            'dropped': '0',
            'last error': '',
        }
        assert {key: values[key] for key in expected} == expected
        p50, p95, worst = (float(values[f'latency {q} (ms)']) for q in ('p50', 'p95', 'max'))
        assert 0 < p50 <= p95 <= worst
        stages = {key.split()[1] for key in values if key.startswith('stage ')}
        assert stages >= {'decode', 'prepare', 'denoise', 'sample', 'restore', 'depth', 'cloud'}
        for rate in ('image rate (Hz)', 'depth rate (Hz)'):
            assert float(values[rate]) >= 0
        assert values['level'] == 0 and values['message'] == 'active'


def test_a_model_in_int8_is_not_reported_as_fp32(running):
    with running(model='dmd_worlds_int8') as robot:
        values = robot.peer.wait_diagnostics(lambda d: 'precision' in d)
        assert values['precision'] == 'int8 (fp32 elsewhere)'
        assert 'precision: int8 (fp32 elsewhere), as ' in robot.node.output


@pytest.mark.parametrize('reliable', [True, False])
def test_a_flood_is_survived_and_every_frame_accounted_for(running, reliable):
    options = {'listen': ('depth/image',), 'reliable': reliable}
    with running(samples=4, steps=8, peer=options) as robot:
        peer = robot.peer
        peer.ask_grey()
        first = peer.wait_diagnostics(lambda d: int(d['processed']) > 0)
        seen = int(first['images']) + int(first.get('dropped: lost in transport', 0))
        sent = 0

        def send() -> None:
            nonlocal sent
            stamp = peer.stamp(0.01)
            peer.send(image_of(GREY, stamp), info_of(stamp))
            sent += 1

        for _ in range(300):  # as fast as Python can
            send()

        def complete(values: dict[str, str]) -> bool:
            arrived = int(values['images'])
            lost = int(values.get('dropped: lost in transport', 0))
            drops = int(values['dropped']) - lost
            done = int(values['processed']) + drops
            # At the end some images may still wait for a camera_info that was lost.
            if arrived + lost < seen + sent:
                send()  # losses at the end show only when another image arrives
                return False
            return arrived - 4 <= done <= arrived

        peer.wait_diagnostics(complete)
        peer.ask_grey()


def test_a_missing_floor_is_a_problem_until_it_is_no_longer_used():
    stats = Stats(0.0)

    def said() -> str:
        return problems(stats.summary(PATIENCE + 1.0), '/i').get('floor', '')

    stats.mounted(True)
    assert said() == ''
    for _ in range(3):
        stats.floor(FloorReading(None, False))
    assert said().startswith('none of 3 images shows the floor where camera_height')
    stats.floor(FloorReading(1.2, True))
    stats.floor(FloorReading(1.2, False))
    assert said() == ''
    # After a time jump nothing is remembered, though earlier images may have shown the floor.
    stats.floor(FloorReading(None, False))
    assert said().startswith('the newest image does not show the floor where')
    assert '(1 of 6 did)' in said() and 'check' not in said()
    stats.floor(FloorReading(1.2, True))
    stats.mounted(True)  # it pans: the remembered scale is kept and used
    assert said() == '' and stats.summary(0.0).floor_scale == 1.2
    stats.floor(FloorReading(None, False))
    assert said().startswith('none of 1 images')
    # Switched off while an image is being processed, and none follows.
    stats.mounted(False)
    stats.floor(FloorReading(None, False))
    assert said() == ''
