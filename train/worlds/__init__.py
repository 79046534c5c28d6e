# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural worlds: metric RGB-D frames with known cameras, deterministic by seed.

    from train.worlds import Worlds, held_out
    Worlds(seed=0)[17]              # a RawSample by its index; the sequence is endless
    Worlds(held_out(0))[17]         # from a seed that is never a training seed

Needs NumPy, OpenCV and numba only; no torch.

    places     layouts of rooms, cellars, table tops, streets
    things     furniture, odds and ends, people, vehicles, houses
    materials  surface materials of places and things
    render     scene -> picture: scenes, photographic tiles, launching, the camera's faults
    kernels    code that runs for every pixel, on CPU and GPU

Each folder imports only from those below it, never from those above or from the modules beside
this one, which draw worlds and their cameras, pre-render, show, measure and time them.
"""

from train.worlds.generate import KINDS, SCENE_STRIDE, WorldConfig, Worlds, held_out
from train.worlds.render.assets import Assets

__all__ = ['KINDS', 'SCENE_STRIDE', 'Assets', 'WorldConfig', 'Worlds', 'held_out']
