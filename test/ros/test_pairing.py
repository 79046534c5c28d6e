# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairing of images and camera_infos, without any middleware."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dmd_ros.ros.pairing import Pairing

MS = 1_000_000


def message(
    stamp_ms: int, frame_id: str = 'camera', name: str = '', tx: float = 0.0
) -> SimpleNamespace:
    sec, rest = divmod(stamp_ms, 1000)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=rest * MS), frame_id=frame_id)
    return SimpleNamespace(header=header, name=name, p=[0.0] * 3 + [tx] + [0.0] * 8)


class Bench:
    def __init__(self, latest: bool = False, max_age_ms: int = 0) -> None:
        self.drops: list[str] = []
        self.messages: list[str] = []
        self.pairing = Pairing(latest, max_age_ms * MS, self._drop)

    def _drop(self, reason: str, text: str) -> None:
        self.drops.append(reason)
        self.messages.append(text)

    def image(self, stamp_ms: int, **kwargs):
        return self.pairing.add_image(message(stamp_ms, **kwargs), 1e-3 * stamp_ms)

    def info(self, stamp_ms: int, **kwargs):
        return self.pairing.add_info(message(stamp_ms, **kwargs))


@pytest.mark.parametrize('info_first', [True, False])
def test_exact_stamps_pair_whichever_comes_first(info_first):
    bench = Bench()
    steps = [bench.info, bench.image] if info_first else [bench.image, bench.info]
    assert steps[0](100) is None
    pair = steps[1](100)
    assert pair is not None and pair.image.header.stamp.nanosec == 100 * MS
    assert pair.received == 0.1  # when the image arrived, not the camera_info
    assert bench.drops == []


def test_different_stamps_do_not_pair_however_close():
    bench = Bench()
    bench.info(100)
    assert bench.image(101) is None
    assert bench.info(102) is None


def test_newest_wins_and_images_that_waited_in_vain_are_counted():
    bench = Bench()
    bench.image(100)
    bench.image(133)
    bench.info(133)
    assert bench.drops == ['unpaired'] and 'with stamp 0.100000000 ' in bench.messages[0]
    assert bench.info(100) is None  # too late


def test_four_images_may_wait_for_their_infos():
    bench = Bench()
    stamps = [100, 133, 166, 200]
    assert [bench.image(stamp) for stamp in stamps] == [None] * 4
    assert all(bench.info(stamp) is not None for stamp in stamps)
    assert bench.drops == []


def test_waiting_images_are_bounded():
    bench = Bench()
    for k in range(1000):
        bench.image(1000 + 33 * k)
    assert len(bench.drops) == 1000 - len(bench.pairing._waiting)
    assert len(bench.pairing._waiting) <= 4
    assert bench.info(1000 + 33 * 999) is not None  # the newest stay


def test_waiting_infos_are_bounded():
    bench = Bench()
    for k in range(1000):
        bench.info(1000 + 33 * k)
    assert len(bench.pairing._infos) <= 64
    assert bench.image(1000 + 33 * 999) is not None  # the newest stay


def test_latest_takes_a_latched_info_for_every_image():
    bench = Bench(latest=True)
    bench.info(0, name='latched')
    for k in range(3):
        pair = bench.image(1000 + 33 * k)
        assert pair is not None and pair.info.name == 'latched'


def test_infos_of_a_burst_wait_for_their_images():
    """Large images arrive long after small messages with the same stamps."""
    bench = Bench()
    stamps = [100 + 33 * k for k in range(30)]
    for stamp in stamps:
        bench.info(stamp)
    assert all(bench.image(stamp) is not None for stamp in stamps)


def test_latest_is_the_last_received_whatever_its_stamp():
    """In the second loop of a bag, or if the driver of a zoom lens sets no stamps."""
    bench = Bench(latest=True)
    for stamp, name in ((100, 'wide'), (200, 'long'), (100, 'wide again')):
        bench.info(stamp, name=name)
    assert bench.image(300).info.name == 'wide again'


def test_latest_prefers_the_exact_stamp():
    bench = Bench(latest=True)
    bench.info(100, name='exact')
    bench.info(133, name='newer')
    assert bench.image(100).info.name == 'exact'


def test_latest_pairs_a_waiting_image_with_the_first_info():
    bench = Bench(latest=True)
    assert bench.image(100) is None
    assert bench.image(133) is None
    pair = bench.info(5)
    assert pair.image.header.stamp.nanosec == 133 * MS
    assert bench.drops == ['unpaired']


def test_latest_ignores_an_info_beyond_the_maximum_age():
    bench = Bench(latest=True, max_age_ms=500)
    bench.info(1000)
    assert bench.image(499) is None
    assert bench.image(500) is not None
    assert bench.image(1500) is not None
    assert bench.image(1501) is None


def test_latest_with_an_age_takes_the_nearest_info():
    bench = Bench(latest=True, max_age_ms=500)
    for stamp in (1000, 1200, 2000):
        bench.info(stamp, name=str(stamp))
    assert bench.image(1300).info.name == '1200'  # the image is late: 2000 is too far ahead
    assert bench.image(1700).info.name == '2000'


def test_latest_with_an_age_pairs_images_whose_infos_lag_by_more_than_a_frame():
    bench = Bench(latest=True, max_age_ms=10)
    bench.image(1000)
    pairs = []
    for k in range(1, 20):
        bench.image(1000 + 33 * k)
        pairs.append(bench.info(1001 + 33 * (k - 1)))
    stamps = [pair.image.header.stamp.nanosec // MS for pair in pairs]
    assert stamps == [33 * k % 1000 for k in range(19)] and bench.drops == []


def test_time_jump_starts_a_new_epoch_and_forgets_waiting_images():
    bench = Bench()
    bench.info(10_000)
    assert bench.image(10_000).epoch == 0
    bench.image(10_033)
    bench.info(1000)  # the bag starts again
    pair = bench.image(1000)
    assert pair is not None and pair.epoch == 1
    assert bench.drops == ['time jump']


def test_time_jump_seen_by_the_image_first():
    bench = Bench()
    bench.info(500)
    bench.info(10_000)
    bench.image(10_000)
    assert bench.image(1000) is None
    assert bench.info(1000).epoch >= 1
    assert bench.image(10_000) is None  # its camera_info was in the previous loop
    assert bench.image(500) is None  # this one too


def test_a_jump_of_the_clock_discards_everything_before_it():
    bench = Bench()
    bench.info(10_000)
    bench.image(10_033)
    bench.pairing.reset()
    assert bench.drops == ['time jump']
    assert bench.image(10_000) is None  # not out of order: the time of 10.033 s is over
    assert bench.info(10_000).epoch == 1 and bench.drops == ['time jump']


@pytest.mark.parametrize(('back', 'reason'), [(100, 'out_of_order'), (101, 'time jump')])
def test_from_a_tenth_of_a_second_on_a_step_back_is_a_jump(back, reason):
    bench = Bench()
    bench.image(10_000)
    bench.image(10_000 - back)
    assert (bench.drops, bench.pairing.epoch) == ([reason], int(reason == 'time jump'))


@pytest.mark.parametrize('info_first', [True, False])
def test_a_late_message_of_the_previous_loop(info_first):
    bench = Bench()
    bench.info(10_000)
    bench.image(10_000)
    ahead, behind = (bench.info, bench.image) if info_first else (bench.image, bench.info)
    assert ahead(1000) is None  # one topic is already in the new loop,
    assert behind(10_033) is None  # the other not yet
    pair = behind(1000)
    assert pair is not None and pair.epoch >= 1
    assert bench.drops == ['time jump'] * info_first  # the late image


def test_time_jump_keeps_a_latched_info():
    bench = Bench(latest=True)
    bench.info(0)
    assert bench.image(10_000).epoch == 0
    assert bench.image(1000).epoch == 1


def test_a_latched_info_that_is_sent_again_is_not_a_time_jump():
    bench = Bench(latest=True)
    bench.info(10_000)
    assert bench.image(10_000).epoch == 0
    bench.info(0)
    assert bench.image(10_033).epoch == 0


def test_an_image_out_of_order_is_not_a_time_jump():
    bench = Bench()
    bench.info(1033)
    bench.image(1033)
    bench.info(1000)
    assert bench.image(1000) is None
    assert (bench.drops, bench.pairing.epoch) == (['out_of_order'], 0)


def test_messages_without_stamps_still_pair():
    bench = Bench()
    for _ in range(3):
        bench.info(0)
        assert bench.image(0) is not None
    assert bench.drops == []
    late = Bench()
    assert [late.image(0) for _ in range(2)] == [None, None]
    assert late.info(0) is not None and late.drops == ['superseded']


@pytest.mark.parametrize('latest', [True, False])
def test_frame_ids_must_match(latest):
    bench = Bench(latest)
    bench.info(100, frame_id='left')
    assert bench.image(100, frame_id='right') is None
    assert bench.drops == ['frame_id']
    assert "'right'" in bench.messages[0] and "'left'" in bench.messages[0]


@pytest.mark.parametrize(('image', 'info'), [('camera', ''), ('', 'camera'), ('', '')])
def test_an_empty_frame_matches_any(image, info):
    bench = Bench()
    bench.info(100, frame_id=info)
    pair = bench.image(100, frame_id=image)
    assert pair is not None and pair.image.header.frame_id == image
    assert bench.drops == []


def test_the_second_camera_of_a_stereo_pair_may_name_the_frame_of_the_first():
    """RealSense's infra2 does."""
    bench = Bench()
    bench.info(100, frame_id='left', tx=-21.4)
    pair = bench.image(100, frame_id='right')
    assert pair is not None and pair.image.header.frame_id == 'right'
    assert bench.drops == []


@pytest.mark.parametrize('tx', [0.0, -21.4])
@pytest.mark.parametrize('image', ['', 'left', 'right'])
@pytest.mark.parametrize('info', ['', 'left', 'right'])
def test_node_and_replay_agree_on_frames(tmp_path, image, info, tx):
    pytest.importorskip('rosbags')
    from bag_factory import frames, write_bag

    from dmd_ros.eval.bags import topics
    from dmd_ros.eval.bags.file import Bag
    from dmd_ros.eval.bags.reader import BagReader

    items = [replace(i, frame_id=info) for i in frames([np.zeros((48, 64, 3), np.uint8)])]
    items[0].frame_id = image
    items[1].extra['p'] = np.array(message(100, tx=tx).p)
    with Bag(write_bag(tmp_path / 'bag', items)) as bag:
        in_replay = len(list(BagReader(bag, topics.choose(bag))))
    bench = Bench()
    bench.info(100, frame_id=info, tx=tx)
    assert (bench.image(100, frame_id=image) is not None) == bool(in_replay)
