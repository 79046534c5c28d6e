# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node with its parameters file, the DDS profile for large messages, and RViz on request."""

from __future__ import annotations

import atexit
import difflib
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

# launch/ and config/ are neighbours in a checkout as in share/dmd_ros: no package index is needed.
SHARE = Path(__file__).resolve().parents[1]
PROFILE = SHARE / 'config' / 'fastdds_large_data.xml'
PROFILE_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD_PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
# Kilted and later only warn about the old name; these know no other.
OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')

ARGUMENTS = {
    'namespace': ('', 'namespace of the node and its topics'),
    'image': ('image', 'topic of the images (without /compressed)'),
    'camera_info': ('', 'topic of the camera_info; empty: camera_info beside the image'),
    'params_file': (str(SHARE / 'config' / 'dmd.yaml'), 'parameters; see config/dmd.yaml'),
    'image_transport': (
        '',
        'overrides the parameter image_transport: raw or compressed; RViz goes by it alone',
    ),
    'use_sim_time': ('', 'overrides the parameter use_sim_time: true takes time from /clock'),
    'rviz': ('false', 'open RViz'),
    'fixed_frame': ('camera', 'frame_id of the images, for RViz where there is no TF'),
}
# Name and default, whose type is the parameter's.
PARAMETERS = yaml.safe_load((SHARE / 'config' / 'dmd.yaml').read_text())['/**']['ros__parameters']
for _name in PARAMETERS:
    ARGUMENTS.setdefault(_name, ('', f'overrides the parameter {_name}'))
# How near a word of the command line must be to an argument to be called a misspelling of it.
NEAR = 0.8
FLAG = ('true', 'false', 'True', 'False')
# Arguments go into a section that no file has, and that fits the node by whatever name it is
# started. Of those that fit ROS takes the value in the one that it met last, and of several types
# in one section a flag before a number and a text: from /**, where launch puts a dict, an argument
# might lose to the file without a word.
SECTION = '/**/**/*'
CHOICES = {'use_sim_time': ('', *FLAG), 'rviz': FLAG}


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    arguments = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=meaning,
            choices=CHOICES.get(name),
        )
        for name, (default, meaning) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, *profile(), OpaqueFunction(function=nodes)])


def profile() -> list[SetEnvironmentVariable]:
    """Give all processes the DDS profile, unless the user has chosen one."""
    if PROFILE_VARIABLE in os.environ or OLD_PROFILE_VARIABLE in os.environ:
        return []
    names = [PROFILE_VARIABLE]
    if os.environ.get('ROS_DISTRO', OLD_DISTRIBUTIONS[-1]) in OLD_DISTRIBUTIONS:
        names.append(OLD_PROFILE_VARIABLE)
    return [SetEnvironmentVariable(name, str(PROFILE)) for name in names]


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Build the nodes; here the arguments have values."""
    for trouble in misspelt(context.argv):
        get_logger('dmd.launch.py').warning(trouble)
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    file = Path(value['params_file']).expanduser()  # as model is; the shell leaves a ~ after :=
    if not file.is_file():
        # launch_ros only warns, and the node would run with other parameters than wanted.
        raise RuntimeError(f'params_file: {file} is no file; give the path of a parameters file')
    image = value['image']
    info = value['camera_info'] or str(PurePosixPath(image or 'image').with_name('camera_info'))
    given = {
        name: _typed(name, value[name], default)
        for name, default in PARAMETERS.items()
        if value[name]
    }
    # Not set unless asked for: the file, or a launch around this one, may have set it.
    sim_time = value['use_sim_time'].lower()
    if sim_time:
        given['use_sim_time'] = sim_time == 'true'
    node = Node(
        # package='dmd_ros' needs the ament index, which a checkout and a pip installation lack.
        # The interpreter that runs this file finds the module in all three.
        executable=sys.executable,
        arguments=['-m', 'dmd_ros.ros.node'],
        additional_env=_python_path(),
        namespace=value['namespace'],
        parameters=[str(file), _params_file(given)] if given else [str(file)],
        remappings=[('image', image), ('camera_info', info)],
        output='screen',
    )
    # RViz first: a launch that fails because it is not installed leaves running what came before.
    return [_rviz(value, given), node] if value['rviz'].lower() == 'true' else [node]


def misspelt(words: Iterable[str]) -> list[str]:
    """Say which of `words`, NAME:=VALUE, are nearly arguments: launch drops what it does not know.

    A launch file around this one may know them, as a camera's camera_info_url.
    """
    names = (word.partition(':=')[0] for word in words)
    found = []
    for name in sorted(set(names) - ARGUMENTS.keys()):
        near = difflib.get_close_matches(name, ARGUMENTS, 1, NEAR)
        if near:
            found.append(f'dmd.launch.py has no argument {name}; did you mean {near[0]}?')
    return found


def _typed(name: str, text: str, default: object) -> object:
    """Read an argument as its parameter's type: 30 is no double to the node, nor 123 a name."""
    if isinstance(default, str):
        return text
    value = yaml.safe_load(text)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise RuntimeError(f'{name}:={text}: a value such as {default} is expected')
    return value


def _params_file(given: dict[str, object]) -> str:
    """Write a parameters file, in JSON, which quotes texts: ROS takes a bare 1e5 for a number."""
    return _temporary(
        json.dumps({SECTION: {'ros__parameters': given}}, ensure_ascii=False), '.yaml'
    )


def _rviz(value: dict[str, str], given: dict[str, object]) -> Node:
    prefix = '/'.join(('', *filter(None, value['namespace'].split('/'))))
    image = value['image'] if value['image'].startswith('/') else f'{prefix}/{value["image"]}'
    own = ('points', 'depth/image', 'depth/color')
    return Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', _rviz_config(value['image_transport']), '-f', value['fixed_frame']],
        parameters=[{'use_sim_time': given['use_sim_time']}] if 'use_sim_time' in given else [],
        # The second one for image_transport before Kilted, which remaps what it has put together.
        remappings=[
            ('/image', image),
            ('/image/compressed', f'{image}/compressed'),
            *((f'/{name}', f'{prefix}/{name}') for name in own),
        ],
    )


def _rviz_config(transport: str) -> str:
    """Give RViz's file: the topic's name in there alone tells it the transport of pictures."""
    config = SHARE / 'config' / 'dmd.rviz'
    if transport != 'compressed':
        return str(config)
    text = config.read_text().replace('Value: /image\n', 'Value: /image/compressed\n')
    return _temporary(text, '.rviz')


def _temporary(text: str, suffix: str) -> str:
    """Write a file for the processes, which the launch outlives."""
    with tempfile.NamedTemporaryFile(
        'w', prefix='dmd_', suffix=suffix, encoding='utf-8', delete=False
    ) as file:
        file.write(text)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def _python_path() -> dict[str, str]:
    """Let a checkout that is not installed find itself, from whatever folder it is launched."""
    if not (SHARE / 'dmd_ros').is_dir():
        return {}
    inherited = os.environ.get('PYTHONPATH')
    return {'PYTHONPATH': os.pathsep.join(filter(None, (str(SHARE), inherited)))}
