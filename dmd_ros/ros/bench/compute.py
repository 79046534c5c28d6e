# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements without DDS: the denoiser, and building a cloud compared with alternatives."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointField
from std_msgs.msg import Header

from dmd_ros.core.pointcloud import write_cloud
from dmd_ros.loading import load_estimator
from dmd_ros.ros.bench import scene
from dmd_ros.ros.messages import CloudBuffer
from dmd_ros.runtime.backend import Feeds

OURS, MEMCPY = 'write_cloud', 'memcpy'


def denoiser(model: Path, seconds: float) -> dict[str, Any]:
    """Measure evaluations a second at the model's own size, one picture, on all available cores.

    Alternates with the same model in int8, if that is in the same folder.
    """
    cores = len(os.sched_getaffinity(0))
    files = (model, model.with_name(f'{model.stem}_int8.onnx'))
    loaded = [load_estimator(f, 'onnxruntime', 'cpu', cores) for f in files if f.is_file()]
    contract = loaded[0].contract
    height, width = contract.train_sizes[0]
    random = np.random.default_rng(0)
    feeds: Feeds = {
        'rgb': random.standard_normal((1, 3, height, width), np.float32),
        'z': random.standard_normal((1, 1, height, width), np.float32),
        't': np.ones(1, np.float32),
        'tan_half_vfov': np.full(1, 0.5, np.float32),
    }
    ways = {e.contract.name: functools.partial(e.backend.run, feeds) for e in loaded}
    medians = _medians(ways, seconds)
    for estimator in loaded:
        estimator.close()
    median = medians.pop(contract.name)
    return {
        'model': contract.name,
        'network picture': f'{width}x{height}',
        'threads': cores,
        'steps x samples of a frame': f'{contract.steps} x {contract.samples}',
        'median ms': median * 1e3,
        'evaluations a second': 1.0 / median,
        **{f'median ms of {name}': 1e3 * other for name, other in medians.items()},
    }


def clouds(width: int, height: int, seconds: float) -> dict[str, float]:
    """Return median ms to build one cloud from depth and colours, of alternatives and memcpy."""
    camera = scene.camera(width, height)
    rays, rgb = camera.rays(), scene.picture(width, height)
    depth = np.exp(scene.code(height, width)[0, 0]).astype(np.float32)
    points = CloudBuffer().points(height, width)
    copy = np.empty_like(points)
    ways: dict[str, Callable[[], Any]] = {
        OURS: lambda: write_cloud(depth, rays, rgb, 0.0, np.inf, points),
        MEMCPY: lambda: np.copyto(copy, points),
        **_other_ways(depth, rays, rgb),
    }
    return {name: 1e3 * median for name, median in _medians(ways, seconds).items()}


def _medians(ways: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Return the median time of each way, after three warm-up rounds.

    The ways alternate, so that other load on the machine affects all of them equally.
    """
    rounds: list[list[float]] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(rounds) < 8:
        rounds.append([_seconds(way) for way in ways.values()])
    return dict(zip(ways, np.median(rounds[3:], axis=0).tolist(), strict=True))


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _other_ways(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    rgb: NDArray[np.uint8],
) -> dict[str, Callable[[], Any]]:
    """Return the ways that use sensor_msgs_py, or none if it is not installed.

    Given a finished array, create_cloud only copies it; building the array is the actual work. Its
    documentation specifies an iterable of points.
    """
    try:
        from sensor_msgs_py import point_cloud2
    except ImportError:
        return {}
    names = ('x', 'y', 'z', 'rgb')
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(names)]

    def build() -> NDArray[np.float32]:
        colours = rgb.astype(np.uint32)
        packed = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
        xy = rays * depth[..., None]
        return np.stack([xy[..., 0], xy[..., 1], depth, packed.view(np.float32)], axis=-1).reshape(
            -1, 4
        )

    def create(points: Any) -> Any:
        return point_cloud2.create_cloud(Header(), fields, points)

    ready = build()
    listed = [tuple(point) for point in ready.tolist()]
    return {
        'create_cloud of a ready array (a copy)': lambda: create(ready),
        'the same cloud in plain NumPy, then create_cloud': lambda: create(build()),
        'create_cloud of a ready list of points': lambda: create(listed),
    }
