# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model's path or name to a ready estimator: selects the backend and the device."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError
from dmd_ros.core.floor import Mount
from dmd_ros.estimator import DepthEstimator, check_settings
from dmd_ros.floor_scale import FloorScale
from dmd_ros.fov import (
    CAMERA_INFO,
    FOV_SOURCES,
    CameraSource,
    EstimatedFov,
    FixedFov,
    FovEstimator,
)
from dmd_ros.runtime import select
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import GOLDEN_KEY, check_golden
from dmd_ros.runtime.shared_files import DEFAULT_FOV_MODEL, find_model

_log = logging.getLogger('dmd_ros')


def load_estimator(
    model: str | os.PathLike[str] | None = None,
    backend: str = 'auto',
    device: str = 'auto',
    threads: int = 0,
    *,
    precision: str = 'auto',
    size: tuple[int, int] | None = None,
    engine_cache_dir: str | os.PathLike[str] | None = None,
    force_rebuild: bool = False,
    fov_source: str = CAMERA_INFO,
    vfov_deg: float | None = None,
    fov_model: str | os.PathLike[str] | None = None,
    fov_memory: int = 1,
    mount: Mount | None = None,
    floor_memory: int = 1,
    log: Callable[[str], None] = _log.info,
    cancelled: Callable[[], bool] = lambda: False,
    steps: int | None = None,
    samples: int | None = None,
    sampler: str = 'ddpm',
    seed: int = 0,
    temporal: str = 'fixed',
    image_rotation: int = 0,
) -> DepthEstimator:
    """Load a denoiser with its contract and build the estimator around it.

    model: path of an .onnx file, name of a shipped model, or None for the default model.
    backend: 'auto' (TensorRT if available, else ONNX Runtime; `log` reports why), 'tensorrt' or
        'onnxruntime'.
    device: 'auto', 'cpu', 'cuda' or 'cuda:1'. threads: of the CPU, 0 = all cores.
    precision: 'auto' (TensorRT: fp16, else fp32 with a warning), 'fp32', 'fp16' or 'bf16'.
    size: network (height, width) of a TensorRT engine for one camera (fastest), or None for an
        engine that accepts all common cameras.
    engine_cache_dir: folder of the engines. force_rebuild: build even if the engine exists.
    cancelled: polled during a build, which takes minutes; True stops it.
    steps, samples, sampler, seed, temporal, image_rotation: see `DepthEstimator`.
    fov_source, vfov_deg, fov_model, fov_memory: see `load_camera_source`.
    mount: camera pose above the floor, by which depth is scaled (None: it is not), with the median
        over the newest floor_memory pictures that show the floor.
    Raises `BackendError` or `CoreError` with the problem and its fix.
    """
    settings: dict[str, Any] = {'steps': steps, 'samples': samples, 'sampler': sampler}
    settings |= {'seed': seed, 'temporal': temporal, 'image_rotation': image_rotation}
    check_settings(**settings)  # before minutes are spent on building an engine
    path = find_model(model)
    source = load_camera_source(fov_source, vfov_deg, fov_model, fov_memory, image_rotation)
    floor_scale = None if mount is None else FloorScale(mount, floor_memory)
    engine: dict[str, Any] = {'size': size, 'samples': samples}
    engine |= {'folder': engine_cache_dir, 'force': force_rebuild}
    with _closed_on_error(source):
        loaded = _denoiser(path, backend, device, threads, precision, engine, log, cancelled)
        with _closed_on_error(loaded):
            return DepthEstimator(
                loaded.contract,
                loaded,
                camera_source=source,
                floor_scale=floor_scale,
                **settings,
            )


def _denoiser(
    path: Path,
    backend: str,
    device: str,
    threads: int,
    precision: str,
    engine: dict[str, Any],
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Any:
    """Load the denoiser with the selected backend; 'auto' falls back if TensorRT fails.

    engine: keyword arguments of `engine_loading.request` that describe the TensorRT engine.
    """
    facts = select.look_around(backend, device)
    choice = select.decide(backend, device, precision, facts)
    if choice.backend == 'tensorrt':
        # Imported late: it needs Unix file locks, and `python -m dmd_ros.runtime.engine_cache`
        # must not find its own module already imported.
        from dmd_ros.runtime import engine_loading

        try:
            contract = contract_of(path)
            request = engine_loading.request(path, contract, choice, **engine)
            loaded = engine_loading.load(request, contract, precision == 'auto', log, cancelled)
        except BackendError as error:
            if backend != 'auto' or cancelled():
                raise
            choice = select.without_tensorrt(device, precision, facts, str(error))
            # Not through `log`: users without logging set up must learn that the robot is slower.
            _log.warning('TensorRT failed; using instead: %s', choice.why)
        else:
            log(f'backend: {select.decide("tensorrt", device, loaded.precision, facts).why}')
            return loaded
    log(f'backend: {choice.why}')
    loaded = _onnxruntime('OrtBackend', path, 'cpu' if choice.gpu is None else 'cuda', threads)
    if loaded.precision != choice.precision:
        log(f'precision: {loaded.precision}, as stored in {path}')
        if loaded.device == 'cpu' and select.is_slow_in_int8():
            _log.warning(
                '%s is in int8, and this processor has neither VNNI nor dot-product instructions: '
                'the float model that it was made from may be as fast',
                path,
            )
    return loaded


@contextlib.contextmanager
def _closed_on_error(loaded: Any) -> Iterator[None]:
    """Close `loaded`, unless None, if the `with` block fails."""
    try:
        yield
    except BaseException:
        if loaded is not None:
            loaded.close()
        raise


def load_camera_source(
    fov_source: str = CAMERA_INFO,
    vfov_deg: float | None = None,
    fov_model: str | os.PathLike[str] | None = None,
    fov_memory: int = 1,
    image_rotation: int = 0,
) -> CameraSource | None:
    """Load the substitute for a calibration; None if pictures are passed with their cameras.

    fov_source: 'camera_info', 'estimate' or 'fixed'.
    fov_model, fov_memory: for 'estimate', the model (path, name, or None for the shipped one) and
        the number of pictures of one camera over which the median is taken.
    vfov_deg: for 'fixed', the vertical field of view of the picture before `image_rotation`.
    image_rotation: see `DepthEstimator`.
    Raises `CoreError` for a contradiction, `BackendError` for an unusable model.
    """
    if fov_source not in FOV_SOURCES:
        raise CoreError(f'fov_source {fov_source!r}; allowed: {", ".join(FOV_SOURCES)}')
    if (vfov_deg is not None) != (fov_source == 'fixed'):
        raise CoreError(
            f'fov_source {fov_source!r} with vfov_deg={vfov_deg}: the angle in degrees is needed '
            "for 'fixed', and only there"
        )
    if fov_model is not None and fov_source != 'estimate':
        raise CoreError(f"fov_source {fov_source!r} uses no fov_model; set it to 'estimate'")
    if vfov_deg is not None:
        return FixedFov(vfov_deg)
    if fov_source == CAMERA_INFO:
        return None
    # The model is so small that one CPU core is enough, whichever backend runs the denoiser.
    loaded = _onnxruntime('OrtFovBackend', find_model(fov_model or DEFAULT_FOV_MODEL), 'cpu', 1)
    return EstimatedFov(FovEstimator(loaded.contract, loaded), fov_memory, image_rotation)


def build_engine(
    model: str | os.PathLike[str] | None = None,
    device: str = 'auto',
    *,
    precision: str = 'auto',
    size: tuple[int, int] | None = None,
    samples: int | None = None,
    engine_cache_dir: str | os.PathLike[str] | None = None,
    force_rebuild: bool = False,
    log: Callable[[str], None] = _log.info,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """Build the TensorRT engine that `load_estimator` would use, unless cached; return its file.

    For the node's `build_only`. Arguments and errors are those of `load_estimator`.
    """
    from dmd_ros.runtime import engine_loading

    path = find_model(model)
    choice = select.decide('tensorrt', device, precision, select.look_around('tensorrt', device))
    contract = contract_of(path)
    request = engine_loading.request(
        path,
        contract,
        choice,
        size=size,
        samples=samples,
        folder=engine_cache_dir,
        force=force_rebuild,
    )
    return engine_loading.engine(request, contract, precision == 'auto', log, cancelled)[0].path


def contract_of(model: str | os.PathLike[str] | None = None) -> Contract:
    """Read a model's contract, always on the CPU; raises `BackendError`."""
    backend = _onnxruntime('OrtBackend', find_model(model), 'cpu', 1)
    contract: Contract = backend.contract
    backend.close()
    return contract


def _onnxruntime(kind: str, model: Path, device: str, threads: int) -> Any:
    """Load a model as the class `kind` of `ort_backend`, the only importer of onnxruntime."""
    try:
        from dmd_ros.runtime import ort_backend
    except ImportError as error:
        raise BackendError(select.explain_import(error)) from None
    loaded = getattr(ort_backend, kind)(model, device, threads)
    with _closed_on_error(loaded):
        # A bit flipped in a weight by a bad copy would change depth silently. (On a GPU, TF32
        # does not reproduce the recorded output.)
        if device == 'cpu' and GOLDEN_KEY in loaded.metadata:
            names = {'inputs': loaded.inputs, 'output': loaded.output}
            check_golden(loaded.run, loaded.metadata, str(model), **names)
    return loaded
