# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the passes on an NVIDIA GPU with numba-cuda: the same functions, a thread per pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from train.worlds import kernels

BLOCK = (16, 8)


@cuda.jit
def _visible(scene, depth, ids, normal, key):
    x, y = cuda.grid(2)
    if x < depth.shape[1] and y < depth.shape[0]:
        kernels.visible_pixel(scene, x, y, depth, ids, normal, key)


@cuda.jit
def _soft(scene, depth, ids, normal, soft):
    x, y = cuda.grid(2)
    if x < soft.shape[1] and y < soft.shape[0]:
        kernels.soft_pixel(scene, x, y, depth, ids, normal, soft)


@cuda.jit
def _smooth(soft, smooth):
    x, y = cuda.grid(2)
    if x < soft.shape[1] and y < soft.shape[0]:
        kernels.smooth_pixel(x, y, soft, smooth)


@cuda.jit
def _gather(depth, ids, normal, key, soft, smooth, light):
    x, y = cuda.grid(2)
    if x < depth.shape[1] and y < depth.shape[0]:
        kernels.gather_pixel(x, y, depth, ids, normal, key, soft, smooth, light)


@cuda.jit
def _colour(scene, depth, ids, normal, light, colour):
    x, y = cuda.grid(2)
    if x < depth.shape[1] and y < depth.shape[0]:
        kernels.colour_pixel(scene, x, y, depth, ids, normal, light, colour)


@cuda.jit
def _edges(scene, depth, ids, normal, light, colour, final):
    x, y = cuda.grid(2)
    if x < depth.shape[1] and y < depth.shape[0]:
        kernels.edge_pixel(scene, x, y, depth, ids, normal, light, colour, final)


def _grid(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (math.ceil(width / BLOCK[0]), math.ceil(height / BLOCK[1])), BLOCK


_resident: dict[int, tuple[Any, Any]] = {}


def _on_device(array: np.ndarray) -> Any:
    """Copy to the GPU; large arrays (atlas, panoramas) stay there for the next frame."""
    if array.nbytes < 1 << 20:
        return cuda.to_device(array)
    if id(array) not in _resident:
        _resident[id(array)] = (
            array,
            cuda.to_device(array),
        )  # keeps the array, so its id is its own
    return _resident[id(array)][1]


def render_gpu(
    scene: tuple[Any, ...], height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render -> linear colour [H, W, 3], depth [H, W] (metres, inf = sky), primitive [H, W]."""
    arrays = tuple(_on_device(a) for a in scene)
    half = (math.ceil(height / 2), math.ceil(width / 2))
    depth = cuda.device_array((height, width), np.float32)
    ids = cuda.device_array((height, width), np.int32)
    normal = cuda.device_array((height, width, 3), np.float32)
    key = cuda.device_array((height, width, 3), np.float32)
    light = cuda.to_device(np.zeros((height, width, 3), np.float32))
    soft = cuda.to_device(np.zeros((*half, 7), np.float32))
    smooth = cuda.to_device(np.zeros((*half, 3), np.float32))
    colour = cuda.device_array((height, width, 3), np.float32)
    final = cuda.device_array((height, width, 3), np.float32)
    full, quarter = _grid(height, width), _grid(*half)
    _visible[full](arrays, depth, ids, normal, key)
    _soft[quarter](arrays, depth, ids, normal, soft)
    _smooth[quarter](soft, smooth)
    _gather[full](depth, ids, normal, key, soft, smooth, light)
    _colour[full](arrays, depth, ids, normal, light, colour)
    _edges[full](arrays, depth, ids, normal, light, colour, final)
    return final.copy_to_host(), depth.copy_to_host(), ids.copy_to_host()
