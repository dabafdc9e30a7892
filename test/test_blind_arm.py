"""An arm driven by torques whose joint states stay away: what it measures is what moves it, so it must not go on."""

import time

import numpy as np
import pytest
from executor_harness import ROBOT, TICK_NS, chunk, line

from wam_core.cell.cell import Cell
from wam_core.contract import JointCommand, RobotState
from wam_core.executor.executor import Executor
from wam_core.executor.settings import ExecutorSettings
from wam_ros.control_loop import ControlLoop
from wam_ros.executor_node import TRANSPORT_DELAY_S

#: Ticks of motion before the joint states stop.
SEEN = 250


def blinded(ticks: int) -> tuple[Executor, list[float]]:
    """A fast motion of the cell's arm, then so many ticks without a new joint state; its greatest speed in each."""
    cell = Cell(ROBOT, "raycast")
    executor = Executor(ROBOT, ExecutorSettings(feedback_delay_s=TRANSPORT_DELAY_S))
    executor.reset(cell.robot_state())
    speeds = []
    for tick in range(SEEN + ticks):
        if tick < SEEN:
            state = cell.robot_state()
        if tick % 100 == 0:
            values = chunk(line((0.0, 0.06, -0.01), start=cell.tool_pose()), cell.time_ns)
            executor.accept(values, cell.time_ns)
        command = executor.tick(state, cell.time_ns)
        if executor.adrift:
            break
        cell.step(command.effort)
        speeds.append(float(np.abs(cell.robot_state().velocity[:7] / ROBOT.limits.velocity).max()))
    return executor, speeds


def test_an_old_state_is_not_answered() -> None:
    """Prevents: torques that answer an error which grows only because nothing new was measured: seven times the limit
    of velocity was seen."""
    _, speeds = blinded(round(ROBOT.staleness.state_s * 1e9) // TICK_NS)
    assert max(speeds[SEEN:]) < max(speeds[:SEEN]) + 0.05


def test_an_arm_without_feedback_is_left_to_its_own_controller() -> None:
    """Prevents: a stop by torques alone, in which the elbow of an arm without friction gets ever faster."""
    executor, speeds = blinded(5 * SEEN)
    assert executor.adrift and len(speeds) - SEEN <= ROBOT.staleness.state_s * 1e9 / TICK_NS
    assert speeds[-1] < max(speeds[:SEEN]) + 0.05


@pytest.mark.parametrize("lost", [None, "nan"])
def test_no_command_is_sent_while_adrift_and_they_go_on_afterwards(lost: str | None) -> None:
    """Prevents: an executor that knows better and sends all the same, or never again."""
    sent: list[JointCommand] = []
    begin_ns = time.monotonic_ns()
    unusable = None if lost is None else RobotState(begin_ns, np.full(8, np.nan), np.zeros(8))
    seen = [True]
    executor = Executor(ROBOT)
    home = np.append(ROBOT.home, 0.02)

    def state() -> RobotState | None:
        felt = {"wrench": np.zeros(6), "tactile": np.zeros(8)}
        return RobotState(time.monotonic_ns(), home, np.zeros(8), **felt) if seen[0] else unusable

    loop = ControlLoop(executor, state, time.monotonic_ns, sent.append, 0, lambda text: None, lambda text: None)
    loop.start(begin_ns)
    try:
        time.sleep(0.3)
        assert len(sent) > 20 and not executor.adrift
        seen[0] = False
        time.sleep(0.2)
        before = len(sent)
        time.sleep(0.2)
        assert executor.adrift and len(sent) == before
        seen[0] = True
        time.sleep(0.3)
        assert len(sent) > before and not executor.adrift
    finally:
        loop.stop()
