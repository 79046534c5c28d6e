# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as a stream of messages, whatever wrote them: rosbag2 (mcap, sqlite3, zstd) and ROS 1.

No ROS installation is needed: `rosbags` reads and decodes; what it refuses because the recording
was cut off is read by `dmd_ros.eval.bags.recovery`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from dmd_ros.eval.bags.recovery import (
    ADDED,
    ZSTD_NAMES,
    Raw,
    inflated,
    recover,
    storage_kind,
    unmerged,
    write_inflated,
)
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output.report import as_text

# What the reader says when the messages of an mcap without an index (rosbag2's preset 'fastwrite'
# makes none) are not in order of time; up to there it gives them as they lie.
_UNORDERED = 'not in timestamp order'

# The second is what the first was called in ROS 1's early days.
TF_MESSAGES = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
# They never changed either, and `rosbags` has the first for ROS 2 alone.
_TF_DEFINITION = 'geometry_msgs/TransformStamped[] transforms'


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; msgtype in ROS 2 spelling (sensor_msgs/msg/Image)."""

    name: str
    msgtype: str
    count: int


class Bag:
    """A bag, open for reading, to be used in a `with` statement.

    topics: by name. warnings: what the user should know, grows while reading. ros1: whether its
    messages are in ROS 1's form.
    Raises `EvalError` if there is nothing to read.
    """

    def __init__(self, path: Path) -> None:
        """Open a bag folder or a single .mcap, .db3, .bag or .bag.active file."""
        self.path = path
        self.warnings: list[str] = []
        self._reader: AnyReader | None = None
        self._files = storage_files(path)
        self.ros1 = False
        if not path.exists():
            raise EvalError(f'bag {path} does not exist')
        try:
            self._open()
        # The readers' errors share no base (assertions, struct, sqlite, zstd, unicode ...).
        except Exception as error:
            self._recover(error)
        # Not the bag's own definitions, which may be damaged: those of sensor_msgs never changed.
        self._store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.LATEST)
        if self.ros1:
            for name in TF_MESSAGES:
                self._store.register(get_types_from_msg(_TF_DEFINITION, name))

    def __enter__(self) -> Bag:
        """Give itself: it is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def close(self) -> None:
        """Release the files."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def raw(self, topics: Sequence[str]) -> Iterator[Raw]:
        """Yield the messages of the given topics in order of recording."""
        found: Counter[str] = Counter()
        try:
            if self._reader is None:
                yield from (m for m in self._recovered() if m.topic in topics)
            else:
                wanted = [c for c in self._reader.connections if c.topic in topics]
                for connection, time_ns, data in self._reader.messages(wanted):
                    if connection.topic not in topics:  # where an index is damaged
                        continue
                    message = Raw(connection.topic, connection.msgtype, time_ns, data)
                    yield message if self.ros1 else inflated(message)
                    found[connection.topic] += 1
                self._check_counts(topics, found)
        except Exception as error:
            if _UNORDERED in str(error):
                rest = (m for m in self._recovered() if m.topic in topics)
                yield from itertools.islice(rest, found.total(), None)
            else:
                # Damage in the middle of a file that opens well; again of any class.
                self.warn(f'{self.path} is damaged; read until there ({_short(error)})')

    def _check_counts(self, topics: Sequence[str], found: Mapping[str, int]) -> None:
        """Warn of messages that the reader passes over: zeros, or of a damaged topic number."""
        for topic in self.topics.values():
            if topic.name in topics and found[topic.name] < topic.count:
                self.warn(
                    f'{self.path} is damaged, or its metadata counts wrongly: '
                    f'{found[topic.name]} of {topic.count} messages of {topic.name} are there'
                )

    def decode(self, message: Raw) -> Any:
        """Deserialise; raises `EvalError` if the bytes are no such message."""
        convert = self._store.deserialize_ros1 if self.ros1 else self._store.deserialize_cdr
        try:
            return convert(message.data, message.msgtype)
        except Exception as error:
            raise EvalError(
                f'message of {message.topic} cannot be decoded as {message.msgtype} '
                f'({_short(error)})'
            ) from None

    def stamp_ns(self, message: Raw) -> int:
        """Read header.stamp without decoding the message, which must start with a Header.

        Raises `EvalError` if it is too short for one.
        """
        try:
            if self.ros1:
                _, seconds, nanoseconds = struct.unpack_from('<III', message.data)
            else:
                order = '<' if message.data[1] & 1 else '>'
                seconds, nanoseconds = struct.unpack_from(f'{order}iI', message.data, 4)
        except (struct.error, IndexError):
            raise EvalError(
                f'message of {message.topic} has {len(message.data)} bytes, too few for a header'
            ) from None
        return int(seconds) * 10**9 + int(nanoseconds)

    def without_stamp(self, message: Raw) -> bytes:
        """Give the bytes of a message without header.stamp, and without the seq of ROS 1.

        It must start with a Header.
        """
        return bytes(message.data[12:] if self.ros1 else message.data[:4] + message.data[12:])

    def _open(self) -> None:
        for file in self._files:
            if wal := unmerged(file):
                raise EvalError(f'{wal.name} holds what the recorder did not merge into its bag')
            if file.suffix == '.active':
                raise EvalError(f'{file.name} was being recorded when its recorder was killed')
        paths = _entry_points(self.path)
        self.ros1 = storage_kind(paths[0]) == '.bag'
        with _plain(paths) as plain:
            # Old recordings carry no message definitions.
            self._reader = AnyReader(plain, default_typestore=get_typestore(Stores.LATEST))
            try:
                self._reader.open()
            except BaseException:
                self._reader = None
                raise
        counts: Counter[str] = Counter()
        types = {}
        for connection in self._reader.connections:
            # The reader leaves out what metadata.yaml says otherwise than the storage: it is
            # edited where a player is to use another QoS. Of others than sensors and where they
            # are mounted nothing is read, and to find the only message of a long bag takes long.
            ours = connection.msgtype.startswith(('sensor_msgs/', 'tf2_msgs/'))
            ours = ours and connection.msgcount > 0
            if ours and next(self._reader.messages([connection]), None) is None:
                raise EvalError(
                    f'metadata.yaml and index lead to no message of {connection.topic}'
                )
            counts[connection.topic] += connection.msgcount
            types[connection.topic] = connection.msgtype
        # An mcap need not repeat its channels and their types at its end, nor index messages.
        if not any(counts[name] and '/' in kind for name, kind in types.items()):
            raise EvalError('its index leads to no message')
        self.topics = {name: Topic(name, kind, counts[name]) for name, kind in types.items()}

    def _recover(self, error: Exception) -> None:
        """Read front to back what the regular reader refuses."""
        self.close()
        reason = _short(error)
        if not self._files:
            raise EvalError(
                f'{self.path} is not a bag ({reason}); give a rosbag2 folder, or a .mcap, .db3 '
                'or .bag file'
            ) from None
        self.ros1 = storage_kind(self._files[0]) == '.bag'
        counts = Counter((m.topic, m.msgtype) for m in self._recovered())
        if not counts:
            reason = '; '.join([reason, *self.warnings])
            raise EvalError(
                f'bag {self.path} is empty or damaged beyond reading ({reason}); record or copy '
                'it again'
            ) from None
        if any(kind.startswith('sensor_msgs/') and '/msg/' not in kind for _, kind in counts):
            raise EvalError(
                f'{self.path} holds messages of ROS 1 in an mcap, which are not read; give the '
                '.bag file that it was made from'
            ) from None
        self.topics = {name: Topic(name, kind, n) for (name, kind), n in counts.items()}
        self.warnings.append(
            f'{self.path} is incomplete or unusual ({reason}); read as far as it goes: '
            f'{sum(counts.values())} messages'
        )

    def _recovered(self) -> Iterator[Raw]:
        """Yield the messages of each file until damage ends it."""
        for path in self._files:
            try:
                yield from recover(path)
            # Where a length or a text is damaged, any step of the reading may fail.
            except Exception as error:
                self.warn(f'{path} is damaged; read until there ({_short(error)})')


def bag_name(path: Path) -> str:
    """Name that reports call a bag by: that of `.` too, and of a link its own; always text."""
    return as_text(os.path.basename(os.path.abspath(path)))


def storage_files(path: Path) -> list[Path]:
    """List what holds the messages of a bag, in the order of recording: drive_10 after drive_2.

    Of a file and what it was made of or into (decompressed by a player, compressed) only one;
    rosbag's compress, decompress and reindex keep what they replace as .orig.bag.
    """

    def parts(file: Path) -> list[str | int]:
        # Text and numbers take turns, text first: like is compared with like.
        return [int(s) if i % 2 else s for i, s in enumerate(re.split(r'(\d+)', file.name))]

    files = set(filter(storage_kind, path.iterdir() if path.is_dir() else [path]))
    twice = {file for file in files if file.suffix in ADDED and file.with_suffix('') in files}
    twice |= {file.with_suffix('.orig.bag') for file in files if file.suffix == '.bag'}
    return sorted(files - twice, key=parts)


def _entry_points(path: Path) -> list[Path]:
    """List what the reader wants: a folder with metadata, or else the storage files."""
    if not path.is_dir() or (path / 'metadata.yaml').is_file():
        return [path]
    files = storage_files(path)
    if files and all(file.suffix == '.bag' for file in files):
        return files
    if len(files) != 1:
        raise EvalError(f'{len(files)} storage files and no metadata.yaml')
    return files


@contextlib.contextmanager
def _plain(paths: list[Path]) -> Iterator[list[Path]]:
    """Give entry points that the reader can open; they need not be there any more once it has.

    It puts the names of sqlite3 files into URIs, and does not quote what means something in them.
    Of files that were compressed as a whole, it takes those that metadata.yaml names.
    """
    is_folder = paths[0].is_dir()
    metadata = (paths[0] / 'metadata.yaml').read_text(encoding='utf-8') if is_folder else ''
    files = storage_files(paths[0])
    packed = {f for f in files if f.suffix in ZSTD_NAMES and f.name not in metadata}
    misread = (storage_kind(f) == '.db3' and set(str(f)) & set('#?%') for f in files)
    if not packed and not any(misread):
        yield paths
        return
    with tempfile.TemporaryDirectory() as name:
        folder, plain = Path(name), {}
        for number, file in enumerate(files):
            known = file.with_suffix('') if file in packed else file
            plain[known.name] = f'{number}{known.name[known.name.rindex(storage_kind(file)) :]}'
            if file in packed:
                write_inflated(file, folder / plain[known.name])
            else:
                (folder / plain[known.name]).symlink_to(file.resolve())
        if is_folder:
            renamed = _renamed(metadata, plain)
            (folder / 'metadata.yaml').write_text(renamed, encoding='utf-8')
        try:
            yield [folder] if is_folder else [folder / made for made in plain.values()]
        except Exception as error:  # which names what nobody else knows, and is soon gone
            real = {str(folder / plain[known]): str(files[0].parent / known) for known in plain}
            real[str(folder)] = str(files[0].parent)
            raise EvalError(_renamed(str(error), real)) from None


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Replace names in a text, all at once: a new one may be an old one too, or part of it."""
    longest_first = sorted(names, key=len, reverse=True)
    return re.sub('|'.join(map(re.escape, longest_first)), lambda found: names[found[0]], text)


def _short(error: BaseException) -> str:
    text = ' '.join(str(error).split()).rstrip('.')
    return text[:200] or type(error).__name__
