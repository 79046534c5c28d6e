# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that are complete, but that the regular reader refuses or misreads."""

import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bag_factory import IMAGE, INFO, T0, Item, frames, storage_file, write_bag

from dmd_ros.eval.bags.file import Bag, bag_name
from dmd_ros.eval.errors import EvalError

PICTURES = [np.full((48, 64, 3), level, np.uint8) for level in range(6)]


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3+message'])
def test_a_bag_whose_metadata_was_edited_for_a_player_is_read_whole(tmp_path, kind):
    words = Item('/words', T0, 'unread', 'string')
    path = write_bag(tmp_path / 'bag', [words, *frames(PICTURES)], kind)
    with Bag(path) as bag:
        whole = list(bag.raw([IMAGE, INFO]))
    metadata = (path / 'metadata.yaml').read_text()
    key, time = 'offered_qos_profiles: []', '{sec: 0, nsec: 0}'
    assert key in metadata
    profile = (
        f'[{{history: keep_last, depth: 1, reliability: reliable, durability: transient_local, '
        f'deadline: {time}, lifespan: {time}, liveliness: automatic, liveliness_lease_duration: '
        f'{time}, avoid_ros_namespace_conventions: false}}]'
    )
    first, *others = metadata.split('[]')
    # The edit affects only the last topic; then all; then only the first one, not of a camera.
    for edited, said in (
        (profile.join(metadata.rsplit('[]', 1)), 'unusual (no message of /camera'),
        (profile.join(metadata.split('[]')), 'unusual (no message of /camera'),
        (first + profile + '[]'.join(others), ''),
    ):
        (path / 'metadata.yaml').write_text(edited)
        with Bag(path) as bag:
            assert list(bag.raw([IMAGE, INFO])) == whole
            assert bool(bag.warnings) == bool(said) and said in ''.join(bag.warnings)


def test_a_definition_that_cannot_be_parsed_gives_a_warning_and_loses_nothing(tmp_path):
    """For example, one with Windows line ends."""
    words = Item('/words', T0, 'unread', 'string')
    path = write_bag(tmp_path / 'bag', [words, *frames(PICTURES)])
    file = storage_file(path)
    file.write_bytes(file.read_bytes().replace(b'string data\n', b'string dat\r\n'))
    with Bag(path) as bag:
        assert len(list(bag.raw([IMAGE, INFO]))) == 2 * len(PICTURES)
        assert "Could not parse: 'MSG: std_msgs/msg/String" in bag.warnings[0]


def test_a_damaged_definition_loses_no_image(tmp_path):
    """One bit is flipped, and metadata.yaml is missing, whose type hash would reveal it."""
    file = storage_file(write_bag(tmp_path / 'bag', frames(PICTURES)))
    file.write_bytes(file.read_bytes().replace(b'string encoding', b'string encodinf'))
    with Bag(file) as bag:
        images = [bag.decode(message) for message in bag.raw([IMAGE])]
        assert [image.encoding for image in images] == ['rgb8'] * len(PICTURES)


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_a_topic_without_messages_gives_no_warning(tmp_path, kind):
    path = write_bag(tmp_path / 'bag', frames(PICTURES), kind, silent=['/second/image'])
    with Bag(path) as bag:
        assert len(list(bag.raw([IMAGE, INFO]))) == 2 * len(PICTURES)
        assert (bag.topics['/second/image'].count, bag.warnings) == (0, [])


def write_mcap(path, messages, profile='ros2', **options):
    """Write an mcap without message definitions, like some other recorders."""
    writer_module = pytest.importorskip('mcap.writer')
    with path.open('wb') as file:
        writer = writer_module.Writer(file, **options)
        writer.start(profile, 'test')
        channels = {}
        for topic, msgtype, time_ns, data in messages:
            if topic not in channels:
                name, definition, encoding = (
                    (msgtype, '', 'cdr')
                    if profile == 'ros2'
                    else (msgtype.replace('/msg/', '/'), 'ros1msg', 'ros1')
                )
                schema = writer.register_schema(name, definition, b'')
                channels[topic] = writer.register_channel(topic, encoding, schema)
            writer.add_message(channels[topic], time_ns, data, time_ns)
        writer.finish()


def test_an_mcap_without_index_is_read_whole_although_its_messages_are_unordered(tmp_path):
    """Recorders write a message some time after its time of recording."""
    with Bag(write_bag(tmp_path / 'bag', frames(PICTURES))) as bag:
        messages = list(bag.raw([IMAGE, INFO]))
    messages[4:6] = messages[5], messages[4]._replace(time_ns=messages[4].time_ns - 1)
    path = tmp_path / 'fast.mcap'
    write_mcap(path, messages, use_chunking=False)
    with Bag(path) as bag:
        assert list(bag.raw([IMAGE, INFO])) == messages
        assert list(bag.raw([INFO])) == [m for m in messages if m.topic == INFO]
        assert bag.warnings == []


@pytest.mark.parametrize(
    ('options', 'indexed', 'said'),
    [
        ({}, False, 'no message of /camera'),
        ({'use_statistics': False}, False, 'no message is found with its index'),
        ({'repeat_channels': False}, True, 'no message is found with its index'),
        ({'repeat_schemas': False}, True, 'no message is found with its index'),
    ],
)
def test_an_mcap_with_a_reduced_summary_is_read_whole(tmp_path, options, indexed, said):
    """rosbag2 writes it with options of its storage config (noMessageIndex and others)."""
    with Bag(write_bag(tmp_path / 'bag', frames(PICTURES))) as bag:
        messages = list(bag.raw([IMAGE, INFO]))
    kinds = pytest.importorskip('mcap.writer').IndexType
    path = tmp_path / 'lean.mcap'
    write_mcap(path, messages, index_types=kinds.ALL if indexed else kinds.CHUNK, **options)
    with Bag(path) as bag:
        assert list(bag.raw([IMAGE, INFO])) == messages
        assert said in bag.warnings[0]


def test_messages_that_the_reader_skips_give_a_warning(tmp_path):
    """One flipped bit gives a message the number of a channel that does not exist."""
    path = write_bag(tmp_path / 'bag', frames(PICTURES))
    with Bag(path) as bag:
        whole = list(bag.raw([IMAGE]))
    file = storage_file(path)
    content = bytearray(file.read_bytes())
    content[content.index(whole[3].data) - 22] ^= 0x40
    file.write_bytes(content)
    with Bag(path) as bag:
        assert list(bag.raw([IMAGE])) == [*whole[:3], *whole[4:]]
        assert f'5 of 6 messages of {IMAGE} were found' in bag.warnings[0]


def test_messages_that_the_reader_takes_for_another_topic_are_skipped(tmp_path):
    """One flipped bit gives two connections of ROS 1 the same number."""
    words = Item('/words', T0, 'unread', 'string')
    path = write_bag(tmp_path / 'bag', [*frames(PICTURES), words], 'ros1')
    content = bytearray(path.read_bytes())
    number = content.rindex(b'conn=\x02') + len(b'conn=')  # in the index
    content[number] = 0  # IMAGE's
    path.write_bytes(content)
    with Bag(path) as bag:
        assert {message.topic for message in bag.raw([IMAGE, INFO])} == {INFO}
        assert f'0 of 6 messages of {IMAGE} were found' in ''.join(bag.warnings)


def test_a_topic_whose_type_is_not_text_is_skipped(tmp_path):
    """One flipped bit turns a TEXT value of SQLite into a BLOB."""
    path = write_bag(tmp_path / 'bag', frames(PICTURES), 'sqlite3')
    (path / 'metadata.yaml').unlink()
    file = storage_file(path)
    texts = bytes(13 + 2 * len(text) for text in (IMAGE, 'sensor_msgs/msg/Image'))
    content = file.read_bytes()
    assert content.count(texts) == 1
    file.write_bytes(content.replace(texts, bytes([texts[0], texts[1] - 1])))
    with Bag(path) as bag:
        assert list(bag.topics) == [INFO]
        assert 'incomplete or unusual' in bag.warnings[0]


def test_messages_of_ros1_in_an_mcap_are_refused(tmp_path):
    with Bag(write_bag(tmp_path / 'bag', frames(PICTURES), 'ros1')) as bag:
        messages = list(bag.raw([IMAGE, INFO]))
    path = tmp_path / 'converted.mcap'
    write_mcap(path, messages, 'ros1')
    with pytest.raises(EvalError, match=r'is an mcap with messages of ROS 1.*give the \.bag file'):
        Bag(path)


def test_backups_of_rosbag_are_not_read_again(tmp_path):
    """Its compress, decompress and reindex keep an .orig.bag of each file in a folder."""
    file = write_bag(tmp_path / 'made', frames(PICTURES), 'ros1')
    folder = tmp_path / 'drive'
    folder.mkdir()
    for name in ('drive_0.orig.bag', 'drive_0.bag'):
        shutil.copy(file, folder / name)
        with Bag(folder) as bag:
            assert (bag.topics[IMAGE].count, bag.warnings) == (len(PICTURES), [])


def test_the_name_of_a_bag_is_valid_text_even_if_its_path_is_not():
    assert bag_name(Path(os.fsdecode(b'/bags/caf\xe9'))) == r'caf\udce9'


def test_the_name_of_a_link_to_a_bag_is_its_own(tmp_path):
    (tmp_path / 'latest').symlink_to(tmp_path / 'drive_2026')
    assert bag_name(tmp_path / 'latest') == 'latest'


def test_a_cut_file_that_is_compressed_as_a_whole_need_not_fit_into_memory(tmp_path):
    """For example, an incomplete download."""
    noise = np.random.default_rng(0).integers(0, 255, (100, 120, 160, 3), np.uint8)
    path = storage_file(write_bag(tmp_path / 'bag', frames(list(noise)), 'mcap+file'))
    path.write_bytes(path.read_bytes()[:-60_000])
    with Bag(path) as bag:
        tracemalloc.start()
        count = sum(1 for _ in bag.raw([IMAGE]))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert 80 <= count < 100
    assert peak < noise.nbytes / 2
