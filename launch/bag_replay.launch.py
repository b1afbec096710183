# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the node, in the bag's own time; the bag starts once the node is active."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.event_handlers import OnStateTransition


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch triton_ros bag_replay.launch.py bag:=...` does.

    The arguments of triton.launch.py work here too.
    """
    triton = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name("triton.launch.py"))),
        launch_arguments={"use_sim_time": "true", "autostart": "true"}.items(),
    )
    play = ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", LaunchConfiguration("bag")),
            *("--clock", "100", "--rate", LaunchConfiguration("rate")),
        ],
        output="screen",
    )
    active = OnStateTransition(
        start_state="activating", goal_state="active", entities=[play], handle_once=True
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Folder of the rosbag2 to play"),
            DeclareLaunchArgument("rate", default_value="1.0", description="Speed of the replay"),
            RegisterEventHandler(active),
            triton,
        ]
    )
