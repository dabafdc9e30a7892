"""The node table, and the launch file and RViz configuration against it.

The launch file itself runs only where launch_ros is installed; there it is evaluated for every combination of its
switches. Without it (the wheels on PyPI have no launch) its text is held against the table.
"""

import ast
import importlib.util
import itertools
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import rclpy
from rclpy.context import Context

from wam_core.errors import ContractError
from wam_core.presets import load_preset, preset_names
from wam_core.robot.robot_file import load_robot
from wam_ros.graph_processes import command
from wam_ros.node_table import NODES, PARAMETERS, Options, launch_arguments, nodes_for, options_from

ROOT = Path(__file__).parent.parent
LAUNCH_FILE = ROOT / "launch" / "bringup.launch.py"
SWITCHES = [Options(sim=s, rviz=v, record=r) for s, v, r in itertools.product((True, False), repeat=3)]


def names(options: Options) -> set[str]:
    return {node.name for node in nodes_for(options)}


def test_the_switches_choose_the_nodes() -> None:
    """On a real arm the simulated cell must not publish joint states of its own."""
    always = {"wam_executor", "wam_inference", "wam_futures"}
    assert names(Options()) == always | {"wam_cell"}
    assert names(Options(sim=False)) == always
    assert names(Options(record=True)) == always | {"wam_cell", "wam_recorder"}
    assert names(Options(rviz=True)) == always | {"wam_cell", "robot_state_publisher", "rviz2"}
    assert names(Options(sim=False, rviz=True)) == always | {"rviz2"}


def test_every_module_and_executable_exists() -> None:
    """`ros2 run wam <node>` and `wam up` starting different programs, or none."""
    scripts = dict(re.findall(r'"(\w+) = ([\w.]+):main"', (ROOT / "setup.py").read_text()))
    for node in NODES:
        if node.package == "wam":
            assert node.module is not None and importlib.util.find_spec(node.module), node.name
            assert scripts[node.name] == node.module
        assert set(node.parameters) <= set(PARAMETERS)
        assert set(node.when) <= set(Options.__dataclass_fields__)


def test_arguments_are_the_options() -> None:
    """A launch argument that nothing reads, or an option that no one can set."""
    assert [a.name for a in launch_arguments()] == list(Options.__dataclass_fields__)
    for argument in launch_arguments():
        assert argument.default in argument.choices and len(argument.description.split()) > 3
    assert options_from({a.name: a.default for a in launch_arguments()}) == Options()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "fastwam"}, "did you mean 'fast_wam'"),
        ({"robot": "panda"}, "panda_cell"),
        ({"sim": "yes"}, "false, true"),
        ({"modle": "fast_wam"}, "did you mean 'model'"),
    ],
)
def test_a_wrong_argument_is_named(given: dict[str, str], message: str) -> None:
    """A mistyped argument that is silently ignored starts the default model on the arm."""
    with pytest.raises(ContractError, match=message):
        options_from(given)


@pytest.mark.parametrize("model", preset_names())
def test_the_model_reaches_inference_as_a_parameter_file(model: str) -> None:
    """model:= that changes the launch output but not what the node loads."""
    (node,) = [node for node in NODES if node.name == "wam_inference"]
    words = command(node, Options(model=model, sim=False))
    assert words[words.index("--params-file") + 1] == str(ROOT / "config" / "wam" / f"{model}.yaml")
    assert 'robot:="panda_cell"' in words and "use_sim_time:=false" in words


def test_a_node_may_run_elsewhere_hear_other_topics_and_have_further_parameters() -> None:
    """A fault run whose cell is the one of every day, or whose model is on the same host after all."""
    (node,) = [node for node in NODES if node.name == "wam_cell"]
    changed = replace(node, prefix=("nice",), remappings={"/a": "/b"}, settings={"link_mass": 1.3})
    words = command(changed, Options())
    assert words == ["nice", *command(node, Options()), "-p", "link_mass:=1.3", "-r", "/a:=/b"]


@pytest.mark.parametrize("model", preset_names())
def test_every_preset_is_a_ros_parameter_file(model: str) -> None:
    """A preset that YAML reads and ROS refuses (mixed lists, empty lists, nulls) fails only on the robot."""
    context = Context()
    rclpy.init(args=["--ros-args", "--params-file", str(preset_names()[model])], context=context)
    node = rclpy.create_node("reader", context=context, automatically_declare_parameters_from_overrides=True)
    try:
        assert node.get_parameter("name").value == model
        assert set(node.get_parameter("layout.cameras").value) <= {c.name for c in load_robot("panda_cell").cameras}
        assert node.get_parameter(f"groups.{load_preset(model).basis}.sees").value
    finally:
        node.destroy_node()
        context.shutdown()


def test_the_launch_file_is_made_from_the_table() -> None:
    """A node added to the table and forgotten in the launch file, or the other way round."""
    text = LAUNCH_FILE.read_text()
    code = ast.unparse(ast.parse(text))
    for name in ("launch_arguments", "nodes_for", "options_from", "parameter_files", "parameters", "arguments"):
        assert f"node_table.{name}(" in code
    literals = {n.value for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant)}
    assert not literals & {node.name for node in NODES}


if importlib.util.find_spec("launch_ros") is not None:

    @pytest.mark.parametrize("options", SWITCHES, ids=str)
    def test_the_launch_file_starts_the_table(options: Options) -> None:
        """The launch file under the real launch: every node, with its executable, in the table's order."""
        from launch import LaunchContext
        from launch_ros.actions import LifecycleNode, Node

        module = load_launch_file()
        description = module.generate_launch_description()
        arguments = description.get_launch_arguments()
        assert [a.name for a in arguments] == [a.name for a in launch_arguments()]
        assert all(a.choices and a.description for a in arguments)
        context = LaunchContext()
        for name in Options.__dataclass_fields__:
            value = getattr(options, name)
            context.launch_configurations[name] = str(value).lower() if isinstance(value, bool) else value
        nodes = [action for action in module.start_graph(context) if isinstance(action, Node)]
        wanted = nodes_for(options)
        assert [(n.node_package, n.node_executable) for n in nodes] == [(n.package, n.name) for n in wanted]
        assert [isinstance(n, LifecycleNode) for n in nodes] == [n.lifecycle for n in wanted]


def load_launch_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bringup", LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
