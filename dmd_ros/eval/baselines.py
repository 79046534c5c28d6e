# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two estimators that see nothing: what a model must beat before it has learned anything.

`const` always says the same depth for its kind of scene: beating it means that the scale class is
right. `best_const` is told the truth and picks the single depth that is best for that very frame
(an oracle): not beating it means that no structure was learned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmd_ros.eval import metrics

# One depth per kind of scene, metres.
CONST_M = {'indoor': 2.5, 'table top': 2.5, 'outdoor': 15.0}


def best_const(
    truth_m: NDArray[np.float32],
    min_m: float = metrics.MIN_M,
    max_m: float = metrics.MAX_M,
) -> float:
    """Give the single depth, metres, with the least mean |c - g| / g over what is judged of truth.

    The sum of |c - g| weighted by 1 / g is least at the weighted median of g. NaN: nothing is.
    """
    judged_m = truth_m[metrics.valid_mask(truth_m, min_m, max_m)]
    if judged_m.size == 0:
        return float('nan')
    ordered = np.sort(judged_m.astype(np.float64), axis=None)
    weight = np.cumsum(1.0 / ordered)
    return float(ordered[np.searchsorted(weight, weight[-1] / 2.0)])
