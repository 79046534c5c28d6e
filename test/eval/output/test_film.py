# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Films as they are written, read back."""

import numpy as np
import pytest
from video_factory import frames_of

from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.output.film import Film


def test_pictures_of_an_odd_size_become_even(tmp_path):
    film = Film(tmp_path / 'a.mp4', 7.5)
    for level in (60, 120, 180):
        film.write(np.full((351, 333, 3), level, np.uint8))
    film.close()
    assert (film.frames, film.size) == (3, (334, 352))
    found = frames_of(tmp_path / 'a.mp4')
    assert [frame.shape for frame in found] == [(352, 334, 3)] * 3
    np.testing.assert_allclose([frame[-1, -1].mean() for frame in found], [60, 120, 180], atol=8)


def test_a_film_of_nothing_is_no_file(tmp_path):
    Film(tmp_path / 'a.mp4', 10.0).close()
    assert not (tmp_path / 'a.mp4').exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path, capfd):
    film = Film(tmp_path / 'none' / 'a.mp4', 10.0)
    with pytest.raises(EvalError, match=r'cannot write .*none/a\.mp4: OpenCV cannot begin it'):
        film.write(np.zeros((48, 64, 3), np.uint8))
