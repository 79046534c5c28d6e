# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read bags of any format as a stream of messages: rosbag2 (mcap, sqlite3, zstd) and ROS 1.

No ROS installation is needed: `rosbags` reads and decodes. Bags that it refuses because the
recording was cut off are read by `dmd_ros.eval.bags.recovery`.
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
    NoRoomError,
    Raw,
    inflated,
    recover,
    storage_kind,
    unmerged,
    write_inflated,
)
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output.report import as_text

# Part of the reader's error for an mcap without an index (rosbag2's preset 'fastwrite' writes
# none) whose messages are not in order of time. Until there it yields them in file order.
_UNORDERED = 'not in timestamp order'

# The second is the name in early versions of ROS 1.
TF_MESSAGES = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
# The definition of both, which never changed; `rosbags` has only the first, and only for ROS 2.
_TF_DEFINITION = 'geometry_msgs/TransformStamped[] transforms'


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; msgtype in ROS 2 spelling (sensor_msgs/msg/Image)."""

    name: str
    msgtype: str
    count: int


class Bag:
    """A bag, open for reading, to be used in a `with` statement.

    topics: by name. warnings: for the user; reading adds to them. ros1: whether the messages are
    serialised as in ROS 1.
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
        except NoRoomError:
            raise
        # The readers' errors have no common base (assertions, struct, sqlite, zstd, unicode ...).
        except Exception as error:
            self._recover(error)
        # The definitions of sensor_msgs never changed; those in the bag may be damaged.
        self._store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.LATEST)
        if self.ros1:
            for name in TF_MESSAGES:
                self._store.register(get_types_from_msg(_TF_DEFINITION, name))

    def __enter__(self) -> Bag:
        """Return the bag, which is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bag."""
        self.close()

    def warn(self, text: str) -> None:
        """Add a warning, unless it is there already."""
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
                    if connection.topic not in topics:  # the index is damaged
                        continue
                    message = Raw(connection.topic, connection.msgtype, time_ns, data)
                    yield message if self.ros1 else inflated(message)
                    found[connection.topic] += 1
                self._check_counts(topics, found)
        except NoRoomError:
            raise
        except Exception as error:
            if _UNORDERED in str(error):
                rest = (m for m in self._recovered() if m.topic in topics)
                yield from itertools.islice(rest, found.total(), None)
            else:
                # The file opens, but is damaged in the middle; the error may be of any class.
                self.warn(f'{self.path} is damaged; read until there ({_short(error)})')

    def _check_counts(self, topics: Sequence[str], found: Mapping[str, int]) -> None:
        """Warn of messages that the reader skips: zeros, or with a damaged topic number."""
        for topic in self.topics.values():
            if topic.name in topics and found[topic.name] < topic.count:
                self.warn(
                    f'{self.path} is damaged, or the counts in its metadata are wrong: '
                    f'{found[topic.name]} of {topic.count} messages of {topic.name} were found'
                )

    def decode(self, message: Raw) -> Any:
        """Deserialise; raises `EvalError` if the bytes are not a message of its type."""
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
        """Return the bytes of a message, which must start with a Header, without header.stamp.

        The seq of ROS 1 is left out, too.
        """
        return bytes(message.data[12:] if self.ros1 else message.data[:4] + message.data[12:])

    def _open(self) -> None:
        for file in self._files:
            if wal := unmerged(file):
                raise EvalError(f'{wal.name} holds data that was not merged into the bag')
            if file.suffix == '.active':
                raise EvalError(f'{file.name} was not completed by its recorder')
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
            # The reader skips topics for which metadata.yaml and the storage disagree, for
            # example if the QoS was edited for a player. Only the types that are read here are
            # checked: finding the only message of a topic in a long bag takes long.
            is_read = connection.msgtype.startswith(('sensor_msgs/', 'tf2_msgs/'))
            is_read = is_read and connection.msgcount > 0
            if is_read and next(self._reader.messages([connection]), None) is None:
                raise EvalError(
                    f'no message of {connection.topic} is found with metadata.yaml and the index'
                )
            counts[connection.topic] += connection.msgcount
            types[connection.topic] = connection.msgtype
        # An mcap may lack an index, and the repetition of channels and types at its end.
        if not any(counts[name] and '/' in kind for name, kind in types.items()):
            raise EvalError('no message is found with its index')
        self.topics = {name: Topic(name, kind, counts[name]) for name, kind in types.items()}

    def _recover(self, error: Exception) -> None:
        """Read a bag that the regular reader refuses, from front to back."""
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
                f'{self.path} is an mcap with messages of ROS 1, which is not supported; give the '
                '.bag file that it was converted from'
            ) from None
        self.topics = {name: Topic(name, kind, n) for (name, kind), n in counts.items()}
        self.warnings.append(
            f'{self.path} is incomplete or unusual ({reason}); read as far as it goes: '
            f'{sum(counts.values())} messages'
        )

    def _recovered(self) -> Iterator[Raw]:
        """Yield the messages of each file up to the first damage."""
        for path in self._files:
            try:
                yield from recover(path)
            except NoRoomError:
                raise
            # If a length or a text is damaged, any step of the reading may fail.
            except Exception as error:
                self.warn(f'{path} is damaged; read until there ({_short(error)})')


def bag_name(path: Path) -> str:
    """Return the name of a bag for reports: of a link, its own name; always valid text."""
    return as_text(os.path.basename(os.path.abspath(path)))


def storage_files(path: Path) -> list[Path]:
    """List the files with the messages of a bag in order of recording: drive_10 after drive_2.

    Of a file and its compressed or decompressed copy, only one is listed. The .orig.bag files are
    left out that rosbag's compress, decompress and reindex keep of the files that they replace.
    """

    def parts(file: Path) -> list[str | int]:
        # Text and numbers alternate, text first, so that elements of one type are compared.
        return [int(s) if i % 2 else s for i, s in enumerate(re.split(r'(\d+)', file.name))]

    files = set(filter(storage_kind, path.iterdir() if path.is_dir() else [path]))
    copies = {file for file in files if file.suffix in ADDED and file.with_suffix('') in files}
    copies |= {file.with_suffix('.orig.bag') for file in files if file.suffix == '.bag'}
    return sorted(files - copies, key=parts)


def _entry_points(path: Path) -> list[Path]:
    """List the paths for the reader: a folder with metadata, or else the storage files."""
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
    """Yield entry points that the reader can open; it needs them only while opening.

    Links replace names of sqlite3 files that the reader would misread, because it puts them
    unquoted into URIs. Copies replace compressed files that metadata.yaml does not list, which the
    reader cannot decompress.
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
        except Exception as error:  # its message contains temporary names
            real = {str(folder / plain[known]): str(files[0].parent / known) for known in plain}
            real[str(folder)] = str(files[0].parent)
            raise EvalError(_renamed(str(error), real)) from None


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Replace names in a text in one pass: a new name may equal or contain an old one."""
    longest_first = sorted(names, key=len, reverse=True)
    return re.sub('|'.join(map(re.escape, longest_first)), lambda found: names[found[0]], text)


def _short(error: BaseException) -> str:
    text = ' '.join(str(error).split()).rstrip('.')
    return text[:200] or type(error).__name__
