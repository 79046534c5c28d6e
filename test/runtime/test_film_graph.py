# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scale and shift as convolutions: the same numbers, fewer layers, only in matching graphs."""

import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import GraphProto
from small_graph import answers, small_graph

from dmd_ros.runtime.graphs import film_graph, half_graph

CHANNELS, WIDTH = 3, 5
MODEL = Path(__file__).resolve().parents[2] / 'models/dmd_worlds.onnx'


def block(**changed: list[str]) -> onnx.ModelProto:
    """Return x * (1 + scale) + shift as exporters write it. changed: inputs by output."""
    random = np.random.default_rng(0)
    steps = [
        ('Gemm', ['emb', 'w', 'b'], 'flat'),
        ('Unsqueeze', ['flat', 'two'], 'row'),
        ('Unsqueeze', ['row', 'three'], 'both'),
        ('Slice', ['both', 'zero', 'half', 'one'], 'scale'),
        ('Slice', ['both', 'half', 'whole', 'one'], 'shift'),
        ('Add', ['scale', 'unit'], 'factor'),
        ('Mul', ['x', 'factor'], 'scaled'),
        ('Add', ['scaled', 'shift'], 'y'),
    ]
    numbers = {
        'w': random.standard_normal((2 * CHANNELS, WIDTH)).astype(np.float32),
        'b': random.standard_normal(2 * CHANNELS).astype(np.float32),
        'unit': np.array(1.0, np.float32),
        'half': np.array([CHANNELS]),
        'whole': np.array([2 * CHANNELS]),
    }
    counted = {name: np.array([i]) for i, name in enumerate(('zero', 'one', 'two', 'three'))}
    picture = [2, CHANNELS, 4, 4]
    inputs, outputs = {'emb': [2, WIDTH], 'x': picture}, {'y': picture}
    attributes = {'Gemm': {'transB': 1}}
    return small_graph(steps, inputs, outputs, numbers | counted, changed, attributes)


def run(proto: onnx.ModelProto) -> np.ndarray:
    random = np.random.default_rng(1)
    feeds = {
        'emb': random.standard_normal((2, WIDTH)).astype(np.float32),
        'x': random.standard_normal((2, CHANNELS, 4, 4)).astype(np.float32),
    }
    session = ort.InferenceSession(proto.SerializeToString(), providers=['CPUExecutionProvider'])
    return np.asarray(session.run(None, feeds)[0])


def operators(graph: GraphProto) -> list[str]:
    return sorted(node.op_type for node in graph.node)


def test_computes_the_same_in_fewer_layers() -> None:
    proto = block()
    onnx.checker.check_model(proto, full_check=True)
    expected = run(proto)
    film_graph.rewrite(proto.graph)
    onnx.checker.check_model(proto, full_check=True)
    assert operators(proto.graph) == ['Add', 'Conv', 'Conv', 'Mul', 'Reshape']
    np.testing.assert_allclose(run(proto), expected, atol=1e-6)


@pytest.mark.parametrize(
    'changed',
    [
        {'scale': ['both', 'zero', 'half', 'zero']},
        {'y': ['scaled', 'both']},
        {'row': ['b', 'two'], 'both': ['b', 'three']},
    ],
    ids=['another axis', 'another reader', 'not the linear layer'],
)
def test_other_graphs_are_not_changed(changed: dict[str, list[str]]) -> None:
    proto = block(**changed)
    before = operators(proto.graph)
    film_graph.rewrite(proto.graph)
    assert operators(proto.graph) == before


# ONNX Runtime computes halves in float32 on x86-64, as halves on an aarch64 that can.
HALF = 2e-2 if platform.machine() == 'aarch64' else 5e-3


@pytest.mark.parametrize(('precision', 'bound'), [('fp32', 2e-5), ('fp16', HALF)])
def test_shipped_model_of_one_size(precision: str, bound: float) -> None:
    """A dozen blocks; the three remaining linear layers compute the embedding."""
    shapes = {'rgb': (1, 3, 64, 96), 'z': (1, 1, 64, 96), 't': (1,), 'tan_half_vfov': (1,)}
    graph = half_graph.convert(MODEL, precision, shapes=shapes)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    left = operators(onnx.load_from_string(graph).graph)
    assert operators(onnx.load(MODEL).graph).count('Gemm') > 10
    assert left.count('Gemm') == 3
    said, expected = answers((graph, MODEL.read_bytes()), shapes)
    np.testing.assert_allclose(said, expected, atol=bound)
