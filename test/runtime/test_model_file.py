# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The golden input and output of a model file: round trip, comparison, damage."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from oracle_model import write_oracle

from dmd_ros.runtime.engine_file import sha256_of
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.model_file import (
    GOLDEN_KEY,
    TOLERANCE,
    TOLERANCE_KEY,
    check_golden,
    golden_from_metadata,
    golden_to_metadata,
    is_int8,
    parts_of,
    relative_difference,
)

PICTURE = np.arange(6, dtype=np.float32).reshape(2, 3).T  # not in C order
TEXT = golden_to_metadata({'rgb': PICTURE}, {'depth': -PICTURE})
NAMES = {'inputs': ('rgb',), 'output': 'depth'}


def test_int8_is_detected_anywhere_in_a_large_file(tmp_path: Path) -> None:
    node = b'\x22\x0eQuantizeLinear'
    for before in (0, (1 << 20) - 5, (2 << 20) - 16, (1 << 20) + 3):
        (tmp_path / 'm.onnx').write_bytes(bytes(before) + node + bytes(9))
        assert is_int8(tmp_path / 'm.onnx')
    (tmp_path / 'm.onnx').write_bytes(bytes(1 << 21) + node[:-1])
    assert not is_int8(tmp_path / 'm.onnx')


@pytest.mark.parametrize('name', ['weights.bin', 'sub/w', f'{"n" * 200}.bin'])
def test_weights_in_other_files_are_parts_of_a_model(tmp_path: Path, name: str) -> None:
    (tmp_path / 'sub').mkdir()
    model = onnx.load(write_oracle(tmp_path / 'm.onnx'))
    weights = np.zeros(9, np.float32)
    for place in (name, 'm.onnx.data'):
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, f'{place} w'))
        onnx.external_data_helper.set_external_data(model.graph.initializer[-1], place)
        (tmp_path / place).write_bytes(weights.tobytes())
    (tmp_path / 'm.onnx').write_bytes(model.SerializeToString())
    assert set(parts_of(tmp_path / 'm.onnx')[1:]) == {tmp_path / name, tmp_path / 'm.onnx.data'}
    before = sha256_of(tmp_path / 'm.onnx')
    (tmp_path / name).write_bytes((weights + 1).tobytes())
    assert sha256_of(tmp_path / 'm.onnx') != before
    (tmp_path / name).unlink()
    assert parts_of(tmp_path / 'm.onnx') == [tmp_path / 'm.onnx', tmp_path / 'm.onnx.data']


def test_there_and_back() -> None:
    feeds, outputs = golden_from_metadata({GOLDEN_KEY: TEXT}, 'm.onnx', **NAMES)
    np.testing.assert_array_equal(feeds['rgb'], PICTURE)
    np.testing.assert_array_equal(outputs['depth'], -PICTURE)


@pytest.mark.parametrize(
    'text',
    [
        TEXT[:-9],
        TEXT.replace('"depth"', '"death"'),
        TEXT.replace('"data": "', '"data": "*'),
        TEXT.replace('[3, 2]', '[3, 3]'),
        '[]',
    ],
    ids=['cut', 'of other names', 'no base64', 'of another shape', 'a list'],
)
def test_a_damaged_one_is_refused(text: str) -> None:
    with pytest.raises(BackendError, match=r'm\.onnx: golden input is malformed'):
        golden_from_metadata({GOLDEN_KEY: text}, 'm.onnx', **NAMES)


def test_differences_are_relative_to_the_largest_expected() -> None:
    expected = np.array([-200.0, 1.0], np.float32)
    value = np.array([-200.0, 3.0], np.float32)
    assert relative_difference(value, expected) == pytest.approx(0.01)
    assert relative_difference(value, value) == 0.0
    assert relative_difference(0 * value, 0 * expected) == 0.0


@pytest.mark.parametrize('wrong', [[np.nan, 1.0], [np.inf, 1.0], [1.0]], ids=str)
def test_nan_and_other_shapes_differ_infinitely(wrong: list[float]) -> None:
    """Even if the shapes could be broadcast, or NaN would not compare as larger."""
    value = np.array(wrong, np.float32)
    assert relative_difference(value, np.ones(2, np.float32)) == float('inf')


@pytest.mark.parametrize(('factor', 'passes'), [(1 + 9e-4, True), (1 + 2e-3, False)])
def test_an_engine_must_reproduce_the_golden_output(factor: float, passes: bool) -> None:
    assert TOLERANCE == 1e-3

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {'depth': -feeds['rgb'] * np.float32(factor)}

    if passes:
        assert check_golden(run, {GOLDEN_KEY: TEXT}, 'm.onnx', **NAMES) == pytest.approx(
            9e-4, 0.01
        )
    else:
        with pytest.raises(
            BackendError, match=r'differs by 2\.00e-03 \(relative\), allowed 1e-03'
        ):
            check_golden(run, {GOLDEN_KEY: TEXT}, 'm.onnx', **NAMES)


def test_a_file_may_specify_its_own_tolerance() -> None:
    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {'depth': -feeds['rgb'] * np.float32(1.3)}

    metadata = {GOLDEN_KEY: TEXT, TOLERANCE_KEY: '0.5'}
    assert check_golden(run, metadata, 'm.onnx', **NAMES) == pytest.approx(0.3)
    for said, problem in (('0.2', 'allowed 2e-01'), ('a half', "='a half' is not a number")):
        with pytest.raises(BackendError, match=problem):
            check_golden(run, metadata | {TOLERANCE_KEY: said}, 'm.onnx', **NAMES)


def test_a_golden_output_of_nan_is_never_reproduced() -> None:
    text = golden_to_metadata({'rgb': PICTURE}, {'depth': np.nan * PICTURE})
    with pytest.raises(BackendError, match='differs by nan'):
        check_golden(lambda feeds: {'depth': feeds['rgb']}, {GOLDEN_KEY: text}, 'm.onnx', **NAMES)
