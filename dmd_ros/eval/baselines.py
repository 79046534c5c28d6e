# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two baselines that do not look at the image; a useful model must beat both.

`const` predicts one fixed depth per kind of scene; beating it takes roughly the right scale.
`best_const` is an oracle: it knows the ground truth and predicts the one depth that is best for
the frame. A model that does not beat it has learned no structure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval import metrics

# The depth that `const` predicts for each kind of scene, metres.
CONST_M = {'indoor': 2.5, 'table top': 2.5, 'outdoor': 15.0}


def best_const(
    truth_m: NDArray[np.float32],
    min_m: float = metrics.MIN_M,
    max_m: float = metrics.MAX_M,
) -> float:
    """Return the constant c, metres, with the least mean |c - g| / g over the valid truth g.

    That is the median of g, weighted by 1 / g. NaN if no pixel of the truth is valid.
    """
    judged_m = truth_m[metrics.valid_mask(truth_m, min_m, max_m)]
    if judged_m.size == 0:
        return float('nan')
    ordered = np.sort(judged_m.astype(np.float64), axis=None)
    weight = np.cumsum(1.0 / ordered)
    return float(ordered[np.searchsorted(weight, weight[-1] / 2.0)])
