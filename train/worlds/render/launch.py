# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the passes over all pixels: on the CPU here, on a GPU in `launch_gpu` (same functions)."""

import math
from typing import Any

import numba
import numpy as np
from numba import prange

from train.worlds.kernels.jit import parallel
from train.worlds.kernels.passes import (
    colour_pixel,
    edge_pixel,
    gather_pixel,
    smooth_pixel,
    soft_pixel,
    visible_pixel,
)


@parallel
def _visible(scene, depth, ids, normal, key):
    for row in prange(depth.shape[0]):
        y = np.int64(row)  # prange counts unsigned, and uint64 - int64 would be a float
        for x in range(depth.shape[1]):
            visible_pixel(scene, x, y, depth, ids, normal, key)


@parallel
def _soft(scene, depth, ids, normal, soft):
    for row in prange(soft.shape[0]):
        y = np.int64(row)
        for x in range(soft.shape[1]):
            soft_pixel(scene, x, y, depth, ids, normal, soft)


@parallel
def _smooth(soft, smooth):
    for row in prange(soft.shape[0]):
        y = np.int64(row)
        for x in range(soft.shape[1]):
            smooth_pixel(x, y, soft, smooth)


@parallel
def _gather(depth, ids, normal, key, soft, smooth, light):
    for row in prange(depth.shape[0]):
        y = np.int64(row)
        for x in range(depth.shape[1]):
            gather_pixel(x, y, depth, ids, normal, key, soft, smooth, light)


@parallel
def _colour(scene, depth, ids, normal, light, colour):
    for row in prange(depth.shape[0]):
        y = np.int64(row)
        for x in range(depth.shape[1]):
            colour_pixel(scene, x, y, depth, ids, normal, light, colour)


@parallel
def _edges(scene, depth, ids, normal, light, colour, final):
    for row in prange(depth.shape[0]):
        y = np.int64(row)
        for x in range(depth.shape[1]):
            edge_pixel(scene, x, y, depth, ids, normal, light, colour, final)


def render_cpu(
    scene: tuple[Any, ...], height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render -> linear colour [H, W, 3], depth [H, W] (metres, inf = sky), primitive [H, W]."""
    depth = np.empty((height, width), np.float32)
    ids = np.empty((height, width), np.int32)
    normal = np.empty((height, width, 3), np.float32)
    key = np.empty((height, width, 3), np.float32)
    light = np.empty((height, width, 3), np.float32)
    soft = np.empty((math.ceil(height / 2), math.ceil(width / 2), 7), np.float32)
    smooth = np.empty((*soft.shape[:2], 3), np.float32)
    colour = np.empty((height, width, 3), np.float32)
    final = np.empty_like(colour)
    numba.set_parallel_chunksize(8)
    _visible(scene, depth, ids, normal, key)
    _soft(scene, depth, ids, normal, soft)
    _smooth(soft, smooth)
    _gather(depth, ids, normal, key, soft, smooth, light)
    _colour(scene, depth, ids, normal, light, colour)
    _edges(scene, depth, ids, normal, light, colour, final)
    numba.set_parallel_chunksize(0)
    return final, depth, ids
