# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Front gardens of narrow streets: dense dark hedges and trees, fences, garages, pale houses."""

from __future__ import annotations

from collections.abc import Callable

from train.worlds.materials import Materials
from train.worlds.render.scene import SceneBuilder
from train.worlds.things import buildings, roadside


def row(b: SceneBuilder, m: Materials, x: float, clear: Callable[[float, float], bool]) -> None:
    """Lay out plots along y with their front at x, where `clear(y, reach)` allows."""
    rng = m.rng
    leaves = [m.foliage(rng.uniform(0.35, 0.9)) for _ in range(3)]
    bark, y = m.bark(), -60.0
    wild = rng.uniform(0.3, 0.9)
    while y < 100.0:
        long = rng.uniform(9.0, 20.0)
        if not clear(y + long / 2, long / 2):
            y += 2.0
            continue
        with b.at(x, y + long / 2):
            if rng.random() < 0.15:
                buildings.garage(b, m, rng.uniform(0.2, 2.5), min(long, 9.0))
                _green(b, m, 6.0, long, leaves, bark)
            else:
                _front(b, m, long, leaves)
                front = rng.uniform(2.5, 9.0)
                if rng.random() < wild:
                    _green(b, m, front, long, leaves, bark)
                with b.at(front, 0.0):
                    buildings.house(b, m, long - 2.0, rng.uniform(8.0, 12.0), pale=True)
        y += long + 0.2


def _front(b: SceneBuilder, m: Materials, long: float, leaves: list[int]) -> None:
    """Fence, wall or hedge at x = 0, or a hedge behind a low fence, with a gap for the gate."""
    rng = m.rng
    gate = rng.uniform(1.0, 3.5)
    roll, leaf = rng.random(), leaves[int(rng.integers(len(leaves)))]
    with b.at(0.25, -gate / 2):
        if roll < 0.65:
            with b.at(0.4, 0.0):
                roadside.hedge(b, m, long - gate, leaf, rng.uniform(1.0, 3.4))
        if roll > 0.4:
            roadside.fence(b, m, long - gate)


def _green(
    b: SceneBuilder, m: Materials, deep: float, long: float, leaves: list[int], bark: int
) -> None:
    """Trees and bushes grown together between the fence and x = deep."""
    rng = m.rng
    for _ in range(int(rng.integers(2, 6))):
        leaf = leaves[int(rng.integers(len(leaves)))]
        at = (rng.uniform(0.8, max(1.2, deep - 1.0)), rng.uniform(-0.5, 0.5) * long)
        h = rng.uniform(1.5, 7.5)
        wide = min(h * rng.uniform(0.6, 1.1), 5.0)
        if rng.random() < 0.2:
            with b.at(*at):
                roadside.tree(b, m, leaf, bark)
        else:
            b.leaves((*at, h * 0.5), (wide, wide * rng.uniform(1.0, 1.6), h), leaf, 0.16, 0.78)
