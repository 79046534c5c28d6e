# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import errno
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from bag_factory import CAMERA, DEPTH, IMAGE, INFO, T0, Item, frames, storage_file, write_bag
from oracle_model import grey_from_depth

from dmd_ros.eval import options, replay
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.options import run_command


@pytest.fixture(scope='module')
def items():
    depth = np.full((48, 64), 2.0, np.float32)
    return frames([grey_from_depth(depth)] * 2, [depth] * 2)


def failure(argv, capsys):
    assert run_command(lambda _: replay.main([*map(str, argv), '--quiet'])) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert 'Traceback' not in error
    return error


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--image-topic', '/nope'], 'has no topic /nope; it has: /camera/image_raw'),
        (['--depth-topic', INFO], 'is of type sensor_msgs/msg/CameraInfo'),
        (['--model', 'none.onnx'], 'model file none.onnx does not exist'),
        (['--max-depth', '0'], '0 <= min < max'),
        (['--min-depth', '-1'], '0 <= min < max'),
        (['--max-depth', 'nan'], '0 <= min < max'),
        (['--threads', '257'], 'threads=257 must be a whole number from 0 (all cores) to 256'),
        (['--fov-source', 'fixed'], '--fov-source fixed needs --vfov, the vertical'),
        (['--vfov', '48'], '--vfov 48 needs --fov-source fixed, not camera_info'),
        (['--fov-model', 'dmd_fov'], '--fov-model needs --fov-source estimate, not camera_info'),
        (['--samples', str(10**12)], 'out of memory; fewer samples'),
    ],
)
def test_bad_options_are_one_line(items, tmp_path, model, options, message, capsys):
    bag = write_bag(tmp_path / 'bag', items)
    argv = [bag, '--model', model, '--out', tmp_path / 'out', *options]
    assert message in failure(argv, capsys)


@pytest.mark.parametrize(
    'options',
    [
        ['--steps', '0'],
        ['--stride', 'x'],
        ['--backend', 'abacus'],
        *(['--depth-tolerance', value] for value in ('nan', '-1', 'soon', '1e300')),
    ],
)
def test_impossible_options_are_refused(items, tmp_path, model, options, capsys):
    with pytest.raises(SystemExit):
        replay.main(['bag', '--model', model, *options])
    assert 'error: argument' in capsys.readouterr().err


def test_bags_that_cannot_be_used(tmp_path, model, capsys):
    out = ['--model', model, '--out', tmp_path / 'out']
    assert 'does not exist' in failure([tmp_path / 'none', *out], capsys)
    (tmp_path / 'empty.mcap').write_bytes(b'')
    assert 'beyond reading' in failure([tmp_path / 'empty.mcap', *out], capsys)
    other = write_bag(tmp_path / 'other', [Item('/chatter', T0, 'hello', 'string')])
    assert 'no image topic; it has: /chatter' in failure([other, *out], capsys)
    assert not (tmp_path / 'out').exists()


def test_a_folder_that_cannot_be_written_is_one_line(items, tmp_path, model, capsys):
    bag = write_bag(tmp_path / 'bag', items)
    (tmp_path / 'file').touch()
    argv = [bag, '--model', model, '--out', tmp_path / 'file' / 'out']
    assert f"Not a directory: '{tmp_path}/file/out'" in failure(argv, capsys)


def test_a_loop_of_symbolic_links_is_one_line(items, tmp_path, model, capsys):
    bag, loop = write_bag(tmp_path / 'bag', items), tmp_path / 'loop'
    loop.symlink_to(loop)
    assert f'bag {loop} does not exist' in failure([loop, '--model', model], capsys)
    error = failure([bag, '--estimates', loop, '--out', tmp_path / 'out'], capsys)
    assert f'bag {loop} does not exist' in error
    assert str(loop) in failure([bag, '--model', model, '--out', loop], capsys)


def test_a_bag_of_unusable_images_gives_the_reasons(tmp_path, model, capsys):
    bad = [Item(IMAGE, T0, b'', 'bytes'), Item(INFO, T0, CAMERA, 'info')]
    argv = [write_bag(tmp_path / 'bag', bad), '--model', model, '--out', tmp_path / 'out']
    assert 'could be used: 1 x compressed image is empty' in failure(argv, capsys)
    assert not (tmp_path / 'out' / 'depth').exists()


def test_truth_of_another_view_is_refused(items, tmp_path, model, capsys):
    wide = [
        replace(item, content=np.ascontiguousarray(item.content[:24]))
        if item.topic == DEPTH
        else item
        for item in items
    ]
    argv = [write_bag(tmp_path / 'bag', wide), '--model', model, '--out', tmp_path / 'out']
    assert '--depth-topic none' in failure(argv, capsys)
    assert not (tmp_path / 'out' / 'depth').exists()


def test_an_earlier_run_is_not_overwritten_unasked(items, tmp_path, model, capsys):
    argv = [write_bag(tmp_path / 'bag', items), '--model', model, '--out', tmp_path / 'out']
    replay.main([*map(str, argv), '--quiet'])
    capsys.readouterr()
    assert 'exists already' in failure(argv, capsys)
    replay.main([*map(str, argv), '--quiet', '--overwrite'])


def test_overwriting_removes_only_an_earlier_run(items, tmp_path, model, capsys):
    bag, out = write_bag(tmp_path / 'bag', items), tmp_path / 'out'
    options = ['--model', model, '--out', out, '--overwrite']
    replay.main([*map(str, [bag, *options]), '--quiet'])
    before = (out / 'results.json').read_bytes()
    assert 'does not exist' in failure([tmp_path / 'bog', *options], capsys)
    (tmp_path / 'link').symlink_to(out / 'depth')
    for itself in (out / 'depth', storage_file(out / 'depth'), tmp_path / 'link'):
        assert 'would be overwritten' in failure([itself, *options], capsys)
    (out / 'depth' / '000.png').touch()
    assert 'is not from an earlier run' in failure([bag, *options], capsys)
    assert (out / 'results.json').read_bytes() == before
    assert (out / 'depth' / '000.png').exists() and storage_file(bag).exists()


@pytest.fixture
def press(monkeypatch):
    """Press Ctrl-C a number of times in the middle of the second image; restore the handlers."""
    step, before = replay.ReplaySession.step, signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def times(number):
        def spoilt(self, frame):
            if len(self.results) == 1:
                for _ in range(number):
                    signal.raise_signal(signal.SIGINT)
            return step(self, frame)

        monkeypatch.setattr(replay.ReplaySession, 'step', spoilt)

    yield times
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('number', [1, 3])  # three in quick succession count as one
def test_ctrl_c_writes_the_results_so_far(tmp_path, model, press, number, capsys):
    depth = np.full((48, 64), 2.0, np.float32)
    four = frames([grey_from_depth(depth)] * 4, [depth] * 4)
    early = [replace(i, stamp_ns=i.stamp_ns - 1) if i.topic == INFO else i for i in four]
    bag = write_bag(tmp_path / 'bag', early)
    press(number)
    argv = [bag, '--model', model, '--out', tmp_path / 'out', '--quiet']
    assert run_command(lambda _: replay.main([*map(str, argv)])) == 130
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert (results['images_chosen'], results['images_evaluated']) == (4, 2)
    early, interrupted = results['warnings']
    assert early.startswith('2 of 2 images have no camera_info of equal stamp')
    assert interrupted == 'interrupted after 2 of 4 images: all results are of those alone'
    with Bag(tmp_path / 'out' / 'depth') as written:
        assert {t.count for t in written.topics.values()} == {2} and not written.warnings
    assert (tmp_path / 'out' / 'sheet.png').is_file()
    said = capsys.readouterr()
    assert 'warning: interrupted after 2 of 4' in said.err and 'written: ' in said.out
    assert said.err.endswith('interrupted\n')


def test_ctrl_c_at_the_last_image_loses_nothing(items, tmp_path, model, press):
    press(1)
    argv = [write_bag(tmp_path / 'bag', items), '--model', model, '--out', tmp_path / 'out']
    assert run_command(lambda _: replay.main([*map(str, argv), '--quiet'])) == 130
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert (results['images_evaluated'], results['warnings']) == (2, [])


def test_a_late_second_ctrl_c_stops_at_once(items, tmp_path, model, press, monkeypatch):
    monkeypatch.setattr(options, 'DEAF_S', -1.0)
    press(2)
    argv = [write_bag(tmp_path / 'bag', items), '--model', model, '--out', tmp_path / 'out']
    assert run_command(lambda _: replay.main([*map(str, argv), '--quiet'])) == 130
    assert not (tmp_path / 'out' / 'results.json').exists()


@pytest.mark.parametrize(
    ('number', 'options', 'smaller'),
    [(errno.ENOSPC, (), True), (errno.ENOSPC, ('--no-points',), False), (errno.EIO, (), False)],
)
def test_a_full_disk_is_one_line_and_leaves_no_half_bag(
    items, tmp_path, model, number, options, smaller, monkeypatch, capsys
):
    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(replay.DepthBagWriter, 'write', full)
    argv = [write_bag(tmp_path / 'bag', items), '--model', model, '--out', tmp_path / 'out']
    said = failure([*argv, *options], capsys)
    assert f'{os.strerror(number)})' in said
    assert ('without clouds' in said) == smaller
    assert not (tmp_path / 'out' / 'depth').exists()
