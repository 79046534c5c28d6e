# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the passes on an NVIDIA GPU with numba-cuda: the same functions, a thread per pixel.

One launch covers all frames of a batch; the third grid axis is the frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import cuda

from train.worlds.kernels import layout as L
from train.worlds.kernels import passes
from train.worlds.render.assets import Assets
from train.worlds.render.pack import LIGHTS, MATS, NODES, PRIMS, SPAN_COLS, Packed

BLOCK = (16, 8, 1)


@cuda.jit(device=True)
def _scene(b, prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos):
    """Return the scene tuple of frame b, in the order of layout.S_*."""
    row = spans[b]
    nodes = slice(row[NODES], row[NODES + 1])
    return (
        prims[row[PRIMS] : row[PRIMS + 1]],
        mats[row[MATS] : row[MATS + 1]],
        boxes[nodes],
        links[nodes],
        lights[row[LIGHTS] : row[LIGHTS + 1]],
        env[b],
        atlas,
        tiles,
        panos,
    )


@cuda.jit
def _visible(
    prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos, depth, ids, normal, key
):
    x, y, b = cuda.grid(3)
    if x < depth.shape[2] and y < depth.shape[1]:
        scene = _scene(b, prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos)
        passes.visible_pixel(scene, x, y, depth[b], ids[b], normal[b], key[b])


@cuda.jit
def _soft(
    prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos, depth, ids, normal, soft
):
    x, y, b = cuda.grid(3)
    if x < soft.shape[2] and y < soft.shape[1]:
        scene = _scene(b, prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos)
        passes.soft_pixel(scene, x, y, depth[b], ids[b], normal[b], soft[b])


@cuda.jit
def _smooth(soft, smooth):
    x, y, b = cuda.grid(3)
    if x < soft.shape[2] and y < soft.shape[1]:
        passes.smooth_pixel(x, y, soft[b], smooth[b])


@cuda.jit
def _gather(depth, ids, normal, key, soft, smooth, light):
    x, y, b = cuda.grid(3)
    if x < depth.shape[2] and y < depth.shape[1]:
        passes.gather_pixel(
            x, y, depth[b], ids[b], normal[b], key[b], soft[b], smooth[b], light[b]
        )


@cuda.jit
def _colour(
    prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos,
    depth, ids, normal, light, colour,
):  # fmt: skip
    x, y, b = cuda.grid(3)
    if x < depth.shape[2] and y < depth.shape[1]:
        scene = _scene(b, prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos)
        passes.colour_pixel(scene, x, y, depth[b], ids[b], normal[b], light[b], colour[b])


@cuda.jit
def _edges(
    prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos,
    depth, ids, normal, light, colour, final,
):  # fmt: skip
    x, y, b = cuda.grid(3)
    if x < depth.shape[2] and y < depth.shape[1]:
        scene = _scene(b, prims, mats, boxes, links, lights, env, spans, atlas, tiles, panos)
        passes.edge_pixel(scene, x, y, depth[b], ids[b], normal[b], light[b], colour[b], final[b])


def _grid(frames: int, height: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (math.ceil(width / BLOCK[0]), math.ceil(height / BLOCK[1]), frames), BLOCK


class GpuRenderer:
    """Renderer of packed frames; textures are uploaded once, buffers are kept per picture size."""

    def __init__(self, assets: Assets) -> None:
        """Upload the textures to the current GPU."""
        self._textures = tuple(cuda.to_device(array) for array in assets.textures)
        self._buffers: dict[tuple[int, int, int], dict[str, Any]] = {}
        self._compile()

    def _compile(self) -> None:
        """Render one pixel of an empty scene to compile the kernels ahead of the first frame."""
        env = np.zeros((1, L.E_COLS), np.float32)
        env[:, (L.E_FX, L.E_FY)] = 1.0
        nothing = Packed(
            prims=np.zeros((1, L.P_COLS), np.float32),
            mats=np.zeros((1, L.M_COLS), np.float32),
            boxes=np.zeros((1, 6), np.float32),
            links=np.array([[1, -1]], np.int32),
            lights=np.zeros((1, L.L_COLS), np.float32),
            env=env,
            spans=np.tile(np.array([0, 1], np.int32), SPAN_COLS // 2)[None],
        )
        self(nothing.arrays(), 1, 1)
        self._buffers.clear()

    def __call__(
        self,
        packed: Mapping[str, Any],
        height: int,
        width: int,
        stream: Any = 0,
    ) -> tuple[Any, Any, Any]:
        """Render -> linear colour [B, H, W, 3], depth [B, H, W] (metres, inf = sky), primitive.

        packed: members of `Packed` by name, arrays on the host or the GPU. The returned device
        arrays are overwritten by the next call with the same number of frames and size.
        """
        names = ('prims', 'mats', 'boxes', 'links', 'lights', 'env', 'spans')
        scene = tuple(_on_device(packed[name], stream) for name in names) + self._textures
        frames = len(packed['spans'])
        b = self._buffer(frames, height, width)
        full = (*_grid(frames, height, width), stream)
        half = (*_grid(frames, math.ceil(height / 2), math.ceil(width / 2)), stream)
        _visible[full](*scene, b['depth'], b['ids'], b['normal'], b['key'])
        _soft[half](*scene, b['depth'], b['ids'], b['normal'], b['soft'])
        _smooth[half](b['soft'], b['smooth'])
        surfaces = (b['depth'], b['ids'], b['normal'])
        _gather[full](*surfaces, b['key'], b['soft'], b['smooth'], b['light'])
        _colour[full](*scene, *surfaces, b['light'], b['colour'])
        _edges[full](*scene, *surfaces, b['light'], b['colour'], b['final'])
        return b['final'], b['depth'], b['ids']

    def _buffer(self, frames: int, height: int, width: int) -> dict[str, Any]:
        shape = (frames, height, width)
        if shape not in self._buffers:
            half = (frames, math.ceil(height / 2), math.ceil(width / 2))
            made = {
                name: cuda.device_array((*shape, 3), np.float32)
                for name in ('normal', 'key', 'light', 'colour', 'final')
            }
            made['depth'] = cuda.device_array(shape, np.float32)
            made['ids'] = cuda.device_array(shape, np.int32)
            made['soft'] = cuda.device_array((*half, 7), np.float32)
            made['smooth'] = cuda.device_array((*half, 3), np.float32)
            self._buffers[shape] = made
        return self._buffers[shape]


def _on_device(array: Any, stream: Any) -> Any:
    return cuda.to_device(array, stream) if isinstance(array, np.ndarray) else array
