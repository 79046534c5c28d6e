# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine cache: finds the file for a specification, and stores new engines.

Does not import TensorRT.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmd_ros.core.contract import Contract
from dmd_ros.core.preprocess import network_size
from dmd_ros.runtime import engine_file, refusals
from dmd_ros.runtime.engine_file import EngineSpec, Size, StoredEngine
from dmd_ros.runtime.errors import BackendError, RefusedError

Log = Callable[[str], None]
# Builds an engine; returns its plan, its conditions, and the proof with 'passed' and 'text'.
Make = Callable[[], tuple[bytes, bytes, dict[str, Any]]]

# Aspect ratios (width / height), in thousandths, that a dynamic engine supports besides the
# training sizes: upright phone to wide stereo. All are tried, because rounding to the stride makes
# sizes jump: the largest size may belong to half a percent of the aspects.
_ASPECTS = range(500, 2501)
_MIB = 1 << 20
_POLL_S = 0.2
_REPORT_S = 10.0


@dataclass(frozen=True)
class Machine:
    """The machine that builds and runs engines; see `EngineSpec` for the fields."""

    tensorrt: str
    gpu: str
    compute_capability: str
    driver: str


@dataclass(frozen=True)
class BuildRequest:
    """A request for an engine.

    size: network (height, width), or None for an engine for all common cameras (slower).
    samples: batch.
    device: number of the GPU.
    folder: of the engines, or None for the user's cache folder.
    force: build even if the engine exists.
    """

    model: Path
    precision: str = 'fp16'
    size: Size | None = None
    samples: int = 1
    device: int = 0
    folder: Path | None = None
    workspace_mib: int = 1024
    optimization_level: int = 3
    force: bool = False

    @property
    def cache(self) -> Path:
        """Folder of the engines: as requested, or in the user's cache folder."""
        root = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache')
        folder = self.folder or root / 'dmd_ros' / 'engines'
        try:
            return folder.expanduser()
        except RuntimeError:
            raise BackendError(
                f'no home folder found for {folder}; set engine_cache_dir to another folder'
            ) from None


def spec_for(request: BuildRequest, contract: Contract, machine: Machine) -> EngineSpec:
    """Return the specification of the requested engine; `BackendError` for an invalid size."""
    best = request.size or contract.train_sizes[0]
    if min(best) < 1 or any(side % contract.stride for side in best):
        raise BackendError(
            f'size {best[0]}x{best[1]} (height x width): both must be multiples of the stride '
            f'{contract.stride} of model {contract.name}'
        )
    for name in ('samples', 'workspace_mib'):
        if getattr(request, name) < 1:
            raise BackendError(f'{name}={getattr(request, name)} must be >= 1')
    smallest = largest = best
    if request.size is None:
        sizes = [*contract.train_sizes, *(network_size(1000, a, contract) for a in _ASPECTS)]
        heights, widths = zip(*sizes, strict=True)
        smallest, largest = (min(heights), min(widths)), (max(heights), max(widths))
    return EngineSpec(
        model_sha256=engine_file.sha256_of(request.model),
        tensorrt=machine.tensorrt,
        gpu=machine.gpu,
        compute_capability=machine.compute_capability,
        driver=machine.driver,
        precision=request.precision,
        batch=request.samples,
        smallest=smallest,
        best=best,
        largest=largest,
        workspace_mib=request.workspace_mib,
        optimization_level=request.optimization_level,
        recipe=engine_file.RECIPE,
    )


def driver_major(kernel_module: str | None, cuda_driver: int) -> str:
    """Return the driver: '550' from /proc/driver/nvidia/version, else 'cuda 12' (on a Jetson)."""
    for word in (kernel_module or '').split():
        major, dot, _ = word.partition('.')
        if dot and major.isdigit():
            return major
    return f'cuda {cuda_driver // 1000}'


def find(spec: EngineSpec, folder: Path, stem: str, log: Log) -> StoredEngine | None:
    """Return the stored engine for `spec` if it is intact; otherwise log why there is none.

    Raises `RefusedError` if it failed its proof or could not be built before, `BackendError` for
    an unusable folder.
    """
    path = folder / engine_file.file_name(spec, stem)
    with _usable(folder):
        refusals.check(path, advice(spec))
        if not path.exists():
            log(f'no engine for {stem} yet: {_why_missing(spec, folder)}')
            return None
        try:
            return engine_file.read(path, spec)
        except BackendError as error:
            log(f'{error}; rebuilding it')
            return None


def obtain(
    spec: EngineSpec,
    folder: Path,
    stem: str,
    make: Make,
    log: Log,
    *,
    force: bool = False,
) -> StoredEngine:
    """Return the engine for `spec`, built by `make` if there is none; one builder at a time.

    An engine that fails its proof is not stored, but its figures are, so that the next start
    fails at once instead of building again. Raises `RefusedError` in this case, otherwise
    `BackendError`.
    """
    path = folder / engine_file.file_name(spec, stem)
    with _lock(path.with_suffix('.lock'), log) as alone:
        if alone:
            engine_file.remove_parts(path)
        if not force and (engine := find(spec, folder, stem, log)) is not None:
            return engine
        plan, conditions, proof = make()
        if not proof['passed']:
            with _usable(folder):
                refusals.remember(path, proof)
                path.unlink(missing_ok=True)
            raise RefusedError(f'the new engine is refused: {proof["text"]}. {advice(spec)}')
        with _usable(folder):
            engine_file.write(path, spec, plan, conditions, proof)
            refusals.note_of(path).unlink(missing_ok=True)
        return engine_file.read(path, spec)


def remember_not_built(spec: EngineSpec, folder: Path, stem: str, log: Log, why: str) -> None:
    """Record for the next start that TensorRT cannot build the engine for `spec`, and why."""
    path = folder / engine_file.file_name(spec, stem)
    try:
        refusals.remember(path, {'text': why, 'built': False})
    except OSError as error:  # not fatal: another precision may work
        log(f'cannot record for the next start that this engine cannot be built ({error})')


def check_room(folder: Path, weights_bytes: int) -> None:
    """Raise `BackendError` if the disk has no room for the weights: the build would end so."""
    with _usable(folder):
        room = shutil.disk_usage(folder)
    if room.total and room.free < weights_bytes:  # some network folders report a size of 0
        raise BackendError(
            f'the engine folder {folder} has room for {room.free / _MIB:.2f} MiB, but '
            f'the weights of the engine alone take {weights_bytes / _MIB:.2f} MiB; make room, or '
            'set engine_cache_dir to another folder'
        )


def advice(spec: EngineSpec) -> str:
    """Return the advice for an engine that cannot be built or fails its proof."""
    if spec.precision == 'fp32':
        return 'Use another TensorRT version, or set backend to onnxruntime'
    return 'Set precision to fp32 (slower, more precise), or use another TensorRT version'


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Turn an `OSError` (no access, disk full, not a folder) into one that names the folder."""
    try:
        yield
    except OSError as error:
        raise BackendError(
            f'the engine folder {folder} cannot be used ({error}); fix that, or set '
            'engine_cache_dir to another folder'
        ) from None


@contextlib.contextmanager
def _lock(path: Path, log: Log) -> Iterator[bool]:
    """Lock `path` against other processes; the system releases it when the process ends.

    Yields whether it is locked: False on file systems without locks.
    """
    with _usable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open('a+')
    with opened as stream:
        said, held = -_REPORT_S, False
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
                break
            except BlockingIOError:
                pass
            except OSError as error:  # network file system without locks; renaming is still safe
                log(f'{path} cannot be locked ({error}): others may build this engine as well')
                break
            waited = time.monotonic() - started
            if waited - said >= _REPORT_S:
                said = waited
                log(f'another process builds this engine ({path}); waiting for {waited:.0f} s')
            time.sleep(_POLL_S)
        yield held


def _why_missing(spec: EngineSpec, folder: Path) -> str:
    """Return why there is no engine: the most similar one of the model, and how it differs."""
    others = (
        engine_file.spec_differences(header['spec'], spec)
        for _, header in engine_file.headers(folder)
        if header['spec'].get('model_sha256') == spec.model_sha256
    )
    nearest = min(others, key=len, default=None)
    if nearest is None:
        return f'none of this model in {folder}'
    return f'the nearest one in {folder} is stale: {"; ".join(nearest)}'


def parse_size(text: str) -> Size:
    """Parse '192x256' as (height, width); raises `BackendError`."""
    height, _, width = text.lower().partition('x')
    if not (height.isdecimal() and width.isdecimal()):
        raise BackendError(f'size {text!r}; write height x width, like 192x256')
    return int(height), int(width)
