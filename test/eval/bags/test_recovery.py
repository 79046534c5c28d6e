# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that were cut off: exactly the complete messages are read, with a warning."""

import contextlib
import io
import re
import shutil
import sqlite3
import struct

import numpy as np
import pytest
from bag_factory import IMAGE, INFO, KINDS, frames, storage_file, write_bag
from hypothesis import given
from hypothesis import strategies as st

from dmd_ros.eval.bags import recovery, topics
from dmd_ros.eval.bags.file import Bag
from dmd_ros.eval.bags.reader import BagReader
from dmd_ros.eval.errors import EvalError

COUNT = 40
# zstd decompresses only complete blocks of 128 KiB, 14 of these messages.
LOST_AT_MOST = 15


@pytest.fixture(scope='module')
def pictures():
    random = np.random.default_rng(0)
    # Noise does not compress, so that a cut at any share hits messages.
    return [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(COUNT)]


@pytest.fixture(scope='module')
def bags(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp('bags')
    return {kind: write_bag(folder / kind, frames(pictures), kind) for kind in KINDS}


def cut(path, target, share):
    """Copy the first share of a bag's storage file, without metadata."""
    target.mkdir()
    source = storage_file(path)
    content = source.read_bytes()
    (target / source.name).write_bytes(content[: int(len(content) * share)])
    return target


@pytest.mark.parametrize('kind', KINDS)
def test_complete_files_are_read_alike_by_both_readers(bags, kind):
    with Bag(bags[kind]) as bag:
        regular = list(bag.raw([IMAGE, INFO]))
        assert bag.warnings == []
    recovered = list(recovery.recover(storage_file(bags[kind])))
    assert len(recovered) == 2 * COUNT
    assert sorted(recovered) == sorted(regular)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('share', [0.4, 0.75, 0.98])
def test_a_cut_bag_is_read_as_far_as_it_goes(bags, pictures, tmp_path, kind, share):
    path = cut(bags[kind], tmp_path / 'cut', share)
    with Bag(path) as bag:
        messages = list(bag.raw([IMAGE]))
        assert 'incomplete' in bag.warnings[0]
        assert 'as far as it goes' in bag.warnings[0]
        assert COUNT * share - LOST_AT_MOST <= len(messages) <= COUNT
        for message, picture in zip(messages, pictures, strict=False):
            decoded = bag.decode(message)
            np.testing.assert_array_equal(decoded.data, picture.reshape(-1))


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_a_cut_file_is_read_with_and_without_its_metadata(bags, tmp_path, kind):
    path = cut(bags[kind], tmp_path / 'cut', 0.6)
    if kind != 'ros1':
        shutil.copy(bags[kind] / 'metadata.yaml', path)
    for opened in (path, storage_file(path)):
        with Bag(opened) as bag:
            assert bag.topics[IMAGE].count > 0.3 * COUNT
            assert bag.warnings


@pytest.mark.parametrize('kind', ['mcap', 'mcap+message', 'sqlite3+message', 'mcap+chunks'])
def test_a_complete_storage_file_is_read_whole_without_metadata(bags, tmp_path, kind):
    with Bag(bags[kind]) as bag:
        whole = list(bag.raw([IMAGE, INFO]))
    path = cut(bags[kind], tmp_path / 'bag', 1.0)
    for opened in (path, storage_file(path)):
        with Bag(opened) as bag:
            assert list(bag.raw([IMAGE, INFO])) == whole
            assert bag.warnings == []


@pytest.fixture(scope='module')
def killed(bags, tmp_path_factory):
    """Return a bag whose recorder was killed while half of the messages were in the -wal."""
    folder = tmp_path_factory.mktemp('killed')
    file = cut(bags['sqlite3'], folder / 'recording', 1.0) / storage_file(bags['sqlite3']).name
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute('PRAGMA journal_mode = WAL')
    rows = connection.execute('SELECT * FROM messages WHERE id > ?', (COUNT,)).fetchall()
    connection.execute('DELETE FROM messages WHERE id > ?', (COUNT,))
    connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    connection.executemany('INSERT INTO messages VALUES (?, ?, ?, ?)', rows)
    shutil.copytree(folder / 'recording', folder / 'left')
    connection.close()
    return folder / 'left'


# With a share of 0 the -wal is empty; SQLite would delete it.
@pytest.mark.parametrize(
    ('share', 'least', 'most'), [(1.0, 80, 80), (0.5, 55, 60), (1e-4, 40, 40), (0.0, 40, 40)]
)
def test_messages_in_the_wal_of_a_killed_recorder_are_read(killed, tmp_path, share, least, most):
    shutil.copytree(killed, tmp_path / 'bag')
    (tmp_path / 'bag').chmod(0o555)
    (wal,) = (tmp_path / 'bag').glob('*.db3-wal')
    wal.write_bytes(wal.read_bytes()[: int(share * wal.stat().st_size)])
    before = {path.name: path.read_bytes() for path in (tmp_path / 'bag').iterdir()}
    with Bag(tmp_path / 'bag') as bag:
        assert least <= len(list(bag.raw([IMAGE, INFO]))) <= most
        assert any(wal.name in w for w in bag.warnings) == (share > 0)
    assert {path.name: path.read_bytes() for path in (tmp_path / 'bag').iterdir()} == before


@pytest.mark.parametrize('kind', ['sqlite3', 'sqlite3+message', 'sqlite3+file', 'mcap'])
@pytest.mark.parametrize('name', ['run#2', 'why?', '20%41', 'a b'])
def test_names_may_have_characters_special_in_a_uri(pictures, tmp_path, kind, name):
    path = write_bag(tmp_path / 'bag', frames(pictures[:5]), kind).rename(tmp_path / name)
    file = storage_file(path)
    moved = file.rename(path / file.name.replace('bag', name))
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace(file.name, moved.name))
    for way in (path, moved) if kind == 'sqlite3' else (path,):
        with Bag(way) as bag:
            assert len(list(bag.raw([IMAGE, INFO]))) == 10
            assert bag.warnings == []
    if kind == 'sqlite3':  # warnings of a cut file have the real name
        moved.write_bytes(moved.read_bytes()[: moved.stat().st_size * 3 // 4])
        with Bag(path) as bag:
            assert 0 < len(list(bag.raw([IMAGE, INFO]))) < 10
            assert f'is incomplete or unusual (Cannot open database {moved}' in bag.warnings[0]
        moved.unlink()
        with pytest.raises(EvalError, match=re.escape(f"missing: ['{moved}']")):
            Bag(path)


def test_names_of_files_may_be_any_numbers(pictures, tmp_path):
    """The temporary names for the reader are numbered, too, and must not clash."""
    parts = [write_bag(tmp_path / n, frames(pictures[:3]), 'sqlite3') for n in ('first', 'second')]
    path = parts[0].rename(tmp_path / 'a#b')
    names = [storage_file(path).name, '0.db3']
    storage_file(parts[1]).rename(path / names[1])
    with contextlib.closing(sqlite3.connect(path / names[1])) as database, database:
        database.execute('UPDATE messages SET timestamp = timestamp + 1000000000000')
    metadata = path / 'metadata.yaml'
    text = metadata.read_text()
    files = re.search(r'  files:\n((?: *-.*\n(?:    .*\n)*))  message_count', text)[1]
    text = text.replace(files, files + files.replace(*names))
    text = text.replace(f'  - {names[0]}\n', f'  - {names[0]}\n  - {names[1]}\n')
    metadata.write_text(text)
    with Bag(path) as bag:
        assert len({m.time_ns for m in bag.raw([IMAGE])}) == 6
        assert bag.warnings == []


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_files_of_a_recording_without_metadata_are_read_in_their_order(tmp_path, kind):
    """A recorder that is killed writes no metadata; drive_10 was written after drive_2."""
    (tmp_path / 'bag').mkdir()
    items = frames([np.full((48, 64, 3), level, np.uint8) for level in range(12)])
    for i in range(12):
        file = storage_file(write_bag(tmp_path / str(i), items[2 * i : 2 * i + 2], kind))
        shutil.copy(file, tmp_path / 'bag' / f'drive_{i}{file.suffix}')
    with Bag(tmp_path / 'bag') as bag:
        assert [bag.decode(m).data[0] for m in bag.raw([IMAGE])] == list(range(12))
        assert bag.topics[IMAGE].count == 12


@pytest.mark.parametrize('compression', ['NONE', 'LZ4', 'ZSTD'])
def test_an_mcap_of_another_writer_without_its_end(tmp_path, bags, compression):
    writer_module = pytest.importorskip('mcap.writer')
    with Bag(bags['mcap']) as bag:
        originals = list(bag.raw([IMAGE]))
    buffer = io.BytesIO()
    writer = writer_module.Writer(
        buffer, compression=writer_module.CompressionType[compression], chunk_size=30_000
    )
    writer.start('ros2', 'test')
    schema = writer.register_schema('sensor_msgs/msg/Image', 'ros2msg', b'')
    channel = writer.register_channel(IMAGE, 'cdr', schema)
    for message in originals:
        writer.add_message(channel, message.time_ns, message.data, message.time_ns)
    # Without finish(), as after a power cut.
    path = tmp_path / 'b.mcap'
    path.write_bytes(buffer.getvalue())
    found = list(recovery.recover(path))
    assert COUNT - 5 <= len(found) <= COUNT
    assert found == originals[: len(found)]


@pytest.mark.parametrize(
    ('at', 'least', 'said'),
    [(0.2, 10, 'read as far as it goes'), (0.8, 2 * COUNT, 'damaged; read until there')],
)
def test_damage_in_the_middle_ends_reading_with_a_warning(pictures, tmp_path, at, least, said):
    path = write_bag(tmp_path / 'bag', frames(4 * pictures), 'mcap+chunks')  # of two chunks
    file = storage_file(path)
    content = bytearray(file.read_bytes())
    damage, size = int(at * len(content)), 1 << 17  # of a block of zstd
    content[damage : damage + size] = b'\xff' * size
    file.write_bytes(content)
    with Bag(path) as bag:
        assert least <= len(list(bag.raw([IMAGE]))) < 4 * COUNT
        assert said in bag.warnings[0]


@pytest.mark.parametrize(
    ('kind', 'tail'),
    [
        ('mcap', b'\xff' * 64),  # a record of unknown kind and 2**64 - 1 bytes
        ('mcap', b'\x06' + b'\xff' * 8),  # a chunk of as many
        ('mcap', struct.pack('<BQ', 0x04, 1) + b'\0'),  # a channel of one byte
        ('ros1', struct.pack('<II3sI', 7, 3, b'op=', 0)),  # a record without its kind
    ],
)
def test_messages_before_damage_are_read(bags, tmp_path, kind, tail):
    with Bag(bags[kind]) as bag:
        whole = list(bag.raw([IMAGE, INFO]))[:41]
    path = cut(bags[kind], tmp_path / 'cut', 1.0)
    content = storage_file(path).read_bytes()
    end = content.index(whole[-1].data) + len(whole[-1].data)
    storage_file(path).write_bytes(content[:end] + tail)
    with Bag(path) as bag:
        assert list(bag.raw([IMAGE, INFO])) == whole


def test_a_message_that_cannot_be_decompressed_does_not_stop_the_others(bags, tmp_path):
    path = cut(bags['mcap+message'], tmp_path / 'cut', 0.9)
    content = storage_file(path).read_bytes()
    image = [m.start() for m in re.finditer(re.escape(recovery._ZSTD_MAGIC), content)][10]
    damaged = content[: image + 4] + b'\xff' * 12 + content[image + 16 :]
    storage_file(path).write_bytes(damaged)
    with Bag(path) as bag:
        reader = BagReader(bag, topics.choose(bag))
        assert [frame.index for frame in reader] == [i for i in range(36) if i != 5]
    ((reason, count),) = reader.skipped.items()
    assert 'cannot be decoded' in reason and count == 1


def test_the_bag_of_a_killed_recorder_of_ros1_is_read(bags, pictures, tmp_path):
    left = bytearray(bags['ros1'].read_bytes())
    del left[int(0.6 * len(left)) :]
    # After the file's header (13 + 4096 bytes) a chunk: its header, then its length, which stays 0
    # until it is full.
    (size,) = struct.unpack_from('<I', left, 4109)
    left[4113 + size : 4117 + size] = bytes(4)
    (tmp_path / 'drive_1.bag.active').write_bytes(left)
    for path in (tmp_path / 'drive_1.bag.active', tmp_path):
        with Bag(path) as bag:
            messages = list(bag.raw([IMAGE]))
            assert 'drive_1.bag.active was not completed' in bag.warnings[0]
            assert 0.5 * COUNT < len(messages) < 0.6 * COUNT
            decoded = bag.decode(messages[-1])
            np.testing.assert_array_equal(decoded.data, pictures[len(messages) - 1].reshape(-1))
            assert bag.stamp_ns(messages[-1]) == messages[-1].time_ns
    # In a split recording, the files before the last one are complete.
    shutil.copy(bags['ros1'], tmp_path / 'drive_0.bag')
    with Bag(tmp_path) as bag:
        assert bag.topics[IMAGE].count == COUNT + len(messages)


@pytest.mark.parametrize(
    ('kind', 'ending'), [('mcap', '.zstd'), ('mcap', '.zst'), ('sqlite3', '.zstd')]
)
def test_of_a_file_and_its_compressed_original_one_is_read(bags, tmp_path, kind, ending):
    path = cut(bags[kind], tmp_path / 'bag', 1.0)
    file = storage_file(path)
    file.with_name(file.name + ending).write_bytes(recovery.zstd.compress(file.read_bytes()))
    with Bag(path) as bag:
        assert bag.topics[IMAGE].count == COUNT
        assert bag.warnings == []
    file.unlink()
    with Bag(path) as bag:
        assert bag.topics[IMAGE].count == COUNT
        assert len(list(bag.raw([IMAGE]))) == COUNT
        assert bag.warnings == []


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_a_file_that_was_compressed_in_parts_is_read_whole(bags, tmp_path, kind):
    """pzstd writes several frames, each after a frame with its length."""
    file = storage_file(bags[kind])
    content, packed = file.read_bytes(), b''
    for start in range(0, len(content), 100_000):
        part = recovery.zstd.compress(content[start : start + 100_000])
        packed += struct.pack('<3I', 0x184D2A50, 4, len(part)) + part
    path = tmp_path / (file.name + '.zst')
    path.write_bytes(packed)
    with Bag(bags[kind]) as bag:
        messages = list(bag.raw([IMAGE, INFO]))
    for entry in (path, tmp_path):  # the file, and the folder without metadata.yaml
        with Bag(entry) as bag:
            assert (bag.topics[IMAGE].count, bag.topics[INFO].count) == (COUNT, COUNT)
            assert list(bag.raw([IMAGE, INFO])) == messages
            assert bag.warnings == []  # such files are valid


def test_a_damaged_file_does_not_prevent_reading_the_next(bags, tmp_path):
    path = cut(bags['mcap'], tmp_path / 'bag', 1.0)
    file = storage_file(path)
    content = file.read_bytes()
    (path / 'b_0.mcap').write_bytes(content[:8] + struct.pack('<BQ', 0x04, 1) + b'\0')
    file.rename(path / 'b_1.mcap')
    with Bag(path) as bag:
        assert bag.topics[IMAGE].count == COUNT
        assert 'b_0.mcap is damaged; read until there' in bag.warnings[0]


@pytest.mark.parametrize('suffix', ['.mcap', '.db3', '.bag'])
@pytest.mark.parametrize(
    'content', [b'', b'nonsense', bytes(5000), b'\x89MCAP0\r\n', b'#ROSBAG V2.0\n']
)
def test_files_without_content_are_refused(tmp_path, suffix, content):
    path = tmp_path / f'b{suffix}'
    path.write_bytes(content)
    with pytest.raises(
        EvalError, match=r'empty or damaged beyond reading.*record or copy it again'
    ):
        Bag(path)


def test_a_missing_bag(tmp_path):
    with pytest.raises(EvalError, match='does not exist'):
        Bag(tmp_path / 'none')


def test_a_folder_that_is_not_a_bag(tmp_path):
    (tmp_path / 'notes.txt').write_text('hello')
    with pytest.raises(EvalError, match=r'is not a bag.*give a rosbag2 folder'):
        Bag(tmp_path)


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / 'film.mp4'
    path.write_bytes(b'film')
    with pytest.raises(EvalError, match=r'is not a bag.*\.mcap, \.db3 or \.bag'):
        Bag(path)


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_a_bag_without_messages(tmp_path, kind):
    with pytest.raises(EvalError, match='empty'):
        Bag(write_bag(tmp_path / 'bag', [], kind))


@pytest.fixture(scope='module')
def contents(bags):
    return {kind: storage_file(bags[kind]).read_bytes() for kind in ('mcap', 'sqlite3', 'ros1')}


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_damage_raises_nothing_but_eval_error(contents, tmp_path, kind):
    suffix = {'mcap': '.mcap', 'sqlite3': '.db3', 'ros1': '.bag'}[kind]

    @given(data=st.data())
    def check(data):
        content = bytearray(contents[kind])
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
        path = tmp_path / f'b{suffix}'
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        try:
            with Bag(path) as bag:
                for message in bag.raw(list(bag.topics)):
                    try:
                        bag.stamp_ns(message)
                        bag.decode(message)
                    except EvalError:
                        pass
        except EvalError:
            pass

    check()
