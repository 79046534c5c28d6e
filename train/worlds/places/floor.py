# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Floors: their free space, and furniture side by side along their walls.

Pieces are built first and then measured, so that none intersects a wall or another piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from train.worlds.materials import Materials
from train.worlds.places.shell import Counter, Opening, picture
from train.worlds.render.scene import Rect, SceneBuilder, Size
from train.worlds.things import fittings, furniture

# Heights of furniture that is seen from above (metres).
LOW = 0.6, 1.1
SLACK = 0.02


@dataclass(frozen=True)
class Stock:
    """Furniture along the walls of a kind of room, and hang(b, m, x, height) for wall objects."""

    pieces: tuple[Callable[[SceneBuilder, Materials], Size], ...]
    hang: Callable[[SceneBuilder, Materials, float, float], None]


class Footprints:
    """Occupied rectangles on a floor, axis-aligned in the world."""

    def __init__(self, room: Rect) -> None:
        self.room = room
        self.boxes: list[Rect] = []
        self.counters: list[Counter] = []

    def free(self, box: Rect) -> bool:
        """Return whether a rectangle is within the room and free."""
        room = self.room
        inside = all(box[k] > room[k] - SLACK and box[k + 2] < room[k + 2] + SLACK for k in (0, 1))
        return inside and not any(
            box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in self.boxes
        )

    def take(self, box: Rect) -> bool:
        """Occupy a rectangle; False if it is not free."""
        if not self.free(box):
            return False
        self.boxes.append(box)
        return True

    def put(self, b: SceneBuilder, m: Materials, make: Callable[[], object]) -> bool:
        """Build a piece in the current frame; return False without building if it does not fit."""
        mark = _mark(b, m)
        make()
        if self.take(b.bounds(mark[0])):
            return True
        _undo(b, m, mark)
        return False

    def add_counter(
        self, b: SceneBuilder, front: tuple[float, float], width: float, height: float
    ) -> None:
        """Record a flat top whose front edge, towards +y, has its middle at `front`."""
        x, y, _ = b.world(*front, 0.0)
        self.counters.append(Counter(x, y, b.yaw + math.pi / 2, width, height))


def wall_line(
    b: SceneBuilder,
    m: Materials,
    length: float,
    holes: list[Opening],
    taken: Footprints,
    full: float,
    height: float,
    stock: Stock | None = None,
) -> None:
    """Fill a wall from left to right with furniture and pictures, around its openings.

    The current frame is that of the wall.
    full: share of the wall that is furnished.
    stock: kind of furniture, None = that of living rooms and offices.
    """
    rng, stock = m.rng, stock or HOME
    along = rng.uniform(0.0, 0.4)
    for _ in range(18):
        if along > length - 0.35:
            break
        if not taken.free(b.world_rect((along, 0.01, along + 0.35, 0.3))):
            along += 0.25
            continue
        make = stock.pieces[int(rng.integers(len(stock.pieces)))]
        if rng.random() > full:  # leave a gap
            if all(abs(o.at - along) > o.half + 0.5 for o in holes) and rng.random() < 0.65:
                _on_wall(b, m, stock, along + 0.2, length, height)
            along += rng.uniform(0.4, 1.2)
            continue
        middle, wide, tall = _stand(b, m, make, along, holes, taken)
        clear = all(abs(o.at - middle) > o.half + 0.4 for o in holes)
        if clear and tall < 1.0 and rng.random() < 0.65:
            _on_wall(b, m, stock, middle, length, height)
        along += (wide if tall else 0.25) + (rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.02)


def _stand(
    b: SceneBuilder,
    m: Materials,
    make: Callable[[SceneBuilder, Materials], Size],
    along: float,
    holes: list[Opening],
    taken: Footprints,
) -> tuple[float, float, float]:
    """Place a piece at the wall from `along` on -> its middle, width, height; 0 = does not fit."""
    mark = _mark(b, m)
    tall = make(b, m)[2]
    u0, v0, u1, v1 = b.local_rect(b.bounds(mark[0]))
    wide, deep = u1 - u0, v1 - v0
    middle = along + wide / 2
    blocked = any(abs(o.at - middle) < o.half + wide / 2 and tall > o.sill for o in holes)
    if blocked or not taken.take(b.world_rect((along, 0.01, along + wide, 0.01 + deep))):
        _undo(b, m, mark)
        return middle, wide, 0.0
    b.shift(mark[0], along - u0, 0.01 - v0)
    if LOW[0] < tall < LOW[1]:
        taken.add_counter(b, (middle, deep), wide, tall)
    return middle, wide, tall


def _on_wall(
    b: SceneBuilder, m: Materials, stock: Stock, x: float, length: float, height: float
) -> None:
    """Hang an object over low furniture or on a bare wall, if the wall is long enough there."""
    mark = _mark(b, m)
    stock.hang(b, m, x, height)
    left, _, right, _ = b.local_rect(b.bounds(mark[0]))
    if left < -SLACK or right > length + SLACK:
        _undo(b, m, mark)


def _hang(b: SceneBuilder, m: Materials, x: float, height: float) -> None:
    """Picture, shelf, board, coats or pipes."""
    roll = m.rng.random()
    if roll < 0.5:
        picture(b, m, x, m.rng.uniform(1.4, 1.75))
    elif roll < 0.75:
        fittings.wall_shelf(b, m, x)
    elif roll < 0.83:
        fittings.board(b, m, x)
    elif roll < 0.91:
        fittings.coats(b, m, x)
    else:
        fittings.pipes(b, m, x, height)


HOME = Stock(furniture.ALONG_WALL, _hang)
BATHROOM = Stock(furniture.BATHROOM, _hang)


def _mark(b: SceneBuilder, m: Materials) -> tuple[int, int]:
    """Return the numbers of primitives and materials so far; `_undo` removes later ones."""
    return len(b.rows), len(m.rows)


def _undo(b: SceneBuilder, m: Materials, mark: tuple[int, int]) -> None:
    del b.rows[mark[0] :], m.rows[mark[1] :]
