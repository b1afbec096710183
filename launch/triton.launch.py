# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start the node and, with autostart, bring it to active.

The transitions are launch's own events, which do not need the `autostart` that launch_ros has from
Kilted on; the node's parameter `autostart` is for where nothing launches it and is false here,
whatever the file says: two who start it would be in each other's way.  With `respawn` it is the
other way round: for a while after a crash, launch would ask the services of the dead process.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

PACKAGE = "triton_ros"
RESPAWN_DELAY_S = 2.0
PARAMS_FILE = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "triton.yaml"])
ARGUMENTS = [
    DeclareLaunchArgument(
        "params_file", default_value=PARAMS_FILE, description="YAML file with the node's parameters"
    ),
    DeclareLaunchArgument(
        "model_repository",
        default_value="",
        description="Model repositories, separated by ':'; empty for those of params_file",
    ),
    DeclareLaunchArgument(
        "pipelines_file",
        default_value="",
        description="YAML file that wires cameras to models; empty for that of params_file",
    ),
    DeclareLaunchArgument("name", default_value=PACKAGE, description="Name of the node"),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=["true", "false"],
        description="Configure and activate the node; false leaves it unconfigured",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="Start the process again when it ends, however it does",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=["true", "false"],
        description="Take the time from /clock (a bag, a simulation)",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Lowest severity that is logged",
    ),
]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch triton_ros triton.launch.py` does."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list:
    """The node and its two transitions, once the arguments are known."""
    use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    respawn, autostart = (
        LaunchConfiguration(name).perform(context) == "true" for name in ("respawn", "autostart")
    )
    own = {"use_sim_time": use_sim_time, "autostart": autostart and respawn}
    parameters = [LaunchConfiguration("params_file"), own]
    repositories = LaunchConfiguration("model_repository").perform(context)
    if repositories:
        parameters.append({"model_repository": repositories.split(":")})
    pipelines_file = LaunchConfiguration("pipelines_file").perform(context)
    if pipelines_file:
        parameters.append({"pipelines_file": pipelines_file})
    node = LifecycleNode(
        package=PACKAGE,
        executable=PACKAGE,
        name=LaunchConfiguration("name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=parameters,
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=respawn,
        respawn_delay=RESPAWN_DELAY_S,
    )
    if respawn or not autostart:
        return [node]
    configured = OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="inactive",
        entities=[transition(node, Transition.TRANSITION_ACTIVATE)],
        handle_once=True,  # whoever configures it again later decides what follows
    )
    return [
        RegisterEventHandler(configured),
        node,
        transition(node, Transition.TRANSITION_CONFIGURE),
    ]


def transition(node: LifecycleNode, transition_id: int) -> EmitEvent:
    """Ask the node for a transition, as soon as it offers the service."""
    event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition_id)
    return EmitEvent(event=event)
