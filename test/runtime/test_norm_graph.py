# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisation in other operators, and graphs of one size: the same results."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from dmd_ros.runtime.graphs import exact_layers, half_graph, static_graph

SHAPES = {'x': (2, 6, 8, 10)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """GroupNorm of 6 channels in 3 groups as an exporter writes it, with a computed shape."""
    return write(tmp_path / 'norm.onnx')


def write(
    path: Path, groups: int = 3, cut: tuple[int, ...] = (0, 3, -1), back: str = 'shape'
) -> Path:
    """Write GroupNorm of 6 channels. cut: shape to normalise; back: where the old one is."""
    random = np.random.default_rng(0)
    make = helper.make_node
    nodes = [
        make('Reshape', ['x', 'grouped'], ['rows'], name='/r'),
        make(
            'InstanceNormalization', ['rows', 'by', 'plus'], ['normed'], name='/norm', epsilon=1e-3
        ),
        make('Shape', ['x'], ['shape']),
        make('Reshape', ['normed', back], ['back']),
        make('Mul', ['back', 'scale'], ['scaled']),
        make('Add', ['scaled', 'bias'], ['y']),
        make('Sin', ['y'], ['z']),
    ]
    numbers = {
        'grouped': np.array(cut),
        'same': np.array([0, 6, 8, -1]),
        'by': random.standard_normal(groups).astype(np.float32),
        'plus': random.standard_normal(groups).astype(np.float32),
        'scale': random.standard_normal((6, 1, 1)).astype(np.float32),
        'bias': random.standard_normal((6, 1, 1)).astype(np.float32),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'norm',
        [value('x', TensorProto.FLOAT, ['B', 6, 'H', 'W'])],
        [value('z', TensorProto.FLOAT, ['B', 6, 'H', 'W'])],
        [numpy_helper.from_array(v, k) for k, v in numbers.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    return path


def run(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Run a graph; with GroupNormalization, in the first opset that has it."""
    if 'GroupNormalization' in operators(proto):
        proto.opset_import[0].version = 18
    session = ort.InferenceSession(proto.SerializeToString(), providers=['CPUExecutionProvider'])
    (said,) = session.run(None, {'x': x})
    return np.asarray(said)


def operators(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


def written(path: Path, shapes: static_graph.Shapes | None) -> onnx.ModelProto:
    return onnx.load_from_string(half_graph.convert(path, 'fp32', plain_norms=True, shapes=shapes))


def check_same(path: Path, proto: onnx.ModelProto) -> None:
    x = 3.0 + 5.0 * np.random.default_rng(1).standard_normal(SHAPES['x']).astype(np.float32)
    np.testing.assert_allclose(run(proto, x), run(onnx.load(path), x), atol=2e-5)


@pytest.mark.parametrize('shapes', [None, SHAPES], ids=['any size', 'one size'])
def test_norm_over_groups_is_one_operator(model: Path, shapes: static_graph.Shapes | None) -> None:
    proto = written(model, shapes)
    assert operators(proto) == ['GroupNormalization', 'Mul', 'Add', 'Sin']
    assert proto.graph.node[0].name == '/norm'
    assert proto.opset_import[0].version == 17
    check_same(model, proto)


@pytest.mark.parametrize(
    'form',
    [
        {'groups': 1, 'cut': (0, 1, -1)},  # TensorRT would take it for six
        {'groups': 4, 'cut': (0, 4, -1)},  # groups that end within a channel
        {'groups': 6, 'cut': (0, 6, 8, -1)},  # of rank 4
        {'groups': 3, 'cut': (2, 3, -1)},  # for two samples alone
        {'back': 'same'},  # it cannot be seen that this is the shape of before
    ],
    ids=str,
)
@pytest.mark.parametrize('shapes', [None, SHAPES], ids=['any size', 'one size'])
def test_other_norms_are_elementary(
    tmp_path: Path, form: dict[str, Any], shapes: static_graph.Shapes | None
) -> None:
    path = write(tmp_path / 'norm.onnx', **form)
    proto = written(path, shapes)
    assert operators(proto).count('ReduceMean') == 2
    assert not {'InstanceNormalization', 'GroupNormalization'} & set(operators(proto))
    check_same(path, proto)


def test_statistics_stay_float32(tmp_path: Path) -> None:
    path = write(tmp_path / 'norm.onnx', groups=1, cut=(0, 1, -1))
    proto = written(path, SHAPES)
    del proto.graph.node[-1]  # what Sin is computed from is exact as well
    exact = exact_layers.exact_names(proto.SerializeToString())
    nodes = {node.name: node.op_type for node in proto.graph.node}
    kept = sorted(nodes[name] for name in exact)
    assert kept == ['Add', 'Mul', 'ReduceMean', 'ReduceMean', 'Sqrt']


def test_one_size_leaves_no_arithmetic_of_shapes(model: Path) -> None:
    original = onnx.load(model)
    proto = static_graph.specialise(original, SHAPES)
    onnx.checker.check_model(proto, full_check=True)
    assert 'Shape' not in {node.op_type for node in proto.graph.node}
    assert 'Shape' in {node.op_type for node in original.graph.node}  # not changed
    sides = [d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim]
    assert tuple(sides) == SHAPES['x']
    stored = {i.name: i.data_type for i in proto.graph.initializer}
    assert stored['scale'] == TensorProto.FLOAT
