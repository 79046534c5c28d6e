# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An engine on disk: its specification, its proof and TensorRT's plan in one file.

    8 bytes     magic
    4 bytes     length of the header, little endian
    header      JSON: spec, plan_bytes, conditions_bytes, plan_sha256 (of both), proof
    plan        serialised by TensorRT
    conditions  ONNX graph that the host computes, see `condition_graph`; may be empty

A single file can be renamed atomically, so a header never belongs to another engine's plan.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import parts_of

# Part of every key: increase it when `half_graph` or the builder's settings change.
RECIPE = 9
MAGIC = b'DMDENG\x00\x01'
_MAX_HEADER = 1 << 20
_HEADER = {
    'spec': dict,
    'proof': dict,
    'plan_bytes': int,
    'conditions_bytes': int,
    'plan_sha256': str,
}

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class EngineSpec:
    """Everything that an engine depends on; another value of any field means another engine.

    model_sha256: of the ONNX file.
    tensorrt, gpu, compute_capability ('8.7'), driver (major): TensorRT's plans are valid only for
        exactly these.
    precision: 'fp32', 'fp16' or 'bf16'.
    batch: samples per call.
    smallest, best, largest: network (height, width), all equal for a static engine.
    workspace_mib, optimization_level: builder settings.
    recipe: `RECIPE` at the time of the build.
    """

    model_sha256: str
    tensorrt: str
    gpu: str
    compute_capability: str
    driver: str
    precision: str
    batch: int
    smallest: Size
    best: Size
    largest: Size
    workspace_mib: int
    optimization_level: int
    recipe: int

    @property
    def is_static(self) -> bool:
        """Whether the engine supports one picture size only."""
        return self.smallest == self.largest

    @property
    def extreme_sizes(self) -> tuple[Size, ...]:
        """The widest and the tallest picture of a dynamic engine; empty for a static one."""
        low, high = self.smallest, self.largest
        return () if self.is_static else ((low[0], high[1]), (high[0], low[1]))

    @property
    def shape_text(self) -> str:
        """Size for people and file names: '192x256' or 'dynamic'."""
        return f'{self.best[0]}x{self.best[1]}' if self.is_static else 'dynamic'

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as read back from JSON (lists for tuples)."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @property
    def key(self) -> str:
        """Digest of all fields."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class StoredEngine:
    """A checked engine: specification, TensorRT's plan, conditions and figures of its proof."""

    path: Path
    spec: EngineSpec
    plan: bytes
    conditions: bytes
    proof: dict[str, Any]


def file_name(spec: EngineSpec, stem: str) -> str:
    """Return the name of the engine's file; the key identifies it, the rest is informative."""
    return f'{stem}-{spec.precision}-{spec.shape_text}-b{spec.batch}-{spec.key[:16]}.engine'


def sha256_of(model: Path) -> str:
    """Return the digest of a model file, including weights stored in other files."""
    digest = hashlib.sha256()
    for part in parts_of(model):
        with part.open('rb') as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write(
    path: Path, spec: EngineSpec, plan: bytes, conditions: bytes, proof: dict[str, Any]
) -> None:
    """Store an engine: write a temporary file beside it, flush, then rename."""
    header = {
        'spec': spec.to_dict(),
        'plan_bytes': len(plan),
        'conditions_bytes': len(conditions),
        'plan_sha256': hashlib.sha256(plan + conditions).hexdigest(),
        'proof': proof,
    }
    text = json.dumps(header, sort_keys=True).encode()
    write_atomic(path, MAGIC + struct.pack('<I', len(text)) + text, plan, conditions)


def write_atomic(path: Path, *parts: bytes) -> None:
    """Write a file atomically, even with concurrent writers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}')
    try:
        with temporary.open('xb') as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_parts(path: Path) -> None:
    """Remove temporary files left by killed writers; only call it while nobody writes `path`."""
    for part in path.parent.glob(f'.{glob.escape(path.name)}.*'):
        with contextlib.suppress(OSError):
            part.unlink()


def read(path: Path, spec: EngineSpec) -> StoredEngine:
    """Load an engine built for exactly `spec`; raises `BackendError` that names the problem."""
    header, content = _parts(path)
    made_for = header['spec']
    if made_for != spec.to_dict():
        differences = '; '.join(spec_differences(made_for, spec))
        raise BackendError(f'engine {path} is not for this use: {differences}')
    size = header['plan_bytes']
    whole = size + header['conditions_bytes']
    if len(content) != whole:
        raise BackendError(f'engine {path} is truncated: {len(content)} of {whole} bytes')
    if hashlib.sha256(content).hexdigest() != header['plan_sha256']:
        raise BackendError(f'engine {path} is damaged: its checksum does not match')
    return StoredEngine(path, spec, content[:size], content[size:], header['proof'])


def spec_differences(made_for: dict[str, Any], spec: EngineSpec) -> list[str]:
    """Return the differences between an engine and the wanted one, field by field."""
    wanted = spec.to_dict()
    names = [f.name for f in fields(spec)] + sorted(made_for.keys() - wanted.keys())
    return [
        f'{name} is {made_for.get(name)!r}, wanted {wanted.get(name)!r}'
        for name in names
        if made_for.get(name) != wanted.get(name)
    ]


def headers(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the readable engines in a folder with their headers, without reading the plans."""
    for path in sorted(folder.glob('*.engine')):
        with contextlib.suppress(BackendError):
            yield path, _parts(path, with_plan=False)[0]


def _parts(path: Path, with_plan: bool = True) -> tuple[dict[str, Any], bytes]:
    try:
        with path.open('rb') as stream:
            start = stream.read(len(MAGIC) + 4)
            if len(start) < len(MAGIC) + 4 or not start.startswith(MAGIC):
                raise BackendError(f'{path} is not an engine of dmd_ros')
            (length,) = struct.unpack('<I', start[len(MAGIC) :])
            text = stream.read(min(length, _MAX_HEADER))
            content = stream.read() if with_plan else b''
    except OSError as error:
        raise BackendError(f'engine {path} cannot be read ({error})') from None
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if (
        not isinstance(header, dict)
        or any(not isinstance(header.get(name), kind) for name, kind in _HEADER.items())
        or not isinstance(header['proof'].get('text'), str)
    ):
        raise BackendError(f'engine {path} has a damaged header')
    return header, content
