# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a request for a TensorRT engine to a running backend, with the fall-backs in between."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmd_ros.core.contract import Contract
from dmd_ros.runtime import engine_cache
from dmd_ros.runtime.engine_file import StoredEngine
from dmd_ros.runtime.engine_store import BuildRequest, Log
from dmd_ros.runtime.errors import BackendError, RefusedError, StaleError
from dmd_ros.runtime.select import Choice

# Not through `log`: users without logging set up must learn that the robot is slower.
_log = logging.getLogger('dmd_ros')


def request(
    model: Path,
    contract: Contract,
    choice: Choice,
    *,
    size: tuple[int, int] | None,
    samples: int | None,
    folder: str | os.PathLike[str] | None,
    force: bool,
) -> BuildRequest:
    """Return the build request; the arguments are those of `dmd_ros.loading.load_estimator`."""
    return BuildRequest(
        model=model,
        precision=choice.precision,
        # The engine's key is computed from JSON, which does not accept NumPy's numbers.
        size=None if size is None else (int(size[0]), int(size[1])),
        samples=contract.samples if samples is None else int(samples),
        device=choice.gpu or 0,
        folder=Path(folder) if folder else None,
        force=force,
    )


def load(
    request: BuildRequest,
    contract: Contract,
    or_fp32: bool,
    log: Log,
    cancelled: Callable[[], bool],
) -> Any:
    """Start the engine; rebuild it if it turns out to be stale. or_fp32: see `engine`."""
    stored, answered = engine(request, contract, or_fp32, log, cancelled)
    try:
        return engine_cache.start(stored, answered, contract, log)
    except StaleError as error:
        log(f'{error} {stored.path}; rebuilding it')
    stored, answered = engine(replace(request, force=True), contract, or_fp32, log, cancelled)
    return engine_cache.start(stored, answered, contract, log)


def engine(
    request: BuildRequest,
    contract: Contract,
    or_fp32: bool,
    log: Log,
    cancelled: Callable[[], bool],
) -> tuple[StoredEngine, BuildRequest]:
    """Return the engine, built and cached if necessary, and the request that it fulfils.

    or_fp32: if the engine in the requested precision cannot be built or fails its proof, use fp32
        and log a warning.
    """
    try:
        return engine_cache.engine_for(request, contract, log, cancelled), request
    except RefusedError as error:
        if not or_fp32:
            raise
        refused = error
    first = request.precision
    log(f'precision auto: {first} is refused, trying fp32: {refused}')
    request = replace(request, precision='fp32')
    try:
        stored = engine_cache.engine_for(request, contract, log, cancelled)
    except BackendError as error:
        raise BackendError(f'{first}: {refused}; fp32: {error}') from None
    _log.warning(
        'precision auto selected fp32, which is slower than %s (%s). %s: %s',
        first,
        stored.proof['text'],
        first,
        refused,
    )
    return stored, request
