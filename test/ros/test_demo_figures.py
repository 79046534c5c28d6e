# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results that the demo derives from its observations, without playing anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rosbags')

import bag_factory
from oracle_model import CONTRACT, grey_from_depth

from dmd_ros.eval import metrics
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.ros.demo import __main__ as command
from dmd_ros.ros.demo import recorder, results, source
from dmd_ros.ros.demo.performance import Observed
from dmd_ros.ros.errors import NodeError

MS = 1_000_000
DEPTHS = [np.full((48, 64), 2.0 + i, np.float32) for i in range(4)]  # metres
SEEN = Observed(
    sent={1: 0, 2: 100 * MS, 3: 200 * MS},
    depth={1: 40 * MS, 3: 260 * MS},
    points={1: 70 * MS},
    diagnostics={
        'images': '9',
        'pairs': '9',
        'processed': '4',
        'idle (nobody listens)': '1',
        'dropped: superseded': '2',
        'dropped: unpaired': '3',
    },
)


def test_figures_combine_observations_and_the_counts_of_the_node() -> None:
    twice = metrics.score(2 * DEPTHS[0], DEPTHS[0])
    judged = results.Judged([twice], [metrics.score(DEPTHS[1], DEPTHS[0])])
    found = results.figures(SEEN, judged, {})
    depth, cloud = found['latency_ms'].values()
    assert (depth['p50'], depth['max'], cloud['max']) == (50.0, 60.0, 70.0)
    assert (found['images_received_by_node'], found['processed']) == (9, 4)
    assert found['images_sent'] == 3
    assert (found['depth_received'], found['clouds_received']) == (2, 1)
    assert found['dropped'] == {'superseded': 2, 'unpaired': 3}
    assert (found['score'].abs_rel, found['best_const_abs_rel']) == (1.0, 0.5)
    assert results.figures(SEEN, results.Judged(), {})['score'] is None
    rows = [line.strip('| ').split(' | ') for line in results.table(found).splitlines()]
    table = {name.strip(): value.strip() for name, value in rows}
    assert (table['dropped'], table['dropped: superseded']) == ('5', '2')
    depth_row = 'image sent to depth received'
    assert [table[f'{depth_row}, {part} ms'] for part in ('p50', 'p95')] == ['50.0', '59.0']
    assert (table['AbsRel'], table['AbsRel of the best constant per frame']) == ('1.000', '0.500')


def test_pairs_in_hand_are_those_neither_processed_nor_dropped() -> None:
    assert SEEN.in_hand == 9 - 4 - 1 - 2
    assert Observed().in_hand == 0  # before the first diagnostics


def test_a_run_is_complete_when_depth_and_cloud_of_the_last_image_have_arrived() -> None:
    assert not SEEN.complete and not Observed().complete
    assert replace(SEEN, points={3: 270 * MS}).complete
    assert not replace(SEEN, depth={1: 40 * MS}, points={3: 270 * MS}).complete


ITEMS = bag_factory.frames([grey_from_depth(d) for d in DEPTHS], DEPTHS)


def write_source(folder: Path, items: list[bag_factory.Item], **options: str) -> source.Source:
    with Bag(bag_factory.write_bag(folder / 'bag', items)) as bag:
        return source.inspect(bag, topics.choose(bag), 0, **options)


def record(folder: Path, items: list[bag_factory.Item]) -> None:
    depths = [replace(i, topic=recorder.DEPTH) for i in items if i.kind == 'depth32']
    bag_factory.write_bag(folder / 'recorded', depths)


def test_depth_is_compared_with_its_own_image_after_a_drop(tmp_path: Path) -> None:
    """After a drop, the others are still evaluated against their own ground truth."""
    camera = write_source(tmp_path, ITEMS)
    record(tmp_path, ITEMS[3:6] + ITEMS[9:])
    judged = results.judge(camera, CONTRACT, tmp_path)
    assert [score.abs_rel for score in judged.scores] == [0.0] * 2
    assert [float(row.truth_m[0, 0]) for row in judged.rows] == [3.0, 5.0]


def test_rectified_pictures_have_no_distortion_left(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(1.0, 8.0, 64, dtype=np.float32), (48, 1))
    barrel = replace(
        bag_factory.CAMERA, distortion=(-0.4, 0.1, 0.0, 0.0, 0.0), distortion_model='plumb_bob'
    )
    items = bag_factory.frames([grey_from_depth(ramp)], [ramp], camera=barrel)
    camera = write_source(tmp_path, items, rectified='true')
    record(tmp_path, items)
    (score,) = results.judge(camera, CONTRACT, tmp_path).scores
    assert (score.abs_rel, score.coverage) == (0.0, 1.0)


def test_an_estimate_is_shown_on_the_grid_of_its_truth(tmp_path: Path) -> None:
    small = [replace(i, content=i.content[::2, ::2]) if i.kind == 'depth32' else i for i in ITEMS]
    camera = write_source(tmp_path, small)
    record(tmp_path, ITEMS)
    row = results.judge(camera, CONTRACT, tmp_path).rows[0]
    assert row.depth_m.shape == row.truth_m.shape == (24, 32)


def test_ground_truth_of_another_camera_is_used_with_a_warning(tmp_path: Path) -> None:
    aside = [replace(i, frame_id='ir') if i.kind == 'depth32' else i for i in ITEMS]
    camera = write_source(tmp_path, aside)
    record(tmp_path, ITEMS)
    judged = results.judge(camera, CONTRACT, tmp_path)
    assert len(judged.scores) == len(DEPTHS)
    (warning,) = judged.warnings
    assert "is in frame 'ir', the images in 'camera'" in warning


@pytest.mark.parametrize('stamp', [0, bag_factory.T0], ids=['latched', 'of the first one'])
def test_images_without_infos_of_their_own_are_paired_with_the_latest(tmp_path, stamp) -> None:
    others = [item for item in ITEMS if item.kind != 'info']
    camera = write_source(tmp_path, [*others, replace(ITEMS[1], stamp_ns=stamp)])
    assert camera.node_parameters()['info_pairing'] == 'latest'


def test_a_damaged_image_of_ros1_does_not_end_the_playing(tmp_path: Path) -> None:
    """It is sent without content, and the node counts it like one from a ROS 2 bag."""
    frames = bag_factory.frames([grey_from_depth(depth) for depth in DEPTHS])
    path = bag_factory.write_bag(tmp_path / 'bag', frames, 'ros1')
    content = path.read_bytes()
    path.write_bytes(content.replace(b'\4\0\0\0rgb8', b'\4\0\x40\0rgb8', 1))  # string length
    with Bag(path) as bag:
        sizes = [
            len(data)
            for m, data in source.messages(bag, topics.choose(bag))
            if m.topic == bag_factory.IMAGE
        ]
    assert sizes[0] == 4 < min(sizes[1:]) and len(sizes) == len(DEPTHS)


def test_a_node_that_exits_with_an_error_is_reported(tmp_path: Path) -> None:
    camera = write_source(tmp_path, ITEMS)
    with pytest.raises(NodeError, match='the node ended with status 1'):
        command._check(replace(SEEN, node_status=1), camera, tmp_path)
    command._check(SEEN, camera, tmp_path)


def test_a_second_demo_replaces_the_first(oracle: Path, tmp_path: Path, monkeypatch):
    bag = bag_factory.write_bag(tmp_path / 'bag', ITEMS)
    out = tmp_path / 'out'
    (out / 'recorded').mkdir(parents=True)
    for name in ('recorded/metadata.yaml', 'demo.json', 'sheet.png', 'notes.txt'):
        (out / name).touch()
    told: dict[str, object] = {}

    def perform(_, settings, out):
        told.update(settings)
        return Observed()

    monkeypatch.setattr(command, 'perform', perform)
    queue = 'qos_overrides./points.publisher.depth'
    words = ['-p', 'steps:=2', '-p', f'{queue}:=1', '--model', str(oracle)]
    with pytest.raises(NodeError, match='the node published no depth for 0 images'):
        command.main(['--bag', str(bag), '--out', str(out), *words])
    assert [path.name for path in out.iterdir()] == ['notes.txt']
    assert (told['steps'], told[queue]) == (2, 1)
