# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the node with its parameters file and the DDS profile, and optionally RViz."""

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

# launch/ and config/ have the same parent in a checkout and in share/dmd_ros.
SHARE = Path(__file__).resolve().parents[1]
PROFILE = SHARE / 'config' / 'fastdds_large_data.xml'
PROFILE_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD_PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
# Kilted and later only warn about the old name; these distributions know no other.
OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')

ARGUMENTS = {
    'namespace': ('', 'namespace of the node and its topics'),
    'image': ('image', 'topic of the images (without /compressed)'),
    'camera_info': ('', 'topic of the camera_info; empty: camera_info beside the image'),
    'params_file': (str(SHARE / 'config' / 'dmd.yaml'), 'parameters; see config/dmd.yaml'),
    'image_transport': (
        '',
        'overrides the parameter image_transport: raw or compressed; RViz uses only this argument',
    ),
    'use_sim_time': ('', 'overrides the parameter use_sim_time: true takes time from /clock'),
    'rviz': ('false', 'open RViz'),
    'fixed_frame': ('camera', 'frame_id of the images, for RViz without TF'),
}
# Names and default values; the type of a default is the type of the parameter.
PARAMETERS = yaml.safe_load((SHARE / 'config' / 'dmd.yaml').read_text())['/**']['ros__parameters']
for _name in PARAMETERS:
    ARGUMENTS.setdefault(_name, ('', f'overrides the parameter {_name}'))
# Similarity (0 to 1) above which an unknown name is reported as a misspelt argument.
NEAR = 0.8
FLAG = ('true', 'false', 'True', 'False')
# Arguments are written to a section that no file has and that matches the node under any name. Of
# the sections that match, ROS uses the value from the last one; of values of several types in one
# section it prefers a boolean to a number or text. In /**, where launch puts a dict, an argument
# might silently lose to the file.
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
    """Set the DDS profile for all processes, unless the user has set one."""
    if PROFILE_VARIABLE in os.environ or OLD_PROFILE_VARIABLE in os.environ:
        return []
    names = [PROFILE_VARIABLE]
    if os.environ.get('ROS_DISTRO', OLD_DISTRIBUTIONS[-1]) in OLD_DISTRIBUTIONS:
        names.append(OLD_PROFILE_VARIABLE)
    return [SetEnvironmentVariable(name, str(PROFILE)) for name in names]


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Build the nodes, now that the arguments have values."""
    for trouble in misspelt(context.argv):
        get_logger('dmd.launch.py').warning(trouble)
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    file = Path(value['params_file']).expanduser()  # the shell does not expand ~ after :=
    if not file.is_file():
        # launch_ros only warns, and the node would run with the wrong parameters.
        raise RuntimeError(
            f'params_file: {file} is not a file; give the path of a parameters file'
        )
    image = value['image']
    info = value['camera_info'] or str(PurePosixPath(image or 'image').with_name('camera_info'))
    given = {
        name: _typed(name, value[name], default)
        for name, default in PARAMETERS.items()
        if value[name]
    }
    # Set only if given: the file or an including launch file may have set it.
    sim_time = value['use_sim_time'].lower()
    if sim_time:
        given['use_sim_time'] = sim_time == 'true'
    node = Node(
        # package='dmd_ros' needs the ament index, which a checkout and a pip installation lack.
        # The interpreter that runs this file finds the module in every case.
        executable=sys.executable,
        arguments=['-m', 'dmd_ros.ros.node'],
        additional_env=_python_path(),
        namespace=value['namespace'],
        parameters=[str(file), _params_file(given)] if given else [str(file)],
        remappings=[('image', image), ('camera_info', info)],
        output='screen',
    )
    # RViz first: if it is not installed, the launch fails, and must not leave the node running.
    return [_rviz(value, given), node] if value['rviz'].lower() == 'true' else [node]


def misspelt(words: Iterable[str]) -> list[str]:
    """Return warnings for `words`, NAME:=VALUE, similar to arguments: launch drops unknown ones.

    Others may belong to an including launch file, for example a camera's camera_info_url.
    """
    names = (word.partition(':=')[0] for word in words)
    found = []
    for name in sorted(set(names) - ARGUMENTS.keys()):
        near = difflib.get_close_matches(name, ARGUMENTS, 1, NEAR)
        if near:
            found.append(f'dmd.launch.py has no argument {name}; did you mean {near[0]}?')
    return found


def _typed(name: str, text: str, default: object) -> object:
    """Convert an argument to its parameter's type: the node does not accept 30 as a double."""
    if isinstance(default, str):
        return text
    value = yaml.safe_load(text)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise RuntimeError(f'{name}:={text}: expected a value such as {default}')
    return value


def _params_file(given: dict[str, object]) -> str:
    """Write a parameters file as JSON, which quotes text: ROS reads a bare 1e5 as a number."""
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
        # The second is for image_transport before Kilted, which remaps the full compressed name.
        remappings=[
            ('/image', image),
            ('/image/compressed', f'{image}/compressed'),
            *((f'/{name}', f'{prefix}/{name}') for name in own),
        ],
    )


def _rviz_config(transport: str) -> str:
    """Return RViz's config file, whose topic name alone determines the image transport."""
    config = SHARE / 'config' / 'dmd.rviz'
    if transport != 'compressed':
        return str(config)
    text = config.read_text().replace('Value: /image\n', 'Value: /image/compressed\n')
    return _temporary(text, '.rviz')


def _temporary(text: str, suffix: str) -> str:
    """Write a file for the child processes; it is deleted when the launch ends."""
    with tempfile.NamedTemporaryFile(
        'w', prefix='dmd_', suffix=suffix, encoding='utf-8', delete=False
    ) as file:
        file.write(text)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def _python_path() -> dict[str, str]:
    """Make an uninstalled checkout importable, whatever the working directory."""
    if not (SHARE / 'dmd_ros').is_dir():
        return {}
    inherited = os.environ.get('PYTHONPATH')
    return {'PYTHONPATH': os.pathsep.join(filter(None, (str(SHARE), inherited)))}
