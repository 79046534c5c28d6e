# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fill the holes in a depth code before noise is added.

The network must not learn to use holes, because the noisy code has none at test time. Only
labelled pixels count in the loss, so the fill must be plausible, not correct (DDVM, arXiv
2306.01923, section 3).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError

METHODS = ('nearest', 'inpaint', 'zero')


def infill(code: NDArray[np.float32], method: str = 'nearest') -> NDArray[np.float32]:
    """Replace NaN in a code [h, w]: 'nearest' labelled pixel, 'inpaint' (smooth), or 'zero'."""
    holes = np.isnan(code)
    if not holes.any():
        return code
    if holes.all() or method == 'zero':
        return np.where(holes, np.float32(0.0), code)
    nearest = _nearest(code, holes)
    if method == 'nearest':
        return nearest
    if method == 'inpaint':
        return _smooth(nearest, holes)
    raise TrainError(f'infill {method!r}; allowed: {", ".join(METHODS)}')


def _nearest(code: NDArray[np.float32], holes: NDArray[np.bool_]) -> NDArray[np.float32]:
    _, index = cv2.distanceTransformWithLabels(
        holes.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    lookup = np.zeros(int(index.max()) + 1, np.float32)
    lookup[index[~holes]] = code[~holes]
    return lookup[index]


def _smooth(filled: NDArray[np.float32], holes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Relax the fill towards the mean of its neighbours, coarse to fine; labels do not change."""
    out = filled
    for size in (31, 15, 7, 5, 3):
        out = np.where(holes, cv2.blur(out, (size, size), borderType=cv2.BORDER_REPLICATE), filled)
    return out
