# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from train.errors import TrainError
from train.infill import infill


@pytest.mark.parametrize('method', ['nearest', 'inpaint', 'zero'])
def test_labels_are_kept_and_holes_filled(method: str) -> None:
    rng = np.random.default_rng(0)
    code = rng.uniform(-1, 1, (24, 40)).astype(np.float32)
    code[rng.random(code.shape) < 0.95] = np.nan
    filled = infill(code, method)
    known = ~np.isnan(code)
    assert np.array_equal(filled[known], code[known])
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= 1.0


def test_nearest_uses_the_nearest_label() -> None:
    code = np.full((5, 9), np.nan, np.float32)
    code[2, 0], code[2, 8] = -0.5, 0.5
    filled = infill(code)
    assert (filled[:, :4] == -0.5).all()
    assert (filled[:, 5:] == 0.5).all()
    code = np.full((4, 9), np.nan, np.float32)
    code[0, 0], code[3, 8] = -0.5, 0.5
    assert infill(code)[3, 3] == -0.5  # at 4.2 pixels, 6 by city blocks; the other is at 5


def test_inpainting_joins_labels_smoothly() -> None:
    code = np.full((8, 33), np.nan, np.float32)
    code[:, 0], code[:, -1] = -0.5, 0.5
    steps = np.diff(infill(code, 'inpaint'), axis=1)
    assert steps.min() >= 0 and steps.max() < 0.1  # 'nearest' has one step of 1 in the middle
    level = np.full((16, 16), np.nan, np.float32)
    level[8, 8] = 0.25
    assert np.allclose(infill(level, 'inpaint'), 0.25)


def test_an_unknown_method_is_refused() -> None:
    holes = np.array([[0.0, np.nan]], np.float32)
    with pytest.raises(TrainError, match="infill 'best'; allowed: nearest, inpaint, zero"):
        infill(holes, 'best')


def test_a_code_without_labels_becomes_zero() -> None:
    assert (infill(np.full((4, 4), np.nan, np.float32)) == 0).all()
