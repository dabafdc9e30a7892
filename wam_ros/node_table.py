"""The graph as one table, read by launch/bringup.launch.py and by `wam up`."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wam_core.errors import look_up
from wam_core.paths import share_path
from wam_core.robot.robot_file import load_robot


@dataclass(frozen=True)
class Options:
    """What a user chooses about the graph; the fields are the launch arguments."""

    robot: str = "panda_cell"
    model: str = "fast_wam"
    sim: bool = True
    rviz: bool = False
    record: bool = False


@dataclass(frozen=True)
class Argument:
    """A launch argument; ``choices`` are all accepted values."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class GraphNode:
    """One process of the graph.

    Attributes:
        name: name in the ROS graph; its executable in ``package`` has the same name unless given.
        module: Python module that runs it (``python -m``); None for a node of another package.
        lifecycle: whether it is to be configured and activated after it has started.
        when: options that must all be on for it to run.
        parameter_files: relative to the package's share folder, ``{model}`` and ``{robot}`` filled in.
        parameters: names in :data:`PARAMETERS`.
        arguments: command line before the ROS arguments; the words of :data:`WORDS` are filled in.
        settings: further parameters and their values, whatever the options.
        remappings: name of a topic -> the name it has for this node. prefix: what its command line begins with.
    """

    name: str
    module: str | None = None
    package: str = "wam"
    lifecycle: bool = False
    when: tuple[str, ...] = ()
    parameter_files: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("robot", "use_sim_time")
    arguments: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()


#: In the order in which they are started and, where they have a life cycle, activated: the arm can hold before
#: a model may speak.
NODES: tuple[GraphNode, ...] = (
    GraphNode("wam_cell", "wam_ros.cell_node", when=("sim",), parameters=("robot",)),
    GraphNode("wam_executor", "wam_ros.executor_node", lifecycle=True),
    GraphNode("wam_inference", "wam_ros.inference_node", lifecycle=True, parameter_files=("config/wam/{model}.yaml",)),
    GraphNode("wam_futures", "wam_ros.futures_node"),
    GraphNode("wam_recorder", "wam_ros.recorder_node", when=("record",)),
    GraphNode(
        "robot_state_publisher",
        package="robot_state_publisher",
        when=("sim", "rviz"),
        parameters=("robot_description", "use_sim_time"),
    ),
    GraphNode(
        "rviz2",
        package="rviz2",
        when=("rviz",),
        parameters=("use_sim_time",),
        arguments=("-d", "{rviz}"),
    ),
)

#: Parameter name -> its value under the chosen options.
PARAMETERS: Mapping[str, Callable[[Options], Any]] = {
    "robot": lambda options: options.robot,
    "use_sim_time": lambda options: options.sim,
    "robot_description": lambda options: share_path(load_robot(options.robot).urdf).read_text(),
}

#: Word of a command line -> what it stands for under the chosen options.
WORDS: Mapping[str, Callable[[Options], str]] = {"{rviz}": lambda options: _rviz_file(options)}


def launch_arguments() -> tuple[Argument, ...]:
    """The launch arguments with every value they accept, read from the parameter files that exist."""
    switch = ("true", "false")
    return (
        Argument("robot", "panda_cell", "robot contract, a file in config/robots", _presets("config/robots")),
        Argument("model", "fast_wam", "World Action Model, a file in config/wam", _presets("config/wam")),
        Argument("sim", "true", "the embedded MuJoCo cell stands in for the robot and gives the time", switch),
        Argument("rviz", "false", "show in RViz what the model imagines, the cameras, the plan and the robot", switch),
        Argument("record", "false", "record episodes as MCAP", switch),
    )


def options_from(values: Mapping[str, str]) -> Options:
    """Options from the text of the launch arguments; those not given keep their defaults.

    Raises:
        ContractError: an unknown argument, or a value that is not among its choices.
    """
    arguments = {argument.name: argument for argument in launch_arguments()}
    for name, value in values.items():
        look_up(dict.fromkeys(look_up(arguments, name, "launch argument").choices), value, name)
    chosen: dict[str, Any] = {
        name: value if name in ("robot", "model") else value == "true" for name, value in values.items()
    }
    return Options(**chosen)


def nodes_for(options: Options) -> list[GraphNode]:
    """The nodes that run under these options."""
    return [node for node in NODES if all(getattr(options, name) for name in node.when)]


def parameter_files(node: GraphNode, options: Options) -> list[Path]:
    """Absolute paths of the node's parameter files.

    Raises:
        ContractError: a file does not exist.
    """
    return [share_path(name.format(model=options.model, robot=options.robot)) for name in node.parameter_files]


def parameters(node: GraphNode, options: Options) -> dict[str, Any]:
    """The node's parameters beside its files; they override the files."""
    return {**{name: PARAMETERS[name](options) for name in node.parameters}, **node.settings}


def arguments(node: GraphNode, options: Options) -> Sequence[str]:
    """The node's command line before the ROS arguments."""
    return [WORDS[word](options) if word in WORDS else word for word in node.arguments]


def rviz_configuration(options: Options) -> str:
    """What RViz is to show of the model on the robot.

    Raises:
        ContractError: unknown model or robot.
    """
    # Presets know PyTorch, which takes seconds to load and which no other node's start needs.
    from wam_core.presets import load_preset
    from wam_core.viewing.displays import kinds_shown
    from wam_core.viewing.rviz import configuration

    robot, preset = load_robot(options.robot), load_preset(options.model)
    known = {camera.name for camera in robot.cameras}
    return configuration(robot, [c for c in preset.layout.cameras if c in known], kinds_shown(preset))


def _rviz_file(options: Options) -> str:
    """The configuration in a file of its own, written anew at each start."""
    home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    file = home / "wam" / f"{options.robot}_{options.model}.rviz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(rviz_configuration(options))
    return str(file)


def _presets(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in share_path(folder).glob("*.yaml")))
