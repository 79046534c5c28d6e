# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from oracle_model import grey_from_depth, write_oracle

from dmd_ros.core.camera import Camera
from dmd_ros.core.records import RawSample
from dmd_ros.loading import load_estimator
from train import finetune
from train.evaluate import judge, main, mistold


def test_a_model_that_knows_beats_the_best_constant(tmp_path: Path) -> None:
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    depth = np.repeat(np.geomspace(1.0, 9.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    depth[:4] = np.inf  # sky: judged by neither
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    verdict = judge(estimator, raw)
    assert verdict.model.abs_rel < 0.02
    assert verdict.model.delta1 == 1.0
    assert verdict.flat.abs_rel > 0.3
    assert verdict.depth_m.shape == depth.shape


def test_the_best_constant_is_that_of_what_is_judged(tmp_path: Path) -> None:
    """A third of the frame lies beyond 80 m, where nothing is judged."""
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    depth = np.full((48, 64), 20.0, np.float32)
    depth[9:], depth[33:] = 60.0, 100.0
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    at_20_m = (24 / 33) * (40 / 60)
    assert judge(estimator, raw).flat.abs_rel == pytest.approx(at_20_m, abs=1e-5)
    assert finetune._constant(raw).abs_rel == pytest.approx(at_20_m, abs=1e-5)


def test_the_model_can_be_told_a_wrong_field_of_view(tmp_path: Path) -> None:
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    told: list[float] = []

    class Listening:
        contract = estimator.contract

        def __call__(self, rgb: object, camera: Camera) -> object:
            told.append(camera.tan_half_vfov)
            return estimator(rgb, camera)

    depth = np.full((48, 64), 2.0, np.float32)
    camera = Camera(50.0, 50.0, 31.5, 23.5, 64, 48)
    raw = RawSample(grey_from_depth(depth), depth, camera)
    judge(Listening(), mistold(raw, 1.25))  # type: ignore[arg-type]
    assert told == [pytest.approx(1.25 * camera.tan_half_vfov)]


def test_a_missing_model_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['/nowhere/m.onnx']) == 1
    assert 'm.onnx' in capsys.readouterr().err


@pytest.mark.parametrize('wrong', [('--assets', '/nowhere'), ('--seed', '-1')])
def test_worlds_that_cannot_be_are_one_sentence(
    wrong: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write_oracle(tmp_path / 'm.onnx')), *wrong]) == 1
    said = capsys.readouterr().err
    assert said.startswith('error: ') and wrong[1] in said


def test_factors_are_judged_on_the_same_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_oracle(tmp_path / 'm.onnx'))
    assert main([model, '--frames', '1', '--fov-factor', '1', '1.25']) == 0
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == [
        name + told
        for name in ('indoor', 'tabletop', 'outdoor', 'all')
        for told in ('', ', tan(vfov / 2) times 1.25')
    ]
    # This oracle reads depth from grey and not from the angle: the best constant says that both
    # rows are about one picture, and so are their scores.
    for true, wrong in zip(rows[::2], rows[1::2], strict=True):
        assert true[1:] == wrong[1:]


@pytest.mark.parametrize(
    ('name', 'message'),
    [('s.txt', 'give a name that ends in .png or .jpg'), ('m.onnx/s.png', 'm.onnx')],
)
def test_a_sheet_that_cannot_be_written_costs_no_figures(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_oracle(tmp_path / 'm.onnx'))
    assert main([model, '--frames', '1', '--sheet', str(tmp_path / name)]) == 1
    said = capsys.readouterr()
    assert '| all | 3 |' in said.out
    last = said.err.splitlines()[-1]
    assert last.startswith('error: ') and message in last


def test_an_impossible_factor_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['m.onnx', '--fov-factor', '1', '0'])
    assert '--fov-factor 0 must be from 0.1 to 10' in capsys.readouterr().err
