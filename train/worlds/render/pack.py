# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pack many frames into a few flat arrays, so that one launch renders them all.

Views of one scene share its primitives, materials and lights; trees are ordered per view.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.worlds.kernels import layout as L

# Columns of `spans`: first and one past the last row of a frame in each flat array.
PRIMS, MATS, NODES, LIGHTS = 0, 2, 4, 6
SPAN_COLS = 8


@dataclass(frozen=True)
class Packed:
    """Frames for the GPU: the rows of all frames, and the span of rows of each frame.

    prims, mats, boxes, links, lights: as in kernels/layout.py, concatenated.
    env: [B, E_COLS].
    spans: int32 [B, SPAN_COLS].
    """

    prims: NDArray[np.float32]
    mats: NDArray[np.float32]
    boxes: NDArray[np.float32]
    links: NDArray[np.int32]
    lights: NDArray[np.float32]
    env: NDArray[np.float32]
    spans: NDArray[np.int32]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the members by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def pack(frames: list[tuple[Any, ...]]) -> Packed:
    """Join scene tuples (`view.scene_arrays`); arrays that frames share are stored once."""
    parts: dict[int, list[NDArray[Any]]] = {PRIMS: [], MATS: [], LIGHTS: []}
    members = {PRIMS: L.S_PRIMS, MATS: L.S_MATS, LIGHTS: L.S_LIGHTS}
    ends = dict.fromkeys((*members, NODES), 0)
    seen: dict[int, tuple[int, int]] = {}
    spans = np.zeros((len(frames), SPAN_COLS), np.int32)
    for row, frame in zip(spans, frames, strict=True):
        for column, member in members.items():
            array = frame[member]
            if id(array) not in seen:
                seen[id(array)] = (ends[column], ends[column] + len(array))
                ends[column] += len(array)
                parts[column].append(array)
            row[column : column + 2] = seen[id(array)]
        row[NODES] = ends[NODES]
        ends[NODES] += len(frame[L.S_LINKS])
        row[NODES + 1] = ends[NODES]
    return Packed(
        prims=np.concatenate(parts[PRIMS]),
        mats=np.concatenate(parts[MATS]),
        boxes=np.concatenate([frame[L.S_BOXES] for frame in frames]),
        links=np.concatenate([frame[L.S_LINKS] for frame in frames]),
        lights=np.concatenate(parts[LIGHTS]),
        env=np.stack([frame[L.S_ENV] for frame in frames]),
        spans=spans,
    )
