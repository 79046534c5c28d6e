# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model's path or name to a ready estimator: where models are found, which backend runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dmd_ros.estimator import DepthEstimator
from dmd_ros.runtime.errors import BackendError

DEFAULT_MODEL = 'dmd_worlds'
BACKENDS = ('auto', 'tensorrt', 'onnxruntime')


def load_estimator(
    model: str | os.PathLike[str] | None = None,
    backend: str = 'auto',
    device: str = 'cpu',
    threads: int = 0,
    **settings: Any,
) -> DepthEstimator:
    """Load a denoiser with its contract and build the estimator around it.

    model: path of an .onnx file, the name of a shipped model, or None for the default one.
    backend: 'auto', 'tensorrt' or 'onnxruntime'. device: 'cpu' or 'cuda'. threads: 0 = all cores.
    settings: steps, samples, sampler, seed, temporal of `DepthEstimator`.
    Raises `BackendError` or `CoreError` that says what is wrong and how to mend it.
    """
    if backend not in BACKENDS:
        raise BackendError(f'backend {backend!r}; allowed: {", ".join(BACKENDS)}')
    if backend == 'tensorrt':
        raise BackendError('backend tensorrt is not part of this version; use onnxruntime')
    loaded = _load_onnxruntime(find_model(model), device, threads)
    return DepthEstimator(loaded.contract, loaded, **settings)


def find_model(model: str | os.PathLike[str] | None = None) -> Path:
    """Resolve a path, a shipped model's name, or None (the default model) to an .onnx file."""
    name = os.fspath(model) if model else DEFAULT_MODEL
    if name.endswith('.onnx') or os.sep in name:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise BackendError(f'model file {path} does not exist')
    tried = [folder / f'{name}.onnx' for folder in _model_folders()]
    for path in tried:
        if path.is_file():
            return path
    raise BackendError(
        f'no shipped model {name!r}; looked for {", ".join(map(str, tried))}. Give the path of an '
        '.onnx file instead'
    )


def _model_folders() -> Iterator[Path]:
    """Yield where models lie: source checkout, ament workspaces, pip installation."""
    yield Path(__file__).resolve().parent.parent / 'models'
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        yield Path(prefix) / 'share' / 'dmd_ros' / 'models'
    yield Path(sys.prefix) / 'share' / 'dmd_ros' / 'models'


def _load_onnxruntime(model: Path, device: str, threads: int) -> Any:
    try:
        from dmd_ros.runtime.ort_backend import OrtBackend
    except ImportError as error:
        raise BackendError(
            f'ONNX Runtime cannot be imported ({error}); install it: pip install dmd_ros[cpu]'
        ) from None
    return OrtBackend(model, device, threads)
