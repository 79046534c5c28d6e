# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds: metric RGB-D frames with known cameras, deterministic by seed.

    from train.worlds import Worlds, held_out
    Worlds(seed=0)[17]              # a RawSample by its index, of which there is no end
    Worlds(held_out(0))[17]         # never meets a training seed

Needs NumPy, OpenCV and numba only; no torch.

    places     rooms, cellars, table tops, streets: where things stand
    things     furniture, odds and ends, people, vehicles, houses
    materials  what all of it is made of
    render     scene -> picture: scenes, photographic tiles, launching, the camera's faults
    kernels    what runs for every pixel, on CPU and GPU

Each folder imports from those below it, never from those above or from the files here, which draw
the worlds and their cameras, pre-render, show, measure and time them.
"""

from train.worlds.generate import KINDS, SCENE_STRIDE, WorldConfig, Worlds, held_out
from train.worlds.render.assets import Assets

__all__ = ['KINDS', 'SCENE_STRIDE', 'Assets', 'WorldConfig', 'Worlds', 'held_out']
