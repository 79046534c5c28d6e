# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Films are written, and read back."""

import resource

import cv2
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


def test_a_film_without_pictures_writes_no_file(tmp_path):
    Film(tmp_path / 'a.mp4', 10.0).close()
    assert not (tmp_path / 'a.mp4').exists()


def test_a_path_that_cannot_be_written_is_in_the_error(tmp_path, capfd):
    film = Film(tmp_path / 'none' / 'a.mp4', 10.0)
    with pytest.raises(FileNotFoundError, match=r'none/a\.mp4'):
        film.write(np.zeros((48, 64, 3), np.uint8))
    assert capfd.readouterr().err == ''  # OpenCV was not called


@pytest.mark.parametrize(('fps', 'shown'), [(1 / 3000, 0.1), (0.1, 0.1), (0.125, 0.125)])
def test_too_low_a_frame_rate_is_raised(tmp_path, fps, shown):
    film = Film(tmp_path / 'a.mp4', fps)
    for _ in range(2):
        film.write(np.zeros((48, 64, 3), np.uint8))
    film.close()
    assert film.facts()['fps'] == shown
    assert cv2.VideoCapture(str(tmp_path / 'a.mp4')).get(cv2.CAP_PROP_FPS) == pytest.approx(shown)


@pytest.mark.parametrize('logs', [True, False])
def test_a_full_disk_is_detected_before_the_end(tmp_path, monkeypatch, capfd, logs):
    """A limit on file size acts on the writer like a full disk."""
    monkeypatch.setattr('dmd_ros.eval.output.film._BUFFERED', 1 << 10)  # to be fast
    if not logs:  # like OpenCV 4
        monkeypatch.setattr('dmd_ros.eval.output.film._FAILED', 'never said')
    film, rng = Film(tmp_path / 'a.mp4', 10.0), np.random.default_rng(0)
    pictures = rng.integers(0, 256, (4, 480, 640, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(EvalError, match=r'a\.mp4: it ends at frame \d+; is the disk full'):
            for i in range(200):
                film.write(pictures[i % 4])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert film.frames < 100
    assert capfd.readouterr().err == ''  # only the error is reported
