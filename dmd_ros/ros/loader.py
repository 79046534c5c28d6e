# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load the estimator that the parameters specify, once, ahead of time or on demand."""

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

    wanted: whether loading ahead still makes sense, because `take` and `drop` were not called yet.
    """

    def __init__(self, log: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Load nothing yet. cancelled: polled while an engine is built; True stops the build."""
        self._log, self._cancelled = log, cancelled
        self._loading = threading.Lock()
        self._ahead: _Loaded | Exception | None = None
        self.wanted = True

    def preload(self, settings: Settings) -> None:
        """Load ahead, if still wanted; an error is kept and raised by `take`."""
        with self._loading:
            if not self.wanted:
                return
            try:
                self._ahead = self._load(settings)
            except Exception as error:
                self._ahead = error

    def take(self, settings: Settings) -> DepthEstimator:
        """Return the estimator loaded ahead, adapted to `settings`, or load it now.

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
        """Stop loading ahead, and close an estimator loaded ahead."""
        self.wanted = False
        loaded, self._ahead = self._ahead, None
        if isinstance(loaded, _Loaded):
            loaded.estimator.close()

    def build(self, settings: Settings) -> str:
        """Build the TensorRT engine if needed; return its file. Raises like `build_engine`."""
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
    """Return a new estimator on the same backend if the change needs one, else the same one.

    A new mount does not: a pan-tilt camera changes it many times a second, and a new estimator
    resets its noise and recomputes the rectification maps.
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
    """Return the floor scale for the current mount of the camera."""
    mount = new.mount()
    if (mount, new.floor_memory) == (old.mount(), old.floor_memory):
        return scale
    if mount is None or scale is None:
        return None if mount is None else FloorScale(mount, new.floor_memory)
    return scale.remounted(mount, new.floor_memory)


def _tuning(settings: Settings) -> dict[str, Any]:
    """Return arguments for `DepthEstimator`; 0 stands for the model's own choice."""
    return {
        'steps': settings.steps or None,
        'samples': settings.samples or None,
        'sampler': settings.sampler,
        'seed': settings.seed,
        'temporal': settings.temporal,
        'image_rotation': settings.image_rotation,
    }
