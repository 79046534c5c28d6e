# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the live node; for metrics use dmd_ros.eval.replay."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

NODE_LAUNCH = Path(__file__).resolve().with_name('dmd.launch.py')
# Time for the player and the node to discover each other; otherwise the first frames are missed.
DISCOVERY_SECONDS = '2'

# Topics published by the node. A bag recorded while such a node was running contains them too.
OUTPUTS = ('depth/camera_info', 'depth/image', 'points', 'depth/uncertainty', 'depth/color')
RECORDED = '/bag'

ARGUMENTS = {
    'bag': (None, f"folder or file of the bag; the node's own topics are played under {RECORDED}"),
    'rate': ('1.0', 'playback rate'),
    'loop': ('false', 'repeat the bag'),
    'rviz': ('true', 'open RViz; if false, the launch ends with the bag'),
}
FLAG = ('true', 'false', 'True', 'False')


def generate_launch_description() -> LaunchDescription:
    """Describe the launch; all arguments of dmd.launch.py except use_sim_time work here too."""
    arguments = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=meaning,
            choices=FLAG if default in FLAG else None,
        )
        for name, (default, meaning) in ARGUMENTS.items()
    ]
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(NODE_LAUNCH)),
        launch_arguments={'use_sim_time': 'true', 'rviz': LaunchConfiguration('rviz')}.items(),
    )
    # The player comes after the node, whose launch file sets the DDS profile for both.
    return LaunchDescription([*arguments, node, OpaqueFunction(function=player)])


def player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Play the bag and publish its time on /clock."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    command = ['ros2', 'bag', 'play', value['bag'], '--clock', '--rate', value['rate']]
    command += ['--delay', DISCOVERY_SECONDS]
    if value['loop'].lower() == 'true':
        command.append('--loop')
    command += ['--remap', *aside(context.launch_configurations.get('namespace', ''))]
    play = ExecuteProcess(cmd=command, output='screen')
    if value['rviz'].lower() == 'true':
        return [play]
    end = OnProcessExit(target_action=play, on_exit=[Shutdown(reason='the bag has ended')])
    return [RegisterEventHandler(end), play]


def aside(namespace: str) -> list[str]:
    """Return remappings that separate the recorded outputs of a node from those of this one."""
    own = [str(PurePosixPath('/', namespace, name)) for name in OUTPUTS]
    return [f'{name}:={RECORDED}{name}' for name in (*own, '/diagnostics')]
