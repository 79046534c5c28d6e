# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mixed precision graphs, and graphs for TensorRT 8.6, on a small net with all features."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from oracle_model import CONTRACT, write_oracle

from dmd_ros.core.contract import METADATA_KEY
from dmd_ros.runtime import proof
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.graphs import exact_layers, half_graph
from dmd_ros.runtime.graphs.static_graph import Shapes
from dmd_ros.runtime.ort_backend import OrtBackend

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = {
    line.strip()
    for line in (ROOT / 'test/data/tensorrt_8_6_operators.txt').read_text().splitlines()
    if line and not line.startswith('#')
}
# Restrictions of Resize from docs/operators.md of the same release.
RESIZE = {
    'mode': {'nearest', 'linear'},
    'nearest_mode': {'floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'},
    'coordinate_transformation_mode': {
        'half_pixel',
        'pytorch_half_pixel',
        'tf_half_pixel_for_nn',
        'asymmetric',
        'align_corners',
    },
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Conv, norm, SiLU, time embedding, resize; weights half-stored and behind identities."""
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int, kind: type = np.float32) -> onnx.TensorProto:
        numbers = random.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[1:])))
        return numpy_helper.from_array(numbers.astype(kind), name)

    make = helper.make_node
    nodes = [
        make('Cast', ['w1_half'], ['w1'], to=TensorProto.FLOAT),
        make('Identity', ['ones'], ['scale']),
        make('Constant', [], ['column'], value=numpy_helper.from_array(np.array([-1, 8, 1, 1]))),
        make('Concat', ['rgb', 'z'], ['both'], axis=1),
        make('Conv', ['both', 'w1'], ['stem'], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        make('Conv', ['stem', 'w4'], ['a'], kernel_shape=[1, 1]),
        make('InstanceNormalization', ['a', 'scale', 'zeros'], ['b']),
        make('Sigmoid', ['b'], ['gate']),
        make('Mul', ['b', 'gate'], ['c']),
        make('Mul', ['t', 'fast'], ['angle']),
        make('Sin', ['angle'], ['sine']),
        make('Add', ['sine', 'tan_half_vfov'], ['phase']),
        make('Unsqueeze', ['phase', 'one_axis'], ['emb_in']),
        make('MatMul', ['emb_in', 'w2'], ['emb_flat']),
        make('Reshape', ['emb_flat', 'column'], ['emb']),
        make('Add', ['c', 'emb'], ['d']),
        make(
            'Resize',
            ['d', '', 'twice'],
            ['e'],
            mode='nearest',
            nearest_mode='floor',
            coordinate_transformation_mode='asymmetric',
        ),
        make('Conv', ['e', 'w4'], ['f'], kernel_shape=[1, 1]),
        make('Cast', ['f'], ['same'], to=TensorProto.FLOAT),
        make('Sigmoid', ['same'], ['g']),
        make('Conv', ['g', 'w3'], ['prediction'], strides=[2, 2], kernel_shape=[2, 2]),
    ]
    initializers = [
        weight('w1_half', 8, 4, 3, 3, kind=np.float16),
        weight('w2', 1, 8),
        weight('w3', 1, 8, 2, 2),
        weight('w4', 8, 8, 1, 1),
        numpy_helper.from_array(np.ones(8, np.float32), 'ones'),
        numpy_helper.from_array(np.zeros(8, np.float32), 'zeros'),
        numpy_helper.from_array(np.array(1000.0, np.float32), 'fast'),
        numpy_helper.from_array(np.array([1]), 'one_axis'),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'twice'),
    ]
    image = ['B', 1, 'H', 'W']
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'small',
        [
            value('rgb', TensorProto.FLOAT, ['B', 3, 'H', 'W']),
            value('z', TensorProto.FLOAT, image),
            value('t', TensorProto.FLOAT, ['B']),
            value('tan_half_vfov', TensorProto.FLOAT, ['B']),
        ],
        [value('prediction', TensorProto.FLOAT, image)],
        initializers,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    helper.set_model_props(proto, {METADATA_KEY: CONTRACT.to_json()})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, tmp_path / 'small.onnx')
    return tmp_path / 'small.onnx'


def converted(model: Path, precision: str, plain_norms: bool = False) -> onnx.ModelProto:
    return onnx.load_from_string(half_graph.convert(model, precision, plain_norms=plain_norms))


def as_backend(proto: onnx.ModelProto, path: Path) -> OrtBackend:
    helper.set_model_props(proto, {METADATA_KEY: CONTRACT.to_json()})
    onnx.save(proto, path)
    return OrtBackend(path, 'cpu', 1)


@pytest.mark.parametrize(
    ('precision', 'plain_norms', 'bound'),
    [('fp32', False, 1e-6), ('fp16', False, 1e-2), ('fp32', True, 1e-5), ('fp16', True, 1e-2)],
)
def test_computes_the_same(
    model: Path, tmp_path: Path, precision: str, plain_norms: bool, bound: float
) -> None:
    proto = converted(model, precision, plain_norms)
    onnx.checker.check_model(proto, full_check=True)
    engine = as_backend(proto, tmp_path / 'converted.onnx')
    figures = proof.prove(
        engine, OrtBackend(model, 'cpu', 1), CONTRACT, (2, 32, 48), precision, repeats=3, seed=0
    )
    assert figures.passed, figures.text
    assert max(figures.random_errors) <= bound


def test_true_half_arithmetic(model: Path) -> None:
    """ONNX Runtime widens fp16 on a CPU; the reference evaluator rounds after every node."""
    feeds = proof.random_feeds(np.random.default_rng(0), CONTRACT, (1, 16, 16), 1.0)
    exact, half = (
        ReferenceEvaluator(converted(model, precision)).run(None, dict(feeds))[0]
        for precision in ('fp32', 'fp16')
    )
    error = proof.depth_error(half, exact, feeds, CONTRACT)
    assert 0.0 < error <= proof.LIMITS['fp16']


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
def test_ends_angles_and_scales_stay_float32(model: Path, precision: str) -> None:
    proto = converted(model, precision)
    half = {'fp16': TensorProto.FLOAT16, 'bf16': TensorProto.BFLOAT16}[precision]
    weights = {i.name: i.data_type for i in proto.graph.initializer}
    by_type = {n.op_type: n for n in proto.graph.node}
    multiplied = {n.output[0]: n for n in proto.graph.node if n.op_type in ('Conv', 'MatMul')}
    for name, node in multiplied.items():
        ends = name in ('stem', 'f', 'prediction')
        assert weights[node.input[1]] == (TensorProto.FLOAT if ends else half), name
    # 1000 t has no fraction in half precision: the sine's angle stays float32.
    assert by_type['Sin'].input[0] == 'angle'
    assert weights['fast'] == TensorProto.FLOAT
    # The scales of Resize are float32 by definition.
    assert weights[by_type['Resize'].input[2]] == TensorProto.FLOAT
    # TensorRT from 10 on sums in the type of a normalisation's input.
    norm = by_type['InstanceNormalization']
    assert {weights[name] for name in norm.input[1:]} == {TensorProto.FLOAT}
    assert norm.input[0].endswith('__as_float')
    inputs = [*proto.graph.input, *proto.graph.output]
    assert {v.type.tensor_type.elem_type for v in inputs} == {TensorProto.FLOAT}


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_weights_are_weights_for_tensorrt_8_6(model: Path, precision: str) -> None:
    check_weights(converted(model, precision, plain_norms=True))


def check_weights(proto: onnx.ModelProto) -> None:
    """TensorRT 8.6 takes convolutions with anything but plain initializers on a slow path, and
    makes of instance normalisation a plugin that needs cuDNN."""
    sizes = {i.name: list(i.dims) for i in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == 'Conv':
            assert node.input[1] in sizes
        assert node.op_type != 'InstanceNormalization'
        if node.op_type == 'GroupNormalization':
            # One scale per group, as in opset 18; several groups: one would be misread silently.
            (groups,) = (a.i for a in node.attribute if a.name == 'num_groups')
            assert groups > 1
            assert [sizes[name] for name in node.input[1:]] == [[groups], [groups]]


def test_what_must_be_float32_for_weak_types(model: Path) -> None:
    """The sine and its angle, and statistics."""
    graph = half_graph.convert(model, 'fp32', plain_norms=True)
    exact = exact_layers.exact_names(graph)
    nodes = {node.name: node.op_type for node in onnx.load_from_string(graph).graph.node}
    assert {'sine', 'angle', 'prediction'} <= exact
    assert 'emb_flat' not in exact
    assert [nodes[n] for n in exact].count('ReduceMean') == 2


def test_first_and_last_layers_are_float32_for_weak_types() -> None:
    make, value = helper.make_node, helper.make_tensor_value_info
    image = ['B', 1, 'H', 'W']
    steps = [
        ('Mul', ['rgb', 'rgb'], 'bright'),
        ('Concat', ['bright', 'z'], 'both'),
        ('Conv', ['both', 'w'], 'first'),
        ('Relu', ['first'], 'a'),
        ('Conv', ['a', 'w'], 'middle'),
        ('Relu', ['middle'], 'mild'),
        ('Conv', ['mild', 'w'], 'branch'),
        ('Add', ['middle', 'branch'], 'sum'),
        ('InstanceNormalization', ['sum', 'w', 'w'], 'b'),
        ('Conv', ['b', 'w'], 'last'),
        ('Tanh', ['last'], 'prediction'),
        ('Shape', ['z'], 'shape'),
        ('Expand', ['middle', 'shape'], 'aside'),
    ]
    nodes = [
        make(op, inputs, [out], name=out, **({'axis': 1} if op == 'Concat' else {}))
        for op, inputs, out in steps
    ]
    inputs = [value(name, TensorProto.FLOAT, image) for name in ('rgb', 'z')]
    outputs = [value('prediction', TensorProto.FLOAT, image)]
    proto = helper.make_model(helper.make_graph(nodes, 'ends', inputs, outputs))
    exact = exact_layers.exact_names(proto.SerializeToString())
    ends = {'branch', 'middle', 'sum', 'b', 'last', 'prediction'}
    assert exact == {'bright', 'both', 'first'} | ends


def test_casts_from_float32_to_float32_are_removed(model: Path) -> None:
    assert 'Cast' in {n.op_type for n in onnx.load(model).graph.node if n.output[0] == 'same'}
    assert 'Cast' not in {n.op_type for n in converted(model, 'fp32').graph.node}


SHIPPED = ROOT / 'models/dmd_worlds.onnx'
ONE_SIZE = {'rgb': (1, 3, 64, 96), 'z': (1, 1, 64, 96), 't': (1,), 'tan_half_vfov': (1,)}


def test_shipped_model_layer_by_layer() -> None:
    """TensorRT adds numbers to duplicate layer names, but types are set by name."""
    converted = half_graph.convert(SHIPPED, 'fp32', plain_norms=True, shapes=ONE_SIZE)
    proto = onnx.load_from_string(converted)
    check_for_tensorrt_8_6(proto)
    check_weights(proto)
    graph = proto.graph
    names = [*(n.name for n in graph.node), *(i.name for i in graph.initializer)]
    assert len(names) == len(set(names))
    exact = exact_layers.exact_names(converted)
    convolutions = {n.name for n in graph.node if n.op_type == 'Conv' and n.name in exact}
    ends = {'/stem/Conv', '/up.0.0/block/conv2/Conv', '/up.0.0/block/shortcut/Conv', '/head/Conv'}
    assert convolutions == ends
    norms = {n.name for n in graph.node if n.op_type == 'GroupNormalization'}
    assert len(norms) == 30 and norms & exact == {'/head_norm/InstanceNormalization'}


@pytest.mark.parametrize('shapes', [None, ONE_SIZE], ids=['any size', 'one size'])
def test_shipped_model_computes_the_same_with_group_normalization(
    tmp_path: Path, shapes: Shapes | None
) -> None:
    graph = half_graph.convert(SHIPPED, 'fp32', plain_norms=True, shapes=shapes)
    proto = onnx.load_from_string(graph)
    proto.opset_import[0].version = 18  # the first that has it; TensorRT 8.6 does not ask
    reference = OrtBackend(SHIPPED, 'cpu', 1)
    feeds = proof.random_feeds(np.random.default_rng(0), reference.contract, (1, 64, 96), 0.5)
    said = as_backend(proto, tmp_path / 'converted.onnx').run(feeds)['prediction']
    np.testing.assert_allclose(said, reference.run(feeds)['prediction'], atol=1e-4)


def test_bfloat16_rounds_to_even() -> None:
    numbers = np.array([1.0, -2.5, 1.00390625, 1.01171875, 3e38], np.float32)
    tensor = half_graph._converted(
        numpy_helper.from_array(numbers, 'x'), 'y', TensorProto.BFLOAT16
    )
    back = numpy_helper.to_array(tensor).astype(np.float32)
    np.testing.assert_allclose(back, numbers, rtol=2**-8)
    assert back[2] == 1.0 and back[3] == 1.015625


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'bad.onnx'
    path.write_bytes(b'\xff' * 40)
    with pytest.raises(BackendError, match='cannot be read as ONNX'):
        half_graph.convert(path, 'fp16')


def check_for_tensorrt_8_6(proto: onnx.ModelProto) -> None:
    opsets = {o.domain: o.version for o in proto.opset_import}
    assert opsets == {'': 17}
    unknown = {n.op_type for n in proto.graph.node} - OPERATORS
    assert not unknown, f'the parser of TensorRT 8.6 does not know {sorted(unknown)}'
    for node in proto.graph.node:
        if node.op_type == 'Resize':
            values = {a.name: a.s.decode() for a in node.attribute if a.s}
            for name, allowed in RESIZE.items():
                assert values.get(name, next(iter(allowed))) in allowed


def test_operator_list_is_complete() -> None:
    assert len(OPERATORS) == 145
    assert {'Conv', 'InstanceNormalization', 'Einsum'} <= OPERATORS
    assert not {'Bernoulli', 'Unique', 'Gelu', 'Swish', 'Attention'} & OPERATORS


@pytest.mark.parametrize('precision', ['', 'fp32', 'fp16'])
def test_operators_of_small_net_and_oracle(model: Path, tmp_path: Path, precision: str) -> None:
    for path in (model, write_oracle(tmp_path / 'oracle.onnx')):
        check_for_tensorrt_8_6(converted(path, precision) if precision else onnx.load(path))


def test_unknown_operator_is_found(tmp_path: Path) -> None:
    proto = onnx.load(write_oracle(tmp_path / 'oracle.onnx'))
    proto.graph.node.append(helper.make_node('Gelu', ['x'], ['y']))
    with pytest.raises(AssertionError, match='Gelu'):
        check_for_tensorrt_8_6(proto)


@pytest.mark.parametrize('name', ['dmd_worlds', 'dmd_fov'])
def test_operators_of_shipped_models(name: str) -> None:
    path = ROOT / 'models' / f'{name}.onnx'
    check_for_tensorrt_8_6(onnx.load(path))
    check_for_tensorrt_8_6(converted(path, 'fp16'))


def test_a_model_in_int8_is_refused() -> None:
    with pytest.raises(BackendError, match='is in int8, for CPUs; use the float model'):
        half_graph.convert(ROOT / 'models' / 'dmd_worlds_int8.onnx', 'fp16')


def test_operators_of_the_exported_network(tmp_path: Path) -> None:
    pytest.importorskip('torch')
    from train.export import trace
    from train.onnx_file import store_half
    from train.presets import preset
    from train.unet import UNet

    proto = trace(UNet(preset('nano').net, rays=True), CONTRACT)
    store_half(proto)
    path = tmp_path / 'net.onnx'
    onnx.save(proto, path)
    check_for_tensorrt_8_6(proto)
    for precision in ('fp32', 'fp16'):
        plain = converted(path, precision, plain_norms=True)
        check_for_tensorrt_8_6(plain)
        check_weights(plain)
