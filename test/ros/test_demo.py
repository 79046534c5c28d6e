# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags')

from bag_factory import CAMERA, DEPTH, IMAGE, INFO, T0, Item, frames, storage_file, write_bag
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from oracle_model import CONTRACT, grey_from_depth
from peers import TIMEOUT, NodeProcess, Peer, free_domain
from sensor_msgs.msg import Image

from dmd_ros.core.camera import Rectifier
from dmd_ros.core.pointcloud import limit_range
from dmd_ros.eval.bags import topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output import cloud_view
from dmd_ros.ros.demo import __main__ as command
from dmd_ros.ros.demo import recorder, results, source
from dmd_ros.ros.demo.performance import Observed
from dmd_ros.ros.errors import NodeError
from dmd_ros.runtime.child import child_command

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / 'test' / 'data' / 'sample_bag'


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, '-m', 'dmd_ros.ros.demo', *arguments]
    with free_domain() as domain:
        env = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # its children would disturb later tests
            out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_the_sample_bag_goes_through_the_node_and_every_image_is_accounted_for(
    oracle: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'demo'
    words = ['--bag', str(SAMPLE), '--out', str(out), '--model', str(oracle), '--limit', '10']
    done = demo(*words, '-p', 'steps:=2', '-p', 'sampler:=ddpm')
    assert done.returncode == 0, done.stderr
    found = json.loads((out / 'demo.json').read_text())
    assert found['settings']['node parameters']['steps'] == 2
    assert found['images_sent'] == 10
    assert found['processed'] + sum(found['dropped'].values()) == 10
    assert found['depth_received'] == found['clouds_received'] == found['processed'] >= 1
    assert found['score']['frames'] == found['processed']
    assert found['latency_ms']['image sent to depth received']['p50'] > 0
    assert found['node_exit_status'] == 0
    with Bag(out / 'recorded') as bag:
        counts = {name: topic.count for name, topic in bag.topics.items()}
    assert counts['/depth/image'] == counts['/points'] == found['processed']
    assert counts['/depth/camera_info'] == found['processed']
    assert counts['/diagnostics'] > 0
    assert 'AbsRel' in (out / 'demo.md').read_text()
    for name in ('sheet.png', 'cloud.png', 'summary.jpg'):
        assert cv2.imread(str(out / name)).std() > 10
    assert 'image sent to depth received, p95 ms' in done.stdout


def test_a_demo_ends_even_if_its_last_images_have_no_depth(oracle: Path, tmp_path: Path) -> None:
    """A damaged one, and one whose camera_info came after the end of the recording."""
    items = frames([grey_from_depth(RAMPS[0])] * 11)
    items[-4] = replace(items[-4], kind='bytes', content=b'no picture')
    items = [replace(i, kind='png') if i.kind == 'image' else i for i in items[:-1]]
    items.append(Item(DEPTH, T0, RAMPS[0], 'depth32', 'ir'))
    bag = write_bag(tmp_path / 'bag', items)
    out = tmp_path / 'demo'
    done = demo('--bag', str(bag), '--out', str(out), '--model', str(oracle))
    assert done.returncode == 0, done.stderr
    found = json.loads((out / 'demo.json').read_text())
    assert (found['images_sent'], found['dropped']['bad image']) == (11, 1)
    assert found['depth_received'] == found['processed'] >= 1
    assert done.stderr.count("is in frame 'ir', the images in 'camera'") == 1


def recorder_of(folder: Path) -> list[str]:
    return child_command(recorder.__name__, str(folder / 'recorded'))


def test_the_recorder_is_ready_when_the_node_has_found_it(tmp_path: Path) -> None:
    """It is not enough that it has found the node: messages published before that are lost."""
    node_says = DiagnosticStatus(name='dmd: depth', values=[KeyValue(key='images', value='0')])
    with free_domain() as domain, contextlib.ExitStack() as held:
        peer = Peer(domain, listen=())
        held.callback(peer.close)
        publishers = [peer.node.create_publisher(k, t, 5) for t, k in recorder._TOPICS.items()]
        process = NodeProcess(domain, command=recorder_of(tmp_path))
        held.callback(process.stop)
        assert peer.until(lambda: all(p.get_subscription_count() for p in publishers))
        publishers[-1].publish(DiagnosticArray(status=[DiagnosticStatus(name='camera: rate')]))
        time.sleep(0.5)  # it has found these publishers too
        assert '"ready"' not in process.output
        publishers[-1].publish(DiagnosticArray(status=[node_says]))
        process.wait_line('"ready"')
        assert process.wait() == 0  # its stdin has ended


def test_a_recorder_that_cannot_report_ends(tmp_path: Path) -> None:
    node_says = DiagnosticStatus(name='dmd: depth', values=[KeyValue(key='images', value='0')])
    with free_domain() as domain, contextlib.ExitStack() as held:
        peer = Peer(domain, listen=())
        held.callback(peer.close)
        publisher = peer.node.create_publisher(DiagnosticArray, recorder.DIAGNOSTICS, 5)
        process = subprocess.Popen(
            recorder_of(tmp_path),
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        held.callback(process.kill)
        assert peer.until(lambda: publisher.get_subscription_count() > 1)  # one is the peer's
        assert process.stdout is not None
        process.stdout.close()
        deadline = time.monotonic() + TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            publisher.publish(DiagnosticArray(status=[node_says]))
            time.sleep(0.1)
        assert process.poll() == 1


def test_a_recorder_whose_disk_is_full_reports_it_and_ends_at_once(tmp_path: Path) -> None:
    """Without a traceback, and not only at the end of the bag, hours later."""
    noise = np.random.default_rng(0).bytes(400_000)  # incompressible
    with free_domain() as domain, contextlib.ExitStack() as held:
        peer = Peer(domain, listen=())
        held.callback(peer.close)
        publisher = peer.node.create_publisher(Image, recorder.DEPTH, 5)
        words = ['bash', '-c', 'ulimit -f 99; exec "$@"', '', *recorder_of(tmp_path)]
        process = NodeProcess(domain, command=words)
        held.callback(process.stop)

        def has_failed() -> bool:
            publisher.publish(Image(data=noise))
            return 'cannot write' in process.output

        assert peer.until(has_failed), process.output
        assert process.wait() == 1
        assert 'recorded: [Errno 27] File too large' in process.output
        assert 'Traceback' not in process.output


BARREL = replace(CAMERA, distortion=(-0.4, 0.1, 0.0, 0.0, 0.0), distortion_model='plumb_bob')
RAMPS = [
    np.tile(np.linspace(1.0, 8.0 + i, 64, dtype=np.float32), (48, 1)) for i in range(3)
]  # metres


def test_images_alone_drive_a_node_that_takes_no_camera_info(oracle: Path, tmp_path: Path) -> None:
    items = frames([grey_from_depth(d) for d in RAMPS], RAMPS, camera=BARREL)
    bag = write_bag(tmp_path / 'bag', [i for i in items if i.kind != 'info'])
    out = tmp_path / 'demo'
    words = ['--bag', str(bag), '--out', str(out), '--model', str(oracle)]
    done = demo(*words, '-p', 'fov_source:=fixed', '-p', 'fixed_vfov_deg:=50.0')
    assert done.returncode == 0, done.stderr
    found = json.loads((out / 'demo.json').read_text())
    assert found['images_sent'] == 3
    assert found['score']['frames'] == found['depth_received'] >= 1
    assert found['score']['abs_rel'] < 0.05


def test_depth_without_camera_info_is_judged_by_the_camera_that_the_node_assumed(
    tmp_path: Path,
) -> None:
    assumed = replace(CAMERA, fx=70.0, fy=70.0)
    pictures = [grey_from_depth(d) for d in RAMPS]
    path = write_bag(tmp_path / 'bag', frames(pictures, RAMPS, camera=BARREL))
    answers = frames(pictures, RAMPS, camera=assumed)
    names = {INFO: recorder.INFO, DEPTH: recorder.DEPTH}
    answers = [replace(i, topic=names[i.topic]) for i in answers if i.topic in names]
    write_bag(tmp_path / 'recorded', answers)
    with Bag(path) as bag:
        camera = source.inspect(bag, topics.choose(bag, calibrated=False), 0)
    judged = results.judge(camera, CONTRACT, tmp_path)
    assert [score.abs_rel for score in judged.scores] == [0.0] * 3
    np.testing.assert_array_equal(judged.cloud, cloud_view.render(RAMPS[1], pictures[1], assumed))


@pytest.mark.parametrize(('given', 'by'), [({'max_depth': 3.0}, 1.1), ({'min_depth': 2.0}, 0.9)])
def test_truth_outside_the_limits_of_the_node_is_ignored(tmp_path, given, by) -> None:
    """There it publishes inf, which without limits means the end of the model's range."""
    pictures = [grey_from_depth(d) for d in RAMPS]
    path = write_bag(tmp_path / 'bag', frames(pictures, RAMPS))
    limits, limited = command._limits(given), [np.float32(by) * d for d in RAMPS]
    for depth in limited:
        limit_range(depth, limits.min_m, limits.max_m)
    answers = frames(pictures, limited)
    answers = [replace(i, topic=recorder.DEPTH) for i in answers if i.kind == 'depth32']
    write_bag(tmp_path / 'recorded', answers)
    with Bag(path) as bag:
        camera = source.inspect(bag, topics.choose(bag), 0)
    judged = results.judge(camera, CONTRACT, tmp_path, limits)
    # Estimates beyond the limit may belong to a true depth up to a tenth nearer.
    assert all(0.08 < s.abs_rel < 0.1 and s.coverage == 1.0 for s in judged.scores)
    assert max(score.abs_rel for score in judged.constants) < 1.0
    for none in ({}, {'max_depth': 1000.0, 'min_depth': 0.0}):
        whole = results.judge(camera, CONTRACT, tmp_path, command._limits(none))
        assert whole.scores == results.judge(camera, CONTRACT, tmp_path).scores
        assert whole.scores[0].pixels > judged.scores[0].pixels


def test_a_picture_is_shown_on_the_grid_of_its_depth(tmp_path: Path) -> None:
    """Depth of a distorted picture is aligned with the rectified one, unless it is compared."""
    pictures = [grey_from_depth(d) for d in RAMPS]
    items = frames(pictures, RAMPS, camera=BARREL)
    path = write_bag(tmp_path / 'bag', items)
    answers = [replace(i, topic=recorder.DEPTH) for i in items if i.kind == 'depth32']
    write_bag(tmp_path / 'recorded', answers)
    rectify = Rectifier(BARREL)
    for depth, shown in ((topics.NONE, [rectify(p) for p in pictures]), (None, pictures)):
        with Bag(path) as bag:
            camera = source.inspect(bag, topics.choose(bag, depth=depth), 0)
        judged = results.judge(camera, CONTRACT, tmp_path)
        np.testing.assert_array_equal([row.rgb for row in judged.rows], shown)


@pytest.mark.parametrize(
    ('topic', 'words', 'rectified'),
    [
        (IMAGE, [], False),
        (IMAGE, ['-p', 'input_rectified:=true'], True),
        ('/camera/image_rect', ['-p', 'input_rectified:=auto'], True),
        ('/camera/image_rect', ['-p', 'input_rectified:=false'], False),
    ],
)
def test_node_and_judge_agree_whether_images_are_rectified(
    oracle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    words: list[str],
    rectified: bool,
) -> None:
    items = frames([grey_from_depth(RAMPS[0])], RAMPS[:1], camera=BARREL)
    names = {IMAGE: topic}
    items = [replace(i, topic=names.get(i.topic, i.topic)) for i in items]
    bag = write_bag(tmp_path / 'bag', items)
    told: dict[str, str] = {}

    def perform(source, settings, out):
        told.update(settings)
        raise NodeError(f'judged as rectified: {source.rectified}')

    monkeypatch.setattr(command, 'perform', perform)
    with pytest.raises(NodeError, match=f'judged as rectified: {rectified}'):
        command.main(
            ['--bag', str(bag), '--out', str(tmp_path / 'out'), '--model', str(oracle), *words]
        )
    assert told['input_rectified'] == str(rectified).lower()


def test_problems_of_a_playable_bag_are_reported(
    oracle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    items = frames([grey_from_depth(d) for d in RAMPS])
    whole = write_bag(tmp_path / 'whole', items)
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(storage_file(whole).read_bytes()[:-200])
    monkeypatch.setattr(command, 'perform', lambda *_: Observed())
    with pytest.raises(NodeError, match='the node published no depth'):
        command.main(['--bag', str(cut), '--out', str(tmp_path / 'out'), '--model', str(oracle)])
    assert f'warning: {cut} is incomplete or unusual' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--bag', '/nowhere'], 'error: bag /nowhere does not exist'),
        (['--model', '/nowhere.onnx'], 'error: model file /nowhere.onnx does not exist'),
        (['--image-topic', '/nothing'], 'has no topic /nothing; it has:'),
    ],
)
def test_an_unplayable_bag_is_reported_before_anything_starts(
    oracle: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    defaults = ['--model', str(oracle)] if '--model' not in arguments else []
    done = demo(*arguments, *defaults, '--out', str(tmp_path / 'demo'))
    assert done.returncode == 2
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_demo_removes_neither_its_source_bag_nor_files_of_others(
    oracle: Path, tmp_path: Path
) -> None:
    bag = shutil.copytree(SAMPLE, tmp_path / 'recorded')
    words = ['--out', str(tmp_path), '--model', str(oracle)]
    with pytest.raises(EvalError, match='would be overwritten; choose another --out'):
        command.main(['--bag', str(bag), *words])
    with pytest.raises(EvalError, match='is not from an earlier run'):
        command.main(['--bag', str(SAMPLE), *words])
    assert len(list(bag.iterdir())) == len(list(SAMPLE.iterdir()))


def test_a_limit_below_zero_is_refused(capsys: pytest.CaptureFixture) -> None:
    """Nothing would be played, and the demo would wait forever."""
    with pytest.raises(SystemExit):
        command.main(['--bag', '/nowhere', '--limit', '-3'])
    assert 'argument --limit: -3 must be >= 0' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('prepare', 'message'),
    [
        (lambda path: path.mkdir(), 'is not a bag'),
        (lambda path: path.touch(), 'is not a bag'),
        (lambda path: path.with_suffix('.bag').write_bytes(b'not a bag' * 99), 'damaged'),
        (lambda path: path.with_suffix('.mcap').write_bytes(b'not a bag' * 99), 'damaged'),
        (lambda path: write_bag(path, []), 'message'),
        (lambda path: write_bag(path, frames([])), 'message'),
    ],
    ids=['empty folder', 'empty file', 'corrupt ROS 1', 'corrupt mcap', 'no topics', 'no message'],
)
def test_a_bag_without_pictures_is_reported_before_anything_starts(
    oracle: Path, tmp_path: Path, prepare, message: str
) -> None:
    prepare(tmp_path / 'bag')
    (bag,) = tmp_path.iterdir()
    out = tmp_path / 'demo'
    done = demo('--bag', str(bag), '--model', str(oracle), '--out', str(out))
    assert done.returncode == 2
    assert done.stderr.startswith('error: ') and message in done.stderr and str(bag) in done.stderr
    assert 'Traceback' not in done.stderr and not (out / 'recorded').exists()


def test_a_bag_that_repeats_stamps_is_refused_but_one_loop_of_it_is_not(tmp_path: Path) -> None:
    lap = frames([grey_from_depth(d) for d in RAMPS])
    again = [replace(item, logged_ns=item.stamp_ns + 10**9) for item in lap]
    with Bag(write_bag(tmp_path / 'bag', [*lap, *again])) as bag:
        chosen = topics.choose(bag)
        assert source.inspect(bag, chosen, 3).images == 3
        with pytest.raises(NodeError, match=r'1 of the 4 images of /camera/image_raw .* --limit'):
            source.inspect(bag, chosen, 4)


def test_the_bag_determines_the_node_parameters() -> None:
    with Bag(SAMPLE) as bag:
        found = source.inspect(bag, topics.choose(bag), 0)
    assert found.images == 30
    assert found.node_parameters() == {
        'image_transport': 'compressed',
        'input_rectified': 'false',
        'info_pairing': 'exact',
    }


def test_messages_of_ros1_and_ros2_bags_are_the_same_on_the_wire(tmp_path: Path) -> None:
    pytest.importorskip('rclpy')
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import CameraInfo, Image

    pictures = [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(2)]
    wires = []
    for kind in ('mcap', 'ros1'):
        path = write_bag(tmp_path / kind, frames(pictures), kind)
        with Bag(path) as bag:
            chosen = topics.choose(bag)
            wires.append([(m.topic, data) for m, data in source.messages(bag, chosen)])
    for (topic, ros2), (_, ros1) in zip(*wires, strict=True):
        message = Image if topic == chosen.image else CameraInfo
        assert deserialize_message(ros1, message) == deserialize_message(ros2, message)


@pytest.mark.parametrize(
    ('word', 'said'),
    [
        ('steps=2', "'steps=2' is not NAME:=VALUE, for example steps:=2"),
        ('model:=other.onnx', "'model:=other.onnx': give --model other.onnx instead"),
        ('autostart:=false', "'autostart:=false': autostart is set by the demo itself"),
        ('stpes:=2', 'stpes is not a parameter of the node; allowed: steps'),
        ('input_rectified:=maybe', "input_rectified is 'maybe'; allowed: auto, true, false"),
    ],
)
def test_parameters_that_the_demo_refuses(tmp_path: Path, word: str, said: str) -> None:
    done = demo('-p', word, '--out', str(tmp_path / 'demo'))
    assert done.returncode == 2
    assert said in done.stderr
