# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the node, in the bag's own time; the bag starts once the node is active.

With `output`, what the node publishes is recorded beside it.  When the bag is over, all ends.
To get every frame answered as fast as can be, without playing: `triton_ros replay`.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, NotEqualsSubstitution
from launch_ros.event_handlers import OnStateTransition

LAST_ANSWERS_S = 3.0
"""After the last frame was sent, answers may still come for so long."""

RESULTS = (
    "detections|classification|keypoints|class_map|instance_map|depth|tensors/.*"
    "|label_info|vision_info"
)
"""The topics of a stream that are recorded."""


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch triton_ros bag_replay.launch.py bag:=...` does.

    The arguments of triton.launch.py work here too.
    """
    triton = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name("triton.launch.py"))),
        launch_arguments={"use_sim_time": "true", "autostart": "true", "respawn": "false"}.items(),
    )
    play = ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", LaunchConfiguration("bag")),
            *("--clock", "100", "--rate", LaunchConfiguration("rate")),
        ],
        output="screen",
    )
    output = LaunchConfiguration("output")
    record = ExecuteProcess(
        cmd=[
            *("ros2", "bag", "record", "--use-sim-time", "--output", output, "--regex"),
            # Of this node: the bag may have answers of another one.
            [".*/", LaunchConfiguration("name"), f"/[^/]+/({RESULTS})"],
        ],
        output="screen",
        condition=IfCondition(NotEqualsSubstitution(output, "")),
    )
    active = OnStateTransition(
        start_state="activating", goal_state="active", entities=[record, play], handle_once=True
    )
    end = TimerAction(period=LAST_ANSWERS_S, actions=[Shutdown(reason="the bag is over")])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Folder of the rosbag2 to play"),
            DeclareLaunchArgument("rate", default_value="1.0", description="Speed of the replay"),
            DeclareLaunchArgument(
                "output",
                default_value="",
                description="Folder of a new bag with what the node publishes; empty for none",
            ),
            RegisterEventHandler(active),
            RegisterEventHandler(OnProcessExit(target_action=play, on_exit=[end])),
            triton,
        ]
    )
