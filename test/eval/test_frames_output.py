# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outputs of the command for folders of frames, and its use of memory."""

import json
import tracemalloc

import cv2
import numpy as np
import pytest
from frame_factory import META, slope, write_frame
from oracle_model import write_oracle

from dmd_ros.eval import frames
from dmd_ros.eval.options import run_command


@pytest.fixture
def model(tmp_path):
    return str(write_oracle(tmp_path / 'm.onnx'))


def run(folder, out, model, *options):
    frames.main([str(folder), '--model', model, '--out', str(out), '--quiet', *options])
    return json.loads((out / 'results.json').read_text())


def test_the_sheet_of_many_frames_shows_some_of_them(tmp_path, model, monkeypatch):
    """All of them might not fit into an image file."""
    monkeypatch.setattr(frames, '_MAX_ROWS', 3)
    heights = []
    for count in (3, 7):
        for i in range(count):
            write_frame(tmp_path / str(count) / str(i), slope())
        out = tmp_path / f'out{count}'
        assert len(run(tmp_path / str(count), out, model)['frames']) == count
        heights.append(cv2.imread(str(out / 'sheet.png')).shape[0])
    assert heights[0] == heights[1] > 3 * 300


def test_memory_does_not_grow_with_the_depth_maps(tmp_path, model):
    """Only small rows of the sheet are kept; the maps of 100 full HD frames would take 2.5 GB."""
    depth_m = np.repeat(np.repeat(slope(), 20, axis=0), 20, axis=1)  # 1280x960
    camera = {k: META[k] * 20 for k in META}
    peaks = []
    for count in (2, 6):
        for i in range(count):
            write_frame(tmp_path / str(count) / str(i), depth_m, **camera)
        tracemalloc.start()
        run(tmp_path / str(count), tmp_path / f'out{count}', model)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    maps = depth_m.size * (3 + 4 + 4)
    assert peaks[1] - peaks[0] < 4 * maps / 3


def test_an_earlier_run_is_not_overwritten_unless_asked(tmp_path, model, capsys):
    folder = write_frame(tmp_path / 'frames' / 'room', slope(2, 6)).parent
    out = tmp_path / 'out'
    before = run(folder, out, model)
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    argv = [str(folder), '--model', model, '--out', str(out), '--quiet', '--max-depth', '5']
    assert run_command(lambda _: frames.main(argv)) == 2
    assert 'results.json exists already; choose another --out, or' in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
    # A run that fails removes nothing, either.
    argv += ['--overwrite', '--min-depth', '4.999999']
    assert run_command(lambda _: frames.main(argv)) == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
    after = run(folder, out, model, '--max-depth', '5', '--overwrite')
    assert after['settings']['truth_range_m'] != before['settings']['truth_range_m']
