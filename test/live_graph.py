"""Real node processes on a ROS domain of their own, and a client that talks to them."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from wam_core.robot.contract import load_robot
from wam_msgs.msg import ActionChunk, ExecutorStatus, SafetyEvent
from wam_ros.graph_client import ACTIVATE, CONFIGURE, GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.node_table import Options
from wam_ros.qos import SENSOR
from wam_ros.realtime import favour_process

ROBOT = load_robot("panda_cell")
#: An arm joint slower than this is at rest (rad/s).
REST = 0.01
_domains = itertools.count(os.getpid() * 7)


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

    def wait_for_mode(self, mode: str, patience_s: float = 10.0) -> None:
        self.client.wait_until(lambda: self.status.mode == mode, f"mode {mode}, not {self.status.mode}", patience_s)

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
def live_graph(*names: str, sim: bool = True) -> Iterator[Live]:
    """Start these nodes of the node table; lifecycle nodes are left unconfigured."""
    favour_process(-10)  # the nodes inherit it: on a busy machine a start would otherwise take minutes
    before = os.environ["ROS_DOMAIN_ID"]
    os.environ["ROS_DOMAIN_ID"] = str(1 + next(_domains) % 100)
    lines: list[str] = []
    processes = GraphProcesses(Options(sim=sim, record=True), lines.append)
    try:
        for name in names:
            processes.start(name)
        with GraphClient("wam_test", patience_s=180.0) as client:
            yield Live(processes, client, lines)
    finally:
        processes.stop()
        os.environ["ROS_DOMAIN_ID"] = before


def _stamp_ns(message: JointState) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
