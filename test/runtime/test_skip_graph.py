# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Skips without their factor: the same numbers, and only where all readers allow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto
from small_graph import answers, small_graph

from dmd_ros.runtime.graphs import half_graph, skip_graph

MODEL = Path(__file__).resolve().parents[2] / 'models/dmd_worlds.onnx'
FACTOR = 0.5**0.5
PICTURE = {'h': (2, 4, 5, 5), 'skip': (2, 4, 5, 5)}
SIDES = {**PICTURE, 'scaled': (2, 4, 5, 5), 'both': (2, 8, 5, 5)}


def block(groups: int = 2, **changed: list[str]) -> ModelProto:
    """Return the beginning of a residual block of the decoder. changed: inputs by output."""
    random = np.random.default_rng(0)
    steps = [
        ('Mul', ['skip', 'factor'], 'scaled'),
        ('Concat', ['h', 'scaled'], 'both'),
        ('Reshape', ['both', 'cut'], 'grouped'),
        ('InstanceNormalization', ['grouped', 'ones', 'zeros'], 'even'),
        ('Reshape', ['even', 'sides'], 'normed'),
        ('Conv', ['both', 'w'], 'shortcut'),
        ('Conv', ['normed', 'w'], 'main'),
        ('Add', ['shortcut', 'main'], 'prediction'),
    ]
    numbers = {
        'factor': np.array(FACTOR, np.float32),
        'minus': np.array(-1.0, np.float32),
        'tiny': np.array(0.01, np.float32),
        'many': np.full((4, 1, 1), FACTOR, np.float32),
        'cut': np.array([0, groups, -1]),
        'sides': np.array([2, 8, 5, 5]),
        'ones': np.ones(groups, np.float32),
        'zeros': np.zeros(groups, np.float32),
        'w': random.standard_normal((3, 8, 1, 1)).astype(np.float32),
        'grid': np.array([2, 8, 5, 5]),
    }
    prediction = {'prediction': [2, 3, 5, 5]}
    return small_graph(steps, PICTURE, prediction, numbers, changed, {'Concat': {'axis': 1}})


def run(proto: ModelProto) -> np.ndarray:
    random = np.random.default_rng(1)
    feeds = {name: random.standard_normal(shape, np.float32) for name, shape in PICTURE.items()}
    session = ort.InferenceSession(proto.SerializeToString(), providers=['CPUExecutionProvider'])
    return np.asarray(session.run(None, feeds)[0])


def factors(proto: ModelProto) -> int:
    return sum(node.op_type == 'Mul' for node in proto.graph.node)


@pytest.mark.parametrize('scaled', [['skip', 'factor'], ['factor', 'skip']])
def test_computes_the_same_without_the_factor(scaled: list[str]) -> None:
    proto = block(scaled=scaled)
    onnx.checker.check_model(proto, full_check=True)
    expected = run(proto)
    skip_graph.rewrite(proto.graph, SIDES)
    onnx.checker.check_model(proto, full_check=True)
    assert factors(proto) == 0
    np.testing.assert_allclose(run(proto), expected, atol=1e-4)


@pytest.mark.parametrize(
    ('groups', 'changed'),
    [
        (1, {}),
        (2, {'scaled': ['skip', 'minus']}),
        (2, {'scaled': ['skip', 'tiny']}),
        (2, {'scaled': ['skip', 'many']}),
        (2, {'scaled': ['skip', 'h']}),
        (2, {'prediction': ['both', 'main']}),
        (2, {'main': ['normed', 'w'], 'normed': ['both', 'grid']}),
    ],
    ids=['across groups', 'negative', 'tiny', 'many', 'no number', 'other reader', 'no norm'],
)
def test_other_graphs_are_not_changed(groups: int, changed: dict[str, list[str]]) -> None:
    proto = block(groups, **changed)
    skip_graph.rewrite(proto.graph, SIDES)
    assert factors(proto) == 1


def test_shipped_model_loses_six_operations() -> None:
    shapes = {'rgb': (1, 3, 64, 96), 'z': (1, 1, 64, 96), 't': (1,), 'tan_half_vfov': (1,)}
    graph = half_graph.convert(MODEL, 'fp32', shapes=shapes)
    nodes = onnx.load_from_string(graph).graph.node
    assert sum('scaled_weights' in node.input[1] for node in nodes if len(node.input) > 1) == 6
    said, expected = answers((graph, MODEL.read_bytes()), shapes)
    np.testing.assert_allclose(said, expected, atol=1e-5)
