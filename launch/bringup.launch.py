"""Start the graph: every node of wam_ros.node_table that the arguments ask for, lifecycle nodes up to active.

    ros2 launch wam bringup.launch.py model:=fast_wam rviz:=true
    ros2 launch wam bringup.launch.py --show-args
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from wam_core.paths import share_path
from wam_ros import node_table
from wam_ros.node_table import GraphNode, Options


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.description, choices=list(a.choices))
        for a in node_table.launch_arguments()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_graph)])


def start_graph(context: LaunchContext) -> list[Action]:
    """The actions for the arguments as they were given; only now are their values known."""
    names = [a.name for a in node_table.launch_arguments()]
    options = node_table.options_from({name: LaunchConfiguration(name).perform(context) for name in names})
    actions: list[Action] = []
    if "FASTDDS_DEFAULT_PROFILES_FILE" not in os.environ:
        profile = str(share_path("config/fastdds.xml"))
        actions.append(SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", profile))
    for node in node_table.nodes_for(options):
        actions += start_node(node, options)
    return actions


def start_node(node: GraphNode, options: Options) -> list[Action]:
    """The node, and for a lifecycle node the handlers that configure it when it has started, then activate it."""
    kind = LifecycleNode if node.lifecycle else Node
    action = kind(
        package=node.package,
        executable=node.name,
        name=node.name,
        namespace="",
        output="screen",
        arguments=list(node_table.arguments(node, options)),
        parameters=[*map(str, node_table.parameter_files(node, options)), node_table.parameters(node, options)],
    )
    if not node.lifecycle:
        return [action]

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(action), transition_id=transition))

    configure = OnProcessStart(target_action=action, on_start=[change(Transition.TRANSITION_CONFIGURE)])
    activate = OnStateTransition(
        target_lifecycle_node=action,
        start_state="configuring",
        goal_state="inactive",
        entities=[change(Transition.TRANSITION_ACTIVATE)],
    )
    # The handlers come first: the process must not have started before somebody looks.
    return [RegisterEventHandler(configure), RegisterEventHandler(activate), action]
