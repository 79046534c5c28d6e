# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read bags that were cut off, from front to back, without their index or footer.

A recording that was ended by a power cut has no index, and the usual readers refuse it. Its
messages are intact, and are found here by the framing of the formats alone: mcap.dev/spec,
wiki.ros.org/Bags/Format/2.0, and the rows of SQLite in order. Incomplete messages are left out.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import io
import struct
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import apsw
import lz4.frame  # type: ignore[import-untyped]

from dmd_ros.eval.errors import EvalError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
ZSTD_NAMES = ('.zstd', '.zst')
# Suffixes after that of a storage file: compression, and ROS 1's mark of an unfinished file.
ADDED = (*ZSTD_NAMES, '.active')
# Bytes that are decompressed at a time, so that data before a damaged spot is kept.
_STEP = 1 << 16
# A disk, a quota, or a limit of the process on files (ulimit -f) is exhausted.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoomError(EvalError):
    """There is no room to decompress a file: not damage, after which reading would continue."""


class Raw(NamedTuple):
    """One serialised message; msgtype in ROS 2 spelling, time of recording in nanoseconds."""

    topic: str
    msgtype: str
    time_ns: int
    data: bytes


def recover(path: Path) -> Iterator[Raw]:
    """Yield the complete messages of a storage file (see `storage_kind`)."""
    kind = storage_kind(path)
    readers: dict[str, Callable[[Path], Iterator[Raw]]] = {
        '.mcap': _recover_mcap,
        '.db3': _recover_sqlite,
        '.bag': _recover_ros1,
    }
    for message in readers[kind](path):
        yield message if kind == '.bag' else inflated(message)


def inflated(message: Raw) -> Raw:
    """Undo rosbag2's message compression, detected by zstd's magic number.

    Only metadata.yaml records the compression, but no CDR header equals that number. A damaged
    message becomes too short, so that decoding fails and it is counted there.
    """
    if message.data[:4] != _ZSTD_MAGIC:
        return message
    return message._replace(data=decompress('zstd', message.data))


def storage_kind(path: Path) -> str:
    """Return the kind of a file by its name: '.mcap', '.db3' or '.bag'; '' for any other."""
    kind = path.with_suffix('').suffix if path.suffix in ADDED else path.suffix
    return kind if kind in ('.mcap', '.db3', '.bag') else ''


def unmerged(path: Path) -> Path | None:
    """Return the write-ahead log of a .db3 that SQLite has not merged yet, or None."""
    wal = path.with_name(path.name + '-wal')
    return wal if wal.is_file() and wal.stat().st_size else None


def write_inflated(path: Path, out: Path) -> None:
    """Write the intact front of a zstd-compressed file to `out`; it may exceed the memory.

    Raises `NoRoomError` if it does not fit there.
    """
    try:
        with path.open('rb') as packed, out.open('wb') as plain:
            blocks = iter(lambda: packed.read(_STEP), b'')
            plain.writelines(_decompressed(zstd.ZstdDecompressor, blocks))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoRoomError(
            f'{path} cannot be decompressed in {tempfile.gettempdir()} ({error.strerror}); free '
            'space there, or set TMPDIR to a folder that has more'
        ) from None


def decompress(kind: str, data: bytes) -> bytes:
    """Decompress `data` up to the first damage."""
    decoders: dict[str, Callable[[], Any]] = {
        'zstd': zstd.ZstdDecompressor,
        'lz4': lz4.frame.LZ4FrameDecompressor,
        'bz2': bz2.BZ2Decompressor,
    }
    if kind not in decoders:
        return data
    blocks = (data[start : start + _STEP] for start in range(0, len(data), _STEP))
    return b''.join(_decompressed(decoders[kind], blocks))


def _decompressed(new: Callable[[], Any], blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the decompressed content of blocks up to the first damage; new: makes a decoder."""
    decoder = new()
    for block in blocks:
        try:
            yield decoder.decompress(block)
            while decoder.eof:  # end of a frame; pzstd splits a file into several
                rest, decoder = decoder.unused_data, new()
                yield decoder.decompress(rest or b'')
        except (zstd.ZstdError, RuntimeError, OSError):
            return


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """Yield the path of the decompressed file, on disk because it may exceed the memory."""
    if path.suffix not in ZSTD_NAMES:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        write_inflated(path, plain)
        yield plain


def _recover_mcap(path: Path) -> Iterator[Raw]:
    with _plain(path) as plain, plain.open('rb') as file:
        file.seek(8)  # magic
        yield from _mcap_messages(file, {}, {})


def _mcap_messages(
    file: BinaryIO,
    schemas: dict[int, str],
    channels: dict[int, tuple[str, str]],
) -> Iterator[Raw]:
    """Walk the records of a file or of a chunk: opcode (1 byte), length (8 bytes), content."""
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    while len(head := file.read(9)) == 9:
        opcode, length = struct.unpack('<BQ', head)
        left = size - file.tell()
        whole = length <= left
        length = min(length, left)  # of a damaged record, it may exceed the memory
        if opcode not in (0x03, 0x04, 0x05, 0x06):
            file.seek(length, io.SEEK_CUR)
            continue
        content = file.read(length)
        if opcode == 0x06:
            yield from _mcap_messages(_chunk(content), schemas, channels)
        elif not whole:
            return
        elif opcode == 0x03:
            schemas[struct.unpack_from('<H', content)[0]] = _text(content, 2)[0]
        elif opcode == 0x04:
            channel, schema = struct.unpack_from('<HH', content)
            channels[channel] = (_text(content, 4)[0], schemas.get(schema, ''))
        else:
            channel, _, logged, _ = struct.unpack_from('<HIQQ', content)
            if channel in channels:
                yield Raw(*channels[channel], logged, content[22:])


def _chunk(content: bytes) -> BinaryIO:
    """Open the records inside a chunk, which may be incomplete."""
    if len(content) < 40:
        return io.BytesIO()
    compression, end = _text(content, 28)
    return io.BytesIO(decompress(compression, content[end + 8 :]))


def _text(content: bytes, start: int) -> tuple[str, int]:
    (size,) = struct.unpack_from('<I', content, start)
    return content[start + 4 : start + 4 + size].decode(), start + 4 + size


def _recover_sqlite(path: Path) -> Iterator[Raw]:
    with _plain(path) as plain:
        yield from _sqlite_messages(plain)


class _AsLeft(apsw.VFS):
    """File access for SQLite that reads an incomplete bag with its -wal, and never writes."""

    NAME = 'dmd_as_left'

    def __init__(self) -> None:
        super().__init__(self.NAME, '')

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if flags[0] & apsw.SQLITE_OPEN_WAL:
            flags[0] = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READONLY
        return _AsLeftFile(name, flags)


class _AsLeftFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__('', name, flags)
        self._is_wal = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xLock(self, level: int) -> None:  # noqa: N802
        """Do nothing: a lock needs write permission."""

    def xFileSize(self) -> int:  # noqa: N802
        """Return the size without an incomplete last page, which SQLite would pad with zeros."""
        size = super().xFileSize()
        if self._is_wal or size < 100:
            return size
        page = int.from_bytes(self.xRead(2, 16), 'big')
        page = 65536 if page <= 1 else page
        return size - size % page


def _sqlite_messages(path: Path) -> Iterator[Raw]:
    vfs = _AsLeft()
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    uri = f'file:{urllib.parse.quote(str(path))}?immutable={int(unmerged(path) is None)}'
    connection = apsw.Connection(uri, flags=flags, vfs=vfs.NAME)
    try:
        # Otherwise SQLite writes an index of the -wal to a file beside it.
        connection.execute('PRAGMA locking_mode = EXCLUSIVE')
        # Otherwise SQLite refuses a file that is shorter than the size in its header.
        connection.execute('PRAGMA writable_schema = ON')
        rows = connection.execute('SELECT id, name, type FROM topics')
        topics = {
            key: (name, msgtype)
            for key, name, msgtype in rows
            if isinstance(name, str) and isinstance(msgtype, str)
        }
        # In order of rows: the time index may be missing.
        rows = connection.execute(
            'SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id'
        )
        for topic, time_ns, data in rows:
            if topic in topics and isinstance(data, bytes):
                yield Raw(*topics[topic], int(time_ns), data)
    except apsw.Error:
        return
    finally:
        connection.close()


def _recover_ros1(path: Path) -> Iterator[Raw]:
    with _plain(path) as plain, plain.open('rb') as file:
        file.readline()  # magic
        yield from _ros1_messages(file, {})


def _ros1_messages(file: BinaryIO, topics: dict[int, tuple[str, str]]) -> Iterator[Raw]:
    """Walk the records of a bag or of a chunk: header length, header, data length, data."""
    while True:
        block, whole = _ros1_block(file)
        if not whole:
            return
        header = _ros1_fields(block)
        data, whole = _ros1_block(file)
        operation = header.get('op', b'\0')[0]
        if operation == 5:
            compression = header['compression'].decode()
            yield from _ros1_messages(io.BytesIO(decompress(compression, data)), topics)
        elif operation == 7 and whole:
            kind = _ros1_fields(data).get('type', b'').decode()
            msgtype = kind.replace('/', '/msg/') if '/msg/' not in kind else kind
            topics[_number(header['conn'])] = (header['topic'].decode(), msgtype)
        elif operation == 2 and whole:
            seconds, nanoseconds = struct.unpack('<II', header['time'])
            number = _number(header['conn'])
            if number in topics:
                yield Raw(*topics[number], seconds * 10**9 + nanoseconds, data)
        if not whole:
            return


def _ros1_block(file: BinaryIO) -> tuple[bytes, bool]:
    """Read a length and that many bytes; return the bytes, and whether they are complete."""
    size = file.read(4)
    if len(size) < 4:
        return b'', False
    length = _number(size)
    block = file.read(length)
    return block, len(block) == length


def _ros1_fields(block: bytes) -> dict[str, bytes]:
    """Split name=value fields, each of which follows its length."""
    fields, at = {}, 0
    while at + 4 <= len(block):
        (length,) = struct.unpack_from('<I', block, at)
        name, _, value = block[at + 4 : at + 4 + length].partition(b'=')
        fields[name.decode(errors='replace')] = value
        at += 4 + length
    return fields


def _number(field: bytes) -> int:
    return int(struct.unpack('<I', field)[0])
