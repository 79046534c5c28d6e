# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from train.infill import infill


@pytest.mark.parametrize('method', ['nearest', 'inpaint', 'zero'])
def test_labels_stay_and_holes_go(method: str) -> None:
    rng = np.random.default_rng(0)
    code = rng.uniform(-1, 1, (24, 40)).astype(np.float32)
    code[rng.random(code.shape) < 0.95] = np.nan
    filled = infill(code, method)
    known = ~np.isnan(code)
    assert np.array_equal(filled[known], code[known])
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= 1.0


def test_nearest_takes_the_nearest() -> None:
    code = np.full((5, 9), np.nan, np.float32)
    code[2, 0], code[2, 8] = -0.5, 0.5
    filled = infill(code)
    assert (filled[:, :4] == -0.5).all()
    assert (filled[:, 5:] == 0.5).all()


def test_nothing_known_is_zero() -> None:
    assert (infill(np.full((4, 4), np.nan, np.float32)) == 0).all()
