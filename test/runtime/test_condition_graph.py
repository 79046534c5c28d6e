# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network and its conditions: together the same numbers, without repeated work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from oracle_model import CONTRACT

from dmd_ros.runtime import proof
from dmd_ros.runtime.backend import INPUTS
from dmd_ros.runtime.graphs import condition_graph, exact_layers, half_graph
from dmd_ros.runtime.graphs.half_graph import Graphs
from dmd_ros.runtime.trt_session import tensor_shape

SHIPPED = Path(__file__).resolve().parents[2] / 'models/dmd_worlds.onnx'
SHAPE = (2, 64, 96)
SHAPES = {name: tensor_shape(name, SHAPE) for name in INPUTS}
TYPED = {'says_types': True, 'plain_norms': False}
WEAK = {'says_types': False, 'plain_norms': True}


def feeds_of(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs, with a different time and field of view for each sample."""
    random = np.random.default_rng(seed)
    feeds = proof.random_feeds(random, CONTRACT, shape, 0.5)
    return {**feeds, 't': random.uniform(0.1, 1.0, shape[0]).astype(np.float32)}


def run(graph: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(graph, providers=['CPUExecutionProvider'])
    wanted = {i.name: feeds[i.name] for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, wanted), strict=True))


def run_split(graphs: Graphs, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return run(graphs.network, feeds | run(graphs.conditions, feeds))['prediction']


def operators(graph: bytes) -> int:
    return len(onnx.load_from_string(graph).graph.node)


def small(steps: list[tuple[str, list[str], str]], **numbers: np.ndarray) -> ModelProto:
    """Make a network of these operators, of 3 channels and 4 x 4 pixels, two samples."""
    make, value = helper.make_node, helper.make_tensor_value_info
    nodes = [
        make(op, inputs, [out], name=out, **({'axis': 1} if op == 'Concat' else {}))
        for op, inputs, out in steps
    ]
    numbers |= {'column': np.array([-1, 1, 1, 1])}
    shapes = {'rgb': [2, 3, 4, 4], 'z': [2, 1, 4, 4], 't': [2], 'tan_half_vfov': [2]}
    graph = helper.make_graph(
        nodes,
        'small',
        [value(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [value('prediction', TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


SMALL = (2, 4, 4)
VECTORS = {
    name: np.random.default_rng(i).standard_normal((3, 1, 1)).astype(np.float32)
    for i, name in enumerate('wbc')
}


def graphs_of(proto: ModelProto) -> Graphs:
    network, conditions = condition_graph.split(proto)
    given = b'' if conditions is None else conditions.SerializeToString()
    return Graphs(network.SerializeToString(), given)


@pytest.mark.parametrize(
    ('precision', 'settings', 'before', 'after'),
    [('fp32', TYPED, 404, 313), ('fp16', TYPED, 469, 374), ('fp16', WEAK, 343, 253)],
    ids=['10 fp32', '10 fp16', '8.6'],
)
def test_no_nodes_of_time_and_angle_are_left(
    precision: str, settings: dict[str, bool], before: int, after: int
) -> None:
    graphs = half_graph.convert_split(SHIPPED, precision, shapes=SHAPES, **settings)
    written = precision if settings['says_types'] else 'fp32'
    norms = settings['plain_norms']
    whole = half_graph.convert(SHIPPED, written, plain_norms=norms, shapes=SHAPES)
    assert (operators(whole), operators(graphs.network)) == (before, after)
    graph = onnx.load_from_string(graphs.network).graph
    pictures, known = {'rgb', 'z'}, {i.name for i in graph.initializer} | {''}
    for node in graph.node:
        assert pictures & set(node.input), f'{node.name} is computed from no picture'
        pictures |= set(node.output)
    crossing = {i.name for i in graph.input} - {'rgb', 'z'}
    given = {o.name for o in onnx.load_from_string(graphs.conditions).graph.output}
    assert crossing == given and len(crossing) == 27  # two a block, and the rays
    read = {name for node in graph.node for name in node.input}
    assert read <= pictures | known | crossing and crossing <= read


def test_shipped_model_computes_the_same() -> None:
    graphs = half_graph.convert_split(SHIPPED, 'fp32', shapes=SHAPES, **TYPED)
    for seed in range(3):
        feeds = feeds_of(seed=seed)
        expected = run(SHIPPED.read_bytes(), feeds)['prediction']
        np.testing.assert_allclose(run_split(graphs, feeds), expected, atol=1e-5)


def rounded(graph: bytes, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Run a graph in NumPy, which rounds to fp16 after every node and sums in a node's own type.

    As TensorRT may, from 10 on; ONNX Runtime widens fp16.
    """
    evaluator = ReferenceEvaluator(onnx.load_from_string(graph))
    return evaluator.run(None, {name: feeds[name] for name in evaluator.input_names})[0]


@pytest.mark.filterwarnings('ignore:overflow', 'ignore:invalid value')
def test_shipped_model_in_half_precision() -> None:
    """As close to float32 as the unsplit graph; the conditions are well within fp16's range."""
    feeds = feeds_of((2, 32, 32))
    shapes = {name: tensor_shape(name, (2, 32, 32)) for name in INPUTS}
    graphs = half_graph.convert_split(SHIPPED, 'fp16', shapes=shapes, **TYPED)
    assert len(graphs.half) == 26
    crossing = run(graphs.conditions, feeds)
    assert {n for n, v in crossing.items() if v.dtype == np.float16} == graphs.half
    assert max(np.abs(crossing[name]).max() for name in graphs.half) < 1000
    whole = half_graph.convert(SHIPPED, 'fp16', shapes=shapes)
    exact = run(SHIPPED.read_bytes(), feeds)['prediction']
    said, before = rounded(graphs.network, feeds | crossing), rounded(whole, feeds)
    errors = [proof.depth_error(v, exact, feeds, CONTRACT) for v in (said, before)]
    assert errors[0] <= min(proof.LIMITS['fp16'], 1.5 * errors[1])


def test_layers_that_keep_float32_are_those_of_the_whole_graph() -> None:
    graphs = half_graph.convert_split(SHIPPED, 'fp16', shapes=SHAPES, **WEAK)
    whole = half_graph.convert(SHIPPED, 'fp32', plain_norms=True, shapes=SHAPES)
    names = {node.name for node in onnx.load_from_string(graphs.network).graph.node}
    assert exact_layers.exact_names(graphs.network) == exact_layers.exact_names(whole) & names
    inputs = onnx.load_from_string(graphs.network).graph.input
    assert {i.type.tensor_type.elem_type for i in inputs} == {TensorProto.FLOAT}
    (rays,) = {i.name for i in inputs} - graphs.half - {'rgb', 'z'}
    assert 'Concat' in rays  # the stem reads them, which is float32


@pytest.mark.parametrize(
    ('precision', 'settings'), [('bf16', TYPED), ('fp32', TYPED), ('fp32', WEAK)]
)
def test_conditions_are_float32_unless_the_network_is_fp16(
    precision: str, settings: dict[str, bool]
) -> None:
    graphs = half_graph.convert_split(SHIPPED, precision, shapes=SHAPES, **settings)
    assert not graphs.half
    assert {v.dtype for v in run(graphs.conditions, feeds_of()).values()} == {np.dtype('f4')}


# x * w + b, times 1 + t, plus the angle: a norm's weights and a block's scale and shift.
FILM = [
    ('Reshape', ['t', 'column'], 'tc'),
    ('Mul', ['tc', 'c'], 'scale'),
    ('Reshape', ['tan_half_vfov', 'column'], 'ac'),
    ('Mul', ['c', 'ac'], 'shift'),
    ('Mul', ['w', 'rgb'], 'weighed'),
    ('Add', ['weighed', 'b'], 'biased'),
    ('Mul', ['biased', 'scale'], 'scaled'),
    ('Add', ['shift', 'scaled'], 'prediction'),
]


def test_chain_of_an_odd_number_of_channels_is_one_product_and_one_sum() -> None:
    proto = small(FILM, **VECTORS)
    feeds = feeds_of(SMALL)
    graphs = graphs_of(proto)
    network = onnx.load_from_string(graphs.network)
    assert [node.op_type for node in network.graph.node] == ['Mul', 'Add']
    shapes = {v.shape for v in run(graphs.conditions, feeds).values()}
    assert shapes == {(2, 3, 1, 1)}
    expected = run(proto.SerializeToString(), feeds)['prediction']
    np.testing.assert_allclose(run_split(graphs, feeds), expected, atol=1e-6)


@pytest.mark.parametrize(
    ('changed', 'left'),
    [
        ([('Add', ['scaled', 'weighed'], 'prediction')], 4),
        ([('Add', ['biased', 'scaled'], 'prediction')], 4),
        ([('Mul', ['scaled', 'scaled'], 'prediction')], 3),
        ([('Sub', ['scaled', 'shift'], 'prediction')], 3),
        ([('Mul', ['scaled', 'shift'], 'prediction')], 2),
    ],
    ids=['read twice', 'read by another', 'a square', 'another operator', 'no last sum'],
)
def test_chains_end_at_tensors_with_other_readers(changed: list[Any], left: int) -> None:
    proto = small([*FILM[:-1], *changed], **VECTORS)
    feeds = feeds_of(SMALL)
    graphs = graphs_of(proto)
    assert operators(graphs.network) == left
    expected = run(proto.SerializeToString(), feeds)['prediction']
    np.testing.assert_allclose(run_split(graphs, feeds), expected, atol=1e-6)


def test_adjacent_conditions_of_a_concatenation_are_joined() -> None:
    rays = [
        ('Reshape', ['t', 'column'], 'tc'),
        ('Add', ['tc', 'zeros'], 'x'),
        ('Mul', ['x', 'x'], 'y'),
        ('Concat', ['x', 'y', 'rgb', 'x', 'z', 'y', 'y', 'x'], 'all'),
        ('Relu', ['all'], 'prediction'),
    ]
    proto = small(rays, zeros=np.zeros((1, 1, 4, 4), np.float32))
    graphs = graphs_of(proto)
    made = run(graphs.conditions, feeds_of(SMALL))
    assert sorted(v.shape[1] for v in made.values()) == [1, 2, 3]
    expected = run(proto.SerializeToString(), feeds_of(SMALL))['prediction']
    np.testing.assert_array_equal(run_split(graphs, feeds_of(SMALL)), expected)


def test_inputs_that_the_network_reads_stay_inputs() -> None:
    mixed = [
        ('Reshape', ['tan_half_vfov', 'column'], 'ac'),
        ('GlobalAveragePool', ['z'], 'pixel'),
        ('Sub', ['pixel', 't'], 'shifted'),
        ('Mul', ['shifted', 'ac'], 'prediction'),
    ]
    proto = small(mixed)
    feeds = feeds_of(SMALL)
    graphs = graphs_of(proto)
    inputs = {i.name for i in onnx.load_from_string(graphs.network).graph.input}
    assert inputs == {'z', 't', 'ac'}
    expected = run(proto.SerializeToString(), feeds)['prediction']
    np.testing.assert_allclose(run_split(graphs, feeds), expected, atol=1e-6)


@pytest.mark.parametrize(
    'steps',
    [
        [('Relu', ['rgb'], 'prediction')],
        [('Sin', ['t'], 'prediction')],
        [('Shape', ['t'], 'count'), ('Expand', ['rgb', 'deep'], 'prediction')],
        [('Cast', ['t'], 'whole'), ('Cast', ['rgb'], 'r'), ('Add', ['r', 'whole'], 'prediction')],
    ],
    ids=['no conditions', 'no pictures', 'read by nobody', 'not float32'],
)
def test_graphs_that_cannot_be_split_are_kept(steps: list[Any]) -> None:
    proto = small(steps, deep=np.array([2, 3, 4, 4]))
    for node in proto.graph.node:
        if node.op_type == 'Cast':
            node.attribute.append(helper.make_attribute('to', TensorProto.DOUBLE))
    network, conditions = condition_graph.split(proto)
    assert conditions is None and network == proto


def test_half_is_rounded_to_even_and_stays_finite() -> None:
    proto = small([('Mul', ['t', 'huge'], 'a'), ('Add', ['rgb', 'a'], 'prediction')])
    proto.graph.node[0].input[0] = 'tc'
    proto.graph.node.insert(0, helper.make_node('Reshape', ['t', 'column'], ['tc']))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1e5, 'f4'), 'huge'))
    _, conditions = condition_graph.split(proto)
    assert conditions is not None
    made = condition_graph.with_half(conditions, {'a'})
    onnx.checker.check_model(made, full_check=True)
    for t, expected in (([1.0, -1.0], [65504, -65504]), ([0.02049, 0.0], [2048, 0])):
        said = run(made.SerializeToString(), {'t': np.array(t, 'f4'), 'tan_half_vfov': None})
        assert said['a'].dtype == np.float16
        np.testing.assert_array_equal(said['a'].ravel(), np.array(expected, np.float16))


def test_conditions_read_by_exact_and_other_layers_are_float32(tmp_path: Path) -> None:
    """Time scales the noisy code, which keeps float32, and the picture, which does not."""
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    steps = [
        ('Reshape', ['t', 'column'], 'tc'),
        ('Reshape', ['tan_half_vfov', 'column'], 'ac'),
        ('Mul', ['z', 'tc'], 'scaled'),
        ('Concat', ['scaled', 'rgb'], 'all'),
        ('Conv', ['all', 'first'], 'stem'),
        ('Mul', ['stem', 'tc'], 'a'),
        ('Mul', ['a', 'ac'], 'b'),
        ('Relu', ['b'], 'c'),
        ('Conv', ['c', 'eye'], 'd'),
        ('Conv', ['d', 'eye'], 'e'),
        ('Conv', ['e', 'eye'], 'prediction'),
    ]
    first = np.ones((3, 4, 1, 1), np.float32)
    onnx.save(small(steps, eye=eye, first=first), tmp_path / 'net.onnx')
    shapes = {name: tensor_shape(name, SMALL) for name in INPUTS}
    for settings in (TYPED, WEAK):
        graphs = half_graph.convert_split(tmp_path / 'net.onnx', 'fp16', shapes=shapes, **settings)
        assert graphs.half == {'ac'}
    graphs = half_graph.convert_split(tmp_path / 'net.onnx', 'fp16', shapes=shapes, **TYPED)
    kinds = {
        i.name: i.type.tensor_type.elem_type
        for i in onnx.load_from_string(graphs.network).graph.input
    }
    assert kinds['tc'] == TensorProto.FLOAT and kinds['ac'] == TensorProto.FLOAT16
    expected = run((tmp_path / 'net.onnx').read_bytes(), feeds_of(SMALL))['prediction']
    np.testing.assert_allclose(run_split(graphs, feeds_of(SMALL)), expected, rtol=1e-2, atol=1e-2)
