# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metadata of a model file: the contract, and a golden input with its output.

Both are text in the file's metadata, so every backend can check itself: a faulty engine or a
broken driver gives a wrong golden output, before any frame is affected.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dmd_ros.core.contract import METADATA_KEY, Contract, FovContract, PictureContract
from dmd_ros.core.errors import CoreError
from dmd_ros.runtime.backend import INPUTS, OUTPUT, Feeds, Floats, Outputs
from dmd_ros.runtime.errors import BackendError

# JSON object: name of each input and of the output -> {'shape': [...], 'data': base64 of
# little-endian float32 in C order}.
GOLDEN_KEY = 'dmd_golden'
# Allowed relative difference from the golden output in float32.
TOLERANCE = 1e-3
# Key of another tolerance, as text. In int8, the last bit of another processor decides how a value
# between two integers is rounded, so outputs differ by several percent; a flipped bit that matters
# changes them far more.
TOLERANCE_KEY, INT8_TOLERANCE = 'dmd_golden_tolerance', 0.5
# The operator that quantises to int8, as serialised: field 4 (op_type) of a NodeProto, 14 letters.
# The package onnx is not installed on robots.
_INT8_NODE = re.compile(b'\x22\x0eQuantizeLinear')
# Likewise an entry of external_data of a TensorProto, followed by a length and a file name.
_LOCATION = re.compile(rb'\x0a\x08location\x12(?=(.{2,300}))', re.DOTALL)
_BLOCK, _LONGEST = 1 << 20, 320
_C = TypeVar('_C', bound=PictureContract)


def contract_from_metadata(metadata: Mapping[str, str], source: str) -> Contract:
    """Read a denoiser's contract; raises `BackendError` that names the file."""
    return _contract(metadata, source, Contract, 'train.export')


def fov_contract_from_metadata(metadata: Mapping[str, str], source: str) -> FovContract:
    """Read a field-of-view network's contract; raises `BackendError` that names the file."""
    return _contract(metadata, source, FovContract, 'train.fov.export')


def _contract(metadata: Mapping[str, str], source: str, kind: type[_C], exporter: str) -> _C:
    if METADATA_KEY not in metadata:
        raise BackendError(
            f'{source} carries no contract (metadata key {METADATA_KEY!r}), which describes '
            f'its inputs; export it with {exporter}'
        )
    try:
        return kind.from_json(metadata[METADATA_KEY])
    except CoreError as error:
        raise BackendError(f'{source}: {error}') from None


def is_int8(model: Path) -> bool:
    """Return whether part of an ONNX file computes in int8, as written by `train.quantize`."""
    return any(_found(model, _INT8_NODE))


def parts_of(model: Path) -> list[Path]:
    """Return a model file and, if its weights are stored outside it, the files of the weights."""
    names = {f'{model.name}.data'}
    for after in _found(model, _LOCATION):
        size, start = after[0], 1
        if size > 127:  # varint: seven bits per byte
            size, start = size & 127 | after[1] << 7, 2
        names.add(os.fsdecode(after[start : start + size]))
    paths = (model.parent / name for name in sorted(names))
    return [model, *(path for path in paths if os.path.isfile(path))]


def _found(path: Path, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield the matches in a file, some perhaps twice; read in blocks to save memory."""
    tail = b''
    with path.open('rb') as stream:
        while block := stream.read(_BLOCK):
            yield from pattern.findall(tail + block)
            tail = block[-_LONGEST:]


def golden_to_metadata(feeds: Feeds, outputs: Mapping[str, Floats]) -> str:
    """Serialise the golden input and output as text."""
    arrays = {**feeds, **outputs}
    return json.dumps({name: _to_text(array) for name, array in arrays.items()}, sort_keys=True)


def golden_from_metadata(
    metadata: Mapping[str, str],
    source: str,
    inputs: Sequence[str] = INPUTS,
    output: str = OUTPUT,
) -> tuple[Feeds, Outputs]:
    """Read the golden input and output; raises `BackendError` if absent or malformed."""
    if GOLDEN_KEY not in metadata:
        raise BackendError(
            f'{source} carries no golden input (metadata key {GOLDEN_KEY!r}); export it again'
        )
    try:
        raw = json.loads(metadata[GOLDEN_KEY])
        arrays = {name: _from_text(raw[name]) for name in (*inputs, output)}
    except (ValueError, KeyError, TypeError) as error:
        raise BackendError(f'{source}: golden input is malformed ({error!r})') from None
    return {name: arrays[name] for name in inputs}, {output: arrays[output]}


def relative_difference(value: Floats, expected: Floats) -> float:
    """Return the largest difference relative to the largest expected magnitude.

    inf if `value` is not finite or has another shape.
    """
    if value.shape != expected.shape or not np.isfinite(value).all():
        return float('inf')
    scale = max(float(np.abs(expected).max()), 1e-12)
    return float(np.abs(value - expected).max()) / scale


def check_golden(
    run: Callable[[Feeds], Outputs],
    metadata: Mapping[str, str],
    source: str,
    tolerance: float | None = None,
    inputs: Sequence[str] = INPUTS,
    output: str = OUTPUT,
) -> float:
    """Run the golden input; return the relative difference of the output.

    tolerance: None uses the metadata's, if any, else `TOLERANCE`.
    Raises `BackendError` if the difference exceeds it.
    """
    feeds, expected = golden_from_metadata(metadata, source, inputs, output)
    difference = relative_difference(run(feeds)[output], expected[output])
    if tolerance is None:
        tolerance = _tolerance(metadata, source)
    if not difference <= tolerance:
        raise BackendError(
            f'{source}: output on the golden input differs by {difference:.2e} (relative), '
            f'allowed {tolerance:.0e}; the file is damaged, or the computation (engine, '
            'precision, driver) is wrong: copy or export the model again, or use another backend'
        )
    return difference


def _tolerance(metadata: Mapping[str, str], source: str) -> float:
    text = metadata.get(TOLERANCE_KEY, str(TOLERANCE))
    try:
        return float(text)
    except ValueError:
        raise BackendError(
            f'{source}: its metadata {TOLERANCE_KEY}={text!r} is not a number; export it again'
        ) from None


def _to_text(array: Floats) -> dict[str, Any]:
    data = np.ascontiguousarray(array, '<f4').tobytes()
    return {'shape': list(array.shape), 'data': base64.b64encode(data).decode('ascii')}


def _from_text(raw: dict[str, Any]) -> Floats:
    flat = np.frombuffer(base64.b64decode(raw['data'], validate=True), '<f4')
    return flat.reshape(raw['shape']).astype(np.float32)
