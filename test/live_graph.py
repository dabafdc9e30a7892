"""Real node processes on a ROS domain of their own, and a client that talks to them."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from wam_core.realtime import favour_process
from wam_core.robot.robot_file import load_robot
from wam_msgs.msg import ActionChunk, ExecutorStatus, SafetyEvent
from wam_ros.graph_client import ACTIVATE, CONFIGURE, GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.node_table import Options
from wam_ros.qos import SENSOR

ROBOT = load_robot("panda_cell")
#: Lines of each node that a failure shows.
LAST_LINES = 15
#: An arm joint slower than this is at rest (rad/s).
REST = 0.01
#: ROS domains of these graphs; those of conftest.py lie below.
DOMAINS = range(51, 101)


@dataclass
class Live:
    """The running graph and everything it said."""

    processes: GraphProcesses
    client: GraphClient
    lines: list[str]
    status: ExecutorStatus = field(default_factory=ExecutorStatus)
    states: list[JointState] = field(default_factory=list)
    events: list[SafetyEvent] = field(default_factory=list)
    chunks: list[ActionChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        listen = self.client.listen
        listen(ExecutorStatus, "/wam_executor/status", lambda m: setattr(self, "status", m))
        listen(JointState, ROBOT.topics.joint_states, self.states.append, SENSOR)
        listen(SafetyEvent, "/wam_executor/safety_events", self.events.append)
        listen(ActionChunk, "/wam_inference/action_chunk", self.chunks.append)

    def activate(self, *names: str) -> None:
        for name in names:
            for transition in (CONFIGURE, ACTIVATE):
                assert self.client.change_state(name, transition), f"{name}: {self.said(name)}"

    def said(self, name: str) -> str:
        """Everything a node printed."""
        return "\n".join(line for line in self.lines if line.startswith(f"[{name}]"))

    def account(self) -> str:
        """What a failure must show: where the arm is in its life, and the last that each node said."""
        names = dict.fromkeys(line[: line.index("]") + 1] for line in self.lines)
        said = [line for name in names for line in [x for x in self.lines if x.startswith(name)][-LAST_LINES:]]
        status = f"{self.status.mode} {self.status.latch_reason} {', '.join(self.status.reasons)}".strip()
        events = [f"{event.code} {event.joint} {event.message}" for event in self.events[-LAST_LINES:]]
        return "\n".join((f"executor: {status}", f"chunks heard: {len(self.chunks)}", *events, *said))

    def wait_for_mode(self, mode: str, patience_s: float = 30.0) -> None:
        self.client.wait_until(lambda: self.status.mode == mode, f"mode {mode}", patience_s)

    def joints(self) -> Any:
        """Arm joint positions of a state that is measured from now on."""
        self.states.clear()
        self.client.wait_until(lambda: bool(self.states), "a joint state")
        return np.array(self.states[-1].position[: len(ROBOT.joints)])

    def speed(self) -> float:
        """Greatest arm joint speed in the newest state."""
        return float(np.max(np.abs(self.states[-1].velocity[: len(ROBOT.joints)])))

    def moves(self) -> bool:
        return bool(self.states) and self.speed() > 10 * REST

    def seconds_to_rest(self, patience_s: float = 5.0) -> float:
        """ROS time from the newest state until the arm is at rest and stays there for a quarter of a second."""
        begin_ns = last_ns = _stamp_ns(self.states[-1])
        end = time.monotonic() + patience_s
        while _stamp_ns(self.states[-1]) - last_ns < 250_000_000:
            assert time.monotonic() < end, f"still moving with {self.speed():.3f} rad/s"
            self.client.spin(0.002)
            if self.speed() > REST:
                last_ns = _stamp_ns(self.states[-1])
        return (last_ns - begin_ns) / 1e9


@contextmanager
def live_graph(*names: str, sim: bool = True, robot: str = ROBOT.name) -> Iterator[Live]:
    """Start these nodes of the node table; lifecycle nodes are left unconfigured."""
    favour_process(-10)  # the nodes inherit it: on a busy machine a start would otherwise take minutes
    lines: list[str] = []
    with own_domain():
        processes = GraphProcesses(Options(robot=robot, sim=sim, record=True), lines.append)
        try:
            for name in names:
                processes.start(name)
            with GraphClient("wam_test", patience_s=180.0) as client:
                yield Live(processes, client, lines)
        finally:
            processes.stop()


@contextmanager
def own_domain() -> Iterator[None]:
    """A ROS domain that no other test run on this machine uses meanwhile, or its nodes would answer for these."""
    before = os.environ["ROS_DOMAIN_ID"]
    with ExitStack() as held:
        os.environ["ROS_DOMAIN_ID"] = str(next(n for n in DOMAINS if _claim(n, held)))
        try:
            yield
        finally:
            os.environ["ROS_DOMAIN_ID"] = before


def _claim(domain: int, held: ExitStack) -> bool:
    """Whether the domain was free; then it is this process's until ``held`` ends, or the process."""
    try:
        lock = held.enter_context((Path(tempfile.gettempdir()) / f"wam_test_domain_{domain}").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or another user's
        return False
    return True


def _stamp_ns(message: JointState) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
