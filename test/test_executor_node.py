"""wam_executor within this process: what a fault in the control thread, in any state of its life, leads to."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from executor_harness import HOME, HOME_POSE, ROBOT, chunk, line
from geometry_msgs.msg import WrenchStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from wam_core.contract import RobotState
from wam_core.paths import share_path
from wam_core.realtime import LATENCY_REQUEST
from wam_msgs.msg import ActionChunk, ExecutorStatus, TactileArray
from wam_msgs.srv import ClearEStop
from wam_ros import conversion
from wam_ros.executor_node import ExecutorNode
from wam_ros.qos import COMMAND, RELIABLE, SENSOR


class Bench:
    """A configured and active node, an arm that stands still, and what the node published last."""

    def __init__(self) -> None:
        self.node = ExecutorNode()
        self.peer = rclpy.create_node("bench")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.peer)
        self.velocity, self.wrench = np.zeros(len(HOME)), np.zeros(6)
        self.status, self.diagnostic, self.commands = ExecutorStatus(), DiagnosticStatus(), 0
        self._states = self.peer.create_publisher(JointState, ROBOT.topics.joint_states, SENSOR)
        self._wrench = self.peer.create_publisher(WrenchStamped, ROBOT.topics.wrench, SENSOR)
        self._tactile = self.peer.create_publisher(TactileArray, ROBOT.topics.tactile, SENSOR)
        self.held, self.taken = True, False
        self._dead_man = self.peer.create_publisher(Bool, "/dead_man", RELIABLE)
        self._override = self.peer.create_publisher(Bool, "/override", RELIABLE)
        self._chunks = self.peer.create_publisher(ActionChunk, "/wam_inference/action_chunk", RELIABLE)
        self.peer.create_subscription(ExecutorStatus, "/wam_executor/status", self._on_status, RELIABLE)
        self.peer.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self.peer.create_subscription(JointState, ROBOT.topics.joint_command, self._on_command, COMMAND)
        self.node.trigger_configure()
        self.node.trigger_activate()

    def _on_status(self, message: ExecutorStatus) -> None:
        self.status = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostic = message.status[0]

    def _on_command(self, message: JointState) -> None:
        self.commands += 1

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Spin, with the arm publishing its state, until ``condition`` holds."""
        give_up = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < give_up, f"mode {self.status.mode!r}, diagnostics {self.diagnostic.message!r}"
            stamp_ns = time.time_ns()
            state = RobotState(stamp_ns, HOME, self.velocity, None, self.wrench, np.zeros(8))
            self._states.publish(conversion.joint_state_message(ROBOT, state, stamp_ns))
            self._wrench.publish(conversion.wrench_message(ROBOT, state, stamp_ns))
            self._tactile.publish(conversion.tactile_message(ROBOT, state, stamp_ns))
            self._dead_man.publish(Bool(data=self.held))
            self._override.publish(Bool(data=self.taken))
            self._executor.spin_once(timeout_sec=0.005)

    def track(self) -> None:
        """Follow a chunk that holds the arm where it is."""
        self.wait_until(lambda: self.status.mode == "holding" and self._chunks.get_subscription_count() > 0)
        hold = chunk(line((0.0, 0.0, 0.0), start=HOME_POSE), time.time_ns())
        self._chunks.publish(conversion.chunk_message(ROBOT, hold))
        self.wait_until(lambda: self.status.mode == "tracking")

    def close(self) -> None:
        self.node.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        self.peer.destroy_node()


@pytest.fixture
def bench() -> Iterator[Bench]:
    rclpy.init(args=["--ros-args", "-p", "realtime_priority:=0"])
    bench = Bench()
    yield bench
    bench.close()
    rclpy.shutdown()


def test_a_first_state_without_velocities_is_waited_out(bench: Bench) -> None:
    """Prevents: joint_state_broadcaster's NaN for an interface that is not there yet ending control for good."""
    bench.velocity = np.full(len(HOME), np.nan)
    bench.wait_until(lambda: bench.status.mode == "no_state" and "no usable joint states" in bench.diagnostic.message)
    bench.velocity = np.zeros(len(HOME))
    bench.wait_until(lambda: bench.status.mode == "holding")
    assert not bench.status.latched


def test_an_error_in_a_tick_stops_the_arm_and_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: commands that cease for good while status goes on to say "tracking" and diagnostics "OK"."""
    bench.track()

    def fail(state: RobotState, now_ns: int) -> None:
        raise ArithmeticError("singular")

    with monkeypatch.context() as broken:
        broken.setattr(bench.node._executor, "tick", fail)
        bench.wait_until(lambda: bench.status.mode == "failed" and bench.status.latched)
        bench.wait_until(lambda: bench.diagnostic.message == "control failed: ArithmeticError: singular")
        assert bench.diagnostic.level == DiagnosticStatus.ERROR
        assert bench.status.latch_reason == bench.diagnostic.message
    bench.commands = 0
    bench.wait_until(lambda: bench.status.mode == "latched" and bench.commands > 0)


@pytest.mark.skipif(not os.access(LATENCY_REQUEST, os.W_OK), reason=f"{LATENCY_REQUEST} may not be written here")
@pytest.mark.parametrize(("priority", "kept"), [(1, True), (0, False)])
def test_processors_are_kept_awake_while_an_arm_is_moved(priority: int, kept: bool) -> None:
    """Prevents: every tick after a sleep of 1.6 ms finding its caches cold; a robot's battery spent when it is idle."""

    def requested() -> bool:
        return str(LATENCY_REQUEST) in {os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()}

    rclpy.init(args=["--ros-args", "-p", f"realtime_priority:={priority}"])
    bench = Bench()
    try:
        bench.wait_until(lambda: bench.status.mode == "holding")
        assert requested() is kept
        bench.node.trigger_deactivate()
        assert not requested()
    finally:
        bench.close()
        rclpy.shutdown()


def test_a_latch_survives_a_new_configuration(bench: Bench) -> None:
    """Prevents: a stop that any lifecycle manager lets go of, without clear_e_stop."""
    bench.node._executor.stop("operator")
    for step in ("deactivate", "cleanup", "configure", "activate"):
        getattr(bench.node, f"trigger_{step}")()
    bench.wait_until(lambda: bench.status.mode == "latched" and bench.status.latch_reason == "operator")


def test_a_fault_while_deactivating_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a fault that the control thread finds while the arm comes to rest being cleared with the rest."""
    executor, loop = bench.node._executor, bench.node._loop
    end = loop.stop

    def find_a_fault_and_end() -> None:
        executor.stop("fault")
        end()

    monkeypatch.setattr(loop, "stop", find_a_fault_and_end)
    bench.node.trigger_deactivate()
    bench.wait_until(lambda: bench.status.latched and bench.status.latch_reason == "fault")


def test_a_brief_latch_is_told_before_it_is_opened(bench: Bench) -> None:
    """Prevents: a stop released between two status messages, of which the model never hears: it would go on."""
    bench.wait_until(lambda: bench.status.mode == "holding")
    told: list[tuple[bool, str]] = []
    bench.peer.create_subscription(
        ExecutorStatus, "/wam_executor/status", lambda m: told.append((m.latched, m.latch_reason)), RELIABLE
    )
    bench.wait_until(lambda: len(told) > 0)
    bench.node._executor.stop("brief")
    bench.node._on_clear_e_stop(ClearEStop.Request(), ClearEStop.Response())
    bench.wait_until(lambda: (True, "brief") in told and told[-1] == (False, ""))


def test_a_parameter_that_would_change_nothing_is_refused(bench: Bench) -> None:
    """Prevents: an operator who slows the arm down, is told that it worked, and sees it go on at full speed."""
    slow = Parameter("velocity_share", value=0.1)
    for step in ("deactivate", "cleanup"):
        (answer,) = bench.node.set_parameters([slow])
        assert not answer.successful and answer.reason == "velocity_share: takes effect at configure; clean up first"
        getattr(bench.node, f"trigger_{step}")()
    assert bench.node.set_parameters([slow])[0].successful
    bench.node.trigger_configure()
    assert bench.node._executor.settings.velocity_share == 0.1


def test_a_force_sensor_that_breaks_stops_the_arm(bench: Bench) -> None:
    """Without the sensor that limits contact the arm would press as hard as it can."""
    bench.track()
    bench.wrench = np.full(6, np.nan)
    bench.wait_until(lambda: "CONTACT_UNKNOWN" in bench.status.reasons and bench.status.mode == "holding")
    bench.wrench = np.zeros(6)
    bench.track()


@pytest.fixture
def watched_bench(tmp_path: Path) -> Iterator[Bench]:
    """The executor of a robot file that names an override and a dead-man topic."""
    robot = share_path("config/robots/panda_cell.yaml").read_text()
    path = tmp_path / "watched.yaml"
    path.write_text(robot + "  override_topic: /override\n  dead_man_topic: /dead_man\n")
    rclpy.init(args=["--ros-args", "-p", "realtime_priority:=0", "-p", f"robot:={path}"])
    bench = Bench()
    yield bench
    bench.close()
    rclpy.shutdown()


def test_a_switch_let_go_and_a_person_who_takes_over_stop_the_arm(watched_bench: Bench) -> None:
    """A dead-man switch that only works from the core's tests is none."""
    watched_bench.track()
    watched_bench.held = False
    watched_bench.wait_until(lambda: list(watched_bench.status.reasons) == ["DEAD_MAN"])
    watched_bench.held, watched_bench.taken = True, True
    watched_bench.wait_until(lambda: list(watched_bench.status.reasons) == ["HUMAN_OVERRIDE"])
    watched_bench.taken = False
    watched_bench.track()
