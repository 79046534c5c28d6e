# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model's path or name to a ready estimator: which backend runs it, on what device."""

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

    model: path of an .onnx file, the name of a shipped model, or None for the default one.
    backend: 'auto' (TensorRT if it can be had, else ONNX Runtime; `log` says why), 'tensorrt' or
    'onnxruntime'. device: 'auto', 'cpu', 'cuda' or 'cuda:1'. threads: of the CPU, 0 = all cores.
    precision: 'auto' (on TensorRT fp16; where that is not built or proved fp32, with a warning),
    'fp32', 'fp16' or 'bf16'. size: network (height, width) of a TensorRT engine for one camera
    (fastest), or None for one that takes every usual one. engine_cache_dir: where engines lie.
    force_rebuild: build the engine even if there is one. cancelled: asked while an engine is
    built, which takes minutes; True stops it.
    steps, samples, sampler, seed, temporal, image_rotation: see `DepthEstimator`.
    fov_source, vfov_deg, fov_model, fov_memory: see `load_camera_source`.
    mount: how the camera stands above the floor, by which depth is then scaled: by the median over
    the newest floor_memory pictures that show it. None: depth is as the model says.
    Raises `BackendError` or `CoreError` that says what is wrong and how to mend it.
    """
    settings: dict[str, Any] = {'steps': steps, 'samples': samples, 'sampler': sampler}
    settings |= {'seed': seed, 'temporal': temporal, 'image_rotation': image_rotation}
    check_settings(**settings)  # before an engine is built for minutes
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
    """Load the denoiser with the backend that is taken; 'auto' does without a TensorRT that fails.

    engine: which TensorRT engine, as keyword arguments of `engine_loading.request`.
    """
    facts = select.look_around(backend, device)
    choice = select.decide(backend, device, precision, facts)
    if choice.backend == 'tensorrt':
        # Not before: it locks files as Unix does, and `python -m dmd_ros.runtime.engine_cache`
        # must not find itself imported already.
        from dmd_ros.runtime import engine_loading

        try:
            contract = contract_of(path)
            request = engine_loading.request(path, contract, choice, **engine)
            loaded = engine_loading.load(request, contract, precision == 'auto', log, cancelled)
        except BackendError as error:
            if backend != 'auto' or cancelled():
                raise
            choice = select.without_tensorrt(device, precision, facts, str(error))
            # Not through `log`: who has not set up logging must hear that the robot is slower now.
            _log.warning('TensorRT failed; instead: %s', choice.why)
        else:
            log(f'backend: {select.decide("tensorrt", device, loaded.precision, facts).why}')
            return loaded
    log(f'backend: {choice.why}')
    loaded = _onnxruntime('OrtBackend', path, 'cpu' if choice.gpu is None else 'cuda', threads)
    if loaded.precision != choice.precision:
        log(f'precision: {loaded.precision}, as {path} says')
        if loaded.device == 'cpu' and select.is_slow_in_int8():
            _log.warning(
                '%s is in int8, and this processor has neither VNNI nor dot products: the float '
                'model that it came from may be as fast',
                path,
            )
    return loaded


@contextlib.contextmanager
def _closed_on_error(loaded: Any) -> Iterator[None]:
    """Close what was loaded, if anything, when what is built on it fails."""
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
    """Load what stands in for a calibration; None if pictures come with their cameras.

    fov_source: 'camera_info', 'estimate' (of the picture, by fov_model: path, name, or None for
    the shipped one; the median over fov_memory pictures of one camera) or 'fixed' (vfov_deg,
    vertical, of the picture as it comes). image_rotation: see `DepthEstimator`.
    Raises `CoreError` for a contradiction, `BackendError` for a model without use.
    """
    if fov_source not in FOV_SOURCES:
        raise CoreError(f'fov_source {fov_source!r}; allowed: {", ".join(FOV_SOURCES)}')
    if (vfov_deg is not None) != (fov_source == 'fixed'):
        raise CoreError(
            f'fov_source {fov_source!r} with vfov_deg={vfov_deg}: the angle in degrees goes with '
            "'fixed', and with nothing else"
        )
    if fov_model is not None and fov_source != 'estimate':
        raise CoreError(f"fov_source {fov_source!r} uses no fov_model; set it to 'estimate'")
    if vfov_deg is not None:
        return FixedFov(vfov_deg)
    if fov_source == CAMERA_INFO:
        return None
    # So small that one core of the CPU is enough, whatever runs the denoiser.
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
    """Have the TensorRT engine that `load_estimator` would use in the cache; return its file.

    For a node's `build_only`. The arguments and errors are those of `load_estimator`.
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
    """Read what a model promises, on the CPU whatever else there is; raises `BackendError`."""
    backend = _onnxruntime('OrtBackend', find_model(model), 'cpu', 1)
    contract: Contract = backend.contract
    backend.close()
    return contract


def _onnxruntime(kind: str, model: Path, device: str, threads: int) -> Any:
    """Load a model as one of the classes of the file that owns ONNX Runtime."""
    try:
        from dmd_ros.runtime import ort_backend
    except ImportError as error:
        raise BackendError(select.explain_import(error)) from None
    loaded = getattr(ort_backend, kind)(model, device, threads)
    with _closed_on_error(loaded):
        # A bit that a bad copy flips in a weight changes depth without a word. (On a GPU, TF32
        # does not give the recorded output.)
        if device == 'cpu' and GOLDEN_KEY in loaded.metadata:
            names = {'inputs': loaded.inputs, 'output': loaded.output}
            check_golden(loaded.run, loaded.metadata, str(model), **names)
    return loaded
