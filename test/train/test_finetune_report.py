# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of `train.finetune`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from given_recordings import given

from dmd_ros.eval.metrics import Score, score
from train.finetune_report import Point, draw, error_curve, report, turning_point
from train.history import JUDGED_ON, LOSSES


def scored(*errors: float) -> list[list[Score]]:
    """Return scores of recordings of one frame each, with depth wrong by a factor."""
    depth = np.full((4, 4), 10.0, np.float32)
    return [[score(depth * (1 + error), depth)] for error in errors]


@pytest.mark.parametrize(
    ('after', 'said'), [(0.1, 'wrote model.onnx'), (0.2, 'did not fall'), (0.3, 'did not fall')]
)
def test_a_model_that_is_no_better_is_not_recommended(
    after: float, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {'before': scored(0.2), 'after': scored(after)}
    report(tmp_path, given('walk.mcap', '--out', tmp_path), scores, [], Path('model.onnx'))
    assert said in capsys.readouterr().out.splitlines()[-1]


def test_an_error_that_was_lower_before_the_end_is_reported(tmp_path, capsys):
    recordings = given('walk.mcap', '--out', tmp_path)
    curve = [Point(0, 0.2), Point(100, 0.1), Point(200, 0.15)]
    scores = {'before': scored(0.2), 'after': scored(0.15)}
    report(tmp_path, recordings, scores, curve, Path('model.onnx'))
    turned, wrote = capsys.readouterr().out.splitlines()[-2:]
    assert 'lowest before the end: AbsRel 0.100 at 100 samples, 0.150 at 200' in turned
    assert '--samples 100 in a new --out' in turned and wrote == 'wrote model.onnx'
    scores['after'] = scored(0.25)
    report(tmp_path, recordings, scores, curve, Path('model.onnx'))
    assert capsys.readouterr().out.splitlines()[-1].endswith('record more, or train shorter')
    assert turning_point([Point(0, 0.1), Point(100, 0.3), Point(200, 0.2)]) == ''
    assert turning_point([Point(0, 0.2), Point(100, 0.1001), Point(200, 0.1004)]) == ''
    assert turning_point([Point(100, float('nan'))]) == turning_point([]) == ''


@pytest.mark.parametrize(
    ('while_it_trained', 'advice'),
    [
        ((0.1, 0.4, 0.3, 0.2), 'keep the old model, record more, or train longer'),
        ((0.1, 0.2, 0.3, 0.4), 'keep the old model, or record more'),
        ((0.1, 0.2, 0.2001), 'keep the old model, or record more'),
        ((), 'keep the old model, or record more'),
    ],
)
def test_longer_training_is_advised_if_the_error_still_falls(
    while_it_trained: tuple[float, ...], advice: str, tmp_path: Path, capsys
) -> None:
    curve = [Point(100 * i, error) for i, error in enumerate(while_it_trained)]
    scores = {'before': scored(0.1), 'after': scored(0.2)}
    report(tmp_path, given('a.mcap', '--out', tmp_path), scores, curve, Path('model.onnx'))
    assert capsys.readouterr().out.splitlines()[-1] == f'the error did not fall: {advice}'


def test_a_recording_without_improvement_is_named(tmp_path, capsys):
    recordings = given('monday/walk.mcap', 'b.mcap', '--judge', 'walk.mcap', '--out', tmp_path)
    scores = {'before': scored(0.2, 0.2, 0.2), 'after': scored(0.1, 0.2, 0.21)}
    report(tmp_path, recordings, scores, [], Path('model.onnx'))
    message = capsys.readouterr().out.splitlines()[-1]
    assert message == (
        'wrote model.onnx, but the error did not fall on b.mcap, walk.mcap (judged only)'
    )


def test_other_validation_recordings_start_another_curve(tmp_path):
    figures = {'validation/abs_rel': 0.3, 'validation/1/abs_rel': 0.2, 'validation/2/abs_rel': 0.5}
    lines = [
        {'clock': 4, 'validation/abs_rel': 0.4, JUDGED_ON: 'bag:a'},
        {'clock': 8, **figures, JUDGED_ON: 'bag:a,bag:b'},
        {'clock': 12, **figures, JUDGED_ON: 'bag:a,bag:c'},
    ]
    (tmp_path / LOSSES).write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
    start = Point(0, 0.6, (0.5, 0.7))
    assert error_curve(tmp_path, 'bag:a,bag:c', start) == [start, Point(12, 0.3, (0.2, 0.5))]
    # With --set validation=, no frames of the table were validated.
    assert error_curve(tmp_path, 'bag:d', start) == []


def test_special_characters_in_names_can_be_drawn(tmp_path):
    names = ['_begins$with', 'costs$5^{', 'x' * 300]
    curve = [Point(0, 0.2, (0.1, 0.2, 0.3)), Point(16, 0.2, (0.1, 0.2, 0.3))]
    draw(names, curve, tmp_path / 'plot.png')
    assert cv2.imread(str(tmp_path / 'plot.png')) is not None


def test_without_matplotlib_the_table_is_still_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    scores = {'before': scored(0.2), 'after': scored(0.1)}
    recordings = given('walk.mcap', '--out', tmp_path)
    report(tmp_path, recordings, scores, [Point(0, 0.2), Point(8, 0.1)], Path('model.onnx'))
    output = capsys.readouterr().out
    assert 'no finetune.png: plots need matplotlib' in output and 'wrote model.onnx' in output
    assert (tmp_path / 'finetune.md').is_file()
