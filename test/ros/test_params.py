# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters: consistency with config/dmd.yaml, and refusal of wrong values."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest
import yaml
from peers import ROOT, NodeProcess, free_domain
from rclpy.parameter import Parameter

from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.params import NAMES, Settings, changed, reach

CONFIG = ROOT / 'config' / 'dmd.yaml'


def test_the_yaml_lists_every_parameter_with_its_default_and_a_comment():
    text = CONFIG.read_text()
    ((key, section),) = yaml.safe_load(text).items()
    assert key == '/**'
    listed = section['ros__parameters']
    defaults = {f.name: f.default for f in dataclasses.fields(Settings)}
    assert listed == defaults
    for name, default in defaults.items():
        assert type(listed[name]) is type(default), name
        line = re.search(rf'^(.*)\n    {name}:', text, re.MULTILINE)
        assert line and line[1].strip().startswith('#'), f'{name} has no comment above it'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'backend': 'tflite'}, "backend is 'tflite'; allowed: auto, tensorrt, onnxruntime"),
        ({'temporal': 'mean'}, "temporal is 'mean'; allowed: fixed, random, blend"),
        ({'steps': -1}, 'steps is -1; allowed: 0 to 64'),
        ({'max_depth': float('nan')}, 'max_depth is nan; allowed: 0.0 to 1000.0'),
        ({'min_depth': 5.0, 'max_depth': 5.0}, 'min_depth (5.0) must be below max_depth (5.0)'),
        ({'color_near': 30.0}, 'color_near (30.0) must be below color_far (20.0)'),
        ({'cloud_min_range': 9.0, 'cloud_max_range': 3.0}, 'must be below cloud_max_range'),
        ({'max_uncertainty': 0.1}, 'max_uncertainty is 0.1 and samples 0: uncertainty needs'),
        ({'max_uncertainty': 0.1, 'samples': 1}, 'and samples 1: uncertainty needs samples'),
        ({'camera_height': -0.1}, 'camera_height is -0.1; allowed: 0.0 to 100.0'),
        ({'camera_height': 1.0, 'depth_scale': 1.1}, 'scale comes from the floor or from you'),
    ],
)
def test_invalid_values_are_refused_with_the_allowed_ones(change, message):
    with pytest.raises(NodeError, match=re.escape(message)):
        changed(Settings(), [Parameter(name, value=value) for name, value in change.items()])


def test_the_maximum_of_a_range_in_metres_means_no_limit():
    assert (reach(1000.0), reach(999.0)) == (float('inf'), 999.0)


def test_parameters_of_rclpy_are_ignored():
    others = [Parameter('use_sim_time', value=True), Parameter('qos_overrides./x', value=3)]
    assert changed(Settings(), others) == Settings()


@pytest.mark.parametrize(
    ('override', 'message'),
    [
        ('max_depth:=10', 'write the value in the same way'),
        ('steps:=many', 'write the value in the same way'),
        ('steps:=65', 'steps'),
        ('use_sim_time:=nonsense', 'use_sim_time. Write the value as true or false'),
        ('backend:=tflite', "backend is 'tflite'; allowed: auto, tensorrt, onnxruntime"),
        ('model:=/nowhere/model.onnx', 'model file /nowhere/model.onnx does not exist'),
        ('qos_overrides./points.publisher.reliability:=perhaps', 'check the qos_overrides'),
        ('device:=gpu', "device 'gpu'; allowed: auto, cpu, cuda"),
        ('precision:=int8', "precision is 'int8'; allowed: auto, fp32, fp16"),
        ('engine_size:=wide', "engine_size: size 'wide'; write height x width, like 192x256"),
        ('build_only:=true', 'cannot build: '),
        ('model:=no_such_model', "no shipped model 'no_such_model'"),
    ],
)
def test_a_node_that_cannot_start_says_why_and_exits_with_one(override, message, oracle):
    with free_domain() as domain:
        # Of two values for one parameter the last one is used.
        node = NodeProcess(domain, '--ros-args', '-p', f'model:={oracle}', '-p', override)
        assert node.wait() == 1
    assert message in node.output
    assert 'Traceback' not in node.output


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--ros-args', '--params-file', '/nowhere.yaml'], '--params-file /nowhere.yaml'),
        (['--ros-args', '-p', 'steps'], "'-p steps'"),
        (['--ros-args', '--steps'], "with these arguments and ROS_ variables: ['--steps']"),
        (['-p', 'steps:=2'], '-p steps:=2: unknown argument'),
        (['--', '--steps', '2', '--'], '[dmd]: --steps 2: unknown argument'),
        (['--steps', '2', '--ros-args', '-p', 'seed:=1'], '--steps 2: unknown argument'),
    ],
)
def test_arguments_that_ros_cannot_read_or_would_drop_are_reported(arguments, message):
    with free_domain() as domain:
        node = NodeProcess(domain, *arguments)
        assert node.wait() == 1
    assert message in node.output
    assert 'Traceback' not in node.output


@pytest.mark.parametrize('name', [f'__node:={"n" * 300}', f'__ns:=/{"n" * 240}'])
def test_a_name_that_is_too_long_ends_in_a_message(name):
    with free_domain() as domain:
        node = NodeProcess(domain, '--ros-args', '-r', name)
        assert node.wait() == 1
    assert 'rclpy cannot create the node: ' in node.output
    assert "length should not exceed '255" in node.output
    assert 'Traceback' not in node.output


@pytest.mark.parametrize('variable', ['ROS_LOG_DIR', 'ROS_HOME', 'HOME'])
def test_an_unwritable_log_folder_is_reported(variable, tmp_path):
    """It is not blamed on the arguments."""
    no_folder = tmp_path / 'file'
    no_folder.touch()
    place = {'ROS_LOG_DIR': '', 'ROS_HOME': '', variable: str(no_folder)}
    with free_domain() as domain:
        node = NodeProcess(domain, **place)
        assert node.wait() == 1
    assert 'rclpy cannot log: ' in node.output
    assert 'set ROS_LOG_DIR to a writable folder' in node.output
    assert 'arguments' not in node.output


def test_an_unusable_variable_is_not_blamed_on_the_arguments():
    """For this one rcl only reports "error not set"."""
    node = NodeProcess(0, ROS_SECURITY_ENABLE='true', ROS_SECURITY_STRATEGY='Enforce')
    assert node.wait() == 1
    assert 'rclpy does not start with these arguments and ROS_ variables: ' in node.output


@pytest.mark.parametrize('value', ['true', "'true'"])
def test_a_choice_that_yaml_reads_as_a_boolean_is_accepted(running, value):
    with running(autostart=False, input_rectified=value) as robot:
        assert robot.peer.state() == 'unconfigured'
        assert robot.peer.get_parameter('input_rectified') in (True, 'true')
        assert not robot.peer.set_parameter('input_rectified', 'false').successful


@pytest.mark.parametrize('words', [('--help',), ('-h', '--ros-args', '-p', 'steps:=2')])
def test_help_lists_every_parameter_and_starts_nothing(words):
    with free_domain() as domain:
        node = NodeProcess(domain, *words)
        assert node.wait() == 0
    assert node.output.startswith('usage: dmd_node --ros-args [-r image:=TOPIC]')
    assert [n for n in NAMES if f'\n  {n}:=' not in node.output] == []
    assert "\n  model:=''\n      path of an .onnx file or name" in node.output
    assert '\n  autostart:=true\n' in node.output


def test_help_tolerates_a_closed_pipe():
    command = f'{sys.executable} -m dmd_ros.ros.node --help | true'
    done = subprocess.run(['bash', '-o', 'pipefail', '-c', command], capture_output=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b'')


def test_an_unknown_parameter_is_reported_with_a_suggestion(running):
    """ROS silently drops a misspelt name, and the robot runs with the default."""
    points, image = (f'qos_overrides./{name}.depth' for name in ('points.publisher', 'image.sub'))
    with running(cloud_strid=4, **{points: 1, image: 5}) as robot:
        told = [line for line in robot.node.lines if 'has no effect' in line]
    assert len(told) == 2
    assert 'unknown parameter cloud_strid' in told[0]
    assert 'did you mean cloud_stride?' in told[0]
    assert f'unknown parameter {image}' in told[1]
