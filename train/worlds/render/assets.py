# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Optional photographic material tiles and sky panoramas, read from a folder.

Layout: DIR/textures/<kind>/*.jpg with DIR/textures/licences.json, DIR/textures/hdri/*.jpg.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError
from dmd_ros.core.image_file import decode_picture
from train.errors import TrainError
from train.worlds.kernels.photo import LEVELS, TILE

# Side of the square that a tile covers if its licence entry does not specify it (metres); a tile
# that is not square covers the same area.
TILE_METRES = {
    'asphalt': 1.5,
    'bark': 0.8,
    'brick': 1.2,
    'carpet': 0.6,
    'ceiling': 1.2,
    'concrete': 1.8,
    'door': 1.0,
    'fabric': 0.4,
    'facade': 9.0,
    'grass': 1.2,
    'gravel': 0.9,
    'leaves': 1.0,
    'metal': 0.9,
    'paper': 0.5,
    'paving': 1.5,
    'plaster': 1.8,
    'plastic': 0.4,
    'rock': 1.6,
    'roof': 1.5,
    'snow': 1.5,
    'soil': 1.4,
    'stone': 1.0,
    'tiles': 1.0,
    'wallpaper': 1.0,
    'wood': 0.8,
    'wood_floor': 1.4,
    'wood_planks': 1.4,
}
# Panoramas that show only sky more than 20 degrees above the horizon.
SKIES = ('DaySkyHDRI041B', 'sky', 'rooitou_park', 'sunrise', 'kiara_1_dawn', 'venice')


@dataclass(frozen=True)
class Assets:
    """Tiles with their mip levels in one flat array, and sky panoramas.

    atlas: uint8, gamma 2 of linear light.
    tiles: start of each tile.
    metres: width and height of each tile.
    kinds: tile numbers by kind.
    panos: uint8 [P, 512, 1024, 3], gamma 2.
    """

    atlas: NDArray[np.uint8]
    tiles: NDArray[np.int64]
    metres: tuple[tuple[float, float], ...]
    kinds: dict[str, tuple[int, ...]]
    panos: NDArray[np.uint8]

    @property
    def textures(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
        """Return atlas, tiles and panos for the kernels; without skies, an unused placeholder."""
        panos = self.panos if len(self.panos) else np.zeros((1, 2, 2, 3), np.uint8)
        return self.atlas, self.tiles, panos

    @staticmethod
    def none() -> Assets:
        """Return placeholder arrays for use without a folder; no material refers to them."""
        return Assets(
            np.zeros(3 * TILE * TILE * 2, np.uint8),
            np.zeros(1, np.int64),
            ((1.0, 1.0),),
            {},
            np.zeros((0, 2, 2, 3), np.uint8),
        )

    @staticmethod
    def check(folder: str | Path) -> None:
        """Raise `TrainError` unless `folder` is '' or holds materials; reads no picture."""
        facts = Path(folder) / 'textures' / 'licences.json'
        if folder and not facts.is_file():
            raise TrainError(f'{facts} not found; --assets expects DIR with textures/<kind>/*.jpg')

    @staticmethod
    def load(folder: str | Path) -> Assets:
        """Read a folder ('': `none`); raises `TrainError` if it has another layout."""
        Assets.check(folder)
        if not folder:
            return Assets.none()
        root = Path(folder) / 'textures'
        try:
            facts = dict(json.loads((root / 'licences.json').read_text(encoding='utf-8')))
        except (OSError, ValueError, TypeError) as error:
            raise TrainError(f'cannot read {root}/licences.json: {error}') from None
        parts: list[NDArray[np.uint8]] = []
        metres: list[tuple[float, float]] = []
        kinds: dict[str, tuple[int, ...]] = {}
        for kind, usual in TILE_METRES.items():
            first = len(parts)
            for path in sorted((root / kind).glob('*.jpg')):
                image = _picture(path)
                parts.append(_pyramid(image))
                squash = math.sqrt(image.shape[1] / image.shape[0])
                assumed = usual * squash, usual / squash
                metres.append(_metres(facts, f'{kind}/{path.name}') or assumed)
            kinds[kind] = tuple(range(first, len(parts)))
        if not parts:
            raise TrainError(f'{root} has no <kind>/*.jpg; kinds: {", ".join(TILE_METRES)}')
        return Assets(
            np.concatenate(parts),
            np.arange(len(parts), dtype=np.int64) * len(parts[0]),
            tuple(metres),
            kinds,
            _skies(root / 'hdri'),
        )


def _metres(facts: dict[str, Any], name: str) -> tuple[float, float] | None:
    """Return width and height of a tile from its licence entry, None if not specified."""
    try:
        size = facts.get(name, {}).get('size_m')
        if not size:
            return None
        width, height = (float(side) for side in size)
        if not (0.0 < width < math.inf and 0.0 < height < math.inf):
            raise ValueError
    except (AttributeError, TypeError, ValueError, LookupError):
        raise TrainError(
            f'licences.json: {name} is {facts[name]!r}; {{"size_m": [1.2, 1.2]}} is expected, in '
            'metres, or no size_m'
        ) from None
    return min(max(width, 0.1), 20.0), min(max(height, 0.1), 20.0)


def _gamma2_from_srgb(bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    srgb = bgr[..., ::-1].astype(np.float32) / 255.0
    return np.sqrt(srgb**2.2)


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_picture(path.read_bytes(), cv2.IMREAD_COLOR, path.suffix)
    except (CoreError, OSError) as error:
        raise TrainError(f'{path} is not a readable picture ({error})') from None


def _pyramid(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a tile of 128 x 128 and its mip levels as one flat array."""
    level = cv2.resize(_gamma2_from_srgb(image), (TILE, TILE), interpolation=cv2.INTER_AREA)
    flat = []
    for _ in range(LEVELS):
        flat.append((level * 255.0 + 0.5).astype(np.uint8).ravel())
        size = max(1, level.shape[0] // 2)
        level = cv2.resize(level, (size, size), interpolation=cv2.INTER_AREA)
    return np.concatenate(flat)


def _skies(folder: Path) -> NDArray[np.uint8]:
    """Panoramas [P, 512, 1024, 3], brightness normalised."""
    panos = []
    for name in SKIES:
        path = folder / f'{name}.jpg'
        if not path.is_file():
            continue
        small = cv2.resize(
            _gamma2_from_srgb(_picture(path)), (1024, 512), interpolation=cv2.INTER_AREA
        )
        top = small[:180].mean()
        panos.append(np.clip(small * (0.72 / max(top, 0.05)) * 255.0, 0, 255).astype(np.uint8))
    return np.stack(panos) if panos else np.zeros((0, 2, 2, 3), np.uint8)
