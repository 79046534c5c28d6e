# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the estimator that the parameters ask for, once, ahead of time or when it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmd_ros.estimator import DepthEstimator
from dmd_ros.floor_scale import FloorScale
from dmd_ros.loading import build_engine, load_estimator
from dmd_ros.ros.params import Settings


@dataclass(frozen=True)
class _Loaded:
    """An estimator and the parameters that it was loaded with."""

    estimator: DepthEstimator
    settings: Settings


class Loader:
    """`preload` may run in any thread; the rest belongs to the executor's.

    wanted: whether loading ahead still makes sense: nobody has taken a model or refused it.
    """

    def __init__(self, log: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Load nothing yet. cancelled: asked while an engine is built; True stops that."""
        self._log, self._cancelled = log, cancelled
        self._loading = threading.Lock()
        self._ahead: _Loaded | Exception | None = None
        self.wanted = True

    def preload(self, settings: Settings) -> None:
        """Load ahead, unless somebody else came first; an error is kept for who wants it."""
        with self._loading:
            if not self.wanted:
                return
            try:
                self._ahead = self._load(settings)
            except Exception as error:
                self._ahead = error

    def take(self, settings: Settings) -> DepthEstimator:
        """Give what was loaded ahead, tuned as `settings` are, or load.

        Waits for a load that is under way. Raises what loading or tuning raises.
        """
        self.wanted = False
        with self._loading:
            loaded, self._ahead = self._ahead or self._load(settings), None
        if isinstance(loaded, Exception):
            raise loaded
        try:
            return retuned(loaded.estimator, loaded.settings, settings)
        except BaseException:
            loaded.estimator.close()
            raise

    def drop(self) -> None:
        """Load nothing ahead any more, and close what was."""
        self.wanted = False
        loaded, self._ahead = self._ahead, None
        if isinstance(loaded, _Loaded):
            loaded.estimator.close()

    def build(self, settings: Settings) -> str:
        """Have the TensorRT engine in the cache; gives its file. Raises like `build_engine`."""
        path = build_engine(
            settings.model or None,
            settings.device,
            samples=settings.samples or None,
            **self._engine_options(settings),
        )
        return str(path)

    def _load(self, settings: Settings) -> _Loaded:
        estimator = load_estimator(
            settings.model or None,
            settings.backend,
            settings.device,
            settings.threads,
            fov_source=settings.fov_source,
            vfov_deg=settings.fixed_vfov_deg or None,
            fov_model=settings.fov_model or None,
            fov_memory=settings.fov_memory,
            mount=settings.mount(),
            floor_memory=settings.floor_memory,
            **self._engine_options(settings),
            **_tuning(settings),
        )
        return _Loaded(estimator, settings)

    def _engine_options(self, settings: Settings) -> dict[str, Any]:
        return {
            'precision': settings.precision,
            'engine_cache_dir': settings.engine_cache_dir or None,
            'size': settings.engine_shape(),
            'force_rebuild': settings.force_rebuild,
            'log': self._log,
            'cancelled': self._cancelled,
        }


def retuned(estimator: DepthEstimator, old: Settings, new: Settings) -> DepthEstimator:
    """Build a new estimator around the same backend if the change needs one.

    A mount needs none: a camera that pans and tilts tells it many times a second, and a new
    estimator starts its noise and the maps of the lens anew.
    """
    floor_scale = _remounted(estimator.floor_scale, old, new)
    if _tuning(old) == _tuning(new):
        estimator.floor_scale = floor_scale
        return estimator
    return DepthEstimator(
        estimator.contract,
        estimator.backend,
        camera_source=estimator.camera_source,
        floor_scale=floor_scale,
        **_tuning(new),
    )


def _remounted(scale: FloorScale | None, old: Settings, new: Settings) -> FloorScale | None:
    """Give the scale by the floor for where the camera is now."""
    mount = new.mount()
    if (mount, new.floor_memory) == (old.mount(), old.floor_memory):
        return scale
    if mount is None or scale is None:
        return None if mount is None else FloorScale(mount, new.floor_memory)
    return scale.remounted(mount, new.floor_memory)


def _tuning(settings: Settings) -> dict[str, Any]:
    """Arguments of `DepthEstimator`; 0 stands for the model's own choice."""
    return {
        'steps': settings.steps or None,
        'samples': settings.samples or None,
        'sampler': settings.sampler,
        'seed': settings.seed,
        'temporal': settings.temporal,
        'image_rotation': settings.image_rotation,
    }
