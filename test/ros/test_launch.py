# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run for real: the node they start must answer pictures with depth.

RViz and `ros2 bag play` are stood in for by scripts, as a test machine has no display and maybe no
command-line tools; the node, its parameters and its remaps are the real ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from peers import HEIGHT, OUTPUTS, ROOT, WIDTH, NodeProcess, Peer, free_domain

from dmd_ros.ros.outputs import TOPICS

pytest.importorskip('launch_ros')

# What `ros2 launch FILE name:=value ...` does.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [a.split(':=', 1) for a in sys.argv[2:]]
service = LaunchService(argv=sys.argv[2:])
source = AnyLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@contextlib.contextmanager
def launched(file: str, *arguments: str, peer: dict | None = None, **env: str) -> Iterator:
    with free_domain() as domain:
        command = [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / file)]
        # From a folder that is not the checkout, as a user would.
        process = NodeProcess(domain, *arguments, command=command, cwd='/', **env)
        side = Peer(domain, **(peer or {}))
        try:
            yield SimpleNamespace(process=process, peer=side)
        finally:
            code = process.stop()
            side.close()
        assert code == 0, process.output
        assert 'Traceback' not in process.output, process.output


def stand_in(path: Path, body: str = '') -> Path:
    """Write a program that records its arguments and environment next to itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = '{"arguments": sys.argv[1:], "environment": dict(os.environ)}'
    path.write_text(
        f'#!{sys.executable}\nimport json, os, pathlib, sys\n'
        f'pathlib.Path({str(path)!r} + ".json").write_text(json.dumps({note}))\n{body}\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def note_of(path: Path) -> SimpleNamespace:
    return SimpleNamespace(**json.loads(Path(f'{path}.json').read_text()))


def test_arguments_reach_the_node(oracle, tmp_path):
    section = yaml.safe_load((ROOT / 'config' / 'dmd.yaml').read_text())
    section['/**']['ros__parameters'].update(cloud_stride=4, diagnostics_period=0.1)
    params = tmp_path / 'my.yaml'
    params.write_text(yaml.safe_dump(section))
    options = ('namespace:=robot', 'image:=/cam/image_raw', f'params_file:={params}')
    more = (f'model:={oracle}', 'backend:=onnxruntime', 'use_sim_time:=false')
    with launched('dmd.launch.py', *options, *more, peer={'listen': ()}) as run:
        run.process.wait_line('active: /cam/image_raw + /cam/camera_info -> /robot/depth/image')
        peer = run.peer
        for topic in ('/robot/points', '/robot/depth/image'):
            OUTPUTS.setdefault(topic, OUTPUTS[topic.removeprefix('/robot/')])
            peer.listen(topic)
        peer.aim('/cam/image_raw', '/cam/camera_info')
        peer.ask_grey()
        (cloud,) = peer.received['/robot/points'][-1:]
        assert (cloud.height, cloud.width) == (HEIGHT // 4, WIDTH // 4)  # from the file
        values = peer.wait_diagnostics(lambda d: d['state'] == 'active')
        assert (values['model file'], values['backend']) == (str(oracle), 'onnxruntime')


def test_every_parameter_is_an_argument_of_its_own_type(oracle, tmp_path):
    # Including an integer for a double, and texts that look like a boolean and a number.
    params = tmp_path / 'my.yaml'
    params.write_text('/**:\n  ros__parameters:\n    input_rectified: false\n    max_depth: 9.0\n')
    wanted = {'max_depth': 30.0, 'steps': 2, 'edge_filter_depth': True}
    wanted['input_rectified'] = 'true'
    wanted['engine_cache_dir'] = '1e5'
    options = ('max_depth:=30', 'steps:=2', 'input_rectified:=true', 'edge_filter_depth:=True')
    options += ('engine_cache_dir:=1e5',)
    with launched('dmd.launch.py', f'model:={oracle}', f'params_file:={params}', *options) as run:
        run.process.wait_line('active: ')
        assert {name: run.peer.get_parameter(name) for name in wanted} == wanted


FILE = """
/**:
  ros__parameters: {input_rectified: false, max_depth: 9, steps: 1, use_sim_time: false}
/front/dmd:
  ros__parameters: {cloud_stride: 4, max_depth: 8.0, steps: 2, use_sim_time: false}
/front:
  dmd:
    ros__parameters: {samples: 2}
/rear/dmd:
  ros__parameters: {samples: a lot}
"""


def test_an_argument_overrides_the_file_in_any_section_and_type(oracle, tmp_path):
    """With one file for two cameras; values without an argument come from the file."""
    params = tmp_path / 'my.yaml'
    params.write_text(FILE)
    given = {'input_rectified': 'auto', 'max_depth': 30.0, 'steps': 3, 'use_sim_time': True}
    options = [f'{name}:={value}' for name, value in given.items()]
    options += ['namespace:=front', f'params_file:={params}', f'model:={oracle}']
    with launched('dmd.launch.py', *options, peer={'target': '/front/dmd'}) as run:
        run.process.wait_line('active: ')
        wanted = {**given, 'cloud_stride': 4, 'samples': 2}
        found = {name: run.peer.get_parameter(name) for name in wanted}
        assert found == wanted


RENAMED = """
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetRemap
from launch import LaunchDescription

def generate_launch_description():
    source = PythonLaunchDescriptionSource({file!r})
    return LaunchDescription([GroupAction([
        SetRemap('__node', 'front_depth'),
        IncludeLaunchDescription(source, launch_arguments={arguments!r}.items()),
    ])])
"""


def test_arguments_reach_a_node_that_a_launch_around_it_renames(oracle, tmp_path):
    own = tmp_path / 'own.launch.py'
    given = {'namespace': 'robot', 'model': str(oracle), 'cloud_stride': '4'}
    own.write_text(RENAMED.format(file=str(ROOT / 'launch' / 'dmd.launch.py'), arguments=given))
    with launched(str(own), peer={'target': '/robot/front_depth'}) as run:
        run.process.wait_line('active: ')
        assert run.peer.get_parameter('cloud_stride') == 4
        assert run.peer.get_parameter('model') == str(oracle)


@pytest.mark.parametrize('argument', ['', 'true', 'false'])
def test_simulated_time_is_as_the_file_says_unless_the_argument_is_given(
    oracle, tmp_path, argument
):
    params = tmp_path / 'my.yaml'
    params.write_text('/**:\n  ros__parameters:\n    use_sim_time: true\n')
    options = ('params_file:=~/my.yaml', f'model:={oracle}', f'use_sim_time:={argument}')
    with launched('dmd.launch.py', *options, HOME=str(tmp_path)) as run:
        run.process.wait_line('active: ')
        assert run.peer.get_parameter('use_sim_time') == (argument != 'false')


@pytest.fixture
def rviz(tmp_path):
    """Create a package rviz2 whose program records its start; return the file of the record."""
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'rviz2').touch()
    prefixes = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get('AMENT_PREFIX_PATH'))))
    program = stand_in(tmp_path / 'lib' / 'rviz2' / 'rviz2')
    return SimpleNamespace(program=program, environment={'AMENT_PREFIX_PATH': prefixes})


def displays_of(note: SimpleNamespace) -> dict[str, str]:
    """Return the reliability of the displays of RViz, by topic."""
    config = note.arguments[note.arguments.index('-d') + 1]
    displays = yaml.safe_load(Path(config).read_text())['Visualization Manager']['Displays']
    return {
        d['Topic']['Value']: d['Topic']['Reliability Policy'] for d in displays if 'Topic' in d
    }


def test_a_compressed_stream_takes_one_argument(oracle, rviz):
    options = ('image:=/cam/image_raw', 'image_transport:=compressed', f'model:={oracle}')
    with launched('dmd.launch.py', *options, 'rviz:=true', **rviz.environment) as run:
        run.process.wait_line('active: /cam/image_raw/compressed + /cam/camera_info -> ')
        run.process.wait_line('process has finished cleanly')  # the stand-in for RViz
        note = note_of(rviz.program)
        displays = displays_of(note)
    assert not Path(note.arguments[note.arguments.index('-d') + 1]).exists()
    # RViz interprets "compressed" as the transport and subscribes through image_transport.
    assert displays.keys() == {
        '/image/compressed', '/depth/color', '/depth/image', '/points'
    }  # fmt: skip
    for rule in ('/image:=/cam/image_raw', '/image/compressed:=/cam/image_raw/compressed'):
        assert rule in note.arguments


def test_defaults_start_the_node_with_the_shipped_parameters_and_profile(oracle, rviz):
    with launched('dmd.launch.py', f'model:={oracle}', 'rviz:=true', **rviz.environment) as run:
        run.process.wait_line('active: /image + /camera_info -> /depth/image, /points')
        run.peer.ask_grey()
        run.process.wait_line('process has finished cleanly')  # the stand-in for RViz
    note = note_of(rviz.program)
    topics = displays_of(note)
    assert set(topics) == {'/image', '/depth/color', '/depth/image', '/points'}
    assert topics['/points'] == 'Reliable'
    profile = ROOT / 'config' / 'fastdds_large_data.xml'
    assert note.environment['FASTDDS_DEFAULT_PROFILES_FILE'] == str(profile)


@pytest.mark.parametrize(
    ('file', 'name'), [('dmd', 'rviz'), ('dmd', 'use_sim_time'), ('replay', 'loop')]
)
def test_an_invalid_boolean_is_quoted_in_the_error(file, name):
    with free_domain() as domain:
        command = [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / f'{file}.launch.py')]
        process = NodeProcess(domain, 'bag:=x', f'{name}:=maybe', command=command, cwd='/')
        assert process.wait() == 1
    assert f'Argument "{name}" provided value "maybe" is not valid' in process.output


def test_an_invalid_value_is_quoted_in_the_error():
    with free_domain() as domain:
        command = [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / 'dmd.launch.py')]
        process = NodeProcess(domain, 'steps:=many', command=command, cwd='/')
        assert process.wait() == 1
    assert 'steps:=many: expected a value such as 0' in process.output


def test_a_misspelt_argument_is_reported_with_a_suggestion(oracle):
    """Launch drops unknown names; some may belong to an including launch file."""
    arguments = (f'model:={oracle}', 'step:=2', 'robot_name:=anna')
    with launched('dmd.launch.py', *arguments) as run:
        run.process.wait_line('dmd.launch.py has no argument step; did you mean steps?')
        assert run.process.output.count('did you mean') == 1
        run.process.wait_line('active: ')


def test_a_missing_parameters_file_starts_nothing(tmp_path):
    with free_domain() as domain:
        command = [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / 'dmd.launch.py')]
        options = ('params_file:=~/my.yaml',)
        process = NodeProcess(domain, *options, command=command, cwd='/', HOME=str(tmp_path))
        assert process.wait() == 1
    assert f'params_file: {tmp_path}/my.yaml is not a file' in process.output
    assert 'process started' not in process.output


def test_nothing_starts_if_rviz_is_not_installed(tmp_path):
    with free_domain() as domain:
        command = [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / 'dmd.launch.py')]
        environment = {'AMENT_PREFIX_PATH': str(tmp_path)}
        process = NodeProcess(domain, 'rviz:=true', command=command, cwd='/', **environment)
        assert process.wait() == 1
    assert "package 'rviz2' not found" in process.output
    with pytest.raises(ProcessLookupError):  # no process of its group is left
        os.killpg(process.pid, signal.SIGKILL)


PLAY = """
import time
sys.path[:0] = [{tests!r}, {root!r}]
from peers import HEIGHT, WIDTH, Peer, image_of, info_of
from rosgraph_msgs.msg import Clock
import numpy as np
del sys.argv[1:]  # the remaps are the player's
peer = Peer(int(os.environ['ROS_DOMAIN_ID']))
clock = peer.node.create_publisher(Clock, '/clock', 10)
peer.aim('/cam/image_raw', '/cam/camera_info')
for k in range(3):
    now = Clock()
    now.clock.sec = 100 + k
    clock.publish(now)
    stamp = now.clock.sec * 1000000000
    peer.ask(image_of(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), stamp), info_of(stamp))
print('bag played, depth came back', flush=True)
peer.close()
"""


def test_replay_plays_the_bag_through_the_node_and_ends_with_it(oracle, tmp_path):
    body = PLAY.format(tests=str(Path(__file__).parent), root=str(ROOT))
    ros2 = stand_in(tmp_path / 'bin' / 'ros2', body)
    path = os.pathsep.join((str(ros2.parent), os.environ['PATH']))
    options = ('bag:=/data/my bag', 'rviz:=false', 'image:=/cam/image_raw', 'rate:=0.5')
    with launched('replay.launch.py', *options, f'model:={oracle}', PATH=path) as run:
        assert run.process.wait() == 0, run.process.output
        assert 'bag played, depth came back' in run.process.output
        assert 'cannot' not in run.process.output
    played = note_of(ros2)
    assert played.arguments[:3] == ['bag', 'play', '/data/my bag']
    assert '--clock' in played.arguments and '--loop' not in played.arguments
    assert played.arguments[played.arguments.index('--rate') + 1] == '0.5'


PLAY_RECORDED = """
import time
import rclpy
from sensor_msgs.msg import Image
rules = sys.argv[sys.argv.index('--remap') + 1:]
rclpy.init(args=[word for rule in rules for word in ('--ros-args', '--remap', rule)])
player = rclpy.create_node('rosbag2_player')
topics = {topics!r}
played = [player.create_publisher(Image, name, 1).topic_name for name in topics]
while not player.count_publishers(topics[0]):
    time.sleep(0.1)  # until the node that publishes the topic has started
print('played:', *played, flush=True)
"""


def test_recorded_outputs_of_a_depth_node_are_played_under_another_name(oracle, tmp_path):
    own = [f'/robot/{name}' for name in TOPICS] + ['/diagnostics']
    others = ['/robot/image', '/robot/lidar/points', '/tf']
    body = PLAY_RECORDED.format(topics=[*own, *others])
    ros2 = stand_in(tmp_path / 'bin' / 'ros2', body)
    path = os.pathsep.join((str(ros2.parent), os.environ['PATH']))
    options = ('bag:=x', 'rviz:=false', 'namespace:=robot', f'model:={oracle}')
    with launched('replay.launch.py', *options, PATH=path) as run:
        assert run.process.wait() == 0, run.process.output
    expected = [*(f'/bag{name}' for name in own), *others]
    assert f'played: {" ".join(expected)}\n' in run.process.output


def test_a_profile_that_the_user_has_chosen_is_kept(oracle, tmp_path):
    own = tmp_path / 'own.xml'
    own.write_text((ROOT / 'config' / 'fastdds_large_data.xml').read_text())
    body = PLAY.format(tests=str(Path(__file__).parent), root=str(ROOT))
    ros2 = stand_in(tmp_path / 'bin' / 'ros2', body)
    with launched(
        'replay.launch.py',
        'bag:=x',
        'rviz:=false',
        'image:=/cam/image_raw',
        f'model:={oracle}',
        PATH=os.pathsep.join((str(ros2.parent), os.environ['PATH'])),
        FASTDDS_DEFAULT_PROFILES_FILE=str(own),
    ) as run:
        assert run.process.wait() == 0, run.process.output
    assert note_of(ros2).environment['FASTDDS_DEFAULT_PROFILES_FILE'] == str(own)
