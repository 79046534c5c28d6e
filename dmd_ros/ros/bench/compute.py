# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What needs no wire: the denoiser alone, and building a cloud beside other ways to do it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
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


def denoiser(model: Path, seconds: float = 5.0) -> dict[str, Any]:
    """Count evaluations a second at the model's own size, one picture, on all cores given."""
    cores = len(os.sched_getaffinity(0))
    estimator = load_estimator(model, 'onnxruntime', 'cpu', cores)
    contract, backend = estimator.contract, estimator.backend
    height, width = contract.train_sizes[0]
    random = np.random.default_rng(0)
    feeds: Feeds = {
        'rgb': random.standard_normal((1, 3, height, width), np.float32),
        'z': random.standard_normal((1, 1, height, width), np.float32),
        't': np.ones(1, np.float32),
        'tan_half_vfov': np.full(1, 0.5, np.float32),
    }
    median = median_seconds(lambda: backend.run(feeds), seconds)
    estimator.close()
    return {
        'model': contract.name,
        'network picture': f'{width}x{height}',
        'threads': cores,
        'steps x samples of a frame': f'{contract.steps} x {contract.samples}',
        'median ms': median * 1e3,
        'evaluations a second': 1.0 / median,
    }


def clouds(width: int, height: int, seconds: float = 6.0) -> dict[str, float]:
    """Median ms of building one cloud from depth and colours, beside other ways and memcpy.

    All in turn, again and again, so that whatever else the machine does hits all alike.
    """
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
    times: dict[str, list[float]] = {name: [] for name in ways}
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times[MEMCPY]) < 5:
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - started)
    return {name: float(np.median(found)) * 1e3 for name, found in times.items()}


def median_seconds(work: Callable[[], Any], seconds: float) -> float:
    """Median time of `work`, repeated for so many seconds after three calls to warm up."""
    for _ in range(3):
        work()
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times) < 5:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def _other_ways(
    depth: NDArray[np.float32],
    rays: NDArray[np.float32],
    rgb: NDArray[np.uint8],
) -> dict[str, Callable[[], Any]]:
    """Give the ways through sensor_msgs_py, or none if it is not installed.

    Of a ready array, create_cloud is a copy; the work is to get there. What its documentation asks
    for is an iterable of points.
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
