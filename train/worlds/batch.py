# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render parts of worlds on the training device, GPU or CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.errors import TrainError
from train.worlds.parts import Part
from train.worlds.render.assets import Assets
from train.worlds.render.launch import render_cpu
from train.worlds.render.pack import LIGHTS, MATS, NODES, PRIMS
from train.worlds.render.sensor_batch import expose_batch

# Part -> linear colour [B, H, W, 3] and depth [B, H, W] in metres, +inf = sky
Renderer = Callable[[Part], tuple[Tensor, Tensor]]


def renderer(assets: str, device: torch.device) -> Renderer:
    """Return the renderer for a device; assets: folder of photographic materials, or ''."""
    loaded = Assets.load(assets)
    return _Gpu(loaded, device) if device.type == 'cuda' else _Cpu(loaded)


def picture_and_depth(
    render: Renderer, part: Part, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Render and expose -> uint8 RGB [B, 3, H, W] and float16 depth [B, H, W] (metres)."""
    colour, depth = render(part)
    return expose_batch(colour, part.sensors, generator), depth.half()


class _Gpu:
    """numba-cuda on torch's current stream, so that neither waits for the other."""

    def __init__(self, assets: Assets, device: torch.device) -> None:
        cuda, GpuRenderer = _numba_cuda()
        cuda.select_device(device.index or 0)
        self._cuda, self._device, self._render = cuda, device, GpuRenderer(assets)

    def __call__(self, part: Part) -> tuple[Tensor, Tensor]:
        stream = self._cuda.external_stream(torch.cuda.current_stream(self._device).cuda_stream)
        packed = {
            name: self._cuda.as_cuda_array(torch.from_numpy(array).to(self._device))
            for name, array in part.packed.items()
        }
        colour, depth, _ = self._render(packed, *part.size, stream)
        return (
            torch.as_tensor(colour, device=self._device),
            torch.as_tensor(depth, device=self._device),
        )


def _numba_cuda() -> tuple[Any, Any]:
    """Import numba's CUDA module and the renderer; raises `TrainError` if that fails."""
    try:
        from numba import cuda

        from train.worlds.render.launch_gpu import GpuRenderer
    # numba-cuda 0.30 raises AttributeError with NumPy 2.5.
    except (ImportError, AttributeError) as error:
        raise TrainError(
            f'worlds_on=device on a GPU needs numba-cuda, which cannot be imported ({error}); pip '
            "install 'dmd_ros[train,train-gpu]', or use worlds_on=workers"
        ) from None
    return cuda, GpuRenderer


class _Cpu:
    """Render one frame after the other on the CPU."""

    def __init__(self, assets: Assets) -> None:
        self._textures = assets.textures

    def __call__(self, part: Part) -> tuple[Tensor, Tensor]:
        rendered = [
            render_cpu((*scene, *self._textures), *part.size) for scene in unpacked(part.packed)
        ]
        colour, depth = (np.stack([frame[k] for frame in rendered]) for k in (0, 1))
        return torch.from_numpy(colour), torch.from_numpy(depth)


def unpacked(packed: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return scene tuples without textures, in the order of layout.S_*."""
    scenes = []
    for row, env in zip(packed['spans'], packed['env'], strict=True):
        nodes = slice(row[NODES], row[NODES + 1])
        scenes.append(
            (
                packed['prims'][row[PRIMS] : row[PRIMS + 1]],
                packed['mats'][row[MATS] : row[MATS + 1]],
                packed['boxes'][nodes],
                packed['links'][nodes],
                packed['lights'][row[LIGHTS] : row[LIGHTS + 1]],
                env,
            )
        )
    return scenes
