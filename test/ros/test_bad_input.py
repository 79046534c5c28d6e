# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad frames are dropped, counted by reason and explained; the node continues."""

from __future__ import annotations

import cv2
import pytest
from peers import GREY, WIDTH, Peer, image_of, info_of
from sensor_msgs.msg import CompressedImage


@pytest.fixture(scope='module')
def robot(running):
    with running(peer={'listen': ('depth/image',)}) as both:
        yield both


def _spoil_image(**changes):
    def spoil(image, info):
        for name, value in changes.items():
            setattr(image, name, value)

    return spoil


def _spoil_info(**changes):
    def spoil(image, info):
        for name, value in changes.items():
            setattr(info, name, value)

    return spoil


def _k(fx: float) -> list[float]:
    return [fx, 0.0, 31.5, 0.0, fx, 23.5, 0.0, 0.0, 1.0]


def _bad_roi(image, info):
    info.roi.x_offset, info.roi.width, info.roi.height = 60, 10, 48


def _other_frame(image, info):
    info.header.frame_id = 'other_camera'


IMAGE, INFO = 'bad image', 'bad camera_info'
CASES = {
    'unknown encoding': (_spoil_image(encoding='rgb565'), IMAGE, "'rgb565'"),
    'depth as image': (_spoil_image(encoding='32FC1'), IMAGE, "'32FC1'"),
    'step too short': (_spoil_image(step=100), IMAGE, 'step 100'),
    'too little data': (_spoil_image(data=b'123'), IMAGE, '3 bytes'),
    'zero size': (_spoil_image(width=0, height=0, step=0, data=b''), IMAGE, '0x0'),
    'huge size': (_spoil_image(height=2**31), IMAGE, 'bytes'),
    'uncalibrated': (_spoil_info(k=[0.0] * 9), INFO, 'not calibrated'),
    'NaN in K': (_spoil_info(k=_k(float('nan'))), INFO, 'nan'),
    'negative focal length': (_spoil_info(k=_k(-50.0)), INFO, '-50'),
    'NaN in D': (_spoil_info(d=[float('nan')] * 5), INFO, 'nan'),
    'unknown distortion': (
        _spoil_info(distortion_model='thin_prism', d=[0.1] * 5),
        INFO,
        "'thin_prism'",
    ),
    'wrong number of coefficients': (_spoil_info(d=[0.1] * 3), INFO, '3'),
    'zero-sized info': (_spoil_info(width=0, height=0), INFO, '0x0'),
    'another aspect': (_spoil_info(width=WIDTH, height=WIDTH), INFO, 'another aspect'),
    'ROI outside': (_bad_roi, INFO, 'roi'),
    'frame_id': (_other_frame, 'frame_id', "'other_camera'"),
}


@pytest.mark.parametrize('case', CASES)
def test_a_bad_frame_is_counted_and_explained_and_the_node_continues(robot, case):
    spoil, reason, message = CASES[case]
    peer = robot.peer
    peer.ask_grey()  # both sides have discovered each other
    before = int(peer.diagnostics().get(f'dropped: {reason}', 0))
    stamp = peer.stamp()
    image, info = image_of(GREY, stamp), info_of(stamp)
    spoil(image, info)
    peer.send(image, info)
    after = peer.wait_diagnostics(lambda d: int(d.get(f'dropped: {reason}', 0)) > before)
    assert int(after[f'dropped: {reason}']) == before + 1
    assert after['last error'].startswith(reason) and message in after['last error']
    peer.ask_grey()


def test_logs_of_a_persistent_problem_are_throttled(robot):
    peer = robot.peer
    peer.ask_grey()
    before = int(peer.diagnostics().get('dropped: bad image', 0))
    for k in range(1, 31):
        stamp = peer.stamp()
        image = image_of(GREY, stamp)
        image.encoding = 'rgb565'
        peer.send(image, info_of(stamp))
        peer.wait_diagnostics(lambda d, k=k: int(d.get('dropped: bad image', 0)) >= before + k)
    assert robot.node.output.count("image encoding 'rgb565'") < 10


def _jpeg() -> bytes:
    ok, data = cv2.imencode('.jpg', GREY)
    assert ok
    return data.tobytes()


def test_compressed_images_good_and_bad(running):
    options = {
        'listen': ('depth/image',),
        'image_type': CompressedImage,
        'image_topic': '/cam/image/compressed',
    }
    with running(image_transport='compressed', remaps=('image:=/cam/image',), peer=options) as r:
        peer = r.peer
        for data in (_jpeg(), cv2.imencode('.png', GREY)[1].tobytes()):
            assert peer.ask(_compressed(data, peer.stamp()), info_of(peer._stamp)).depth_image
        cases = ((b'', 'empty'), (_jpeg()[:-40], 'cut off'), (b'no picture', 'cannot decode'))
        for data, message in cases:
            before = int(peer.diagnostics().get('dropped: bad image', 0))
            peer.send(_compressed(data, peer.stamp()), info_of(peer._stamp))
            after = peer.wait_diagnostics(
                lambda d, n=before: int(d.get('dropped: bad image', 0)) == n + 1
            )
            assert message in after['last error']
        assert peer.ask(_compressed(_jpeg(), peer.stamp()), info_of(peer._stamp)).depth_image


def _compressed(data: bytes, stamp: int) -> CompressedImage:
    return CompressedImage(format='jpeg', data=data, header=image_of(GREY, stamp).header)


def test_a_missing_camera_info_is_reported_with_both_counts(running):
    with running() as robot:
        peer: Peer = robot.peer
        peer.until(lambda: peer.node.count_subscribers('image') > 0)

        def told(values: dict[str, str]) -> bool:
            peer.send_image(image_of(GREY, peer.stamp()))
            return 'nothing received on /camera_info' in values['message']

        values = peer.wait_diagnostics(told)
        assert values['level'] == 1
        assert f'{values["images"]} images on /image, 0 on /camera_info' in values['message']
        assert int(values['images']) > 0
        robot.node.wait_line('nothing received on /camera_info')


def test_stamps_that_never_match_are_reported(running):
    with running() as robot:
        peer: Peer = robot.peer

        def told(values: dict[str, str]) -> bool:
            peer.send(image_of(GREY, peer.stamp()), info_of(peer._stamp + 7))
            return 'none with its stamp arrived in time; set info_pairing' in values['message']

        values = peer.wait_diagnostics(told)
        assert values['level'] == 1 and int(values['dropped: unpaired']) > 0
        robot.node.wait_line('none with its stamp arrived in time')
        assert values['processed'] == '0'


def test_a_camera_outside_the_trained_range_gets_a_warning(running):
    with running() as robot:
        peer = robot.peer
        stamp = peer.stamp()
        info = info_of(stamp)
        info.k = [200.0, 0.0, 31.5, 0.0, 200.0, 23.5, 0.0, 0.0, 1.0]
        peer.ask(image_of(GREY, stamp), info)
        values = peer.wait_diagnostics(lambda d: 'tan(vfov/2) = 0.120' in d['message'])
        assert values['level'] == 1
        robot.node.wait_line('the model was trained for 0.200 to 1.200')
        peer.ask_grey()
        assert peer.wait_diagnostics(lambda d: d['level'] == 0)['message'] == 'active'
