# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from floor_scene import floor_scene
from oracle_model import CONTRACT, grey_from_depth, write_oracle

from dmd_ros.core.camera import Camera
from dmd_ros.core.floor import FloorFinder
from dmd_ros.core.preprocess import full_view
from dmd_ros.core.records import RawSample
from dmd_ros.loading import load_estimator
from train import validate
from train.evaluate import _sheet_rows, judge, main, mistold, mount_of
from train.worlds import SCENE_STRIDE, WorldConfig, Worlds, held_out
from train.worlds.render.view import look


def test_a_perfect_model_beats_the_best_constant(tmp_path: Path) -> None:
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    depth = np.repeat(np.geomspace(1.0, 9.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    depth[:4] = np.inf  # sky: ignored by both scores
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    verdict = judge(estimator, raw)
    assert verdict.model.abs_rel < 0.02
    assert verdict.model.delta1 == 1.0
    assert verdict.flat.abs_rel > 0.3
    assert verdict.depth_m.shape == depth.shape


def test_the_best_constant_uses_only_the_evaluated_pixels(tmp_path: Path) -> None:
    """A third of the frame is beyond 80 m, where nothing is evaluated."""
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    depth = np.full((48, 64), 20.0, np.float32)
    depth[9:], depth[33:] = 60.0, 100.0
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    at_20_m = (24 / 33) * (40 / 60)
    assert judge(estimator, raw).flat.abs_rel == pytest.approx(at_20_m, abs=1e-5)


def test_estimates_beyond_the_range_of_a_model_count_as_its_end(tmp_path: Path) -> None:
    """60 m: the error is half of the distance in half of the frame."""
    contract = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime').contract
    depth = np.full((48, 64), 40.0, np.float32)
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    found = depth.copy()
    found[:24] = np.inf

    class Seeing:
        def __init__(self) -> None:
            self.contract = replace(contract, depth_max_m=60.0)

        def __call__(self, *_: object) -> SimpleNamespace:
            return SimpleNamespace(depth=found, floor=None)

    assert judge(Seeing(), raw).model.abs_rel == pytest.approx(0.25)  # type: ignore[arg-type]
    assert validate.judge(Seeing(), [raw]).abs_rel == pytest.approx(0.25)  # type: ignore[arg-type]


def test_every_frame_shows_a_different_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = np.full((48, 64), 2.0, np.float32)
    depth[36:] = 4.0
    raw = RawSample(grey_from_depth(depth), depth, Camera(50.0, 50.0, 31.5, 23.5, 64, 48))
    keys = []
    monkeypatch.setattr(Worlds, '__getitem__', lambda self, key: keys.append(key) or raw)
    assert main([str(write_oracle(tmp_path / 'm.onnx')), '--frames', '3']) == 0
    assert keys == 3 * [0, SCENE_STRIDE, 2 * SCENE_STRIDE]
    last = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split('|')]
    assert last[1:3] == ['all', '9']
    assert float(last[3]) < 0.01  # of the model, and of 2 m everywhere
    assert last[6] == '0.125'


def test_a_sheet_shows_the_middle_and_the_end_of_the_ranking() -> None:
    shuffled = [0.5, 0.1, 0.9, 0.3, 0.2, 0.8, 0.4, 0.7]
    errors = [SimpleNamespace(abs_rel=e, delta1=1.0) for e in shuffled]
    raw = SimpleNamespace(rgb=None, depth=None)
    verdicts = [SimpleNamespace(model=e, flat=e, raw=raw, depth_m=None) for e in errors]
    rows = _sheet_rows('indoor', verdicts)  # type: ignore[arg-type]
    assert [(row.caption, row.figures[:11]) for row in rows] == [
        ('typical 1', 'AbsRel 0.40'), ('typical 2', 'AbsRel 0.50'),
        ('worst 1', 'AbsRel 0.90'), ('worst 2', 'AbsRel 0.80'),
    ]  # fmt: skip


def test_the_model_can_receive_a_wrong_field_of_view(tmp_path: Path) -> None:
    estimator = load_estimator(write_oracle(tmp_path / 'm.onnx'), backend='onnxruntime')
    received: list[float] = []

    class Recording:
        contract = estimator.contract

        def __call__(self, rgb: object, camera: Camera) -> object:
            received.append(camera.tan_half_vfov)
            return estimator(rgb, camera)

    depth = np.full((48, 64), 2.0, np.float32)
    camera = Camera(50.0, 50.0, 31.5, 23.5, 64, 48)
    raw = RawSample(grey_from_depth(depth), depth, camera)
    judge(Recording(), mistold(raw, 1.25))  # type: ignore[arg-type]
    assert received == [pytest.approx(1.25 * camera.tan_half_vfov)]


def test_a_missing_model_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['/nowhere/m.onnx']) == 1
    assert 'm.onnx' in capsys.readouterr().err


@pytest.mark.parametrize('wrong', [('--assets', '/nowhere'), ('--seed', '-1')])
def test_impossible_worlds_are_reported_in_one_line(
    wrong: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write_oracle(tmp_path / 'm.onnx')), *wrong]) == 1
    message = capsys.readouterr().err
    assert message.startswith('error: ') and wrong[1] in message


def test_factors_are_judged_on_the_same_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_oracle(tmp_path / 'm.onnx'))
    assert main([model, '--frames', '1', '--fov-factor', '1', '1.25']) == 0
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == [
        name + factor
        for name in ('indoor', 'tabletop', 'outdoor', 'all')
        for factor in ('', ', tan(vfov / 2) times 1.25')
    ]
    # This oracle reads depth from grey levels and ignores the angle, so all figures are equal: the
    # scores, and the best constant, which shows that both rows are about the same frame.
    for true, wrong in zip(rows[::2], rows[1::2], strict=True):
        assert true[1:] == wrong[1:]


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('s.txt', 'give a name that ends in .png or .jpg'),
        ('m.onnx/s.png', 'choose another --sheet'),
        ('s.png', 's.png is a folder; specify a file'),
    ],
)
def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_oracle(tmp_path / 'm.onnx'))
    (tmp_path / 's.png').mkdir()
    assert main([model, '--frames', '1', '--sheet', str(tmp_path / name)]) == 1
    output = capsys.readouterr()
    assert output.out == '' and output.err.startswith('error: ') and message in output.err


def test_an_impossible_factor_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['m.onnx', '--fov-factor', '1', '0'])
    assert '--fov-factor 0 must be from 0.1 to 10' in capsys.readouterr().err


def test_the_floor_of_a_world_agrees_with_the_pose() -> None:
    worlds = Worlds(held_out(3), WorldConfig(size=(96, 128), kinds={'indoor': 1.0}))
    contract = replace(CONTRACT, train_sizes=((96, 128),))
    found = []
    for index in range(0, 10 * SCENE_STRIDE, SCENE_STRIDE):
        raw = worlds[index]
        finder = FloorFinder(mount_of(worlds.frame(index).pose), full_view(raw.camera, contract))
        found.append(finder(raw.depth / np.float32(1.2)))
    seen = [scale for scale in found if scale is not None]
    assert len(seen) >= 3
    assert np.median(seen) == pytest.approx(1.2, rel=0.01)


def test_frames_that_show_the_floor_are_scored_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model with depth too small by a factor of 1.25, and a world with a floor and a wall."""
    camera, pose = Camera(50.0, 50.0, 31.5, 23.5, 64, 48), look((0.0, 0.0, 1.3), 0.4, -0.4)
    true = floor_scene(camera, mount_of(pose))
    raw = RawSample(grey_from_depth(true / 1.25), true, camera)
    monkeypatch.setattr(Worlds, '__getitem__', lambda self, key: raw)
    monkeypatch.setattr(Worlds, 'frame', lambda self, key: SimpleNamespace(pose=pose))
    model = str(write_oracle(tmp_path / 'm.onnx'))
    assert main([model, '--frames', '2', '--floor']) == 0
    rows = [[c.strip() for c in r.split('|')[1:4]] for r in capsys.readouterr().out.splitlines()]
    before, after = rows[-2:]
    assert before[:2] == ['all, floor seen', '6']
    assert float(before[2]) == pytest.approx(0.2, abs=0.02)
    assert after[:2] == ['all, floor seen, scaled by it', '6']
    assert float(after[2]) < 0.02
    assert main([model, '--frames', '2']) == 0
    assert 'floor' not in capsys.readouterr().out
