# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of things are connected."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from train.worlds.generate import random_source
from train.worlds.kernels import layout as L
from train.worlds.materials.cellar import CellarMaterials
from train.worlds.render.assets import Assets
from train.worlds.render.scene import SceneBuilder, primitive_arrays
from train.worlds.render.view import occupied
from train.worlds.things import furniture, roadside, seating, storage, utilities, vehicles

PIECES = (
    *(vehicles.car, vehicles.van, vehicles.truck, vehicles.bus, vehicles.bicycle),
    *(seating.chair, seating.office_chair, seating.sofa, seating.bed),
    *(furniture.television, storage.appliance, roadside.bin_, roadside.bus_stop),
    *(utilities.crates, utilities.rack, utilities.freezer),
)
NEAR = 0.007  # parts nearer than twice this touch (metres)


@pytest.mark.parametrize('piece', PIECES, ids=lambda piece: piece.__name__)
def test_no_part_floats(piece) -> None:
    """Any part is connected to the floor through touching parts."""
    for seed in range(8):
        rng = random_source(seed)
        m, b = CellarMaterials(rng, Assets.none()), SceneBuilder()
        piece(b, m)
        prims, low, high = primitive_arrays(np.array(b.rows))
        grown = (1.0 + NEAR / prims[:, L.P_HALF : L.P_HALF + 3]).repeat(4, axis=1)
        prims[:, L.P_A : L.P_A + 12] /= grown
        prims[prims[:, L.P_TYPE] == L.BLOB, L.P_TYPE] = L.ELLIPSOID  # leaves with their gaps
        scene = b.finish(m.array())
        alone = [replace(scene, prims=row[None]) for row in prims]
        low, high = low - NEAR, high + NEAR
        touching = {i: {i} for i in range(len(prims))}
        for i, j in itertools.combinations(touching, 2):
            shared_low, shared_high = np.maximum(low[i], low[j]), np.minimum(high[i], high[j])
            if (shared_low < shared_high).all() and j not in touching[i]:
                points = rng.uniform(shared_low, shared_high, (150, 3))
                if any(occupied(alone[i], p) and occupied(alone[j], p) for p in points):
                    group = touching[i] | touching[j]
                    touching.update(dict.fromkeys(group, group))
        standing = set().union(*(touching[i] for i in touching if low[i][2] < 0.03))
        assert standing == set(touching), [b.rows[i][:7] for i in set(touching) - standing]
