# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model file to a proved engine in the cache, built in a separate process.

    python -m dmd_ros.runtime.engine_cache build --model dmd_worlds --size 192x256 --samples 1

A build runs as this command in its own process, so that a node can stop it at any moment when it
shuts down, and its gigabytes of memory are freed at the end. It also ends if the node is killed.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from dmd_ros.core.contract import Contract
from dmd_ros.runtime import engine_store, proof, refusals, select, trt_versions
from dmd_ros.runtime.backend import OUTPUT
from dmd_ros.runtime.child import child_command
from dmd_ros.runtime.engine_file import EngineSpec, StoredEngine
from dmd_ros.runtime.engine_store import BuildRequest, Log
from dmd_ros.runtime.errors import BackendError, NotBuiltError, RefusedError
from dmd_ros.runtime.model_file import GOLDEN_KEY, golden_from_metadata
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model

# Prefix of the command's error line, and its exit status by the class of the error.
_ERROR = 'error: '
_STATUS: dict[type[BackendError], int] = {BackendError: 1, RefusedError: 3, NotBuiltError: 4}
# Signals of crashes inside TensorRT, perhaps in one precision only.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
# Prefix of TensorRT's own errors in its log; the last ones are repeated in our error.
_COMPLAINT = '[E] '
_MOST_COMPLAINTS, _MOST_LETTERS = 2, 300
_TIME = re.compile(r'\[ *\d+\.\d s\] ')  # prefix of the command's own lines
_STOP_S = 5.0
Cancelled = Callable[[], bool]


def build(request: BuildRequest, log: Log) -> StoredEngine:
    """Build, prove and store an engine in this process, unless it is cached (used by the CLI)."""
    tensorrt = select.tensorrt_module()
    from dmd_ros.runtime.graphs import half_graph
    from dmd_ros.runtime.ort_backend import OrtBackend

    spoken = trt_versions.dialect(tensorrt.version())
    trt_versions.check_precision(request.precision, spoken)
    for remark in trt_versions.remarks(spoken):
        log(remark)
    reference = OrtBackend(request.model)
    contract = reference.contract
    machine = tensorrt.machine(request.device)
    spec = engine_store.spec_for(request, contract, machine)

    def make() -> tuple[bytes, bytes, dict[str, Any]]:
        weights = half_graph.weights_bytes(request.model, request.precision)
        engine_store.check_room(request.cache, weights)
        log(
            f'building {request.model} for {machine.gpu}: TensorRT {machine.tensorrt}, '
            f'{spec.precision}, {spec.shape_text}, {spec.batch} samples; this takes minutes'
        )
        cache = timing_cache(request.cache, spec)
        plan, conditions = tensorrt.build_plan(request.model, spec, request.device, cache, log)
        log(f'engine of {len(plan) >> 20} MiB built; proving it against ONNX Runtime')
        try:
            engine = tensorrt.TrtBackend(plan, conditions, spec, contract, request.device, log)
        except RefusedError as error:  # a permanent failure: record it in the cache
            return plan, conditions, {'passed': False, 'text': str(error)}
        try:
            golden = _golden(reference.metadata, request.model, log)
            figures = proof.prove(
                engine,
                reference,
                contract,
                (spec.batch, *spec.best),
                spec.precision,
                golden,
                other_sizes=spec.extreme_sizes,
            )
        finally:
            engine.close()
        return plan, conditions, figures.to_dict()

    stem = request.model.stem
    return engine_store.obtain(spec, request.cache, stem, make, log, force=request.force)


def timing_cache(folder: Path, spec: EngineSpec) -> Path:
    """Return the file of the kernel timings of one TensorRT version on one GPU model."""
    where = f'{spec.tensorrt} {spec.gpu} {spec.compute_capability} {spec.driver}'
    return folder / f'timing-{hashlib.sha256(where.encode()).hexdigest()[:16]}.cache'


def fetch(
    request: BuildRequest,
    spec: EngineSpec,
    log: Log,
    cancelled: Cancelled = lambda: False,
) -> StoredEngine:
    """Return the engine for `spec`, from the cache or built by a separate process.

    cancelled: polled five times a second; once it returns True, the build is stopped and
        `BackendError` is raised.
    If TensorRT cannot build the engine, this is recorded in the cache, unless the cause may be
    temporary.
    """
    where = (spec, request.cache, request.model.stem, log)
    if not request.force and (engine := engine_store.find(*where)) is not None:
        return engine
    try:
        run_child(command(request), log, cancelled)
    except NotBuiltError as error:
        if not error.may_pass:
            engine_store.remember_not_built(*where, why=str(error))
        raise
    if (engine := engine_store.find(*where)) is None:
        raise BackendError(f'the build succeeded but left no engine in {request.cache}')
    return engine


def run_child(words: list[str], log: Log, cancelled: Cancelled) -> None:
    """Run the engine command; pass its lines to `log` and raise its error in its own class."""
    try:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace'
        )
    except OSError as error:
        raise BackendError(f'the engine build cannot be started ({error})') from None
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=_read, args=(process.stdout, lines, log), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            if cancelled():
                raise BackendError('the engine build was cancelled')
            reader.join(0.2)
            if not reader.is_alive():
                process.wait()
    finally:
        _stop(process)
        reader.join(_STOP_S)
    if process.returncode == 0:
        return
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    if errors:
        kind = next((k for k, s in _STATUS.items() if s == process.returncode), BackendError)
        text = errors[-1] + (_complaints(lines) if kind is NotBuiltError else '')
    else:
        kind = NotBuiltError if -process.returncode in _CRASHES else BackendError
        text = f'the engine build {_ending(process.returncode)}; its last lines: '
        text += ' / '.join(lines[-3:])
    if kind is NotBuiltError:
        full = -process.returncode == signal.SIGBUS  # a mapped file on a full disk
        raise NotBuiltError(text, full or refusals.may_pass(filter(_is_foreign, lines)))
    raise kind(text)


def engine_for(
    request: BuildRequest,
    contract: Contract,
    log: Log,
    cancelled: Cancelled = lambda: False,
) -> StoredEngine:
    """Return the proved engine for this machine, built first if necessary; see `fetch`."""
    machine = select.tensorrt_module().machine(request.device)
    return fetch(request, engine_store.spec_for(request, contract, machine), log, cancelled)


def start(
    engine: StoredEngine,
    request: BuildRequest,
    contract: Contract,
    log: Log,
    use_graph: bool = True,
) -> Any:
    """Return a `TrtBackend` that runs a proved engine."""
    tensorrt = select.tensorrt_module()
    log(f'engine {engine.path}: {engine.proof["text"]}')
    backend = tensorrt.TrtBackend(
        engine.plan, engine.conditions, engine.spec, contract, request.device, log, use_graph
    )
    held = ', '.join(
        f'{name} {size / 2**20:.0f} MiB' for name, size in backend.memory_bytes.items()
    )
    log(f'engine loaded; GPU memory: {held}')
    return backend


def _golden(metadata: dict[str, str], model: Path, log: Log) -> proof.Golden | None:
    if GOLDEN_KEY not in metadata:
        log(f'{model} has no golden input; it is proved on random inputs only')
        return None
    feeds, outputs = golden_from_metadata(metadata, str(model))
    return proof.Golden(feeds, outputs[OUTPUT])


def _read(stream: IO[str], lines: list[str], log: Log) -> None:
    for line in stream:
        text = line.rstrip()
        if text:
            lines.append(text)
            if not text.startswith(_ERROR):
                log(text)


def _is_foreign(line: str) -> bool:
    """Return whether a line is from TensorRT or the system; the command's own lines name files."""
    return not line.startswith(_ERROR) and not _TIME.match(line)


def _complaints(lines: list[str]) -> str:
    """Return TensorRT's last error messages, to be appended to ours."""
    said = [line.partition(_COMPLAINT)[2] for line in lines if _COMPLAINT in line]
    told = ' / '.join(text[:_MOST_LETTERS] for text in said[-_MOST_COMPLAINTS:])
    return f' (TensorRT: {told})' if told else ''


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ending(code: int) -> str:
    """Describe how a process without an error line ended; SIGKILL is often a lack of memory."""
    if code >= 0:
        return f'ended with status {code}'
    name = signal.Signals(-code).name
    return f'was ended by {name}' + (' (out of memory?)' if name == 'SIGKILL' else '')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m dmd_ros.runtime.engine_cache', description='TensorRT engines of dmd_ros'
    )
    build = parser.add_subparsers(dest='command', required=True).add_parser(
        'build', help='build and prove the engine of a model, unless it exists'
    )
    build.add_argument(
        '--model', default=DEFAULT_MODEL, help='.onnx or name; default: %(default)s'
    )
    build.add_argument('--precision', default='fp16', help='fp32, fp16 or bf16; default: fp16')
    build.add_argument('--size', help='network height x width, e.g. 192x256; default: any')
    build.add_argument('--samples', type=int, default=1, help='per picture; default: 1')
    build.add_argument('--device', type=int, default=0, help='number of the GPU; default: 0')
    build.add_argument('--cache-dir', type=Path, help='default: in the user cache')
    build.add_argument(
        '--workspace-mib', type=int, default=1024, help='scratch memory; default: 1024'
    )
    build.add_argument(
        '--optimization-level',
        type=int,
        default=3,
        choices=range(6),
        help='of TensorRT; default: 3',
    )
    build.add_argument('--force', action='store_true', help='build even if the engine exists')
    return parser


def _request(options: argparse.Namespace) -> BuildRequest:
    return BuildRequest(
        model=find_model(options.model),
        precision=options.precision,
        size=engine_store.parse_size(options.size) if options.size else None,
        samples=options.samples,
        device=options.device,
        folder=options.cache_dir,
        workspace_mib=options.workspace_mib,
        optimization_level=options.optimization_level,
        force=options.force,
    )


def command(request: BuildRequest) -> list[str]:
    """Return the command line of a build, which `main` parses back to the same request."""
    words = child_command('dmd_ros.runtime.engine_cache', 'build')
    # Absolute: ./model without a suffix would be taken for the name of a shipped model.
    words += ['--model', str(request.model.absolute()), '--precision', request.precision]
    if request.size is not None:
        words += ['--size', f'{request.size[0]}x{request.size[1]}']
    words += ['--samples', str(request.samples), '--device', str(request.device)]
    words += ['--cache-dir', str(request.cache), '--workspace-mib', str(request.workspace_mib)]
    words += ['--optimization-level', str(request.optimization_level)]
    return [*words, '--force'] if request.force else words


def main(argv: list[str] | None = None) -> int:
    """Run the command line; an error is printed as one line."""
    options = _parser().parse_args(argv)
    started = time.monotonic()

    def log(text: str) -> None:
        print(f'[{time.monotonic() - started:6.1f} s] {text}', flush=True)

    try:
        engine = build(_request(options), log)
    except BackendError as error:
        print(_ERROR + ' '.join(str(error).split()), flush=True)
        return _STATUS.get(type(error), 1)
    log(f'engine {engine.path}: {engine.proof["text"]}')
    return 0


if __name__ == '__main__':
    # TensorRT builds for minutes in native code; Python would handle Ctrl-C only afterwards.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main())
