# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All materials of scenes."""

from train.worlds.materials.rooms import RoomMaterials
from train.worlds.materials.streets import StreetMaterials
from train.worlds.materials.table import scaled
from train.worlds.materials.things import ThingMaterials

__all__ = ['Materials', 'scaled']


class Materials(ThingMaterials, RoomMaterials, StreetMaterials):
    """Material table of a scene, with a method for each real-life material."""
