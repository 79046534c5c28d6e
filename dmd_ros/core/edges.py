# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flying pixels: points in the air between a near edge and its background, made by up-sampling.

They come from interpolation across a depth edge, so the search runs between the pixels of the
network's small picture, where the interpolation takes place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmd_ros.core.errors import CoreError
from dmd_ros.core.preprocess import View, spread_cells

# Default relative depth step above which the node and the replay assume an edge.
DEFAULT_THRESHOLD = 0.15

# Steps of inverse depth agree if they differ by less than the first fraction of the threshold, or
# the second fraction of the larger step. Smaller fractions would mistake noise of the estimate for
# edges, larger ones smeared edges for surfaces.
_OF_THRESHOLD, _OF_STEP = 0.5, 0.35


def flying_pixels(
    coarse_m: NDArray[np.float32],
    view: View,
    threshold: float,
) -> NDArray[np.bool_]:
    """Mark the pixels [H, W] of the view's source that are interpolated across a torn gap.

    coarse_m: [h, w] metres on the network's grid, before up-sampling, > 0.
    threshold: see `torn`.
    Raises `CoreError` if `coarse_m` does not have the view's size.
    """
    if coarse_m.shape != (view.height, view.width):
        raise CoreError(f'map has shape {coarse_m.shape}, not {(view.height, view.width)}')
    return spread_cells(_torn_cells(1.0 / coarse_m, threshold), view)


def torn(inverse: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Mark the gaps [h, w - 1] between neighbours in a row that are depth edges.

    inverse: [h, w] inverse depth, 1 / metres.
    A gap is torn where the farther depth exceeds the nearer by more than `threshold` (relative,
    > 0), unless it is part of a steep surface: along a row of pixels the inverse depth of a plane
    is linear, whatever its slant. Three successive gaps with similar steps are a surface; an edge
    smeared over one or two pixels is not.
    """
    step = np.diff(inverse, axis=1)
    left, right = inverse[:, :-1], inverse[:, 1:]
    steep = np.abs(step) > threshold * np.minimum(left, right)
    if step.shape[1] < 3:
        return steep
    # `straight` [h, w - 2]: where two neighbouring gaps agree.
    smallest = np.minimum(np.minimum(left[:, :-1], right[:, :-1]), right[:, 1:])
    height = np.abs(step)
    largest = np.maximum(height[:, :-1], height[:, 1:])
    allowed = np.maximum(_OF_THRESHOLD * threshold * smallest, _OF_STEP * largest)
    straight = np.abs(np.diff(step, axis=1)) <= allowed
    surface = straight[:, :-1] & straight[:, 1:]  # gaps i, i + 1, i + 2
    for shift in range(3):
        gaps = slice(shift, shift + surface.shape[1])
        steep[:, gaps] &= ~surface
    return steep


def _torn_cells(inverse: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Mark the cells [h + 1, w + 1] between four pixels that have a torn side.

    Cell [i, j] is above and left of pixel [i, j]; cells along the border repeat its pixels.
    """
    height, width = inverse.shape
    cells = np.zeros((height + 1, width + 1), np.bool_)
    across, down = torn(inverse, threshold), torn(inverse.T, threshold).T
    for row in (slice(0, height), slice(1, height + 1)):
        cells[row, 1:width] |= across
    for column in (slice(0, width), slice(1, width + 1)):
        cells[1:height, column] |= down
    return cells
