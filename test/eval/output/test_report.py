# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import math
import os
import resource
import tracemalloc

import numpy as np
import pytest

from dmd_ros.eval.metrics import score
from dmd_ros.eval.output import report


def test_percentiles():
    assert report.percentiles(range(101)) == {'p50': 50, 'p95': 95, 'max': 100}
    assert math.isnan(report.percentiles([])['p50'])


def test_stage_latency_leaves_out_the_warm_up_and_adds_a_total():
    rows = [{'a': 9.0}, {'a': 0.001, 'b': 0.002}, {'a': 0.003, 'b': 0.004}]
    table = report.stage_latency_ms(rows)
    assert list(table) == ['a', 'b', 'total']
    assert table['a']['max'] == pytest.approx(3.0)
    assert table['total']['p50'] == pytest.approx(5.0)
    assert report.stage_latency_ms(rows[:1])['a']['p50'] == pytest.approx(9000)
    assert report.stage_latency_ms([]) == {}
    # Only some pictures are rectified, for example.
    assert report.stage_latency_ms([{}, *rows])['b']['p50'] == pytest.approx(3.0)


def test_markdown_table_is_aligned_and_marks_missing_values():
    text = report.markdown_table(('name', 'x'), [('one', 1.23456), ('two', math.nan)])
    assert text.splitlines() == [
        '| name |     x |',
        '| ---- | ----: |',
        '| one  | 1.235 |',
        '| two  |     - |',
    ]


def test_cells_of_a_table_may_have_any_name():
    table = report.markdown_table(('name', 'x'), [('a|b\nc', 1), (os.fsdecode(b'f\xe9'), 2)])
    assert table.splitlines()[-2:] == [r'| a\|b c  |   1 |', r'| f\udce9 |   2 |']


def test_json_has_no_nan_and_accepts_dataclasses(tmp_path):
    empty = score(np.ones((1, 1), np.float32), np.full((1, 1), np.nan, np.float32))
    numbers = {'a': np.float32(0.5), 'n': np.int64(3), 'i': math.inf, 'm': np.float32(np.nan)}
    report.write_json(tmp_path / 'r.json', {'s': empty, **numbers, 't': (2.5, math.nan)})
    read = json.loads((tmp_path / 'r.json').read_text())
    assert read.pop('s')['abs_rel'] is None
    assert read == {'a': 0.5, 'n': 3, 'i': None, 'm': None, 't': [2.5, None]}


def test_json_of_many_frames_is_never_in_memory_as_a_whole(tmp_path):
    """Otherwise, writing the results of an hour at 30 Hz would be the peak of memory."""
    g = np.array([[1.0, 2.0]], np.float32)
    content = {'frames': [score(g, g + i) for i in range(2000)], 'total': {'s': score(g, g)}}
    expected = json.dumps(report.plain(content), indent=1) + '\n'
    tracemalloc.start()
    report.write_json(tmp_path / 'r.json', content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / 'r.json').read_text() == expected
    assert peak < len(expected) / 4


def test_json_that_cannot_be_written_is_in_the_error_and_leaves_no_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))  # acts like a full disk
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/r\.json'"):
            report.write_json(tmp_path / 'r.json', {'long': 'x' * 99})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
