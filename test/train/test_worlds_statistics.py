# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table that compares worlds with real frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from train.worlds.statistics import fitted, main, measure

CAMERA = Camera(100.0, 100.0, 99.5, 49.5, 200, 100)


def _ramp() -> RawSample:
    """Depth and grey level increase from left to right: 0 (unlabelled), then 1-100 m."""
    depth = np.tile(np.linspace(1.0, 100.0, 200, dtype=np.float32), (100, 1))
    depth[:, 0] = np.nan
    depth[:50] = np.inf
    grey = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    return RawSample(np.repeat(grey[:, :, None], 3, axis=2), depth, CAMERA)


def test_figures_are_of_labelled_and_near_pixels() -> None:
    near, middle, _, farthest, _, dark, grey, contrast = measure(_ramp(), outdoor=False)
    assert near == pytest.approx(1.0 + 0.1 * 79.0, abs=1.0)
    assert middle == pytest.approx(40.6, abs=1.0)
    assert farthest == pytest.approx(79.5, abs=1.0)
    assert dark == pytest.approx(10.0, abs=1.0)
    assert grey == pytest.approx(99.5, abs=1.0)
    assert contrast == pytest.approx(200 / 12**0.5, abs=0.5)


def test_outdoors_the_top_of_the_picture_does_not_count() -> None:
    sample = _ramp()
    sample.rgb[:30] = 255
    assert measure(sample, outdoor=True)[5] == pytest.approx(10.0, abs=1.0)
    assert measure(sample, outdoor=False)[7] > 70.0


def test_a_wide_picture_is_cut_in_its_middle() -> None:
    cut = fitted(_ramp(), (50, 50))
    assert cut.rgb.shape == (50, 50, 3)
    assert cut.camera.tan_half_vfov == pytest.approx(CAMERA.tan_half_vfov)
    assert int(cut.rgb[0, 0, 0]) == pytest.approx(50, abs=2)
    assert np.nanmax(cut.depth[-1]) == pytest.approx(75.0, abs=1.0)


def test_command_prints_a_row_of_worlds_and_one_of_real_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = tmp_path / 'wall'
    frame.mkdir()
    cv2.imwrite(str(frame / 'rgb.png'), np.full((48, 64, 3), 128, np.uint8))
    cv2.imwrite(str(frame / 'depth.png'), np.full((48, 64), 2500, np.uint16))
    camera = {'fx': 60.0, 'fy': 60.0, 'cx': 31.5, 'cy': 23.5, 'width': 64, 'height': 48}
    (frame / 'meta.json').write_text(json.dumps({'scene': 'indoor', **camera}))
    assert main(['--real', str(tmp_path), '--count', '1']) == 0
    rows = [line.split('|') for line in capsys.readouterr().out.splitlines()]
    real = next(row for row in rows if len(row) > 1 and 'real' in row[1])
    assert 'indoor 192x256' in real[1]
    assert [float(v) for v in real[2:-1]] == [1, 2.5, 2.5, 2.5, 2.5, 0.0, 128, 128, 0.0]
    assert sum('worlds' in row[1] for row in rows if len(row) > 1) == 4


def test_no_worlds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['--count', '0'])
    assert '--count: 0 must be >= 1' in capsys.readouterr().err


def test_a_folder_without_frames_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['--real', str(tmp_path)]) == 1
    assert 'no frame to evaluate' in capsys.readouterr().err
