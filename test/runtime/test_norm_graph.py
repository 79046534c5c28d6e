# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisation in elementary operators, and graphs of one size: the same numbers come out."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from dmd_ros.runtime import half_graph, static_graph

SHAPES = {'x': (2, 6, 8, 10)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What an exporter writes for GroupNorm of 6 channels in 3 groups, and a shape computed."""
    random = np.random.default_rng(0)
    make = helper.make_node
    nodes = [
        make('Reshape', ['x', 'grouped'], ['rows'], name='/r'),
        make('InstanceNormalization', ['rows', 'ones', 'zeros'], ['normed'], epsilon=1e-3),
        make('Shape', ['x'], ['shape']),
        make('Reshape', ['normed', 'shape'], ['back']),
        make('Mul', ['back', 'scale'], ['scaled']),
        make('Add', ['scaled', 'bias'], ['y']),
        make('Sin', ['y'], ['z']),
    ]
    numbers = {
        'grouped': np.array([0, 3, -1]),
        'ones': np.ones(3, np.float32),
        'zeros': np.zeros(3, np.float32),
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
    onnx.save(proto, tmp_path / 'norm.onnx')
    return tmp_path / 'norm.onnx'


def run(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(proto.SerializeToString(), providers=['CPUExecutionProvider'])
    (said,) = session.run(None, {'x': x})
    return np.asarray(said)


@pytest.mark.parametrize('shapes', [None, SHAPES], ids=['any size', 'one size'])
def test_computes_the_same(model: Path, shapes: static_graph.Shapes | None) -> None:
    x = 3.0 + 5.0 * np.random.default_rng(1).standard_normal(SHAPES['x']).astype(np.float32)
    proto = onnx.load_from_string(
        half_graph.convert(model, 'fp32', plain_norms=True, shapes=shapes)
    )
    assert 'InstanceNormalization' not in {node.op_type for node in proto.graph.node}
    np.testing.assert_allclose(run(proto, x), run(onnx.load(model), x), atol=2e-5)


def test_statistics_stay_float32(model: Path) -> None:
    graph = half_graph.convert(model, 'fp32', plain_norms=True, shapes=SHAPES)
    exact = half_graph.exact_names(graph)
    nodes = {node.name: node.op_type for node in onnx.load_from_string(graph).graph.node}
    kept = sorted(nodes[name] for name in exact)
    assert kept.count('ReduceMean') == 2 and 'Sqrt' in kept and 'Sin' in kept
    # What Sin is computed from is exact as well; that is all of this network.
    assert exact <= set(nodes)


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
