"""`wam up`: real processes and real lifecycle nodes that start late, refuse, die, hang or are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wam_core.errors import ContractError
from wam_ros import graph_processes
from wam_ros.graph_processes import GraphProcesses, installed
from wam_ros.node_table import GraphNode, Options
from wam_ros.transitions import TransitionError, Transitions
from wam_ros.up import bring_up

#: A lifecycle node as small as it gets; what it does wrong is the first word of its command line.
LIFECYCLE_NODE = """
import sys, time
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn as Result

class Fake(LifecycleNode):
    def on_configure(self, state):
        if "slow" in sys.argv:
            time.sleep(3.0)
        if "dies" in sys.argv:
            sys.exit(3)
        return Result.FAILURE if "refuses" in sys.argv else Result.SUCCESS
    def on_activate(self, state):
        print("now active", flush=True)
        return super().on_activate(state)

if "late" in sys.argv:
    time.sleep(2.0)
rclpy.init(args=sys.argv)
try:
    rclpy.spin(Fake("fake"))
except (KeyboardInterrupt, ExternalShutdownException):
    pass
"""

STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
while True:
    time.sleep(60)
"""

Make = Callable[..., GraphProcesses]


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a graph out of the given nodes, whose modules lie in a folder of their own; all are gone afterwards."""
    (tmp_path / "fake_lifecycle.py").write_text(LIFECYCLE_NODE)
    (tmp_path / "fake_stubborn.py").write_text(STUBBORN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    made: list[GraphProcesses] = []

    def make(*nodes: GraphNode, show: Callable[[str], None] = lambda line: None) -> GraphProcesses:
        graph = GraphProcesses(Options(), show)
        graph.nodes = {node.name: node for node in nodes}
        made.append(graph)
        return graph

    yield make
    for graph in made:
        graph.stop()


def fake(*behaviour: str) -> GraphNode:
    return GraphNode("fake", "fake_lifecycle", lifecycle=True, parameters=(), arguments=behaviour)


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["prompt", "late", "slow"])
def test_a_lifecycle_node_becomes_active(graph: Make, behaviour: str) -> None:
    """A transition asked for before the node listens, or while it loads a model, is lost and it never activates."""
    lines: list[str] = []
    bring_up(graph(fake(behaviour), show=lines.append), ["fake"])
    assert wait_for(lambda: "[fake] now active" in lines)
    assert lines.count("[fake] now active") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "message"), [("refuses", "refused to be configured"), ("dies", "ended while it was starting")]
)
def test_a_failed_start_is_named(graph: Make, behaviour: str, message: str) -> None:
    """Waiting forever for a node that has said no, or is no more."""
    with pytest.raises(TransitionError, match=f"fake {message}"):
        bring_up(graph(fake(behaviour)), ["fake"])


@pytest.mark.slow
def test_a_killed_node_comes_back(graph: Make) -> None:
    """After kill -9 the dead node's services stay listed for seconds; requests sent to them are never answered."""
    lines: list[str] = []
    running = graph(fake(), show=lines.append)
    bring_up(running, ["fake"])
    running.process("fake").kill()
    assert running.ended.get(timeout=10.0) == "fake"
    bring_up(running, ["fake"])
    assert wait_for(lambda: lines.count("[fake] now active") == 2)


@pytest.mark.slow
def test_a_node_that_never_answers_runs_into_the_limit(graph: Make) -> None:
    """A hung node that blocks the whole start-up without a word."""
    running = graph(GraphNode("hung", "fake_stubborn", lifecycle=True, parameters=()))
    running.start("hung")
    with Transitions("impatient") as transitions, pytest.raises(TransitionError, match="hung did not get ready"):
        transitions.activate("hung", lambda: running.alive("hung"), timeout_s=1.0)


def test_stopping_ends_what_ignores_signals(graph: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that ignores Ctrl-C stays behind and keeps commanding the arm."""
    monkeypatch.setattr(graph_processes, "INTERRUPT_PATIENCE_S", 0.2)
    monkeypatch.setattr(graph_processes, "TERMINATE_PATIENCE_S", 0.2)
    lines: list[str] = []
    running = graph(GraphNode("stubborn", "fake_stubborn", parameters=()), show=lines.append)
    running.start("stubborn")
    assert wait_for(lambda: lines == ["[stubborn] up"])
    running.stop()
    assert running.process("stubborn").returncode == -signal.SIGKILL


def test_a_running_node_is_not_started_twice(graph: Make) -> None:
    """Two executors that command one arm."""
    running = graph(GraphNode("stubborn", "fake_stubborn", parameters=()))
    running.start("stubborn")
    with pytest.raises(ContractError, match="not running"):
        running.start("stubborn")
    running.process("stubborn").kill()


def test_nodes_end_with_a_killed_parent(tmp_path: Path) -> None:
    """`kill -9` of wam up leaves an arm that moves with nobody watching."""
    (tmp_path / "fake_sleeper.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    program = (
        "import time\n"
        "from wam_ros.graph_processes import GraphProcesses\n"
        "from wam_ros.node_table import GraphNode, Options\n"
        "graph = GraphProcesses(Options())\n"
        "graph.nodes = {'sleeper': GraphNode('sleeper', 'fake_sleeper', parameters=())}\n"
        "graph.start('sleeper')\n"
        "print(graph.process('sleeper').pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "[sleeper] up\n"
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not Path(f"/proc/{child}").exists() or "Z" in _state(child))


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_a_package_that_is_not_installed_is_known_before(graph: Make) -> None:
    """A missing RViz discovered by a crash after the arm has started to move."""
    absent = GraphNode("absent_node", package="absent_package", parameters=())
    assert not installed(absent)
    with pytest.raises(ContractError, match="absent_package"):
        graph(absent).start("absent_node")


@pytest.mark.slow
def test_up_starts_the_robot_side_and_stops_it(tmp_path: Path) -> None:
    """The command itself: cell and executor up to active, prefixed output, nothing left after Ctrl-C."""
    wam = [sys.executable, "-m", "wam_core.cli.main", "up", "only:=wam_cell,wam_executor"]
    up = subprocess.Popen(wam, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert up.stdout is not None
    lines = []
    for line in up.stdout:
        lines.append(line)
        if "] ready: " in line:
            break
    assert lines[-1] == "[wam up] ready: wam_cell, wam_executor\n", "".join(lines)
    up.send_signal(signal.SIGINT)
    rest, _ = up.communicate(timeout=60.0)
    assert up.returncode == 0 and "[wam up] stopping" in rest
    assert any(line.startswith("[wam_cell] ") for line in [*lines, *rest.splitlines()])
