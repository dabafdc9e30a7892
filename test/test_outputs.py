"""What the executor sends to an arm's own controller: the node as a process, the controller as it is documented."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.interpolate import CubicHermiteSpline
from sensor_msgs.msg import JointState

from wam_core.contract import ActionChunk, FloatArray, RobotState
from wam_core.executor.executor import Executor
from wam_core.realtime import favour_process
from wam_core.robot.contract import RobotContract
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.robot_file import load_robot
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import ExecutorStatus
from wam_ros import conversion
from wam_ros.graph_client import ACTIVATE, CONFIGURE, GraphClient
from wam_ros.outputs import OUTPUTS
from wam_ros.qos import RELIABLE, SENSOR

STEP_NS = 200_000_000


@dataclass
class Rig:
    """A running executor node and an arm that does what it is sent, measured at 200 Hz of wall time."""

    robot: RobotContract
    client: GraphClient
    process: subprocess.Popen[bytes]
    arm: Callable[[Any | None, int], RobotState]

    def __post_init__(self) -> None:
        self.messages: list[Any] = []
        self.measured: list[RobotState] = []
        self.status = ExecutorStatus()
        output, node = OUTPUTS[self.robot.command], self.client.node
        self.client.listen(output.message, self.robot.topics.joint_command, self.messages.append, output.qos)
        self.client.listen(ExecutorStatus, "/wam_executor/status", lambda m: setattr(self, "status", m))
        self._states = node.create_publisher(JointState, self.robot.topics.joint_states, SENSOR)
        self._chunks = node.create_publisher(ActionChunkMessage, "/chunks", RELIABLE)
        node.create_timer(0.005, self._turn)

    def _turn(self) -> None:
        now_ns = time.time_ns()
        self.measured.append(self.arm(self.messages[-1] if self.messages else None, now_ns))
        self._states.publish(conversion.joint_state_message(self.robot, self.measured[-1], now_ns))

    def activate(self) -> None:
        for transition in (CONFIGURE, ACTIVATE):
            assert self.client.change_state("wam_executor", transition)
        self.client.wait_until(lambda: self.status.mode == "holding" and bool(self.messages), "a command")
        self.client.wait_until(lambda: self._chunks.get_subscription_count() > 0, "the chunks' subscription")

    def send(self, swing: FloatArray) -> None:
        """A chunk of joint positions of 1.6 s: from home and back, ``swing [J]`` rad away from it half-way."""
        stamp_ns = time.time_ns()
        share = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.arange(1, 9) / 8.0))
        values = np.hstack([self.robot.home + share[:, None] * swing, np.full((8, 1), 0.5)])
        self._chunks.publish(
            ActionChunkMessage(
                header=conversion.header(stamp_ns, self.robot.base_frame),
                start=conversion.time_message(stamp_ns + STEP_NS),
                step=conversion.duration_message(STEP_NS),
                space="joint_position",
                names=[*self.robot.joints, "gripper"],
                horizon=8,
                values=values.reshape(-1).tolist(),
                sequence=stamp_ns // 1_000_000,
                model="test",
            )
        )

    def course(self) -> FloatArray:
        """``[N, J]`` measured so far."""
        return np.array([state.position[: len(self.robot.joints)] for state in self.measured])


@contextmanager
def rig(name: str, command: str, folder: Path, arm: Callable[[RobotContract], Any]) -> Iterator[Rig]:
    """The robot file ``name`` with another ``command``, on a node that reads it by path."""
    favour_process(-10)  # the node inherits it: on a busy machine states would otherwise be stale
    raw = load_robot(name).to_dict() | {"command": command}
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(raw))
    robot = load_robot(str(file))
    parameters = {"robot": str(file), "chunk_topic": "/chunks", "realtime_priority": 0}
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={json.dumps(value)}")]
    process = subprocess.Popen([sys.executable, "-m", "wam_ros.executor_node", "--ros-args", *words])
    try:
        with GraphClient("driver", patience_s=60.0) as client:
            yield Rig(robot, client, process, arm(robot))
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        process.wait(20.0)


def seconds(message: Any) -> tuple[float, FloatArray]:
    """When a trajectory begins, and its points' times since then."""
    times = [conversion.nanoseconds(point.time_from_start) * 1e-9 for point in message.points]
    return conversion.nanoseconds(message.header.stamp) * 1e-9, np.array(times)


def spline(message: Any) -> CubicHermiteSpline:
    """Position over the seconds since a trajectory's beginning."""
    q, v = (np.array([getattr(p, field) for p in message.points]) for field in ("positions", "velocities"))
    return CubicHermiteSpline(seconds(message)[1], q, v)


class Controlled:
    """An arm under a joint trajectory controller: where the newest trajectory says, which it joins from where it is."""

    def __init__(self, robot: RobotContract) -> None:
        self._newest: Any | None = None
        self._end = 0.0
        self._position = np.concatenate([robot.home, robot.fingers.posture(0.5)])
        self._velocity = np.zeros_like(self._position)

    def __call__(self, message: Any | None, now_ns: int) -> RobotState:
        now = now_ns * 1e-9
        if message is not self._newest and message is not None:
            begin, times = seconds(message)
            curve = spline(message)
            knots, q, v = begin + times, curve(times), curve(times, 1)
            if now < begin:
                knots = np.append(now, knots)
                q, v = np.vstack([self._position, q]), np.vstack([self._velocity, v])
            self._newest, self._curve, self._end = message, CubicHermiteSpline(knots, q, v), knots[-1]
        if self._newest is not None:
            at_rest = now >= self._end
            self._position = self._curve(min(now, self._end))
            self._velocity = np.zeros_like(self._position) if at_rest else self._curve(now, 1)
        return RobotState(now_ns, self._position, self._velocity)


def positioned(robot: RobotContract) -> Callable[[Any | None, int], RobotState]:
    """An arm whose servos are where they were told to be last."""
    start = np.concatenate([robot.home, robot.fingers.posture(0.5)])

    def step(message: Any | None, now_ns: int) -> RobotState:
        position = start if message is None else np.array(message.data)
        return RobotState(now_ns, position, np.zeros_like(start))

    return step


def blocked(robot: RobotContract) -> Callable[[Any | None, int], RobotState]:
    """An arm that stands at home whatever it is sent."""
    start = np.concatenate([robot.home, robot.fingers.posture(0.5)])
    return lambda message, now_ns: RobotState(now_ns, start, np.zeros_like(start))


def test_a_trajectory_ends_in_a_stop_that_outlives_its_sender(tmp_path: Path) -> None:
    """Prevents: an arm left at full speed, or stopped by a jolt, where the executor is starved, hung or killed."""
    with rig("ur5e", "trajectory", tmp_path, Controlled) as live:
        live.activate()
        limits = live.robot.limits
        live.send(np.array([0.8, 0.0, 0.0, 0.0, 0.0, 0.6]))
        live.client.wait_until(lambda: abs(live.measured[-1].velocity[0]) > 0.5, "motion")
        live.process.send_signal(signal.SIGKILL)
        live.process.wait(5.0)
        killed = time.time()
        live.client.wait_until(lambda: not live.measured[-1].velocity.any(), "rest", 20.0)
        begin, times = seconds(live.messages[-1])
        assert begin + times[-1] - killed < 0.6
        assert abs(live.measured[-1].position[0] - live.robot.home[0]) > 0.05
        for message in live.messages:
            times = seconds(message)[1]
            assert message.joint_names == list(live.robot.joint_names)
            assert times[0] == 0.0 and np.all(np.diff(times) > 0.0)
            assert not np.any(message.points[-1].velocities)
            v = spline(message)(np.arange(0.0, times[-1], 0.002), 1)[:, : len(limits.velocity)]
            assert np.all(np.abs(v) <= limits.velocity + 1e-3)
            excess = np.abs(np.diff(v, axis=0)) / 0.002 - limits.acceleration
            assert excess.max(initial=0.0) < 0.05 * limits.acceleration.min()
        for before, after in zip(live.messages, live.messages[1:], strict=False):
            since = seconds(after)[0] - seconds(before)[0]
            np.testing.assert_allclose(spline(before)(since), spline(after)(0.0), atol=1e-6)
            np.testing.assert_allclose(spline(before)(since, 1), spline(after)(0.0, 1), atol=1e-3)


def test_a_starved_executor_goes_on_from_where_the_stop_has_brought_the_arm() -> None:
    """Prevents: a jolt back to where the arm was when the executor was put aside: it braked meanwhile, on the way."""
    robot = replace(load_robot("ur5e"), command="trajectory")
    executor, arm = Executor(robot), Controlled(robot)
    executor.reset(arm(None, 0))
    encode, message, velocity = OUTPUTS["trajectory"].encoder(executor), None, []
    for now_ns in range(0, 900_000_000, 1_000_000):
        state = arm(message, now_ns)
        velocity.append(state.velocity[0])
        if now_ns == 0:
            turned = robot.home + np.arange(1, 9)[:, None] * np.array([0.15, 0.0, 0.0, 0.0, 0.0, 0.0])
            values = np.hstack([turned, np.full((8, 1), 0.5)])
            names = (*robot.joints, "gripper")
            chunk = ActionChunk(0, robot.step_ns, robot.step_ns, names, "joint_position", values, 0)
            assert executor.accept(chunk, 0).accepted
        if now_ns % 2_000_000 == 0 and not 407_000_000 < now_ns < 505_000_000:
            message = encode(executor.tick(state, now_ns)) or message
    assert min(velocity[420:560]) < 1.3 < min(velocity[380], velocity[700])
    # The controller joins within 20 ms, by a cubic of its own.
    assert np.abs(np.diff(velocity)).max() / 0.001 < 3.0 * robot.limits.acceleration[0]


def test_a_position_controller_gets_numbers_in_joint_order(tmp_path: Path) -> None:
    """Prevents: numbers in another order, unit or quality of service than a forward command controller's: an arm that
    does not move, or moves the wrong joint."""
    with rig("so101", "position", tmp_path, positioned) as live:
        live.activate()
        live.send(np.array([0.25, 0.0, 0.0, 0.0, -0.3]))
        live.client.wait_until(lambda: live.status.mode == "tracking", "tracking")
        live.client.wait_until(lambda: live.status.mode == "holding", "the end of the chunk")
        moved = live.course() - live.robot.home
        # Beside the reference there is what a servo of finite stiffness needs to carry the arm, at most 0.08 rad here.
        assert moved[:, 0].max() == pytest.approx(0.25, abs=0.02)
        assert moved[:, 4].min() == pytest.approx(-0.3, abs=0.02)
        assert np.abs(moved[:, 1:4]).max() < 0.09
        assert len(live.messages[-1].data) == len(live.robot.joint_names)


def test_an_effort_controller_gets_what_holds_the_arm(tmp_path: Path) -> None:
    """Prevents: an arm in effort control that is let go, or pushed with a position."""
    with rig("ur5e", "forward_effort", tmp_path, blocked) as live:
        live.activate()
        live.client.wait_until(lambda: len(live.messages) > 100, "commands")
        gravity = Dynamics(live.robot).gravity(live.robot.home)
        np.testing.assert_allclose(live.messages[-1].data[: len(gravity)], gravity, atol=1e-6)
        assert len(live.messages[-1].data) == len(live.robot.joint_names)
